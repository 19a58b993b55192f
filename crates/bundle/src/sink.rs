//! Who is told of what the trees of a bundle hold.

use crate::index::Part;

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
