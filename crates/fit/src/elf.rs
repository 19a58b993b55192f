//! Which bytes of OpenCode's binary have to change so that it uses another loader, and libraries beside it.
//!
//! Measured with 1.0.152 to 1.18.33 for x86_64 and 1.18.18 for aarch64, which have one shape: the loader's path (`PT_INTERP`) is
//! followed by two notes that nothing reads at run time, `.note.ABI-tag` and `.note.gnu.build-id`; together they have 96 bytes. There
//! the new path goes, and behind it where to look for libraries. The notes' program header becomes one that says nothing
//! (`PT_NULL`), and the entry of the dynamic section that is there for debuggers (`DT_DEBUG`) becomes the one that names those
//! directories (`DT_RPATH`; not `DT_RUNPATH`, which does not hold for what a native module needs in turn). A text's place is counted
//! from the table of strings; this one lies before it, so that the number wraps, as the loader's own sum does.
//!
//! No byte is moved. Anything that is not exactly so is refused.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::SEARCHED;
use crate::edit::Edit;
use crate::error::{At, Error, Result};

/// Bytes of an ELF header for 64 bits.
const HEADER: usize = 64;
/// Bytes of a program header.
const SEGMENT: usize = 56;
/// Program headers at most; the known binaries have nine.
const MAX_SEGMENTS: usize = 64;
/// Bytes of a dynamic section at most; theirs have 496.
const MAX_DYNAMIC: u64 = 64 << 10;
/// Bytes of loader's path and notes at most; theirs have 96.
const MAX_ROOM: u64 = 4096;

const PT_NULL: u32 = 0;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;

const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_DEBUG: u64 = 21;
const DT_RUNPATH: u64 = 29;

/// Types of notes that only tools read: the oldest kernel, and the build's id.
const IDLE_NOTES: [u32; 2] = [1, 3];

/// What a binary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86_64.
    X86_64,
    /// aarch64.
    Aarch64,
}

impl Machine {
    /// The loader that glibc's binaries name.
    pub fn interpreter(self) -> &'static str {
        match self {
            Self::X86_64 => "/lib64/ld-linux-x86-64.so.2",
            Self::Aarch64 => "/lib/ld-linux-aarch64.so.1",
        }
    }

    /// Its file name, here and in an output's libraries.
    pub fn loader(self) -> &'static str {
        match self {
            Self::X86_64 => "ld-linux-x86-64.so.2",
            Self::Aarch64 => "ld-linux-aarch64.so.1",
        }
    }
}

/// One program header.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Where it stands in the file.
    at: u64,
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// The machine of the binary at `path`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] for what is no binary of a known machine.
pub fn machine(file: &File, path: &Path) -> Result<Machine> {
    Ok(Binary { file, path }.header()?.0)
}

/// What has to change in the binary at `path` so that `loader` loads it, and libraries are looked for in
/// [`LIBRARIES`](crate::LIBRARIES) of its output.
///
/// # Errors
/// [`Error::Shape`] for a binary that is not of the known shape; [`Error::PathTooLong`]; [`Error::Io`].
pub fn edits(file: &File, path: &Path, loader: &Path) -> Result<Vec<Edit>> {
    let binary = Binary { file, path };
    let segments = binary.segments()?;
    let interpreter = binary.one(&segments, PT_INTERP, "it has no loader, or several")?;
    let room = binary.room(&segments, &interpreter)?;
    let new_room = filled(room.bytes.len(), loader)?;
    let interpreter_size = (loader.as_os_str().len() as u64 + 1).to_le_bytes();
    let debug = binary.debug(&segments)?;
    // Of the string's place; the table of strings lies behind it.
    let name = (interpreter.address + loader.as_os_str().len() as u64 + 1).wrapping_sub(debug.strings);
    let mut edits = vec![
        binary.edit(interpreter.at + 32, [interpreter_size, interpreter_size].concat())?,
        binary.edit(room.notes.at, PT_NULL.to_le_bytes().to_vec())?,
        Edit { offset: interpreter.offset, before: room.bytes, after: new_room },
        binary.edit(debug.at, [DT_RPATH.to_le_bytes(), name.to_le_bytes()].concat())?,
    ];
    edits.sort_by_key(|edit| edit.offset);
    let apart = edits.windows(2).all(|pair| match pair {
        [one, next] => one.offset + one.before.len() as u64 <= next.offset,
        _ => true,
    });
    if apart { Ok(edits) } else { Err(binary.shape("its parts overlap")) }
}

/// What stands in the room: the loader's path, where to look for libraries, and zeros.
fn filled(room: usize, loader: &Path) -> Result<Vec<u8>> {
    let path = loader.as_os_str().as_bytes();
    let too_long =
        || Error::PathTooLong { loader: loader.to_path_buf(), room: room.saturating_sub(SEARCHED.len() + 2) };
    let mut bytes = [path, b"\0", SEARCHED.as_bytes(), b"\0"].concat();
    if bytes.len() > room || path.contains(&0) || !loader.is_absolute() {
        return Err(too_long());
    }
    bytes.resize(room, 0);
    Ok(bytes)
}

/// The loader's path and the notes behind it.
struct Room {
    bytes: Vec<u8>,
    notes: Segment,
}

/// The entry that only debuggers use.
struct Debug {
    at: u64,
    strings: u64,
}

struct Binary<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Binary<'_> {
    fn shape(&self, reason: &'static str) -> Error {
        Error::Shape { path: self.path.to_path_buf(), reason }
    }

    fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.shape("it ends too early"))
            }
            Err(error) => Err(error).at("read", self.path),
        }
    }

    fn edit(&self, offset: u64, after: Vec<u8>) -> Result<Edit> {
        Ok(Edit { offset, before: self.read(offset, after.len())?, after })
    }

    /// Machine, place and number of the program headers.
    fn header(&self) -> Result<(Machine, u64, usize)> {
        let header = self.read(0, HEADER)?;
        // 64 bits, little end first, the one version that there is.
        if !header.starts_with(b"\x7fELF\x02\x01\x01") {
            return Err(self.shape("it is no ELF file for 64 bits, little end first"));
        }
        let machine = match u16_at(&header, 18) {
            62 => Machine::X86_64,
            183 => Machine::Aarch64,
            _ => return Err(self.shape("it is for another processor than x86_64 and aarch64")),
        };
        let number = u16_at(&header, 56) as usize;
        if u16_at(&header, 54) as usize != SEGMENT || number > MAX_SEGMENTS {
            return Err(self.shape("its program headers are of another form"));
        }
        Ok((machine, u64_at(&header, 32), number))
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        let (_, place, number) = self.header()?;
        let table = self.read(place, number * SEGMENT)?;
        let segments = table.chunks_exact(SEGMENT).enumerate().map(|(number, bytes)| Segment {
            at: place + (number * SEGMENT) as u64,
            kind: u32_at(bytes, 0),
            offset: u64_at(bytes, 8),
            address: u64_at(bytes, 16),
            size: u64_at(bytes, 32),
        });
        Ok(segments.collect())
    }

    fn one(&self, segments: &[Segment], kind: u32, otherwise: &'static str) -> Result<Segment> {
        let mut found = segments.iter().filter(|segment| segment.kind == kind);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(*one),
            _ => Err(self.shape(otherwise)),
        }
    }

    /// The loader's path, and what follows it that can be done without.
    fn room(&self, segments: &[Segment], interpreter: &Segment) -> Result<Room> {
        let (machine, ..) = self.header()?;
        let path = [machine.interpreter().as_bytes(), b"\0"].concat();
        if interpreter.size != path.len() as u64 || self.read(interpreter.offset, path.len())? != path {
            return Err(self.shape("its loader is not glibc's"));
        }
        let notes = self.one(segments, PT_NOTE, "it has no notes, or several lists of them")?;
        // Notes begin at a multiple of four.
        if notes.offset != interpreter.end().next_multiple_of(4) || notes.size > MAX_ROOM {
            return Err(self.shape("its notes are not behind its loader's path"));
        }
        let mapped = segments.iter().any(|load| {
            load.kind == PT_LOAD
                && load.offset <= interpreter.offset
                && notes.end() <= load.end()
                && interpreter.address.wrapping_sub(load.address) == interpreter.offset - load.offset
        });
        if !mapped {
            return Err(self.shape("its loader's path is not in its memory"));
        }
        self.check_notes(&self.read(notes.offset, notes.size as usize)?)?;
        let size = (notes.end() - interpreter.offset) as usize;
        Ok(Room { bytes: self.read(interpreter.offset, size)?, notes })
    }

    /// Refuses notes that a kernel or loader reads.
    fn check_notes(&self, mut rest: &[u8]) -> Result<()> {
        let odd = || self.shape("its notes are others than build id and oldest kernel");
        while !rest.is_empty() {
            let (head, behind) = rest.split_at_checked(12).ok_or_else(odd)?;
            let padded = |at| (u32_at(head, at) as usize).next_multiple_of(4);
            let (name, behind) = behind.split_at_checked(padded(0)).ok_or_else(odd)?;
            let (_, behind) = behind.split_at_checked(padded(4)).ok_or_else(odd)?;
            if name != b"GNU\0" || !IDLE_NOTES.contains(&u32_at(head, 8)) {
                return Err(odd());
            }
            rest = behind;
        }
        Ok(())
    }

    /// The entry of the dynamic section that becomes another.
    fn debug(&self, segments: &[Segment]) -> Result<Debug> {
        let dynamic = self.one(segments, PT_DYNAMIC, "it has no dynamic section, or several")?;
        if dynamic.size > MAX_DYNAMIC {
            return Err(self.shape("its dynamic section is too large"));
        }
        let bytes = self.read(dynamic.offset, dynamic.size as usize)?;
        let (mut debug, mut strings, mut ended) = (Vec::new(), Vec::new(), false);
        for (number, entry) in bytes.chunks_exact(16).enumerate() {
            let at = dynamic.offset + number as u64 * 16;
            match u64_at(entry, 0) {
                DT_NULL => {
                    ended = true;
                    break;
                }
                DT_DEBUG => debug.push(at),
                DT_STRTAB => strings.push(u64_at(entry, 8)),
                DT_RPATH | DT_RUNPATH => {
                    return Err(self.shape("it says already where to look for libraries"));
                }
                _ => {}
            }
        }
        match (&debug[..], &strings[..], ended) {
            ([at], [strings], true) => Ok(Debug { at: *at, strings: *strings }),
            _ => Err(self.shape("its dynamic section is of another form")),
        }
    }
}

/// A number at a place in bytes that have it; 0 where they do not.
fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(number(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number(bytes, at))
}
