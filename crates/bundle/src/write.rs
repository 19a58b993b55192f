//! Writing a bundle: the tar is cut into pieces, each packed by one of several threads, in the order in which they come out. Which
//! thread packs which makes no difference to a byte.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use lock::RelPath;

use crate::draft::Draft;
use crate::error::{Doing as _, Error, Result};
use crate::frame;
use crate::hash::Sha256;
use crate::header::{ALIGNMENT, BEFORE, BLOCK, Frame, Header, MAX_STUB, SKIPPED, Stub, length};
use crate::index::Index;
use crate::marks::Look;
use crate::read::MAX_FRONT;
use crate::tape::{self, Content, END, Step};

/// Bytes read from a file at once.
const BUFFER: usize = 256 * 1024;

/// Where the bytes of files come from.
pub trait Contents: Sync {
    /// Opens a file of a tree, which is named by its place in the index.
    ///
    /// # Errors
    /// Whatever ends the writing.
    fn open(&self, part: usize, path: &RelPath) -> tree::Result<Box<dyn Read + '_>>;

    /// Opens a file of a tree's base; only asked for where there is one.
    ///
    /// # Errors
    /// Whatever ends the writing.
    fn open_base(&self, part: usize, path: &RelPath) -> tree::Result<Box<dyn Read + '_>> {
        let path = Path::new(&part.to_string()).join(path.as_str());
        Err(tree::Error::Io { verb: "open", path, source: io::ErrorKind::NotFound.into() })
    }
}

/// How a bundle is packed. The level is part of what comes out, the threads are not.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    /// zstd's level, 1 to [`frame::MAX_LEVEL`].
    pub level: i32,
    /// How many threads pack; each has up to four pieces of [`BLOCK`] in memory.
    pub threads: NonZeroUsize,
}

/// Writes a bundle to the beginning of `out`; `stub` is the program to begin with, and may be empty. Gives what stands at its beginning,
/// and so the digest of the whole.
///
/// # Errors
/// [`Error::Changed`] where a file is not what its listing says; [`Error::Malformed`] and [`Error::TooLarge`] where index and listings
/// are none that could be read; [`Error::Io`], [`Error::Tree`]. What was written by then is no bundle.
pub fn write(
    out: &mut (impl Write + Seek),
    draft: &Draft,
    contents: &dyn Contents,
    stub: &[u8],
    packing: Packing,
) -> Result<Header> {
    let index = &draft.index;
    let stub_facts = (!stub.is_empty()).then(|| Stub { size: stub.len() as u64, hash: Sha256::of(stub) });
    if stub.len() as u64 > MAX_STUB {
        return Err(Error::TooLarge { what: "the program before it, in bytes", limit: MAX_STUB });
    }
    let text = index.to_text();
    let front = front(draft)?;
    let steps = || draft.trees(stub_facts.map(|stub| stub.hash)).steps();
    let size = tape_size(index, steps());
    let blocks = front.len().div_ceil(BLOCK) + size.div_ceil(BLOCK as u64) as usize;
    let mut header =
        Header { stub: stub_facts, front: front.len() as u64, index: text.len() as u64, frames: Vec::new() };

    out.seek(SeekFrom::Start(0)).doing("write")?;
    out.write_all(stub).doing("write")?;
    let gap = (stub.len() as u64).next_multiple_of(ALIGNMENT) - stub.len() as u64 + BEFORE + length(blocks);
    // Left empty until the hashes of what follows are known.
    io::copy(&mut io::repeat(0).take(gap), out).doing("write")?;
    header.frames = pack(out, packing, |cutter| {
        cutter.put(&front)?;
        cutter.cut()?;
        let mut buffer = vec![0; BUFFER];
        for step in steps() {
            cutter.put(&step.header(index))?;
            match (step.content, step.entry) {
                (Content::Here { hash, size }, Some(entry)) => {
                    let file = contents.open(step.part, &entry.path)?;
                    copy(file, &entry.path, draft.marks.look(hash), size, cutter, &mut buffer)?;
                    cutter.put(&END[..tape::padding(size)])?;
                }
                (Content::Patch { hash, packed, .. }, _) => {
                    let patch = draft.patches.get(&hash).filter(|patch| patch.len() as u64 == packed);
                    cutter.put(
                        patch.ok_or_else(|| Error::malformed("its index", "a patch that was not made"))?,
                    )?;
                    cutter.put(&END[..tape::padding(packed)])?;
                }
                _ => {}
            }
        }
        cutter.put(&END)?;
        cutter.cut()
    })?;
    let written = Header::parse(header.to_text().as_bytes())?;
    out.seek(SeekFrom::Start(header.start())).doing("write")?;
    let text = written.to_text();
    out.write_all(&SKIPPED).doing("write")?;
    out.write_all(&(text.len() as u32).to_le_bytes()).doing("write")?;
    out.write_all(text.as_bytes()).doing("write")?;
    out.seek(SeekFrom::Start(header.end())).doing("write")?;
    out.flush().doing("write")?;
    Ok(written)
}

/// Puts signatures behind a bundle, in place of those that are there. They are in a frame that zstd skips; what they are of, which
/// [`Bundle::check`](crate::Bundle::check) gives, stays as it is.
///
/// # Errors
/// [`Error::Io`].
pub fn sign(out: &mut (impl Write + Seek), header: &Header, signatures: &str) -> Result<()> {
    out.seek(SeekFrom::Start(header.end())).doing("write")?;
    out.write_all(&SKIPPED).doing("write")?;
    out.write_all(&(signatures.len() as u32).to_le_bytes()).doing("write")?;
    out.write_all(signatures.as_bytes()).doing("write")?;
    out.flush().doing("write")
}

/// Index and listings as they stand in the tar; what could not be read again is not written.
fn front(draft: &Draft) -> Result<Vec<u8>> {
    let Draft { index, listings, .. } = draft;
    index.check()?;
    let text = index.to_text();
    let mut front = Vec::new();
    let mut file = |header: Vec<u8>, bytes: &[u8]| {
        front.extend_from_slice(&header);
        front.extend_from_slice(bytes);
        front.resize(front.len() + tape::padding(bytes.len() as u64), 0);
    };
    file(tape::index_header(text.len() as u64), text.as_bytes());
    if listings.len() != index.parts.len() {
        return Err(Error::malformed("its index", "it has other trees than there are listings"));
    }
    for ((part, listing), patch) in index.parts.iter().zip(listings).zip(&draft.listing_patches) {
        let text = listing.to_text();
        let is_its = part.listing == Sha256::of(text.as_bytes())
            && part.listing_size == text.len() as u64
            && part.size == listing.size();
        if !is_its {
            return Err(Error::malformed("its index", "a tree's listing is another"));
        }
        file(tape::listing_header(part), patch.as_deref().unwrap_or(text.as_bytes()));
    }
    if front.len() as u64 > MAX_FRONT {
        return Err(Error::TooLarge { what: "index and listings, in bytes", limit: MAX_FRONT });
    }
    Ok(front)
}

/// Bytes of the tar behind index and listings.
fn tape_size<'a>(index: &Index, steps: impl Iterator<Item = Step<'a>>) -> u64 {
    let sizes = steps.map(|step| {
        let content = match step.content {
            Content::Here { size, .. } | Content::Patch { packed: size, .. } => {
                size + tape::padding(size) as u64
            }
            _ => 0,
        };
        step.header(index).len() as u64 + content
    });
    sizes.sum::<u64>() + END.len() as u64
}

/// Copies a file that has to be what its listing says.
fn copy(
    mut file: impl Read,
    path: &RelPath,
    mut look: Look,
    size: u64,
    cutter: &mut Cutter,
    buffer: &mut [u8],
) -> Result<()> {
    let changed = || Error::Changed { path: path.as_str().to_owned() };
    let mut left = size;
    loop {
        let count = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.doing("read what belongs into")?,
        };
        if count == 0 {
            break;
        }
        left = left.checked_sub(count as u64).ok_or_else(changed)?;
        look.update(&buffer[..count]);
        cutter.put(&buffer[..count])?;
    }
    if left == 0 && look.finish() { Ok(()) } else { Err(changed()) }
}

/// A piece when it is packed, and the hash of that.
type Packed = Result<(Vec<u8>, Sha256)>;

/// A piece, and where it goes when it is packed.
struct Job {
    piece: Vec<u8>,
    done: SyncSender<Packed>,
}

/// A piece that was sent to be packed: its size, and where it comes from.
struct Pending {
    size: u64,
    packed: Receiver<Packed>,
}

/// Cuts a stream into pieces.
struct Cutter {
    piece: Vec<u8>,
    jobs: SyncSender<Job>,
    order: SyncSender<Pending>,
    /// Pieces that were packed, emptied: fresh memory has to be cleared by the kernel first.
    emptied: Receiver<Vec<u8>>,
}

impl Cutter {
    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == BLOCK {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// Ends a piece, however short; nothing where nothing was put since the last.
    fn cut(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let next = self.emptied.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        let piece = std::mem::replace(&mut self.piece, next);
        let (done, packed) = sync_channel(1);
        let size = piece.len() as u64;
        // Nobody listens any more where writing has failed, and then that is what is told.
        let stopped = || Error::Io { verb: "write", source: io::Error::other("it was given up") };
        self.order.send(Pending { size, packed }).map_err(|_| stopped())?;
        self.jobs.send(Job { piece, done }).map_err(|_| stopped())
    }
}

/// Runs `produce` on one thread, packs on several, and writes on this one.
fn pack(
    out: &mut impl Write,
    packing: Packing,
    produce: impl FnOnce(&mut Cutter) -> Result<()> + Send,
) -> Result<Vec<Frame>> {
    let threads = packing.threads.get();
    std::thread::scope(|scope| {
        let (jobs, queue) = sync_channel::<Job>(0);
        let (order, pending) = sync_channel::<Pending>(threads);
        let queue = Arc::new(Mutex::new(queue));
        let (emptying, emptied) = channel();
        for _ in 0..threads {
            let (queue, emptying) = (Arc::clone(&queue), emptying.clone());
            scope.spawn(move || work(&queue, &emptying, packing.level));
        }
        let producer = scope.spawn(move || {
            let mut cutter = Cutter { piece: Vec::with_capacity(BLOCK), jobs, order, emptied };
            produce(&mut cutter)
        });
        let written = write_frames(out, pending);
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Why writing failed goes before that it was given up.
        let frames = written?;
        produced.map(|()| frames)
    })
}

fn work(queue: &Mutex<Receiver<Job>>, emptying: &Sender<Vec<u8>>, level: i32) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut piece, done }) = next else { return };
        let packed = frame::pack(&piece, level).map(|packed| {
            let hash = Sha256::of(&packed);
            (packed, hash)
        });
        // Nobody waits for it where writing has failed.
        let _ = done.send(packed);
        piece.clear();
        // Nor for this one at the end.
        let _ = emptying.send(piece);
    }
}

/// Writes what was packed, in order.
fn write_frames(out: &mut impl Write, pending: Receiver<Pending>) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for Pending { size, packed } in pending {
        // A piece that was sent and is not packed: the producer has failed in between, and tells.
        let Ok(packed) = packed.recv() else { break };
        let (packed, hash) = packed?;
        frames.push(Frame { packed: packed.len() as u64, size, hash });
        out.write_all(&packed).doing("write")?;
    }
    Ok(frames)
}
