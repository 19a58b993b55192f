//! Who is believed: the public keys that are handed in, or lie in directories of keys, and whether one of them signed a bundle. A public
//! key never comes with the bundle.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::read::Bundle;
use crate::signatures::{self, PublicKey, SecretKey, Signatures};

/// The most that is read of a key's file, in bytes: a key of a long name has some 500.
const LONGEST_KEY: u64 = 4096;

/// The most that is read of signatures beside a bundle, in bytes: minisign's comment has up to 8192.
const LONGEST_SIGNATURE: u64 = 32 * 1024;

/// Files of a directory of keys at most.
const MOST_KEYS: usize = 1000;

/// The end of the names of public keys.
const PUBLIC: &str = "pub";

/// Where keys for everybody on the machine lie.
pub const FOR_ALL: &str = "/etc/opencode-cache/keys";

/// Where keys lie below `$XDG_CONFIG_HOME`.
pub const BELOW_CONFIG: &str = "opencode-cache/keys";

/// Where minisign looks for the signature of a file: `FILE.minisig`.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".minisig");
    name.into()
}

/// The public key of a file, or that an option's text is.
///
/// # Errors
/// [`Error::Key`], [`Error::Tree`].
pub fn public_key(text: &str) -> Result<PublicKey> {
    match text.parse() {
        Ok(key) => Ok(key),
        Err(_) => parsed(Path::new(text)),
    }
}

/// The secret key of a file. What stands in it is told nowhere.
///
/// # Errors
/// [`Error::Key`], [`Error::Tree`].
pub fn secret_key(path: &Path) -> Result<SecretKey> {
    parsed(path)
}

/// The public keys of a directory: its files `*.pub`, in the order of their names; none where there is no such directory.
///
/// # Errors
/// [`Error::Key`] for one that is none, so that nobody takes it for believed; [`Error::Tree`].
pub fn keys_in(directory: &Path) -> Result<Vec<PublicKey>> {
    let listed = |source| tree::Error::Io { verb: "list", path: directory.to_path_buf(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(listed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(listed)?.path();
        if path.extension().is_some_and(|extension| extension == PUBLIC) {
            paths.push(path);
        }
        if paths.len() > MOST_KEYS {
            return Err(Error::TooLarge { what: "files of keys", limit: MOST_KEYS as u64 });
        }
    }
    paths.sort();
    paths.iter().map(|path| parsed(path)).collect()
}

/// The signatures of the bundle at `file`: those in it, and minisign's beside it.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Signature`] where something else stands there; [`Error::Io`], [`Error::Tree`].
pub fn signatures<R: Read + Seek>(bundle: &mut Bundle<R>, file: &Path) -> Result<Signatures> {
    let mut all: Signatures = bundle.signatures()?.parse()?;
    // Of a bundle that was cut, the signature is of the whole, and is named so.
    let whole = if file.extension().is_some_and(|number| number == "001") {
        file.with_extension("")
    } else {
        file.into()
    };
    let path = beside(&whole);
    if path.exists() {
        all.0.extend(text_of(&path, LONGEST_SIGNATURE)?.parse::<Signatures>()?.0);
    }
    Ok(all)
}

/// Who of `keys` signed the bundle at `file`, whose BLAKE2b-512 [`Bundle::check`] gave; `None` where there are no keys, and so nobody
/// is believed nor refused.
///
/// # Errors
/// [`Error::Signature`] where there are keys and none of them signed it; as [`signatures()`].
pub fn judge<R: Read + Seek>(
    bundle: &mut Bundle<R>,
    file: &Path,
    keys: &[PublicKey],
    hash: &[u8; 64],
) -> Result<Option<PublicKey>> {
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(signatures(bundle, file)?.verify(keys, hash)?.clone()))
}

fn parsed<K: std::str::FromStr<Err = signatures::Error>>(path: &Path) -> Result<K> {
    let wrong = |source| Error::Key { path: path.to_path_buf(), source };
    text_of(path, LONGEST_KEY)?.parse().map_err(wrong)
}

/// A file's text; one that is larger, or no text, is one that can be no key.
fn text_of(path: &Path, most: u64) -> Result<String> {
    let failed = |verb| move |source| tree::Error::Io { verb, path: path.to_path_buf(), source };
    // A link is followed: keys often are links.
    let real = fs::canonicalize(path).map_err(failed("open"))?;
    let file: File = tree::open_file(&real)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed("read"))?;
    let text = if bytes.len() as u64 > most { None } else { String::from_utf8(bytes).ok() };
    text.ok_or_else(|| Error::Key { path: path.to_path_buf(), source: signatures::Error::NoKey })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_files_that_are_called_so() {
        let directory = tempfile::tempdir().unwrap();
        let key = |seed: u8| crate::minisign::SecretKey::new([seed; 32], [seed; 8]).unwrap();
        let path = directory.path();
        for seed in [2, 1] {
            fs::write(path.join(format!("{seed}.pub")), key(seed).public().to_string()).unwrap();
        }
        fs::write(path.join("secret.key"), key(1).to_text()).unwrap();
        let wanted = [1, 2].map(|seed| PublicKey::Minisign(key(seed).public()));
        assert_eq!(keys_in(path).unwrap(), wanted);
        assert_eq!(keys_in(&path.join("none")).unwrap(), []);
        assert_eq!(public_key(path.join("1.pub").to_str().unwrap()).unwrap(), wanted[0]);
        assert!(format!("{:?}", secret_key(&path.join("secret.key")).unwrap()).contains("0101010101010101"));
        fs::write(path.join("3.pub"), "x").unwrap();
        assert_eq!(keys_in(path).unwrap_err().code(), "key-malformed");
        File::create(path.join("3.pub")).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(keys_in(path).unwrap_err().code(), "key-malformed");
    }
}
