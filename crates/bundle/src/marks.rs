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
    pub(crate) fn add(&mut self, content: Sha256, mark: u32) {
        self.0.insert(content, mark);
    }

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
