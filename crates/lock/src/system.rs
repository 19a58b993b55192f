//! The systems a cache can be made for. Owns their spelling (Nix's) and npm's rule for which packages fit one;
//! never detects a libc or a CPU feature.

use std::{fmt, str::FromStr};

/// A machine and operating system, spelled as Nix does (`x86_64-linux`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// `aarch64-darwin`
    Aarch64Darwin,
    /// `aarch64-linux`
    Aarch64Linux,
    /// `x86_64-darwin`
    X86_64Darwin,
    /// `x86_64-linux`
    X86_64Linux,
}

/// A text that names no supported system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a system (x86_64-linux, aarch64-linux, x86_64-darwin, aarch64-darwin)")]
pub struct Error {
    /// The text as given, at most its first 80 characters.
    pub text: String,
}

impl Error {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "system-unknown"
    }
}

impl System {
    /// Every system, in order of spelling (which is also their `Ord`).
    pub const ALL: [System; 4] =
        [System::Aarch64Darwin, System::Aarch64Linux, System::X86_64Darwin, System::X86_64Linux];

    /// Nix's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            System::Aarch64Darwin => "aarch64-darwin",
            System::Aarch64Linux => "aarch64-linux",
            System::X86_64Darwin => "x86_64-darwin",
            System::X86_64Linux => "x86_64-linux",
        }
    }

    /// The system that this program was compiled for, if it is one of ours.
    pub fn host() -> Option<System> {
        System::ALL.into_iter().find(|system| {
            let (os, arch) = match system {
                System::Aarch64Darwin => ("macos", "aarch64"),
                System::Aarch64Linux => ("linux", "aarch64"),
                System::X86_64Darwin => ("macos", "x86_64"),
                System::X86_64Linux => ("linux", "x86_64"),
            };
            os == std::env::consts::OS && arch == std::env::consts::ARCH
        })
    }

    /// npm's word for the operating system (Node's `process.platform`).
    pub fn npm_os(self) -> &'static str {
        match self {
            System::Aarch64Darwin | System::X86_64Darwin => "darwin",
            System::Aarch64Linux | System::X86_64Linux => "linux",
        }
    }

    /// npm's word for the machine (Node's `process.arch`).
    pub fn npm_cpu(self) -> &'static str {
        match self {
            System::Aarch64Darwin | System::Aarch64Linux => "arm64",
            System::X86_64Darwin | System::X86_64Linux => "x64",
        }
    }

    /// npm's word for the C library: `glibc` on Linux (the release binaries that are pinned are the glibc ones), none
    /// elsewhere.
    pub fn npm_libc(self) -> Option<&'static str> {
        match self {
            System::Aarch64Darwin | System::X86_64Darwin => None,
            System::Aarch64Linux | System::X86_64Linux => Some("glibc"),
        }
    }

    /// Whether npm would install a package with these `os`, `cpu` and `libc` lists here. A list may hold `any`, words
    /// (one has to match) and words negated with `!` (none may match); an empty list allows everything. A `libc` list
    /// that says anything, even `any`, keeps a package off systems without a libc of npm's naming (macOS): as npm 11 does.
    pub fn allows<S: AsRef<str>>(self, os: &[S], cpu: &[S], libc: &[S]) -> bool {
        list_allows(self.npm_os(), os)
            && list_allows(self.npm_cpu(), cpu)
            && self.npm_libc().map_or(libc.is_empty(), |own| list_allows(own, libc))
    }
}

fn list_allows<S: AsRef<str>>(value: &str, list: &[S]) -> bool {
    if let [only] = list
        && only.as_ref() == "any"
    {
        return true;
    }
    let (mut plain, mut matched) = (false, false);
    for entry in list {
        match entry.as_ref().strip_prefix('!') {
            Some(negated) if negated == value => return false,
            Some(_) => {}
            None => {
                plain = true;
                matched |= entry.as_ref() == value;
            }
        }
    }
    matched || !plain
}

impl FromStr for System {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        System::ALL
            .into_iter()
            .find(|system| system.as_str() == text)
            .ok_or_else(|| Error { text: text.chars().take(80).collect() })
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

crate::macros::text_serde!(System);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_spelled_as_nix_does_and_sorted_so() {
        for system in System::ALL {
            assert_eq!(system.to_string().parse::<System>(), Ok(system));
        }
        assert!(System::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].as_str() < pair[1].as_str()));
        assert!("linux".parse::<System>().is_err());
    }

    #[test]
    fn follows_npms_platform_rule() {
        let linux = System::X86_64Linux;
        let mac = System::Aarch64Darwin;
        let none: &[&str] = &[];
        assert!(linux.allows(none, none, none));
        assert!(linux.allows(&["darwin", "linux"], &["x64"], &["glibc"]));
        assert!(!linux.allows(&["darwin"], none, none));
        assert!(!linux.allows(none, &["arm64"], none));
        assert!(!linux.allows(none, none, &["musl"]));
        assert!(linux.allows(&["!win32"], none, none));
        assert!(!linux.allows(&["!linux"], none, none));
        assert!(!linux.allows(&["!win32", "darwin"], none, none));
        assert!(linux.allows(&["!win32", "linux"], none, none));
        assert!(linux.allows(&["any"], &["any"], &["any"]));
        assert!(!mac.allows(&["darwin"], &["arm64"], &["glibc"]));
        assert!(mac.allows(&["darwin"], &["arm64"], none));
        assert!(!mac.allows(none, none, &["!musl"]));
        assert!(!mac.allows(none, none, &["any"]));
    }

    #[test]
    fn knows_its_host() {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert_eq!(System::host(), Some(System::X86_64Linux));
        }
    }
}
