//! What Debian says of a package: fields, one a line, as `apt-cache show` prints them and a package itself holds them (`deb822`).

use std::collections::BTreeMap;

use lock::{DebianName, DebianPackage, Sri};

use super::PACKAGES;
use super::error::Error;

/// What is said of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stanza {
    fields: BTreeMap<String, String>,
}

impl Stanza {
    /// Every stanza of a text. Further lines of a field are left out: none that is asked for here has any.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let mut all = Vec::new();
        let mut one = Self::default();
        for line in text.lines().chain([""]) {
            if line.trim().is_empty() {
                if !one.fields.is_empty() {
                    all.push(std::mem::take(&mut one));
                }
            } else if !line.starts_with([' ', '\t'])
                && let Some((name, value)) = line.split_once(':')
            {
                one.fields.entry(name.to_owned()).or_insert_with(|| value.trim().to_owned());
            }
        }
        all
    }

    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    pub(super) fn set(&mut self, field: &str, value: String) {
        self.fields.insert(field.to_owned(), value);
    }

    pub(super) fn name(&self) -> &str {
        self.get("Package").unwrap_or_default()
    }

    /// The names of what it depends on.
    pub(super) fn depends(&self) -> impl Iterator<Item = &str> {
        let depends = self.get("Depends").unwrap_or_default();
        depends.split([',', '|']).filter_map(|one| one.trim().split([' ', ':', '(']).next())
    }

    /// Where a mirror has it, by the rule that Debian's archive has: `pool/main/g/glibc/libc6_2.36-9_amd64.deb`.
    pub(super) fn pool_path(&self) -> Option<String> {
        let (name, version) = (self.get("Package")?, self.get("Version")?);
        let source = self.get("Source").and_then(|source| source.split(' ').next()).unwrap_or(name);
        // Four letters where it is a library, else one.
        let prefix = if source.starts_with("lib") { source.get(..4)? } else { source.get(..1)? };
        // Files' names have no epoch.
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        Some(format!("pool/main/{prefix}/{source}/{name}_{version}_{}.deb", self.get("Architecture")?))
    }

    fn package(&self) -> Result<DebianPackage, Error> {
        let malformed = |field| Error::Malformed { package: self.name().to_owned(), field };
        let field = |name: &'static str| self.get(name).ok_or_else(|| malformed(name));
        let version = field("Version")?.parse().map_err(|_| malformed("Version"))?;
        let path = field("Filename")?.parse().map_err(|_| malformed("Filename"))?;
        let integrity = Sri::from_sha256_hex(field("SHA256")?).ok_or_else(|| malformed("SHA256"))?;
        let size = field("Size")?.parse().map_err(|_| malformed("Size"))?;
        Ok(DebianPackage { version, path, integrity, size })
    }
}

/// The pins of what was found; every package that is needed has to be there.
pub(super) fn pinned(
    found: Vec<Stanza>,
    architecture: &str,
) -> Result<BTreeMap<DebianName, DebianPackage>, Error> {
    let mut packages = BTreeMap::new();
    for stanza in &found {
        let malformed = |_| Error::Malformed { package: stanza.name().to_owned(), field: "Package" };
        packages.insert(stanza.name().parse::<DebianName>().map_err(malformed)?, stanza.package()?);
    }
    let missing = PACKAGES.iter().find(|name| !packages.keys().any(|found| found.as_str() == **name));
    match missing {
        None => Ok(packages),
        Some(name) => {
            Err(Error::NoPackage { package: (*name).to_owned(), architecture: architecture.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Package: libc6
Source: glibc
Version: 2.36-9+deb12u14
Architecture: arm64
Depends: libgcc-s1, libx:any (>= 2) | gcc-12-base (= 1)
Description: GNU C Library
 Shared libraries: of nobody.
Filename: pool/main/g/glibc/libc6_2.36-9+deb12u14_arm64.deb
Size: 2324660
SHA256: 01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4

Package: libasan8
Source: libsrc (1.2)
Version: 1:3
Architecture: amd64
";

    #[test]
    fn a_stanza_is_a_pin() {
        let all = Stanza::all(TEXT);
        assert_eq!(all.len(), 2);
        let depends: Vec<&str> = all[0].depends().collect();
        assert_eq!(depends, ["libgcc-s1", "libx", "gcc-12-base"]);
        let package = all[0].package().unwrap();
        assert!(TEXT.contains(&package.integrity.hex()));
        assert_eq!(all[0].pool_path().unwrap(), package.path.to_string());
        assert_eq!(all[1].pool_path().unwrap(), "pool/main/libs/libsrc/libasan8_3_amd64.deb");
        assert_eq!(all[1].package().unwrap_err().code(), "debian-malformed");
        assert_eq!(pinned(vec![all[0].clone()], "arm64").unwrap_err().code(), "debian-no-package");
    }
}
