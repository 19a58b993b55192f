//! The index: which trees a bundle has, for which systems, what for, and the hash of each one's listing. The tar's first file.
//!
//! JSON of one form only: what is read is written again and compared, so that no key stands twice and none is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lock::System;
use serde::{Deserialize, Serialize};
use tree::Digest;

use crate::error::{Error, Result};
use crate::hash::Sha256;

/// The index's name in the tar.
pub(crate) const NAME: &str = "index.json";

/// The end of the names of listings in the tar.
pub(crate) const LISTING: &str = ".list";

/// The longest index, in bytes: some 2,000 trees.
pub(crate) const LONGEST: u64 = 1 << 20;

/// The largest patch, in bytes: it is in memory as a whole. One of a release binary has half a megabyte.
pub(crate) const MAX_PATCH: u64 = 256 << 20;

/// Facts of one tree at most, and the longest word of one, in bytes.
const MAX_FACTS: usize = 32;
const LONGEST_FACT: usize = 256;

/// The fact of papers that names the output they tell of.
pub const OUTPUT: &str = "output";

/// What a bundle has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The trees, by system, then by role, then by digest; each once.
    pub parts: Vec<Part>,
    /// Contents that come as what differs from one of a base, by their hash; in deltas only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
}

/// A content that comes as what differs from another ([`crate::patch`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The hash of what comes out.
    pub content: Sha256,
    /// The hash of the file of a base that it is made from.
    pub from: Sha256,
    /// Bytes of the patch.
    pub packed: u64,
}

/// The tree that the target has already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its name.
    #[serde(with = "digest")]
    pub digest: Digest,
    /// Its listing's hash; the new tree's listing is made from that one.
    pub listing: Sha256,
    /// Bytes of that patch.
    pub packed: u64,
}

/// One tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// For which system.
    pub system: System,
    /// What it is for.
    pub role: Role,
    /// The tree's digest: with its name behind, the directory's name in a store and in the tar.
    #[serde(with = "digest")]
    pub digest: Digest,
    /// Its listing's hash.
    pub listing: Sha256,
    /// Its listing's bytes.
    pub listing_size: u64,
    /// Bytes of its files.
    pub size: u64,
    /// What this tree is told as the difference from; in deltas only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What whoever made it wants to be known before it is unpacked (versions, dates); no meaning here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// What a tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What is installed.
    Output,
    /// The static program that installs it.
    Tool,
    /// The C library for machines that have none the output could use.
    Libraries,
    /// What tells those who approve it what is in an output: SBOMs, the licences' texts, a page.
    Papers,
}

impl Role {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Tool => "tool",
            Self::Libraries => "libraries",
            Self::Papers => "papers",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Part {
    /// The directory's name.
    pub fn name(&self) -> String {
        self.digest.file_name()
    }

    /// Of papers: the digest of the output that they tell of.
    pub fn tells_of(&self) -> Option<&str> {
        self.facts.get(OUTPUT).map(String::as_str).filter(|_| self.role == Role::Papers)
    }

    fn order(&self) -> (System, Role, Digest) {
        (self.system, self.role, self.digest)
    }
}

impl Index {
    /// The text.
    pub fn to_text(&self) -> String {
        // Its keys are words and its values words and numbers: there is nothing that could not be written.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let index: Self = serde_json::from_slice(text).map_err(|error| malformed(&error.to_string()))?;
        if index.to_text().as_bytes() != text {
            return Err(malformed("it is written in another way than this program writes it"));
        }
        index.check()?;
        Ok(index)
    }

    /// Whether it is one that may be written.
    pub(crate) fn check(&self) -> Result<()> {
        if self.parts.is_empty() {
            return Err(malformed("no trees"));
        }
        if !self.parts.windows(2).all(|pair| pair[0].order() < pair[1].order()) {
            return Err(malformed("trees out of order, or twice"));
        }
        // A tree for two systems, or for two things, would lie in one place of the tar twice.
        let digests: BTreeSet<_> = self.parts.iter().map(|part| part.digest).collect();
        if digests.len() < self.parts.len() {
            return Err(malformed("a tree twice"));
        }
        if !self.patches.windows(2).all(|pair| pair[0].content < pair[1].content) {
            return Err(malformed("patches out of order, or twice"));
        }
        if self.patches.iter().any(|patch| patch.packed > MAX_PATCH) {
            return Err(Error::TooLarge { what: "a patch, in bytes", limit: MAX_PATCH });
        }
        let is_word = |word: &String| word.len() <= LONGEST_FACT && !word.chars().any(char::is_control);
        for part in &self.parts {
            if part.facts.len() > MAX_FACTS
                || !part.facts.iter().all(|(key, value)| is_word(key) && is_word(value))
            {
                return Err(malformed("facts that are too many, too long, or hold control characters"));
            }
        }
        Ok(())
    }
}

fn malformed(reason: &str) -> Error {
    Error::malformed("its index", reason)
}

/// A digest as its 32 characters.
mod digest {
    use serde::{Deserialize as _, Deserializer, Serializer, de};
    use tree::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(system: System, role: Role, digest: char) -> Part {
        let digest: String = std::iter::repeat_n(digest, 32).collect();
        Part {
            system,
            role,
            digest: digest.parse().unwrap(),
            listing: Sha256::of(b""),
            listing_size: 0,
            size: 1,
            base: None,
            facts: BTreeMap::new(),
        }
    }

    #[test]
    fn reads_back_in_one_form_only() {
        let mut output = part(System::X86_64Linux, Role::Output, '1');
        output.facts.insert("opencode".to_owned(), "1.18.33".to_owned());
        let index =
            Index { parts: vec![output, part(System::X86_64Linux, Role::Tool, '0')], patches: Vec::new() };
        let text = index.to_text();
        assert_eq!(Index::parse(text.as_bytes()).unwrap(), index);
        for wrong in [
            text.replace("\"size\": 1", "\"size\": 1.0"),
            text.replace("\"size\": 1", "\"size\": 1, \"more\": 1"),
            text.replacen("\"size\": 1", "\"size\": 1, \"size\": 1", 1),
            text.replace("  ", " "),
            text.replace("x86_64-linux", "riscv64-linux"),
            text.replace("1.18.33", "1.18\\n"),
            text.trim_end().to_owned(),
        ] {
            let error = Index::parse(wrong.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "bundle-malformed", "{wrong}");
        }
    }

    #[test]
    fn no_trees_trees_out_of_order_and_one_twice_are_refused() {
        let (x, a) = (System::X86_64Linux, System::Aarch64Linux);
        for parts in [
            vec![],
            vec![part(x, Role::Output, '0'), part(a, Role::Output, '1')],
            vec![part(x, Role::Tool, '0'), part(x, Role::Output, '1')],
            vec![part(x, Role::Output, '0'), part(x, Role::Output, '0')],
            vec![part(a, Role::Output, '0'), part(x, Role::Output, '0')],
        ] {
            assert!(Index { parts, patches: Vec::new() }.check().is_err());
        }
    }
}
