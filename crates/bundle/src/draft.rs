//! What is to be in a bundle, before a byte of it is written: for a delta, which of it comes as a patch.

use std::collections::BTreeMap;

use tree::Digest;

use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::index::{Base, Index, MAX_PATCH, Part, Patch};
use crate::listing::{Entry, Kind, Listing};
use crate::marks::Marks;
use crate::patch;
use crate::tape::{Content, Trees};
use crate::write::Contents;

/// A bundle that can be written.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) index: Index,
    pub(crate) listings: Vec<Listing>,
    pub(crate) bases: Vec<Option<Listing>>,
    /// The patches that make listings out of those of bases, in the index's order.
    pub(crate) listing_patches: Vec<Option<Vec<u8>>>,
    /// The patches that make contents, by their hash.
    pub(crate) patches: BTreeMap<Sha256, Vec<u8>>,
    /// What contents are known by when they are packed.
    pub(crate) marks: Marks,
}

impl Draft {
    /// These trees in full.
    pub fn full(parts: Vec<Part>, listings: Vec<Listing>) -> Self {
        let none = vec![None; parts.len()];
        let (bases, listing_patches) = (vec![None; parts.len()], none);
        Self {
            index: Index { parts, patches: Vec::new() },
            listings,
            bases,
            listing_patches,
            patches: BTreeMap::new(),
            marks: Marks::default(),
        }
    }

    /// Contents that have a mark are compared with that when they are packed, and not hashed again.
    #[must_use]
    pub fn known_by(self, marks: Marks) -> Self {
        Self { marks, ..self }
    }

    /// These trees as what differs from their bases, each of which is named by its digest. A file is a patch where the base has one under
    /// the same name, it is large enough, and the patch is less than half of it.
    ///
    /// # Errors
    /// [`Error::Tree`], [`Error::Io`]; [`Error::Malformed`] where there are not as many bases as trees.
    pub fn since(
        parts: Vec<Part>,
        listings: Vec<Listing>,
        bases: Vec<Option<(Digest, Listing)>>,
        contents: &dyn Contents,
        level: i32,
    ) -> Result<Self> {
        let mut draft = Self::full(parts, listings);
        if bases.len() != draft.index.parts.len() || draft.listings.len() != bases.len() {
            return Err(Error::malformed("its index", "it has other trees than there are listings"));
        }
        for (number, base) in bases.into_iter().enumerate() {
            let Some((digest, listing)) = base else { continue };
            let (new, old) = (draft.listings[number].to_text(), listing.to_text());
            let patch = patch::make(new.as_bytes(), old.as_bytes(), level)?;
            let (listing_hash, packed) = (Sha256::of(old.as_bytes()), patch.len() as u64);
            draft.index.parts[number].base = Some(Base { digest, listing: listing_hash, packed });
            draft.listing_patches[number] = Some(patch);
            draft.bases[number] = Some(listing);
        }
        draft.make_patches(contents, level)?;
        Ok(draft)
    }

    /// The trees of its index, for a delta with what they are told as the difference from.
    pub fn parts(&self) -> &[Part] {
        &self.index.parts
    }

    pub(crate) fn trees(&self, stub: Option<Sha256>) -> Trees<'_> {
        Trees { index: &self.index, listings: &self.listings, bases: &self.bases, stub }
    }

    fn make_patches(&mut self, contents: &dyn Contents, level: i32) -> Result<()> {
        let mut made = BTreeMap::new();
        let mut patches = Vec::new();
        // By content, so that the list is in order.
        let mut wanted = BTreeMap::new();
        for step in self.trees(None).steps() {
            let (Content::Here { hash, size }, Some(entry)) = (step.content, step.entry) else { continue };
            if size >= patch::SMALLEST
                && let Some((old, from)) = self.older(step.part, entry)
            {
                wanted.entry(hash).or_insert((step.part, entry, old, from, size));
            }
        }
        for (content, (part, entry, old, from, size)) in wanted {
            let (new, old) = (contents.open(part, &entry.path)?, contents.open_base(part, &old.path)?);
            let patch = patch::make(new, old, level)?;
            if (patch.len() as u64) < (size / 2).min(MAX_PATCH) {
                patches.push(Patch { content, from, packed: patch.len() as u64 });
                made.insert(content, patch);
            }
        }
        self.index.patches = patches;
        self.patches = made;
        Ok(())
    }

    /// The file that a tree's base has under the same name.
    fn older(&self, part: usize, entry: &Entry) -> Option<(&Entry, Sha256)> {
        let base = self.bases.get(part)?.as_ref()?.entries();
        let found = base.binary_search_by(|old| old.path.components().cmp(entry.path.components())).ok()?;
        let old = base.get(found)?;
        match &old.kind {
            Kind::File { hash, size, .. } if *size > 0 => Some((old, *hash)),
            _ => None,
        }
    }
}
