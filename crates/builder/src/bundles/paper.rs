//! What a bundle is written to: one file, or several that it is cut into, aside, and under their names only when they are whole. What
//! stands there and is no bundle stays.

use std::fs;
use std::io::{self, Error as IoError, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bundle::believed::beside;
use bundle::file::{MOST, numbered};
use tree::atomic::Aside;

use super::Error;

/// Mode of a bundle: whoever carries it may be somebody else.
const MODE: u32 = 0o644;

/// Mode of one that begins with a program.
const PROGRAM: u32 = 0o755;

/// How a file of minisign's begins.
const MINISIGN: &[u8] = b"untrusted comment: ";

/// A bundle on its way.
#[derive(Debug)]
pub(super) struct Paper {
    file: PathBuf,
    /// Bytes of each file but the last, where it is cut.
    cut: Option<u64>,
    asides: Vec<Aside>,
    at: u64,
}

impl Paper {
    /// Begins the bundle that is to be at `file`, or in files of `cut` bytes that are named after it.
    pub(super) fn beside(file: &Path, cut: Option<u64>) -> Result<Self, Error> {
        for place in [file.to_path_buf(), numbered(file, 1)] {
            if place.symlink_metadata().is_ok() && bundle::open(&place).is_err() {
                return Err(Error::Taken { path: place });
            }
        }
        let mut paper = Self { file: file.to_path_buf(), cut, asides: Vec::new(), at: 0 };
        paper.asides.push(Aside::beside(&paper.name(0))?);
        Ok(paper)
    }

    fn name(&self, number: usize) -> PathBuf {
        match self.cut {
            Some(_) => numbered(&self.file, number + 1),
            None => self.file.clone(),
        }
    }

    /// In which file the current place is, where in it, and how many bytes may follow there.
    fn place(&self) -> (usize, u64, usize) {
        let cut = self.cut.unwrap_or(u64::MAX);
        let (number, within) = (self.at / cut, self.at % cut);
        let room = usize::try_from(cut - within).unwrap_or(usize::MAX);
        (usize::try_from(number).unwrap_or(usize::MAX), within, room)
    }

    /// Flushes it and gives it its name, or their names: the first one last, so that it is never there without the others. Files of an
    /// older bundle of that name go, and an older signature beside it.
    pub(super) fn finish(self, is_program: bool) -> Result<Vec<PathBuf>, Error> {
        let mode = if is_program { PROGRAM } else { MODE };
        let files: Vec<_> = (0..self.asides.len()).map(|number| self.name(number)).collect();
        self.forget_signature()?;
        for aside in self.asides.into_iter().rev() {
            aside.finish(mode)?;
        }
        let left = if self.cut.is_some() { files.len() } else { 0 };
        if self.cut.is_some() && self.file.symlink_metadata().is_ok() {
            remove(&self.file)?;
        }
        let older = (left + 1..=MOST).map(|number| numbered(&self.file, number));
        older.take_while(|path| path.symlink_metadata().is_ok()).try_for_each(|path| remove(&path))?;
        Ok(files)
    }

    /// It would be of another bundle.
    fn forget_signature(&self) -> Result<(), Error> {
        let path = beside(&self.file);
        let mut begins = Vec::new();
        let Ok(file) = tree::open_file(&path) else { return Ok(()) };
        let read = file.take(MINISIGN.len() as u64).read_to_end(&mut begins);
        if read.is_ok() && begins == MINISIGN { remove(&path) } else { Err(Error::Taken { path }) }
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    let failed = |source| tree::Error::Io { verb: "remove", path: path.to_path_buf(), source };
    Ok(fs::remove_file(path).map_err(failed)?)
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (number, within, room) = self.place();
        while self.asides.len() <= number {
            if self.asides.len() >= MOST {
                return Err(IoError::new(
                    ErrorKind::FileTooLarge,
                    format!("it would be cut into more than {MOST} files"),
                ));
            }
            // What the one before ends with may not have been written yet.
            if let Some((last, cut)) = self.asides.last_mut().zip(self.cut) {
                last.file().set_len(cut)?;
            }
            let aside = Aside::beside(&self.name(self.asides.len()));
            self.asides.push(aside.map_err(IoError::other)?);
        }
        let Some(aside) = self.asides.get_mut(number) else { return Err(ErrorKind::InvalidInput.into()) };
        aside.file().seek(SeekFrom::Start(within))?;
        let count = aside.write(&bytes[..bytes.len().min(room)])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.asides.iter_mut().try_for_each(Write::flush)
    }
}

impl Read for Paper {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (number, within, room) = self.place();
        let Some(aside) = self.asides.get_mut(number) else { return Ok(0) };
        aside.file().seek(SeekFrom::Start(within))?;
        let most = buffer.len().min(room);
        let count = aside.file().read(&mut buffer[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Paper {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = match self.asides.last_mut() {
            Some(last) => {
                let size = last.file().metadata()?.len();
                size + (self.asides.len() as u64 - 1) * self.cut.unwrap_or(0)
            }
            None => 0,
        };
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| IoError::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(paper: &mut Paper) {
        paper.write_all(b"....").unwrap();
        paper.seek(SeekFrom::Start(9)).unwrap();
        paper.write_all(b"ends here").unwrap();
        paper.seek(SeekFrom::Start(2)).unwrap();
        paper.write_all(b"begins,").unwrap();
    }

    #[test]
    fn what_is_cut_joins_to_what_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        let mut paper = Paper::beside(&file, None).unwrap();
        write(&mut paper);
        paper.seek(SeekFrom::End(-4)).unwrap();
        let mut end = String::new();
        paper.read_to_string(&mut end).unwrap();
        assert_eq!(end, "here");
        assert_eq!(paper.finish(false).unwrap(), std::slice::from_ref(&file));
        let whole = fs::read(&file).unwrap();
        assert_eq!(whole, b"..begins,ends here");
        fs::remove_file(&file).unwrap();

        let mut paper = Paper::beside(&file, Some(5)).unwrap();
        write(&mut paper);
        let mut all = Vec::new();
        paper.seek(SeekFrom::Start(0)).unwrap();
        paper.read_to_end(&mut all).unwrap();
        assert_eq!(all, whole);
        let files = paper.finish(false).unwrap();
        assert_eq!(files, (1..=4).map(|number| numbered(&file, number)).collect::<Vec<_>>());
        assert_eq!(files.iter().flat_map(|file| fs::read(file).unwrap()).collect::<Vec<_>>(), whole);
    }

    #[test]
    fn what_is_no_bundle_stays_and_too_many_files_are_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        fs::write(&file, "mine").unwrap();
        assert_eq!(Paper::beside(&file, None).unwrap_err().code(), "bundle-place-taken");
        let other = directory.path().join("b");
        let mut paper = Paper::beside(&other, Some(1)).unwrap();
        assert!(paper.write_all(&[0; MOST + 1]).is_err());
        drop(paper);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
