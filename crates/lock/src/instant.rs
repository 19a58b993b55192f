//! A point in time, as registries and GitHub write when something was published. Owns its grammar; reads no clock.

use std::{fmt, str::FromStr};

use crate::date::Date;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// A second of UTC, in RFC 3339 (`2026-01-31T12:00:00.000Z`, by some with `+00:00` at the end). Parts of a second are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// A text that is no [`Instant`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time like 2026-01-31T12:00:00Z")]
pub struct Error {
    /// The text as given, at most its first 80 characters.
    pub text: String,
}

impl Instant {
    /// So many seconds after the beginning of 1970.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the beginning of 1970.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// The last day that was over by then; nothing before the year 1 or after 9999.
    pub fn last_day(self) -> Option<Date> {
        let (year, month, day) = civil(self.0.saturating_add(1).div_euclid(DAY) - 1);
        format!("{year:04}-{month:02}-{day:02}").parse().ok()
    }

    /// The last second of a day.
    pub fn end_of(day: Date) -> Self {
        Self((days_before(day) + 1) * DAY - 1)
    }
}

/// Days from the beginning of 1970 to a day (Howard Hinnant's `days_from_civil`: years begin in March, eras have 400 of them).
fn days_before(day: Date) -> i64 {
    let (year, month, day) = day.numbers();
    let year = i64::from(year) - i64::from(month < 3);
    let month = (i64::from(month) + 9) % 12;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The same the other way round: year, month and day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month < 3), month, day)
}

impl FromStr for Instant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error { text: text.chars().take(80).collect() })
    }
}

fn parse(text: &str) -> Option<Instant> {
    let (day, time) = text.split_once('T')?;
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00"))?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let two = |text: Option<&str>, most: i64| {
        let text = text.filter(|text| text.len() == 2 && digits(text))?;
        text.parse::<i64>().ok().filter(|number| *number <= most)
    };
    let mut parts = time.split(':');
    // A leap second is the last one of its minute.
    let (hours, minutes, seconds) =
        (two(parts.next(), 23)?, two(parts.next(), 59)?, two(parts.next(), 60)?.min(59));
    let is_whole = parts.next().is_none() && digits(fraction);
    is_whole.then_some(())?;
    Some(Instant(days_before(day.parse().ok()?) * DAY + hours * 3600 + minutes * 60 + seconds))
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY));
        let second = self.0.rem_euclid(DAY);
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
    }
}

crate::macros::text_serde!(Instant);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_with_its_last_second() {
        let last = |text: &str| text.parse::<Instant>().unwrap().last_day().unwrap().to_string();
        assert_eq!(last("2024-03-01T23:59:58Z"), "2024-02-29");
        assert_eq!(last("2024-03-01T23:59:59Z"), "2024-03-01");
        assert_eq!(last("2026-01-01T00:00:00Z"), "2025-12-31");
        assert_eq!(Instant::from_unix(i64::MAX).last_day(), None);
        assert_eq!(Instant::from_unix(i64::MIN).last_day(), None);
    }

    #[test]
    fn seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-01-31T23:59:59.999Z", 1_769_903_999),
            ("2026-01-31T23:59:59+00:00", 1_769_903_999),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(text.parse::<Instant>().unwrap().unix(), seconds, "{text}");
        }
    }

    #[test]
    fn every_day_is_written_as_it_is_read() {
        for day in (-800_000..800_000).step_by(97) {
            let instant = Instant::from_unix(day * DAY + 12_345);
            if instant.to_string().len() == "2026-01-31T12:00:00Z".len()
                && !instant.to_string().starts_with('-')
            {
                assert_eq!(instant.to_string().parse(), Ok(instant));
            }
        }
        assert_eq!(Instant::end_of("2026-01-31".parse().unwrap()).to_string(), "2026-01-31T23:59:59Z");
    }

    #[test]
    fn refuses_what_is_no_second_of_utc() {
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00+02:00",
            "2026-02-30T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T1:00:00Z",
            "2026-01-31T12:00:00:00Z",
        ] {
            assert!(bad.parse::<Instant>().is_err(), "{bad:?}");
        }
    }
}
