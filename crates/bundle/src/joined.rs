//! A bundle that was cut into several files, for file systems and media that have no room for one: read as if they were one. The cuts
//! are anywhere; `cat` joins them too.

use std::io::{self, Read, Seek, SeekFrom};

/// Several files, one after another.
#[derive(Debug)]
pub struct Joined<R> {
    /// Each with where it begins.
    parts: Vec<(u64, R)>,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Joined<R> {
    /// Joins them, in this order.
    ///
    /// # Errors
    /// What asking for their lengths gives.
    pub fn new(files: impl IntoIterator<Item = R>) -> io::Result<Self> {
        let (mut parts, mut length) = (Vec::new(), 0);
        for mut file in files {
            let size = file.seek(SeekFrom::End(0))?;
            parts.push((length, file));
            length += size;
        }
        Ok(Self { parts, length, at: 0 })
    }
}

impl<R: Read + Seek> Read for Joined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length {
            return Ok(0);
        }
        // The last that begins here or before: empty ones are passed over.
        let number = self.parts.partition_point(|(start, _)| *start <= self.at);
        let end = self.parts.get(number).map_or(self.length, |(start, _)| *start);
        let Some((start, file)) = number.checked_sub(1).and_then(|number| self.parts.get_mut(number)) else {
            return Ok(0);
        };
        file.seek(SeekFrom::Start(self.at - *start))?;
        let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = file.read(&mut buffer[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Joined<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    proptest::proptest! {
        /// However it is cut, it reads as one, from everywhere.
        #[test]
        fn reads_as_one(parts: Vec<Vec<u8>>, from in 0usize..64) {
            let whole = parts.concat();
            let mut joined = Joined::new(parts.into_iter().map(Cursor::new)).unwrap();
            let mut found = Vec::new();
            joined.read_to_end(&mut found).unwrap();
            proptest::prop_assert_eq!(&found, &whole);
            let from = from.min(whole.len());
            joined.seek(SeekFrom::End(-(from as i64))).unwrap();
            found.clear();
            joined.read_to_end(&mut found).unwrap();
            proptest::prop_assert_eq!(&found, &whole[whole.len() - from..]);
        }
    }

    #[test]
    fn nothing_lies_before_the_beginning() {
        let mut joined = Joined::new([Cursor::new(vec![1])]).unwrap();
        assert!(joined.seek(SeekFrom::Current(-1)).is_err());
    }
}
