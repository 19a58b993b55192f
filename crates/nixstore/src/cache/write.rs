//! Writing paths into a cache: several at once, each in one pass, what is there and right kept.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tree::atomic::{self, Aside};

use super::nar::{Hashed, pack};
use super::{Cache, NARINFO, NARS};
use crate::content::{Address, Method};
use crate::error::{At as _, Error, Result};
use crate::hash::{Hash, Hasher};
use crate::key::SecretKey;
use crate::narinfo::{Compression, NarInfo};
use crate::path::StorePath;

/// From this size on, in bytes, the threads work on one NAR together, and on one such NAR at a time: that bounds memory.
const LARGE: u64 = 16 << 20;

/// Mode of what is written: whoever serves the directory may be somebody else.
const MODE: u32 = 0o444;

/// Something that is to be in a cache.
#[derive(Debug, Clone)]
pub struct Item {
    /// Under which path.
    pub path: StorePath,
    /// What it is.
    pub content: Content,
}

/// Where the bytes come from.
#[derive(Debug, Clone)]
pub enum Content {
    /// A tree that refers to nothing in a store, named after its NAR.
    Tree(PathBuf),
    /// A file, named after its bytes.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The hash that it is named after.
        hash: Hash,
    },
}

/// What came of an item.
#[derive(Debug, Clone)]
pub struct Added {
    /// What the cache says of it.
    pub info: NarInfo,
    /// Whether anything had to be written.
    pub written: bool,
}

impl Content {
    fn place(&self) -> &Path {
        match self {
            Self::Tree(path) | Self::File { path, .. } => path,
        }
    }

    /// The address that a NAR of this content has.
    fn address(&self, nar_hash: &Hash) -> Address {
        match self {
            Self::Tree(_) => Address { method: Method::Recursive, hash: nar_hash.clone() },
            Self::File { hash, .. } => Address { method: Method::Flat, hash: hash.clone() },
        }
    }
}

impl Cache {
    /// Sees to it that the cache has every item, on as many threads as `threads` says. Each comes with a signature of `key`, where
    /// there is one. Gives what became of each, in their order.
    ///
    /// # Errors
    /// [`Error::Content`] where bytes are not what their path is named after; [`Error::Tree`], [`Error::Io`]. What was added before
    /// stays, and is whole.
    pub fn add(&self, items: &[Item], key: Option<&SecretKey>, threads: usize) -> Result<Vec<Added>> {
        let _writing = self.write()?;
        let mut measured = Vec::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            measured.push(Measured::of(number, &item.content)?);
        }
        // The largest first: nothing waits for it at the end.
        measured.sort_unstable_by_key(|one| Reverse((one.size, one.number)));
        let (large, small) = measured.split_at(measured.partition_point(|one| one.size >= LARGE));
        let work = Work {
            cache: self,
            items,
            key,
            done: Mutex::new(vec![None; items.len()]),
            failed: Mutex::new(None),
            is_over: AtomicBool::new(false),
        };
        let (next_large, next_small) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let threads = threads.max(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                work.run(large, &next_large, threads as u32);
                work.run(small, &next_small, 1);
            });
            for _ in 1..threads {
                scope.spawn(|| work.run(small, &next_small, 1));
            }
        });
        if let Some(error) = work.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(work.done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect())
    }

    fn add_one(
        &self,
        item: &Item,
        measured: &Measured,
        key: Option<&SecretKey>,
        threads: u32,
    ) -> Result<Added> {
        let is_signed = |info: &NarInfo| {
            let public = key.map(SecretKey::public);
            public.is_none_or(|public| {
                info.signatures.iter().any(|one| public.verifies(&info.fingerprint(), one))
            })
        };
        let (mut info, written) = match self.told(&item.path).filter(|info| self.is_right(item, info)) {
            Some(info) if is_signed(&info) => return Ok(Added { info, written: false }),
            Some(info) => (info, false),
            None => (self.write_nar(item, measured, threads)?, true),
        };
        if let Some(key) = key.filter(|_| !is_signed(&info)) {
            info.signatures.push(key.sign(&info.fingerprint()));
        }
        let path = self.root.join(format!("{}{NARINFO}", info.store_path.digest()));
        atomic::write_file(&path, info.to_string().as_bytes(), MODE)?;
        Ok(Added { info, written })
    }

    /// Whether what the cache has of an item, down to the last byte, is what would be written, in whatever packing.
    fn is_right(&self, item: &Item, info: &NarInfo) -> bool {
        let is_of_item = info.references.is_empty()
            && info.content.as_ref() == Some(&item.content.address(&info.nar_hash));
        is_of_item && self.check_nar(info).is_empty() && self.check_address(info).is_empty()
    }

    fn write_nar(&self, item: &Item, measured: &Measured, threads: u32) -> Result<NarInfo> {
        let source = item.content.place();
        // What it will be called is known at the end.
        let place = self.root.join(NARS).join(item.path.digest());
        let aside = Aside::beside(&place)?;
        let wrong = || Error::Content { path: source.to_path_buf(), wanted: item.path.clone() };
        let encoder = pack(Hashed::new(aside), measured.size, threads).at("write", &place)?;
        let mut nar = Hashed::new(encoder);
        match (&item.content, &measured.tree) {
            (Content::Tree(_), Some(tree)) => tree::nar::write_tree(tree, &mut nar)?,
            (Content::Tree(path), None) => tree::nar::write(path, &mut nar)?,
            (Content::File { path, size, hash }, _) => {
                let hasher = Hasher::new(hash.algorithm()).ok_or_else(wrong)?;
                let mut file = Known { file: tree::open_file(path)?, hasher };
                tree::nar::write_plain(&mut file, *size, path, &mut nar)?;
                if file.hasher.finish() != *hash {
                    return Err(wrong());
                }
            }
        }
        let (nar_hash, nar_size, encoder) = nar.finish();
        let address = item.content.address(&nar_hash);
        if address.path(item.path.name(), &Default::default()).as_ref() != Some(&item.path) {
            return Err(wrong());
        }
        let mut packed = encoder.finish().at("write", &place)?;
        packed.flush().at("write", &place)?;
        let (file_hash, file_size, aside) = packed.finish();
        let name = format!("{}.nar.zst", file_hash.nix32());
        aside.finish_as(&name, MODE)?;
        Ok(NarInfo {
            store_path: item.path.clone(),
            url: format!("{NARS}/{name}"),
            compression: Compression::Zstd,
            file_hash: Some(file_hash),
            file_size: Some(file_size),
            nar_hash,
            nar_size,
            references: Default::default(),
            deriver: None,
            system: None,
            signatures: Vec::new(),
            content: Some(address),
        })
    }
}

/// An item, by its place in the list, and how large its NAR is.
struct Measured {
    number: usize,
    /// In bytes.
    size: u64,
    /// What was found out for that: looking at some thousand files takes as long as packing ten megabytes.
    tree: Option<tree::Tree>,
}

impl Measured {
    fn of(number: usize, content: &Content) -> Result<Self> {
        Ok(match content {
            Content::Tree(path) => {
                let tree = tree::scan(path)?;
                Self { number, size: tree::nar::length(&tree), tree: Some(tree) }
            }
            Content::File { size, .. } => Self { number, size: tree::nar::plain_length(*size), tree: None },
        })
    }
}

/// A file whose bytes are hashed while they are read.
struct Known {
    file: File,
    hasher: Hasher,
}

impl Read for Known {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// What the threads share.
struct Work<'a> {
    cache: &'a Cache,
    items: &'a [Item],
    key: Option<&'a SecretKey>,
    done: Mutex<Vec<Option<Added>>>,
    failed: Mutex<Option<Error>>,
    is_over: AtomicBool,
}

impl Work<'_> {
    /// Does one after another of those that nobody has begun, until one fails anywhere.
    fn run(&self, all: &[Measured], next: &AtomicUsize, threads: u32) {
        while let Some(measured) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            match self.cache.add_one(&self.items[measured.number], measured, self.key, threads) {
                Ok(added) => {
                    self.done.lock().unwrap_or_else(PoisonError::into_inner)[measured.number] = Some(added);
                }
                Err(error) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    }
}
