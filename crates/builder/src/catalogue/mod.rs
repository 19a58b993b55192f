//! The catalogue of models: pinned when it can be had, else the one inside the release binary serves.
//!
//! OpenCode asks its own host for it (another one by version), which changes it many times a day and keeps no old ones. So a pin is
//! worth something only with the bytes: they lie beside the lock ([`beside`]), for whoever commits them, and in the vendor directory.

use serde_json::Value;

mod ask;
mod beside;
mod own;

pub use ask::{Found, ask};
pub use beside::{Change, Error, change, keep, path, provide};
pub use own::own;

/// The largest catalogue, in bytes: some twenty times that of autumn 2026.
pub const MAX_BYTES: u64 = 64 << 20;

/// What keeps bytes from being a catalogue: the sentence's end, where its beginning names who sent them. A login page answers with
/// success too.
pub fn fault(bytes: &[u8]) -> Option<&'static str> {
    let Ok(Value::Object(providers)) = serde_json::from_slice(bytes) else {
        return Some("answered something else than a catalogue");
    };
    let has_models = |provider: &Value| {
        provider.get("models").and_then(Value::as_object).is_some_and(|models| !models.is_empty())
    };
    // With an empty one OpenCode would offer nothing at all; with its own it offers what it was released with.
    if providers.values().any(has_models) { None } else { Some("answered a catalogue without a model") }
}

/// The date of a catalogue's newest model, `YYYY-MM-DD`: what it says of its own age.
pub fn newest(bytes: &[u8]) -> Option<String> {
    let providers: Value = serde_json::from_slice(bytes).ok()?;
    let models = |provider: &Value| provider.get("models").and_then(Value::as_object).cloned();
    let models = providers.as_object()?.values().filter_map(models).flatten();
    let dates = models.filter_map(|(_, model)| Some(model.get("release_date")?.as_str()?.to_owned()));
    dates.filter(|date| is_day(date)).max()
}

fn is_day(text: &str) -> bool {
    let digit_or_dash = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(digit_or_dash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_no_model_is_no_catalogue() {
        for bytes in ["", "<html>", "[]", "{", "null"] {
            assert!(fault(bytes.as_bytes()).unwrap().contains("something else"), "{bytes}");
        }
        for bytes in ["{}", r#"{"a":{"models":{}}}"#, r#"{"a":{"models":[1]}}"#] {
            assert!(fault(bytes.as_bytes()).unwrap().contains("without a model"), "{bytes}");
        }
        assert_eq!(fault(br#"{"a":{"models":{}},"b":{"models":{"m":{}}}}"#), None);
    }

    #[test]
    fn the_newest_model_tells_the_age() {
        let of = |date: &str| format!(r#"{{"a":{{"models":{{"m":{{"release_date":"{date}"}}}}}}"#);
        let two = format!("{},{}", of("2026-01-31"), &of("2025-12-01")[1..].replace("\"a\"", "\"b\""));
        assert_eq!(newest(format!("{two}}}").as_bytes()).as_deref(), Some("2026-01-31"));
        for odd in ["2026-01", "", "soon-and-so"] {
            assert_eq!(newest(format!("{}}}", of(odd)).as_bytes()), None, "{odd}");
        }
    }
}
