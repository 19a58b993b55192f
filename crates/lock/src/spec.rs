//! What a person writes to ask npm for something: `name`, `name@1.2.3`, `name@latest`, `name@^1`. Owns telling the
//! kinds of specs apart; never resolves one.

use std::{fmt, str::FromStr};

use crate::{
    package::{self, PackageName},
    version::Version,
};

/// A spec as it was written, byte for byte (OpenCode names directories after it), and what kind it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    text: String,
    kind: SpecKind,
}

/// The kinds of specs. Only [`SpecKind::Registry`] can be pinned; the others are told apart so that they can be
/// refused by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SpecKind {
    /// A package of a registry.
    Registry {
        /// The package.
        name: PackageName,
        /// What is wanted of it.
        want: Want,
    },
    /// An alias: `name@npm:other@1`.
    Alias,
    /// A file or directory: `file:…`, `./…`, `/…`, `~/…`.
    File,
    /// A git repository: `git+…`, `git://…`, `github:…`, `user/repository`.
    Git,
    /// The address of an archive: `http…`.
    Url,
}

/// What is wanted of a package: the part of a spec after the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// Nothing is said; npm takes the dist-tag `latest`.
    Unsaid,
    /// One exact version.
    Exact(Version),
    /// A dist-tag.
    Tag(String),
    /// A range of versions, in npm's grammar.
    Range(String),
}

/// Why a text is no [`Spec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is empty, is over [`MAX_LENGTH`], or holds a control character or a blank at an end.
    #[error("{text:?} is not an npm spec")]
    Malformed {
        /// The text as given, at most its first 250 characters.
        text: String,
    },
    /// The name is none.
    #[error("the spec `{text}` names no package")]
    Name {
        /// The text as given.
        text: String,
        /// What is wrong with the name.
        source: package::Error,
    },
    /// What stands after the name is no version, range or dist-tag.
    #[error("`{want}` in the spec `{text}` is no version, range or dist-tag")]
    Want {
        /// The text as given.
        text: String,
        /// The part after the name.
        want: String,
    },
}

/// Longest spec that is accepted, in bytes: a name and a generous range. It becomes a directory's name.
pub const MAX_LENGTH: usize = 512;

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "spec-invalid"
    }
}

impl Spec {
    /// The spec as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its kind.
    pub fn kind(&self) -> &SpecKind {
        &self.kind
    }

    /// The package, where the spec is one of a registry's.
    pub fn name(&self) -> Option<&PackageName> {
        match &self.kind {
            SpecKind::Registry { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What is wanted of the package, where the spec is one of a registry's.
    pub fn want(&self) -> Option<&Want> {
        match &self.kind {
            SpecKind::Registry { want, .. } => Some(want),
            _ => None,
        }
    }

    /// Whether it names a package of a registry: the only kind that can be pinned.
    pub fn is_registry(&self) -> bool {
        self.name().is_some()
    }
}

impl SpecKind {
    /// A word for messages: `registry`, `alias`, `file`, `git` or `url`.
    pub fn as_str(&self) -> &'static str {
        match self {
            SpecKind::Registry { .. } => "registry",
            SpecKind::Alias => "alias",
            SpecKind::File => "file",
            SpecKind::Git => "git",
            SpecKind::Url => "url",
        }
    }
}

/// The kind of a target that is no registry's: a whole spec, or the part after `name@`.
fn foreign_kind(target: &str) -> Option<SpecKind> {
    const GIT: [&str; 7] = ["git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "gist:"];
    const FILE: [&str; 5] = ["file:", "./", "../", "/", "~/"];
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| target.starts_with(prefix));
    if target.starts_with("npm:") {
        Some(SpecKind::Alias)
    } else if begins(&["http://", "https://"]) {
        Some(SpecKind::Url)
    } else if begins(&GIT) {
        Some(SpecKind::Git)
    } else if begins(&FILE) || matches!(target, "." | ".." | "~") {
        Some(SpecKind::File)
    } else if is_repository(target) {
        Some(SpecKind::Git)
    } else {
        None
    }
}

/// npm's short form `user/repository#branch`.
fn is_repository(target: &str) -> bool {
    let path = target.split('#').next().unwrap_or(target);
    !path.contains(['@', ':'])
        && !path.contains(char::is_whitespace)
        && matches!(path.split('/').collect::<Vec<_>>()[..], [user, repository] if !user.is_empty() && !repository.is_empty())
}

/// The kind of a spec that has the form `name@target` with a target that is no registry's.
fn foreign_kind_after_name(text: &str) -> Option<SpecKind> {
    let start = usize::from(text.starts_with('@'));
    let (_, target) = text[start..].split_once('@')?;
    foreign_kind(target)
}

fn kind_of(text: &str) -> Result<SpecKind, Error> {
    if let Some(kind) = foreign_kind(text).or_else(|| foreign_kind_after_name(text)) {
        return Ok(kind);
    }
    let (name, want) = match text.rfind('@') {
        None | Some(0) => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let name = name.parse().map_err(|source| Error::Name { text: text.to_owned(), source })?;
    let want = match want {
        None => Want::Unsaid,
        Some(want) => {
            want_of(want).ok_or_else(|| Error::Want { text: text.to_owned(), want: want.to_owned() })?
        }
    };
    Ok(SpecKind::Registry { name, want })
}

fn want_of(text: &str) -> Option<Want> {
    if let Ok(version) = text.parse() {
        Some(Want::Exact(version))
    } else if is_range(text) {
        Some(Want::Range(text.to_owned()))
    } else if is_tag(text) {
        Some(Want::Tag(text.to_owned()))
    } else {
        None
    }
}

/// A dist-tag is whatever needs no percent-encoding and is no range (npm's rule); a leading dot or hyphen could be
/// taken for something else and is refused.
fn is_tag(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['.', '-'])
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c))
}

/// Whether npm would read the text as a range. Recognises the grammar; does not evaluate it.
fn is_range(text: &str) -> bool {
    !text.trim().is_empty() && text.split("||").all(is_comparator_set)
}

fn is_comparator_set(text: &str) -> bool {
    if let Some((low, high)) = text.split_once(" - ") {
        return is_partial(low.trim()) && is_partial(high.trim());
    }
    let mut rest = text.trim();
    if rest.is_empty() {
        return true;
    }
    while !rest.is_empty() {
        let operand = rest.trim_start_matches(['<', '>', '=', '~', '^']).trim_start();
        let end = operand.find([' ', '\t', '<', '>', '=', '^', '~']).unwrap_or(operand.len());
        if !is_operator(&rest[..rest.len() - operand.len()]) || !is_partial(&operand[..end]) {
            return false;
        }
        rest = operand[end..].trim_start();
    }
    true
}

fn is_operator(text: &str) -> bool {
    matches!(text.trim_end(), "" | "<" | ">" | "=" | "<=" | ">=" | "~" | "~>" | "^")
}

/// A version of which parts may be missing or `x`.
fn is_partial(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    if text.parse::<Version>().is_ok() {
        return true;
    }
    let is_part = |part: &str| {
        matches!(part, "x" | "X" | "*")
            || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() <= 3 && parts.iter().all(|part| is_part(part))
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = text.is_empty()
            || text.len() > MAX_LENGTH
            || text.trim() != text
            || text.chars().any(char::is_control);
        if malformed {
            return Err(Error::Malformed { text: text.chars().take(250).collect() });
        }
        Ok(Spec { kind: kind_of(text)?, text: text.to_owned() })
    }
}

impl From<PackageName> for Spec {
    fn from(name: PackageName) -> Self {
        Spec { text: name.to_string(), kind: SpecKind::Registry { name, want: Want::Unsaid } }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

crate::macros::text_serde!(Spec);

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        text.parse().unwrap()
    }

    #[test]
    fn splits_name_and_want() {
        let unsaid = spec("@ai-sdk/fireworks");
        assert_eq!(
            (unsaid.name().unwrap().as_str(), unsaid.want()),
            ("@ai-sdk/fireworks", Some(&Want::Unsaid))
        );
        assert_eq!(spec("@ai-sdk/fireworks@3.0.62").want(), Some(&Want::Exact("3.0.62".parse().unwrap())));
        assert_eq!(spec("opencode-pty@latest").want(), Some(&Want::Tag("latest".into())));
        assert_eq!(spec("opencode-pty@latest").to_string(), "opencode-pty@latest");
    }

    #[test]
    fn tells_ranges_from_tags() {
        for range in [
            "^1",
            "~1.2",
            ">=1 <2",
            ">= 1.0.0 < 2",
            "1.x",
            "*",
            "1",
            "1 || 2",
            "1.0.0 - 2.0.0",
            "v1.2.3",
            "^1.0.0-rc.1",
            ">=1<2",
            "||",
        ] {
            assert_eq!(spec(&format!("a@{range}")).want(), Some(&Want::Range(range.into())), "{range}");
        }
        for tag in ["latest", "next-13", "rc.1", "x1", "beta", "1a"] {
            assert_eq!(spec(&format!("a@{tag}")).want(), Some(&Want::Tag(tag.into())), "{tag}");
        }
    }

    #[test]
    fn names_the_kinds_that_no_registry_has() {
        for (text, kind) in [
            ("git+https://host.example/a.git", "git"),
            ("git+ssh://git@host.example/a.git", "git"),
            ("github:user/repo", "git"),
            ("user/repo#main", "git"),
            ("a@github:user/repo", "git"),
            ("@s/a@git+ssh://git@host.example/a.git", "git"),
            ("https://host.example/a.tgz", "url"),
            ("a@https://host.example/a@1.tgz", "url"),
            ("a@npm:b@1.0.0", "alias"),
            ("npm:b", "alias"),
            ("file:///abs/dist/index.mjs", "file"),
            ("./plugin", "file"),
            ("../plugin", "file"),
            ("/abs/plugin", "file"),
            ("~/plugin", "file"),
            ("a@file:../a", "file"),
        ] {
            assert_eq!(spec(text).kind().as_str(), kind, "{text}");
            assert!(!spec(text).is_registry());
        }
    }

    #[test]
    fn refuses_what_npm_could_not_read() {
        for bad in [
            "",
            " a",
            "a ",
            "a\nb",
            "a@",
            "@",
            "@a",
            "@a/",
            "a@la test",
            "a@-g",
            "a@@1",
            "..a/b/c",
            &"x".repeat(600),
        ] {
            assert!(bad.parse::<Spec>().is_err(), "{bad:?} {:?}", bad.parse::<Spec>());
        }
    }
}
