//! What was found, as a value. Owns how much it matters; never how it is printed.

use std::fmt::Display;
use std::path::Path;

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it is to be.
    Ok,
    /// Worth knowing; OpenCode works.
    Note,
    /// Something will not work as the user wants.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, for machines: stable.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: a path, a variable, a package.
    pub subject: String,
    /// What is so, in one sentence.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    /// As it is to be.
    pub(crate) fn ok(code: &'static str, subject: impl Display, text: impl Display) -> Self {
        Self::new(code, Severity::Ok, subject, text)
    }

    /// Worth knowing.
    pub(crate) fn note(code: &'static str, subject: impl Display, text: impl Display) -> Self {
        Self::new(code, Severity::Note, subject, text)
    }

    /// Something will not work.
    pub(crate) fn problem(code: &'static str, subject: impl Display, text: impl Display) -> Self {
        Self::new(code, Severity::Problem, subject, text)
    }

    /// With the next step.
    pub(crate) fn next(mut self, next: impl Display) -> Self {
        self.next = Some(plain(next));
        self
    }

    fn new(code: &'static str, severity: Severity, subject: impl Display, text: impl Display) -> Self {
        Self { code, severity, subject: plain(subject), text: plain(text), next: None }
    }
}

/// Everything of one kind that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Names of files and packages are anybody's: no terminal sequence and no second line comes of them.
pub(crate) fn plain(text: impl Display) -> String {
    let shown = |character: char| if character.is_control() { '?' } else { character };
    text.to_string().chars().map(shown).collect()
}

/// A path as a person reads it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// An address, or what stands in for one, without what may be secret in it: its user, its query.
pub(crate) fn without_secrets(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (format!("{scheme}://"), rest),
        _ => (String::new(), address),
    };
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_user() {
        for (address, shown) in [
            ("http://u:p@proxy.example:3128/", "http://proxy.example:3128/"),
            ("http://u:p@ss@proxy.example:3128", "http://proxy.example:3128"),
            ("u:p@proxy.example:3128", "proxy.example:3128"),
            ("proxy.example:3128", "proxy.example:3128"),
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
            ("http://[::1]:8080?token=x", "http://[::1]:8080"),
            ("git+https://u:p/x@git.example/r.git#main", "git+https://git.example/r.git"),
        ] {
            assert_eq!(without_secrets(address), shown, "{address}");
        }
    }

    #[test]
    fn a_finding_is_one_line_whatever_a_name_holds() {
        let finding = Finding::note("code", "a\nb", "c\u{1b}[2Jd").next("e\rf");
        assert_eq!((finding.subject.as_str(), finding.text.as_str()), ("a?b", "c?[2Jd"));
        assert_eq!(finding.next.as_deref(), Some("e?f"));
    }
}
