//! Nix's formats without Nix: names of store paths, `.narinfo` files, signatures, and a directory of them that Nix takes for a
//! binary cache.
//!
//! | module | owns |
//! |---|---|
//! | [`hash`] | a hash as Nix writes it |
//! | [`path`] | the name of a store path, and what it is computed from |
//! | [`content`] | content addresses: what makes a path trusted without a key |
//! | [`narinfo`] | what a cache says of one path |
//! | [`key`] | Nix's Ed25519 keys and signatures |
//! | [`cache`] | the directory: written, and looked through |
//!
//! The formats are pure; only [`cache`] touches files. Invariants: no network, no async, nothing printed, Nix is never started, no
//! knowledge of OpenCode. Checked against Nix 2.8.0 and 2.26.3 (`nix/tests/cache`, and the tests beside the modules).

pub mod cache;
pub mod content;
mod error;
pub mod hash;
pub mod key;
pub mod narinfo;
pub mod path;

pub use cache::Cache;
pub use content::{Address, Method};
pub use error::{Error, Result};
pub use hash::{Algorithm, Hash, Hasher};
pub use key::{PublicKey, SecretKey, Signature};
pub use narinfo::{Compression, NarInfo};
pub use path::{Name, STORE, StorePath};
