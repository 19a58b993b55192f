//! As much of ELF as has to be read here: a section's bytes by name, what lies behind all of it, and which libraries a file needs. 64 bits, little end
//! first, as all systems that OpenCode is released for. Never writes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use lock::{Algorithm, Hasher, Sri};

/// The most sections that are looked at, and the largest table that is read, in bytes: a bound against nonsense.
const MOST_SECTIONS: u16 = 1024;
const MOST_TABLE: u64 = 16 << 20;
/// `SHT_DYNAMIC` of elf.h.
const DYNAMIC: u32 = 6;
/// `SHT_NOBITS` of elf.h: it takes no place in the file.
const NOTHING: u32 = 8;
/// `DT_NEEDED` of elf.h.
const NEEDED: u64 = 1;

/// A file's sections.
pub struct Elf {
    file: File,
    sections: Vec<Section>,
    /// The section of sections' names.
    names: usize,
    /// Where the table of sections ends.
    table_end: u64,
    /// `e_machine`.
    pub machine: u16,
}

struct Section {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

impl Elf {
    /// `None` for what is no such file.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut head = Vec::with_capacity(64);
        file.by_ref().take(64).read_to_end(&mut head)?;
        if !head.starts_with(b"\x7fELF\x02\x01") || head.len() < 64 {
            return Ok(None);
        }
        let (count, names) = (short(&head, 0x3c), usize::from(short(&head, 0x3e)));
        let size = u64::from(short(&head, 0x3a));
        let (at, length) = (long(&head, 0x28), size * u64::from(count.min(MOST_SECTIONS)));
        let table_end = at.saturating_add(length);
        let mut elf = Self { file, sections: Vec::new(), names, table_end, machine: short(&head, 0x12) };
        let table = elf.bytes(at, length)?;
        if size >= 64 {
            elf.sections = table.chunks_exact(size as usize).map(Section::read).collect();
        }
        Ok(Some(elf))
    }

    /// The hash of a section's bytes.
    pub fn digest(&mut self, name: &str) -> io::Result<Option<Sri>> {
        match self.section(name)? {
            Some((offset, size)) => self.hash(offset, size).map(Some),
            None => Ok(None),
        }
    }

    /// Where a section begins, and how long it is.
    pub fn section(&mut self, name: &str) -> io::Result<Option<(u64, u64)>> {
        let names = self.content(self.names)?;
        let found =
            self.sections.iter().find(|section| text(&names, section.name as usize) == name.as_bytes());
        Ok(found.map(|section| (section.offset, section.size)))
    }

    /// How many bytes lie behind everything that is ELF's.
    pub fn behind(&mut self) -> io::Result<u64> {
        let sections = self.sections.iter().filter(|section| section.kind != NOTHING);
        let end = sections.map(|section| section.offset.saturating_add(section.size)).max();
        let size = self.file.metadata()?.len();
        Ok(size.saturating_sub(self.table_end.max(end.unwrap_or_default())))
    }

    /// The hash of the last bytes.
    pub fn tail(&mut self, bytes: u64) -> io::Result<Sri> {
        let size = self.file.metadata()?.len();
        self.hash(size.saturating_sub(bytes), bytes)
    }

    /// Whether the last bytes hold a text.
    pub fn ends_with(&mut self, bytes: u64, wanted: &[u8]) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        let last = self.bytes(size.saturating_sub(bytes), bytes)?;
        Ok(last.windows(wanted.len()).any(|window| window == wanted))
    }

    fn hash(&mut self, offset: u64, size: u64) -> io::Result<Sri> {
        self.file.seek(SeekFrom::Start(offset))?;
        let (mut rest, mut hasher) = (self.file.by_ref().take(size), Hasher::new(Algorithm::Sha256));
        let mut buffer = vec![0; 1 << 20];
        loop {
            match rest.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// The libraries that it needs, by the names that a loader looks for.
    pub fn needed(&mut self) -> io::Result<Vec<String>> {
        let Some(at) = self.sections.iter().position(|section| section.kind == DYNAMIC) else {
            return Ok(Vec::new());
        };
        let (entries, names) = (self.content(at)?, self.content(self.sections[at].link as usize)?);
        let needed = entries.chunks_exact(16).filter(|entry| long(entry, 0) == NEEDED);
        let name =
            |entry: &[u8]| text(&names, usize::try_from(long(entry, 8)).unwrap_or(usize::MAX)).to_vec();
        Ok(needed.filter_map(|entry| String::from_utf8(name(entry)).ok()).collect())
    }

    fn content(&mut self, section: usize) -> io::Result<Vec<u8>> {
        match self.sections.get(section).map(|section| (section.offset, section.size)) {
            Some((offset, size)) => self.bytes(offset, size),
            None => Ok(Vec::new()),
        }
    }

    fn bytes(&mut self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.by_ref().take(size.min(MOST_TABLE)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Section {
    fn read(entry: &[u8]) -> Self {
        Self {
            name: word(entry, 0),
            kind: word(entry, 4),
            offset: long(entry, 0x18),
            size: long(entry, 0x20),
            link: word(entry, 0x28),
        }
    }
}

/// The text that begins at `at`, up to the zero behind it.
fn text(names: &[u8], at: usize) -> &[u8] {
    let rest = names.get(at..).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(bytes, at))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_its_libraries_and_has_sections() {
        let own = std::env::current_exe().unwrap();
        let mut elf = Elf::open(&own).unwrap().unwrap();
        let needed = elf.needed().unwrap();
        assert!(needed.iter().any(|name| name.starts_with("libc.")), "{needed:?}");
        assert!(elf.digest(".text").unwrap().is_some());
        assert_eq!(elf.digest(".no-such").unwrap(), None);
    }

    #[test]
    fn what_lies_behind_a_program_is_counted() {
        let (file, own) = (tempfile::NamedTempFile::new().unwrap(), std::env::current_exe().unwrap());
        std::fs::copy(own, file.path()).unwrap();
        let behind = |file: &Path| Elf::open(file).unwrap().unwrap().behind().unwrap();
        let before = behind(file.path());
        let mut more = File::options().append(true).open(file.path()).unwrap();
        std::io::Write::write_all(&mut more, b"payload and its mark").unwrap();
        assert_eq!(behind(file.path()), before + 20);
        let mut elf = Elf::open(file.path()).unwrap().unwrap();
        assert!(elf.ends_with(5, b"mark").unwrap() && !elf.ends_with(5, b"payload").unwrap());
        assert_eq!(elf.tail(4).unwrap(), Sri::of(Algorithm::Sha256, b"mark"));
    }

    #[test]
    fn what_is_no_such_file_or_a_broken_one_is_no_panic() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\n").unwrap();
        assert!(Elf::open(file.path()).unwrap().is_none());
        let mut nonsense = b"\x7fELF\x02\x01".to_vec();
        nonsense.resize(200, 0xff);
        std::fs::write(file.path(), &nonsense).unwrap();
        if let Ok(Some(mut elf)) = Elf::open(file.path()) {
            assert!(elf.needed().unwrap().is_empty());
        }
    }
}
