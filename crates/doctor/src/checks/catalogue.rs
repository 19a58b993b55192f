//! The catalogue of models: which one OpenCode will use, and how old it is.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::case::Case;
use crate::finding::{Finding, shown};

/// Days after which models are likely to be missed.
const OLD: i64 = 90;

/// Looks at the catalogue.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = vec![used(case)];
    if let Some(address) = case.surroundings.filled("OPENCODE_MODELS_URL") {
        let host = url::Url::parse(&address.to_string_lossy()).ok();
        let host = host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "no host".into());
        let text = format!("your environment has OpenCode ask {host} for the catalogue");
        findings.push(Finding::note("catalogue-elsewhere", "OPENCODE_MODELS_URL", text));
    }
    let name = "OPENCODE_DISABLE_MODELS_FETCH";
    findings.push(if case.start.is_on(name, case.surroundings) {
        Finding::ok("catalogue-still", "catalogue", "OpenCode does not ask for a newer one at a start")
    } else {
        Finding::note(
            "catalogue-fetched",
            "catalogue",
            "OpenCode asks the network for a newer one at every start",
        )
        .next(format!("set {name}=1 where there is no network"))
    });
    findings
}

fn used(case: &Case<'_>) -> Finding {
    let catalogue = case.catalogue;
    let Some(file) = &catalogue.file else {
        return aged("the one in the OpenCode binary", catalogue.newest.as_deref());
    };
    let Some(reason) = &catalogue.refused else {
        return aged(&shown(file), catalogue.newest.as_deref());
    };
    let text = format!("it cannot be used: {reason}; OpenCode falls back to the one in its binary");
    let next = if catalogue.is_named { "correct OPENCODE_MODELS_PATH" } else { "remove it" };
    Finding::problem("catalogue-unreadable", shown(file), text).next(next)
}

/// The file's date says when it was fetched, or nothing (in a store all dates are the same): the models' own
/// dates always say how old it is at least.
fn aged(subject: &str, newest: Option<&str>) -> Finding {
    let Some(newest) = newest else {
        return Finding::note(
            "catalogue-undated",
            subject,
            "how old it is cannot be told: no model in it has a date",
        );
    };
    let days = days_of(newest).map(|then| today() - then);
    match days {
        Some(days) if days > OLD => {
            let text = format!("its newest model is of {newest}, {days} days ago: newer ones are not in it");
            Finding::note("catalogue-old", subject, text)
                .next("`opencode-cache lock --refresh` takes a newer OpenCode")
        }
        _ => Finding::ok("catalogue", subject, format!("its newest model is of {newest}")),
    }
}

fn today() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now / 86_400).unwrap_or(i64::MAX)
}

/// Days since the epoch of a date `YYYY-MM-DD` of the Gregorian calendar.
fn days_of(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719 468: days from the first of March of the year 0 to the epoch.
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_the_epoch() {
        assert_eq!(days_of("1970-01-01"), Some(0));
        assert_eq!(days_of("1969-12-31"), Some(-1));
        assert_eq!(days_of("2000-03-01"), Some(11_017));
        // `date -d 2026-11-21 +%s` / 86 400
        assert_eq!(days_of("2026-11-21"), Some(20_778));
        assert_eq!(days_of("2026"), None);
    }
}
