//! A day of the calendar, as `--before` and `before` name one. Owns its grammar; reads no clock.

use std::{fmt, str::FromStr};

/// A day, `YYYY-MM-DD` of the proleptic Gregorian calendar (RFC 3339's `full-date`). Means its end in UTC: a package that was
/// published on the day itself counts. Sorts as time goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is no [`Date`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no date like 2026-01-31")]
pub struct Error {
    /// The text as given, at most its first 80 characters.
    pub text: String,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "date-invalid"
    }
}

impl Date {
    /// Year, month and day.
    pub fn numbers(self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }

    /// Whether an instant, written as a registry writes it (RFC 3339, UTC: `2026-01-31T12:00:00.000Z`, by some with `+00:00`
    /// at the end), lies on this day or before. Nothing where the text is no such instant.
    pub fn includes(self, instant: &str) -> Option<bool> {
        let (day, time) = instant.split_once('T')?;
        if !time.ends_with('Z') && !time.ends_with("+00:00") {
            return None;
        }
        Some(day.parse::<Date>().ok()? <= self)
    }
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error { text: text.chars().take(80).collect() })
    }
}

fn parse(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let formed = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !formed {
        return None;
    }
    let date =
        Date { year: text[..4].parse().ok()?, month: text[5..7].parse().ok()?, day: text[8..].parse().ok()? };
    (1..=days(date.year, date.month)).contains(&date.day).then_some(date)
}

/// How many days a month has; none where there is no such month.
fn days(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

crate::macros::text_serde!(Date);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for good in ["2026-01-31", "2024-02-29", "2000-02-29", "0001-12-01"] {
            assert_eq!(good.parse::<Date>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2026-1-31",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026/01/31",
            "２026-01-1",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_day_includes_its_own_end() {
        let day: Date = "2026-01-31".parse().unwrap();
        assert_eq!(day.includes("2026-01-31T23:59:59.999Z"), Some(true));
        assert_eq!(day.includes("2026-02-01T00:00:00.000Z"), Some(false));
        assert_eq!(day.includes("2026-01-31T23:59:59.999999+00:00"), Some(true));
        assert_eq!(day.includes("yesterday"), None);
        assert_eq!(day.includes("2026-01-31T23:59:59+02:00"), None);
    }
}
