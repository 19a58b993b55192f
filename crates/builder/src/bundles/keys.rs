//! New keys. A secret key's file is its owner's alone, is never written over, and what is in it is told nowhere.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::minisign;
pub use bundle::signatures::PublicKey;
use bundle::signatures::SecretKey;

/// Where random bytes come from, on every system that we are compiled for.
const RANDOM: &str = "/dev/urandom";

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// A file is there: it may be the only copy of a key.
    #[error("write the key {}: it is there already, and stays", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A name that no key of Nix's can have.
    #[error("name a key {name:?}: letters, digits and signs without blanks and colons are wanted")]
    Name {
        /// The name.
        name: String,
    },
    /// The random bytes make no key.
    #[error("make a key of random bytes")]
    Seed,
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tree(error) => error.code(),
            Self::Exists { .. } => "key-exists",
            Self::Name { .. } => "key-name",
            Self::Seed => "bug-key",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::Exists { .. } => Some("name another file".into()),
            Self::Name { .. } => Some("such as `bundles.example-1`".into()),
            Self::Seed => None,
        }
    }
}

/// Makes a key of minisign's, or of Nix's where it gets a name, and writes it to `secret` and its public half to `public`.
///
/// # Errors
/// Everything in [`Error`]; nothing new is there then.
pub fn generate(secret: &Path, public: &Path, nix: Option<&str>) -> Result<PublicKey, Error> {
    for path in [secret, public] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.to_path_buf() });
        }
    }
    let random = random()?;
    let (seed, id) = random.split_at(32);
    let (Ok(seed), Ok(id)) = (<[u8; 32]>::try_from(seed), <[u8; 8]>::try_from(id)) else {
        return Err(Error::Seed);
    };
    let text = match nix {
        Some(name) => {
            nixstore::SecretKey::text(name, seed).ok_or_else(|| Error::Name { name: name.to_owned() })?
        }
        None => minisign::SecretKey::new(seed, id).map_err(|_| Error::Seed)?.to_text(),
    };
    let key: SecretKey = text.parse().map_err(|_| Error::Seed)?;
    create(public, key.public().to_string().as_bytes(), 0o644)?;
    let written = create(secret, text.as_bytes(), 0o600);
    if written.is_err() {
        // It is of no use alone, and was not there before.
        let _ = std::fs::remove_file(public);
    }
    written.map(|()| key.public())
}

/// The public half of a secret key's file.
///
/// # Errors
/// [`super::Error::Bundle`] where it is none, or has a password.
pub fn public(secret: &Path) -> Result<PublicKey, super::Error> {
    let failed = |source| super::Error::Bundle { verb: "use", path: secret.to_path_buf(), source };
    Ok(bundle::believed::secret_key(secret).map_err(failed)?.public())
}

fn random() -> Result<[u8; 40], Error> {
    let mut bytes = [0; 40];
    let read = File::open(RANDOM).and_then(|mut file| file.read_exact(&mut bytes));
    let failed = |source| tree::Error::Io { verb: "read", path: RANDOM.into(), source };
    Ok(read.map(|()| bytes).map_err(failed)?)
}

/// Writes a file that must not be there, as a whole or not at all.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let failed = |source| tree::Error::Io { verb: "create", path: path.to_path_buf(), source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        // Its mode is 0600 from the beginning.
        let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok::<_, io::Error>(file)
    };
    match write().map_err(failed)?.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::Exists { path: path.to_path_buf() })
        }
        kept => Ok(kept.map(drop).map_err(|error| failed(error.error))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn keys_are_their_owners_and_are_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, nix) in [("a", None), ("b", Some("test-1"))] {
            let (secret, public) = (path(&format!("{name}.key")), path(&format!("{name}.pub")));
            let key = generate(&secret, &public, nix).unwrap();
            assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
            let read: SecretKey = fs::read_to_string(&secret).unwrap().parse().unwrap();
            assert_eq!(read.public(), key);
            assert_eq!(fs::read_to_string(&public).unwrap().parse(), Ok(key));
            let before = fs::read(&secret).unwrap();
            assert_eq!(generate(&secret, &path("new.pub"), nix).unwrap_err().code(), "key-exists");
            assert_eq!(generate(&path("new.key"), &public, nix).unwrap_err().code(), "key-exists");
            assert_eq!(fs::read(&secret).unwrap(), before);
        }
        assert_eq!(generate(&path("c"), &path("c.pub"), Some("a b")).unwrap_err().code(), "key-name");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
