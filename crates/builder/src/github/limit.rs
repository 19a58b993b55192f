//! What GitHub says to who asked too much (API of 2022-11-28): 403 or 429, with `retry-after`, or with the second at which a new hour
//! begins in `x-ratelimit-reset` and none left in `x-ratelimit-remaining`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lock::Instant;
use replay::registry::upstream::Document;

/// That too much was asked, and until when that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    until: Option<Instant>,
    now: Instant,
}

impl Limit {
    /// What an answer says of it; nothing where it is refused for another reason.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self::at(document, Instant::from_unix(i64::try_from(now).unwrap_or(i64::MAX)))
    }

    fn at(document: &Document, now: Instant) -> Option<Self> {
        if !matches!(document.status, 403 | 429) {
            return None;
        }
        let number =
            |name: &str| document.header(name)?.trim().parse::<i64>().ok().filter(|found| *found >= 0);
        let after = number("retry-after");
        let is_used_up = number("x-ratelimit-remaining") == Some(0);
        if document.status == 403 && after.is_none() && !is_used_up {
            return None;
        }
        let reset = number("x-ratelimit-reset").filter(|_| is_used_up).map(Instant::from_unix);
        let after = after.map(|after| Instant::from_unix(now.unix().saturating_add(after)));
        Some(Self { until: after.or(reset), now })
    }

    /// How long until it is over, where that is said; a second more, because clocks differ.
    pub(super) fn wait(self) -> Option<Duration> {
        let left = self.until?.unix().saturating_sub(self.now.unix()).max(0);
        Some(Duration::from_secs(u64::try_from(left).ok()?) + Duration::from_secs(1))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(until) = self.until else { return f.write_str("too much was asked from here for now") };
        let minutes = (until.unix().saturating_sub(self.now.unix()).max(0) + 59) / 60;
        write!(f, "too much was asked from here; it answers again at {until}, in {minutes} min")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};

    fn limit(status: u16, fields: &[(&'static str, &'static str)]) -> Option<Limit> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = fields.iter().map(pair).collect();
        Limit::at(&Document { status, headers, body: Bytes::new() }, Instant::from_unix(1_769_900_000))
    }

    #[test]
    fn a_used_up_hour_has_an_end() {
        let used_up =
            limit(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1769901000")]).unwrap();
        assert_eq!(used_up.wait(), Some(Duration::from_secs(1001)));
        assert_eq!(
            used_up.to_string(),
            "too much was asked from here; it answers again at 2026-01-31T23:10:00Z, in 17 min"
        );
        let past = limit(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")]).unwrap();
        assert_eq!(past.wait(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_too_fast_may_come_again() {
        assert_eq!(limit(403, &[("retry-after", "5")]).unwrap().wait(), Some(Duration::from_secs(6)));
        let until = limit(429, &[]).unwrap();
        assert_eq!((until.wait(), until.to_string()), (None, "too much was asked from here for now".into()));
    }

    #[test]
    fn other_refusals_are_none() {
        assert_eq!(limit(403, &[("x-ratelimit-remaining", "59"), ("x-ratelimit-reset", "1")]), None);
        assert_eq!(limit(404, &[("x-ratelimit-remaining", "0")]), None);
        assert_eq!(limit(403, &[]), None);
    }
}
