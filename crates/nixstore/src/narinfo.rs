//! `.narinfo`: what a cache says of one store path, a line for each fact. Read strictly: a key twice, an unknown one, or a value of
//! another form is an error, so that nothing in a cache is understood here otherwise than by Nix.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::{Component, Path};
use std::str::FromStr;

use crate::content::Address;
use crate::hash::{Algorithm, Hash};
use crate::key::Signature;
use crate::path::StorePath;

/// The longest narinfo that is read, in bytes: one with thousands of references has some 200 kB.
pub const LONGEST: u64 = 1 << 20;

/// How a NAR is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By zstd.
    Zstd,
    /// In another way of Nix's, which is not unpacked here.
    Other(String),
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Zstd => "zstd",
            Self::Other(word) => word,
        })
    }
}

/// What a cache says of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarInfo {
    /// The path.
    pub store_path: StorePath,
    /// Where the packed NAR lies, relative to the cache.
    pub url: String,
    /// How it is packed.
    pub compression: Compression,
    /// Hash of the packed file; may be left out.
    pub file_hash: Option<Hash>,
    /// Its size in bytes; may be left out.
    pub file_size: Option<u64>,
    /// SHA-256 of the NAR.
    pub nar_hash: Hash,
    /// Its size in bytes.
    pub nar_size: u64,
    /// Paths that it names, itself among them where it does.
    pub references: BTreeSet<StorePath>,
    /// What made it, as Nix wrote it.
    pub deriver: Option<String>,
    /// For which system, as older Nix wrote it.
    pub system: Option<String>,
    /// Who vouches for it.
    pub signatures: Vec<Signature>,
    /// Its content's address, where its name comes from that.
    pub content: Option<Address>,
}

/// Why a text is no narinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A line that is not `KEY: VALUE`, or the last one is not ended.
    #[error("line {0} is not `KEY: VALUE`")]
    Line(usize),
    /// A key that no narinfo has.
    #[error("line {0} has an unknown key")]
    Unknown(usize),
    /// A key for the second time.
    #[error("line {0} has a key that was there")]
    Twice(usize),
    /// A value of another form.
    #[error("the value of {0} makes no sense")]
    Value(&'static str),
    /// A key that every narinfo has.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// The keys that a narinfo may have, in the order in which Nix writes them.
const KEYS: [&str; 12] = [
    "StorePath",
    "URL",
    "Compression",
    "FileHash",
    "FileSize",
    "NarHash",
    "NarSize",
    "References",
    "Deriver",
    "System",
    "Sig",
    "CA",
];

impl NarInfo {
    /// What is signed: path, NAR and references, and nothing of how the NAR is packed.
    pub fn fingerprint(&self) -> String {
        let references: Vec<String> = self.references.iter().map(ToString::to_string).collect();
        format!("1;{};{};{};{}", self.store_path, self.nar_hash, self.nar_size, references.join(","))
    }

    /// Where the packed NAR lies below the cache; `None` where the address leads anywhere else.
    pub fn file(&self) -> Option<&Path> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._=/".contains(&byte);
        let path = Path::new(&self.url);
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
        // Components pass over `a//b`, `a/./b` and `a/`: whoever serves the directory may not.
        let parts = self.url.split('/');
        let is_canonical = parts.into_iter().all(|part| !part.is_empty() && !part.starts_with('.'));
        (is_below && is_canonical && self.url.bytes().all(is_plain)).then_some(path)
    }
}

impl fmt::Display for NarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "StorePath: {}", self.store_path)?;
        writeln!(f, "URL: {}", self.url)?;
        writeln!(f, "Compression: {}", self.compression)?;
        if let Some(hash) = &self.file_hash {
            writeln!(f, "FileHash: {hash}")?;
        }
        if let Some(size) = self.file_size {
            writeln!(f, "FileSize: {size}")?;
        }
        writeln!(f, "NarHash: {}", self.nar_hash)?;
        writeln!(f, "NarSize: {}", self.nar_size)?;
        let references: Vec<String> = self.references.iter().map(StorePath::base).collect();
        writeln!(f, "References: {}", references.join(" "))?;
        for (key, value) in [("Deriver", &self.deriver), ("System", &self.system)] {
            if let Some(value) = value {
                writeln!(f, "{key}: {value}")?;
            }
        }
        for signature in &self.signatures {
            writeln!(f, "Sig: {signature}")?;
        }
        match &self.content {
            Some(address) => writeln!(f, "CA: {address}"),
            None => Ok(()),
        }
    }
}

impl FromStr for NarInfo {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let lines = Lines::of(text)?;
        let references = lines.need("References")?;
        let references: Option<BTreeSet<StorePath>> = references
            .split(' ')
            .filter(|base| !base.is_empty())
            .map(|base| StorePath::from_base(base).ok())
            .collect();
        let nar_hash: Hash = lines.parse("NarHash")?.ok_or(Malformed::Missing("NarHash"))?;
        if nar_hash.algorithm() != Algorithm::Sha256 {
            return Err(Malformed::Value("NarHash"));
        }
        let signatures: Option<Vec<Signature>> =
            lines.signatures.iter().map(|text| text.parse().ok()).collect();
        Ok(Self {
            store_path: lines.parse("StorePath")?.ok_or(Malformed::Missing("StorePath"))?,
            url: lines.need("URL")?.to_owned(),
            compression: match lines.get("Compression") {
                Some("none") => Compression::None,
                Some("zstd") => Compression::Zstd,
                Some(word) if is_word(word) => Compression::Other(word.to_owned()),
                Some(_) => return Err(Malformed::Value("Compression")),
                // So Nix reads it.
                None => Compression::Other("bzip2".to_owned()),
            },
            file_hash: lines.parse("FileHash")?,
            file_size: lines.number("FileSize")?,
            nar_hash,
            nar_size: lines.number("NarSize")?.ok_or(Malformed::Missing("NarSize"))?,
            references: references.ok_or(Malformed::Value("References"))?,
            deriver: lines.word("Deriver")?,
            system: lines.word("System")?,
            signatures: signatures.ok_or(Malformed::Value("Sig"))?,
            content: lines.parse("CA")?,
        })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The lines of a narinfo by their keys.
struct Lines<'a> {
    values: [Option<&'a str>; KEYS.len()],
    signatures: Vec<&'a str>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Result<Self, Malformed> {
        let mut lines = Self { values: [None; KEYS.len()], signatures: Vec::new() };
        let count = text.split('\n').count();
        for (number, line) in (1..).zip(text.split('\n')) {
            if number == count {
                return if line.is_empty() && number > 1 { Ok(lines) } else { Err(Malformed::Line(number)) };
            }
            // Without a blank where there is nothing: some write so.
            let (key, value) = line.split_once(':').ok_or(Malformed::Line(number))?;
            let value = match value.strip_prefix(' ') {
                Some(value) => value,
                None if value.is_empty() => value,
                None => return Err(Malformed::Line(number)),
            };
            if value.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(Malformed::Line(number));
            }
            if key == "Sig" {
                lines.signatures.push(value);
                continue;
            }
            let place = KEYS.iter().position(|known| *known == key).ok_or(Malformed::Unknown(number))?;
            if lines.values[place].replace(value).is_some() {
                return Err(Malformed::Twice(number));
            }
        }
        Ok(lines)
    }

    fn get(&self, key: &'static str) -> Option<&'a str> {
        KEYS.iter().position(|known| *known == key).and_then(|place| self.values[place])
    }

    fn need(&self, key: &'static str) -> Result<&'a str, Malformed> {
        self.get(key).ok_or(Malformed::Missing(key))
    }

    fn parse<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, Malformed> {
        self.get(key).map(|value| value.parse().map_err(|_| Malformed::Value(key))).transpose()
    }

    /// Digits alone: `+1` is a number for Rust.
    fn number(&self, key: &'static str) -> Result<Option<u64>, Malformed> {
        match self.get(key) {
            Some(value) if !value.bytes().all(|byte| byte.is_ascii_digit()) => Err(Malformed::Value(key)),
            _ => self.parse(key),
        }
    }

    fn word(&self, key: &'static str) -> Result<Option<String>, Malformed> {
        match self.get(key) {
            Some(value) if !is_word(value) => Err(Malformed::Value(key)),
            value => Ok(value.map(str::to_owned)),
        }
    }
}

/// The text of a `nix-cache-info` for [`STORE`](crate::STORE): asked for many paths at once, and before caches of a lower priority.
pub fn cache_info() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(text, "StoreDir: {}\nWantMassQuery: 1\nPriority: 30\n", crate::STORE);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nix copy` of 2.26.3 writes it, but for the names.
    const WHOLE: &str = "\
StorePath: /nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a
URL: nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar.zst
Compression: zstd
FileHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
FileSize: 10
NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
NarSize: 20
References: 1b3sh3pcz10wsmavxvkdbayhqivbghlq-b ib3sh3pcz10wsmavxvkdbayhqivbghlq-a
Deriver: unknown-deriver
Sig: a-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
CA: fixed:r:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
";

    #[test]
    fn it_is_written_as_it_was_read() {
        let info: NarInfo = WHOLE.parse().unwrap();
        assert_eq!(info.to_string(), WHOLE);
        assert_eq!(
            info.fingerprint(),
            "1;/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a;sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73;20;\
             /nix/store/1b3sh3pcz10wsmavxvkdbayhqivbghlq-b,/nix/store/ib3sh3pcz10wsmavxvkdbayhqivbghlq-a"
        );
        let none = WHOLE.replace(
            "References: 1b3sh3pcz10wsmavxvkdbayhqivbghlq-b ib3sh3pcz10wsmavxvkdbayhqivbghlq-a",
            "References: ",
        );
        assert!(none.parse::<NarInfo>().unwrap().references.is_empty());
    }

    #[test]
    fn whatever_is_not_as_nix_writes_it_is_refused() {
        let with = |from: &str, to: &str| {
            let changed = WHOLE.replacen(from, to, 1);
            assert_ne!(changed, WHOLE);
            changed.parse::<NarInfo>().map(drop).map_err(|error| error.to_string())
        };
        let error = |text: &str| Err(text.to_owned());
        assert_eq!(with("NarSize: 20\n", ""), error("NarSize is missing"));
        assert_eq!(with("NarSize: 20", "NarSize: +20"), error("the value of NarSize makes no sense"));
        assert_eq!(
            with("NarSize: 20", "NarSize: 99999999999999999999"),
            error("the value of NarSize makes no sense")
        );
        assert_eq!(with("NarSize: 20", "NarSize:20"), error("line 7 is not `KEY: VALUE`"));
        assert_eq!(with("NarSize: 20", "NarSize: 20\nNarSize: 20"), error("line 8 has a key that was there"));
        assert_eq!(with("NarSize: 20", "NarSize: 20\r"), error("line 7 is not `KEY: VALUE`"));
        assert_eq!(with("Deriver", "Driver"), error("line 9 has an unknown key"));
        assert_eq!(
            with("StorePath: /nix", "StorePath: /gnu"),
            error("the value of StorePath makes no sense")
        );
        assert_eq!(with("NarHash: sha256", "NarHash: sha512"), error("the value of NarHash makes no sense"));
        assert_eq!(with("CA: fixed", "CA: loose"), error("the value of CA makes no sense"));
        assert_eq!(with("Sig: a-1:", "Sig: "), error("the value of Sig makes no sense"));
        assert_eq!(
            with("References: 1b", "References: ../1b"),
            error("the value of References makes no sense")
        );
        assert_eq!(WHOLE.trim_end().parse::<NarInfo>().unwrap_err(), Malformed::Line(11));
        assert_eq!("".parse::<NarInfo>().unwrap_err(), Malformed::Line(1));
    }

    #[test]
    fn addresses_that_lead_out_of_the_cache_are_none() {
        let mut info: NarInfo = WHOLE.parse().unwrap();
        assert_eq!(
            info.file(),
            Some(Path::new("nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar.zst"))
        );
        for wrong in [
            "",
            "/etc/passwd",
            "../x",
            "nar/../../x",
            "nar/..",
            "nar//x",
            "nar/./x",
            "nar/",
            "./nar/x",
            "file:///etc/passwd",
            "http://other.example/x",
            "nar/x?y",
            "nar/%2e%2e/x",
            "nar\\x",
            "nar/.x",
            "nar/a b",
        ] {
            info.url = wrong.to_owned();
            assert_eq!(info.file(), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9:/. \\n-]{0,200}", at in 0..WHOLE.len(), byte: u8) {
            let _ = text.parse::<NarInfo>();
            let mut bytes = WHOLE.as_bytes().to_vec();
            bytes[at] = byte;
            if let Ok(text) = String::from_utf8(bytes) {
                let _ = text.parse::<NarInfo>();
            }
        }
    }
}
