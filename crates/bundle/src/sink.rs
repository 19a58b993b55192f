//! Who is told of what the trees of a bundle hold, and who has the trees that a delta is made against.

use std::io::Read;

use lock::RelPath;
use tree::Digest;

use crate::index::Part;
use crate::listing::Listing;

/// Where something belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The tree.
    pub part: &'a Part,
    /// Which of the index's that is.
    pub number: usize,
    /// The path below it; empty for its root.
    pub path: &'a str,
}

/// Who is told of what the trees hold, directories before what is in them. All of it comes from bytes whose hash was right; that a file
/// is what its listing says is known when it ends.
pub trait Sink {
    /// A directory.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn directory(&mut self, place: Place<'_>) -> tree::Result<()>;

    /// A file; its bytes follow, and then [`Sink::file_ends`].
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn file(&mut self, place: Place<'_>, size: u64, executable: bool) -> tree::Result<()>;

    /// More bytes of the last file.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn content(&mut self, bytes: &[u8]) -> tree::Result<()>;

    /// That was all of the file, and its hash is right.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn file_ends(&mut self) -> tree::Result<()>;

    /// A file of the same bytes and mode as one that has come whole.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn same(&mut self, place: Place<'_>, first: Place<'_>) -> tree::Result<()>;

    /// A symbolic link that stays in its tree.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn link(&mut self, place: Place<'_>, target: &str) -> tree::Result<()>;
}

/// The trees that a delta is made against. What they give is checked: the listing by its hash, each file by that of what comes out.
pub trait Bases {
    /// The listing of a tree; `None` where it is not there.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn listing(&self, digest: &Digest) -> tree::Result<Option<Listing>>;

    /// Opens a file of a tree that has a listing.
    ///
    /// # Errors
    /// Whatever ends the reading.
    fn open(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + '_>>;
}

/// None: enough for every bundle that is no delta.
#[derive(Debug, Clone, Copy)]
pub struct NoBases;

impl Bases for NoBases {
    fn listing(&self, _digest: &Digest) -> tree::Result<Option<Listing>> {
        Ok(None)
    }

    fn open(&self, digest: &Digest, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        let path = std::path::Path::new(&digest.file_name()).join(path.as_str());
        Err(tree::Error::Io { verb: "open", path, source: std::io::ErrorKind::NotFound.into() })
    }
}
