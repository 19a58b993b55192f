//! Words and pins: what is wanted (the manifest) and what it resolved to (the lock).
//!
//! This crate owns two text formats, `opencode-cache.toml` ([`manifest`]) and `opencode.lock.json`
//! ([`lockfile`], documented key by key in `docs/LOCK.md`), and the words that both are made of: [`System`],
//! [`Sri`], [`PackageName`], [`Version`], [`PackageId`], [`Spec`], [`RelPath`], [`HttpsUrl`],
//! [`Repository`].
//! A word is parsed once, at the border; inside there is no stringly state.
//!
//! It is pure: no I/O, no clock, no environment, no async, no printing. It never resolves a version and never
//! contacts anything; it knows nothing of OpenCode's behaviour.

mod command;
mod https_url;
mod json;
mod macros;
mod nearest;
mod position;

pub mod attestation;
pub mod date;
pub mod debian;
pub mod diff;
pub mod instant;
pub mod licence;
pub mod lockfile;
pub mod manifest;
pub mod package;
pub mod range;
pub mod rel_path;
pub mod repository;
pub mod signature;
pub mod spec;
pub mod sri;
pub mod system;
pub mod version;

pub use attestation::Attestation;
pub use command::{Command, Reply};
pub use date::Date;
pub use debian::{DebianName, DebianPackage, DebianVersion, PoolPath};
pub use diff::{About, Diff, Fact, Row, compare, diff, facts};
pub use https_url::{Error as HttpsUrlError, HttpsUrl};
pub use instant::Instant;
pub use licence::{Denied, Licence, LicenceKind, LicencePolicy};
pub use lockfile::{
    Archive, Artifact, ArtifactSource, Catalogue, Download, Exercise, ExerciseKind, ExerciseName, Field,
    Fill, FillRoot, Known, Lock, Package, PackageManifest, Pin, Proof, Reach, manifest_fields,
};
pub use manifest::{Libraries, Manifest, Profile, Ripgrep, Source, Wanted};
pub use nearest::nearest;
pub use package::{PackageId, PackageName};
pub use position::Position;
pub use range::Range;
pub use rel_path::RelPath;
pub use repository::Repository;
pub use signature::{
    AttestationPolicy, KeyId, PackagePattern, PublicKey, Signature, SignaturePolicy, StatedSignature, Trust,
    TrustedKey,
};
pub use spec::{Spec, SpecKind, Want};
pub use sri::{Algorithm, Hasher, Sri};
pub use system::System;
pub use version::Version;
