//! Under which terms a package says that it may be used, and which terms are not wanted. Owns the words: SPDX expressions as they
//! are in force (list and grammar are the crate `spdx`'s), and npm's own: `UNLICENSED`, `SEE LICENSE IN FILE`, and the old forms
//! `{"type": …}` and `licenses: […]`. Knows no law: it compares what is declared.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::signature::PackagePattern;
use crate::{PackageName, nearest};

/// The longest declaration that is looked at, in characters; what is longer is a text and no declaration.
const LONGEST: usize = 1000;

/// What a package declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    /// An SPDX expression, as it is declared; of the old form `licenses`, the choice between them.
    Spdx(String),
    /// `UNLICENSED`: npm's word for "nobody may use it".
    Unlicensed,
    /// `SEE LICENSE IN …`: the terms stand in a file of the package.
    SeeFile(String),
    /// Something else: no expression of known licences.
    Unknown(String),
    /// Nothing.
    Missing,
}

/// How much a declaration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceKind {
    /// An SPDX expression.
    Spdx,
    /// `UNLICENSED`.
    Unlicensed,
    /// Terms in a file.
    File,
    /// A text that is no expression.
    Unknown,
    /// Nothing.
    Missing,
}

/// What a manifest refuses: `[licences]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LicencePolicy {
    /// `deny`: what no package may need.
    pub deny: Vec<Denied>,
    /// `except`: packages that may all the same.
    pub except: Vec<PackagePattern>,
}

/// One thing that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A licence by its SPDX id, or every one whose id begins so, where a `*` follows.
    Id(String),
    /// `UNLICENSED`.
    Unlicensed,
    /// `unknown`: what is no expression of known licences, `SEE LICENSE IN …` too.
    Unknown,
    /// `missing`: no declaration.
    Missing,
}

/// A text that names nothing that could be refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no id of an SPDX licence{}", nearest.map(|near| format!(" (`{near}`?)")).unwrap_or_default())]
pub struct DeniedError {
    /// The text, at most its first 80 characters.
    pub text: String,
    /// The word that may have been meant.
    pub nearest: Option<&'static str>,
}

impl Licence {
    /// What a `package.json` declares.
    pub fn of_package(package: &Value) -> Self {
        let declared = package.get("license").filter(|value| !value.is_null());
        // npm's old form; the packages that have both mean the newer one.
        declared.or_else(|| package.get("licenses")).map_or(Self::Missing, Self::of_value)
    }

    /// What the field `license` says.
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::of_text(text),
            Value::Object(object) => {
                let text = object.get("type").or_else(|| object.get("name")).and_then(Value::as_str);
                text.map_or(Self::Missing, Self::of_text)
            }
            Value::Array(items) => Self::of_choice(items.iter().map(Self::of_value)),
            _ => Self::Missing,
        }
    }

    /// A declaration as text.
    pub fn of_text(text: &str) -> Self {
        let text = text.trim();
        let file = || {
            let rest = text.get(..15).filter(|start| start.eq_ignore_ascii_case("see license in "));
            rest.map(|_| text[15..].trim().to_owned())
        };
        match text {
            "" => Self::Missing,
            "UNLICENSED" => Self::Unlicensed,
            _ if text.chars().nth(LONGEST).is_some() => Self::Unknown(text.chars().take(LONGEST).collect()),
            _ => match (expression(text), file()) {
                (Some(_), _) => Self::Spdx(text.to_owned()),
                (None, Some(file)) => Self::SeeFile(file),
                _ => Self::Unknown(text.to_owned()),
            },
        }
    }

    /// Several, of which one may choose. Where one of them is no expression, all of it is none.
    fn of_choice(items: impl Iterator<Item = Self>) -> Self {
        let mut all: Vec<Self> = items.filter(|item| *item != Self::Missing).collect();
        all.dedup();
        match &all[..] {
            [] => Self::Missing,
            [one] => one.clone(),
            several => {
                let part = |text: &str| match text.contains(' ') {
                    true => format!("({text})"),
                    false => text.to_owned(),
                };
                let parts: Vec<String> = several.iter().map(|item| part(&item.to_string())).collect();
                Self::of_text(&parts.join(" OR "))
            }
        }
    }

    /// The SPDX expression, where it is one.
    pub fn spdx(&self) -> Option<&str> {
        match self {
            Self::Spdx(text) => Some(text),
            _ => None,
        }
    }

    /// How much it says.
    pub fn kind(&self) -> LicenceKind {
        match self {
            Self::Spdx(_) => LicenceKind::Spdx,
            Self::Unlicensed => LicenceKind::Unlicensed,
            Self::SeeFile(_) => LicenceKind::File,
            Self::Unknown(_) => LicenceKind::Unknown,
            Self::Missing => LicenceKind::Missing,
        }
    }

    /// Whether it is the id of one licence and nothing else.
    pub fn id(&self) -> Option<&'static str> {
        spdx::license_id(self.spdx()?).map(|id| id.name)
    }

    /// The licences that an expression names, each as it stands there.
    pub fn names(&self) -> Vec<String> {
        let Some(expression) = self.spdx().and_then(expression) else { return Vec::new() };
        expression.requirements().map(|one| one.req.license.to_string()).collect()
    }
}

/// Words of the list, deprecated ones too; no words of anybody's own but `LicenseRef-…`.
fn expression(text: &str) -> Option<Expression> {
    let mode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };
    Expression::parse_mode(text, mode).ok()
}

impl LicencePolicy {
    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.deny.is_empty()
    }

    /// Whether a package may not be used: no way through its expression is free of what is refused.
    pub fn refuses(&self, name: Option<&PackageName>, licence: &Licence) -> bool {
        if name.is_some_and(|name| self.except.iter().any(|pattern| pattern.includes(name))) {
            return false;
        }
        match licence {
            Licence::Spdx(text) => match expression(text) {
                Some(expression) => !expression.evaluate(|one| !self.denies(one)),
                None => self.deny.contains(&Denied::Unknown),
            },
            Licence::Unlicensed => self.deny.contains(&Denied::Unlicensed),
            Licence::SeeFile(_) | Licence::Unknown(_) => self.deny.contains(&Denied::Unknown),
            Licence::Missing => self.deny.contains(&Denied::Missing),
        }
    }

    fn denies(&self, one: &LicenseReq) -> bool {
        let id = one.license.to_string();
        self.deny.iter().any(|denied| match denied {
            Denied::Id(pattern) => match pattern.strip_suffix('*') {
                Some(start) => id.starts_with(start),
                None => *pattern == id,
            },
            _ => false,
        })
    }
}

impl FromStr for Denied {
    type Err = DeniedError;

    fn from_str(text: &str) -> Result<Self, DeniedError> {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.len() <= 80
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))
        };
        let known = |text: &str| {
            spdx::license_id(text).is_some_and(|id| id.name == text) || text.starts_with("LicenseRef-")
        };
        match text {
            "UNLICENSED" => Ok(Self::Unlicensed),
            "unknown" => Ok(Self::Unknown),
            "missing" => Ok(Self::Missing),
            _ if text.strip_suffix('*').is_some_and(is_word) => Ok(Self::Id(text.to_owned())),
            _ if is_word(text) && known(text) => Ok(Self::Id(text.to_owned())),
            _ => {
                let ids = ["UNLICENSED", "unknown", "missing"].into_iter();
                let ids: Vec<&'static str> =
                    ids.chain(spdx::identifiers::LICENSES.iter().map(|licence| licence.name)).collect();
                Err(DeniedError { text: text.chars().take(80).collect(), nearest: nearest(text, &ids) })
            }
        }
    }
}

impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spdx(text) | Self::Unknown(text) => f.write_str(text),
            Self::Unlicensed => f.write_str("UNLICENSED"),
            Self::SeeFile(file) => write!(f, "SEE LICENSE IN {file}"),
            Self::Missing => f.write_str("none declared"),
        }
    }
}

impl LicenceKind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spdx => "spdx",
            Self::Unlicensed => "unlicensed",
            Self::File => "file",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(package: Value) -> Licence {
        Licence::of_package(&package)
    }

    #[test]
    fn every_form_that_npm_has_had_is_read() {
        let spdx = |text: &str| Licence::Spdx(text.into());
        assert_eq!(of(json!({"license": "MIT"})), spdx("MIT"));
        assert_eq!(of(json!({"license": "(MIT OR Apache-2.0)"})), spdx("(MIT OR Apache-2.0)"));
        assert_eq!(of(json!({"license": {"type": "BSD-3-Clause", "url": "x"}})), spdx("BSD-3-Clause"));
        assert_eq!(of(json!({"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]})), spdx("MIT OR GPL-2.0"));
        assert_eq!(of(json!({"license": null, "licenses": ["ISC"]})), spdx("ISC"));
        assert_eq!(of(json!({"license": "UNLICENSED"})), Licence::Unlicensed);
        assert_eq!(
            of(json!({"license": "See license in LICENSE.md"})),
            Licence::SeeFile("LICENSE.md".into())
        );
        assert_eq!(of(json!({"license": "Apache 2.0"})), Licence::Unknown("Apache 2.0".into()));
        assert_eq!(of(json!({"license": "<script>"})), Licence::Unknown("<script>".into()));
        for nothing in [json!({}), json!({"license": ""}), json!({"license": 7}), json!({"licenses": []})] {
            assert_eq!(of(nothing), Licence::Missing);
        }
        assert_eq!(of(json!({"license": "é".repeat(5000)})).to_string().chars().count(), LONGEST);
    }

    #[test]
    fn a_choice_is_refused_only_where_every_way_is() {
        let policy = |deny: &[&str]| LicencePolicy {
            deny: deny.iter().map(|text| text.parse().unwrap()).collect(),
            except: vec!["@free/*".parse().unwrap()],
        };
        let refuses = |deny: &[&str], text: &str| {
            policy(deny).refuses(Some(&"a".parse().unwrap()), &Licence::of_text(text))
        };
        let gpl = ["GPL-*", "AGPL-*"];
        for text in [
            "GPL-3.0-only",
            "GPL-2.0-or-later",
            "GPL-3.0",
            "MIT AND AGPL-3.0-only",
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ] {
            assert!(refuses(&gpl, text), "{text}");
        }
        for text in ["MIT", "MIT OR GPL-3.0-only", "LGPL-3.0-only", "", "SEE LICENSE IN X", "UNLICENSED"] {
            assert!(!refuses(&gpl, text), "{text}");
        }
        assert!(refuses(&["MIT"], "MIT") && !refuses(&["MIT"], "MIT-0"));
        assert!(refuses(&["missing"], "") && !refuses(&["missing"], "Apache 2.0"));
        assert!(refuses(&["unknown"], "Apache 2.0") && refuses(&["unknown"], "SEE LICENSE IN X"));
        assert!(refuses(&["UNLICENSED"], "UNLICENSED") && !refuses(&["Unlicense"], "UNLICENSED"));
        let scoped = "@free/a".parse().unwrap();
        assert!(!policy(&gpl).refuses(Some(&scoped), &Licence::of_text("GPL-3.0-only")));
    }

    #[test]
    fn a_wrong_id_is_told_with_the_nearest() {
        let error = "Apache2.0".parse::<Denied>().unwrap_err();
        assert_eq!(error.to_string(), "\"Apache2.0\" is no id of an SPDX licence (`Apache-2.0`?)");
        assert!(
            "".parse::<Denied>().is_err()
                && "*".parse::<Denied>().is_err()
                && "mit".parse::<Denied>().is_err()
        );
    }
}
