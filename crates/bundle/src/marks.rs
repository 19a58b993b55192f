//! Whether a content is still the one that was listed. A listing has the SHA-256 of each file; packing reads it once more, and to hash it
//! that slowly again would cost a third of what packing at a low level does. So a CRC-32 is taken along when it is hashed, and compared
//! when it is packed. It notices what happens by accident. Whoever forges one has a bundle made that nobody accepts: whoever reads it
//! compares the SHA-256.

use std::collections::HashMap;

use flate2::Crc;

use crate::hash::{Hasher, Sha256};

/// The CRC-32 of contents, by their hash.
#[derive(Debug, Clone, Default)]
pub struct Marks(HashMap<Sha256, u32>);

impl Marks {
    /// Takes others along.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Begins to look at what should be this content: by its mark, or where that is not known by its hash.
    pub(crate) fn look(&self, content: Sha256) -> Look {
        match self.0.get(&content) {
            Some(mark) => Look::Mark(Box::new(Crc::new()), *mark),
            None => Look::Hash(Box::default(), content),
        }
    }
}

/// The files of a tree while their bytes pass, one file after the other, cut anywhere.
pub(crate) struct Files {
    /// Sizes of the files that have not begun.
    sizes: std::vec::IntoIter<u64>,
    /// Bytes that the current one still has; `None` behind the last.
    left: Option<u64>,
    hasher: Hasher,
    crc: Crc,
    hashes: Vec<Sha256>,
    marks: Marks,
}

impl Files {
    pub(crate) fn of(tree: &tree::Tree) -> Self {
        let size = |entry: &tree::Entry| match entry.kind {
            tree::Kind::File { size, .. } => Some(size),
            _ => None,
        };
        let mut sizes = tree.entries().iter().filter_map(size).collect::<Vec<_>>().into_iter();
        let left = sizes.next();
        let (hasher, crc, marks) = (Hasher::new(), Crc::new(), Marks::default());
        Self { hashes: Vec::with_capacity(sizes.len() + 1), sizes, left, hasher, crc, marks }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while let Some(left) = self.left.filter(|_| !bytes.is_empty()) {
            let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            self.hasher.update(now);
            self.crc.update(now);
            bytes = later;
            self.left = Some(left - now.len() as u64);
            if self.left == Some(0) {
                self.next();
            }
        }
    }

    fn next(&mut self) {
        let hash = std::mem::take(&mut self.hasher).finish();
        self.marks.0.insert(hash, self.crc.sum());
        self.crc.reset();
        self.hashes.push(hash);
        self.left = self.sizes.next();
    }

    /// The hash of each file of which all bytes have passed, in order, and their marks.
    pub(crate) fn finish(mut self) -> (Vec<Sha256>, Marks) {
        while self.left == Some(0) {
            self.next();
        }
        (self.hashes, self.marks)
    }
}

/// A look at bytes as they come.
pub(crate) enum Look {
    Mark(Box<Crc>, u32),
    Hash(Box<Hasher>, Sha256),
}

impl Look {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Mark(crc, _) => crc.update(bytes),
            Self::Hash(hasher, _) => hasher.update(bytes),
        }
    }

    /// Whether they were that content.
    pub(crate) fn finish(self) -> bool {
        match self {
            Self::Mark(crc, mark) => crc.sum() == mark,
            Self::Hash(hasher, hash) => hasher.finish() == hash,
        }
    }
}
