//! Putting what was decided for a person into the text that the person wrote: two values change, and no other byte of it, so that
//! comments, order and layout stay. Owns where those values stand.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Error, Manifest, Wanted};
use crate::{system::System, version::Version};

/// What a manifest is to say from now on; `None` leaves it alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// `opencode`: this version, where it names one. One that says "latest", or nothing, stays.
    pub opencode: Option<Version>,
    /// `systems`: these, where it means others.
    pub systems: Option<BTreeSet<System>>,
}

impl Edit {
    /// The text with the edit made; the same text where it says so already.
    ///
    /// # Errors
    /// Where the text is no manifest.
    pub fn apply(&self, text: &str) -> Result<String, Error> {
        let manifest = Manifest::parse(text)?;
        let mut edited = text.to_owned();
        if let Some(systems) =
            self.systems.as_ref().filter(|wanted| manifest.wanted_systems().as_ref() != Some(*wanted))
        {
            let systems: Vec<String> = systems.iter().map(|system| format!("\"{system}\"")).collect();
            edited = set(&edited, "systems", &format!("[{}]", systems.join(", ")));
        }
        match (&self.opencode, &manifest.opencode) {
            (Some(wanted), Wanted::Exact(said)) if wanted != said => {
                edited = set(&edited, "opencode", &format!("\"{wanted}\""));
            }
            _ => {}
        }
        Manifest::parse(&edited)?;
        Ok(edited)
    }
}

/// The text with another value of a key of the root table; a new line where there is no such key.
fn set(text: &str, key: &str, value: &str) -> String {
    let table = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
    let span = |key: &str| table.get(key).map(Spanned::<DeValue<'_>>::span);
    if let Some(Range { start, end }) = span(key) {
        return format!("{}{value}{}", &text[..start], &text[end..]);
    }
    // A line of the root table may stand behind another one of it, and at the beginning in any case.
    let Some(Range { end, .. }) = span("opencode") else { return format!("{key} = {value}\n{text}") };
    let line = text[end..].find('\n').map_or(text.len(), |length| end + length);
    format!("{}\n{key} = {value}{}", &text[..line], &text[line..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, opencode: &str, systems: &[System]) -> String {
        let systems = (!systems.is_empty()).then(|| systems.iter().copied().collect());
        let edit = Edit { opencode: opencode.parse().ok(), systems };
        edit.apply(text).unwrap()
    }

    #[test]
    fn nothing_but_the_value_changes() {
        let text = "# mine\n\n  opencode   =   '1.18.18'   # why, at \"1.18.18\"\r\nplugins=[\"a@1.18.18\"] # x\n[packages]\nopencode = \"1.18.18\"\n";
        let expected = text.replacen("'1.18.18'", "\"1.18.33\"", 1);
        assert_eq!(edited(text, "1.18.33", &[]), expected);
        assert_eq!(edited(text, "1.18.18", &[]), text);
        let whole = "profile = \"offline\"\n\"opencode\" = \"\"\"1.18.18\"\"\"\n";
        assert_eq!(edited(whole, "1.18.33", &[]), "profile = \"offline\"\n\"opencode\" = \"1.18.33\"\n");
    }

    #[test]
    fn who_wants_the_latest_goes_on_wanting_it() {
        for text in ["", "opencode = \"latest\" # always\n", "# nothing\n[packages]\nzod = \"4.1.8\"\n"] {
            assert_eq!(edited(text, "1.18.33", &[]), text);
        }
    }

    #[test]
    fn systems_are_written_where_others_are_meant() {
        let foreign = if System::host() == Some(System::Aarch64Linux) {
            System::X86_64Linux
        } else {
            System::Aarch64Linux
        };
        let line = format!("systems = [\"{foreign}\"]");
        let listed =
            "systems = [ # both\n  \"x86_64-linux\",\n  \"aarch64-linux\", # slow\n]\nprofile = \"online\"\n";
        assert_eq!(edited(listed, "", &[foreign]), format!("{line}\nprofile = \"online\"\n"));
        assert_eq!(edited(&line, "", &[foreign]), line);
        assert_eq!(
            edited("[packages]\nzod = \"4.1.8\"\n", "", &[foreign]),
            format!("{line}\n[packages]\nzod = \"4.1.8\"\n")
        );
        let both = "opencode = \"1.18.18\" # why\n[packages]\n";
        assert_eq!(
            edited(both, "1.18.33", &[foreign]),
            format!("opencode = \"1.18.33\" # why\n{line}\n[packages]\n")
        );
        assert_eq!(
            edited("opencode = \"1.18.18\"", "", &[foreign]),
            format!("opencode = \"1.18.18\"\n{line}")
        );
        if let Some(host) = System::host() {
            assert_eq!(edited("", "", &[host]), "");
        }
    }

    #[test]
    fn what_is_no_manifest_is_not_touched() {
        assert!(Edit::default().apply("opencode = 5").is_err());
    }
}
