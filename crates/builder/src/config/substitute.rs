//! `{env:NAME}` and `{file:PATH}`, replaced as OpenCode does it: in the text, before it is parsed (1.14.34 to
//! 1.18.33). Owns what is replaced by what, and from where in the text as written each byte comes; what was put in
//! is used to parse, and shown to nobody.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::files;

/// The largest text that may result, in bytes: twice the largest that may be written.
pub const MAX_BYTES: usize = 8 << 20;

/// The largest file that is put into a configuration, in bytes. They hold keys and prompts.
const MAX_FILE: u64 = 1 << 20;

/// How a variable is looked up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a `{file:…}` cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It could not be opened or read.
    #[error("it cannot be read: {0}")]
    Read(std::io::Error),
    /// It is a directory, device, FIFO or socket.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is too large.
    #[error("it has over {MAX_FILE} bytes")]
    TooLarge,
}

/// Why a text cannot be had.
#[derive(Debug)]
pub enum Failure {
    /// A reference cannot be replaced.
    Reference {
        /// Its place in the text as written.
        at: Range<usize>,
        /// The file, unless what was put in is part of its path.
        path: Option<PathBuf>,
        /// Why not.
        reason: Reason,
    },
    /// The text would be over [`MAX_BYTES`].
    TooLarge,
}

/// A text in which everything is replaced.
#[derive(Debug, Default)]
pub struct Substituted {
    /// The text.
    pub text: String,
    /// What was replaced, in order: the place in [`Substituted::text`], and that in the text as written.
    pieces: Vec<(Range<usize>, Range<usize>)>,
}

impl Substituted {
    /// Whether anything in a range was replaced.
    pub fn is_replaced(&self, range: Range<usize>) -> bool {
        // In order and apart from each other: of those that begin before the range ends, the last ends last.
        let before = self.pieces.partition_point(|(new, _)| new.start < range.end);
        let last = before.checked_sub(1).and_then(|last| self.pieces.get(last));
        last.is_some_and(|(new, _)| range.start < new.end.max(new.start + 1))
    }

    /// Where a byte of the text comes from.
    pub fn origin(&self, offset: usize) -> usize {
        let behind = self.pieces.partition_point(|(new, _)| new.start <= offset);
        match behind.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            None => offset,
            Some((new, old)) if offset < new.end => old.start,
            Some((new, old)) => old.end + (offset - new.end),
        }
    }
}

/// Replaces everything in `text`, which stands in a file of `directory`.
pub fn substitute(text: &str, directory: &Path, variables: Variables<'_>) -> Result<Substituted, Failure> {
    files(&variables_replaced(text, variables)?, directory, variables)
}

/// A text in the making.
#[derive(Default)]
struct Page(Substituted);

impl Page {
    fn keep(&mut self, text: &str) -> Result<(), Failure> {
        if self.0.text.len() + text.len() > MAX_BYTES {
            return Err(Failure::TooLarge);
        }
        self.0.text.push_str(text);
        Ok(())
    }

    fn replace(&mut self, old: Range<usize>, by: &str) -> Result<(), Failure> {
        let start = self.0.text.len();
        self.keep(by)?;
        self.0.pieces.push((start..self.0.text.len(), old));
        Ok(())
    }
}

/// A variable that is not set is nothing, and what is put in is not escaped.
fn variables_replaced(text: &str, variables: Variables<'_>) -> Result<Substituted, Failure> {
    let mut page = Page::default();
    let mut done = 0;
    for (range, name) in references(text, "{env:") {
        page.keep(&text[done..range.start])?;
        page.replace(range.clone(), &variables(name).unwrap_or_default())?;
        done = range.end;
    }
    page.keep(&text[done..])?;
    Ok(page.0)
}

/// A file's text is trimmed and escaped. What stands on a line that is a comment is left alone; what stands in
/// another comment is not.
fn files(before: &Substituted, directory: &Path, variables: Variables<'_>) -> Result<Substituted, Failure> {
    let text = &before.text;
    let mut page = Page::default();
    let mut read: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut done = 0;
    // Of what the variables replaced, that which lies outside of what is replaced now.
    let mut kept = before.pieces.iter().peekable();
    let mut shift = |page: &mut Page, done: usize, upto: usize, skip: usize| {
        let base = page.0.text.len();
        while let Some((new, old)) = kept.next_if(|(new, _)| new.start < skip) {
            if new.start >= done && new.end <= upto {
                page.0.pieces.push((base + new.start - done..base + new.end - done, old.clone()));
            }
        }
        page.keep(&text[done..upto])
    };
    let (mut seen, mut is_comment) = (0, None);
    for (range, name) in references(text, "{file:") {
        let newline = text[seen..range.start].rfind('\n');
        let line = newline.map_or(seen, |newline| seen + newline + 1);
        if newline.is_some() || is_comment.is_none() {
            is_comment = Some(text[line..range.start].trim_start().starts_with("//"));
        }
        seen = range.end;
        if is_comment == Some(true) {
            continue;
        }
        let path = resolve(name, directory, variables);
        if !read.contains_key(&path) {
            let found = escaped(&path).map_err(|reason| Failure::Reference {
                at: origin(before, range.clone()),
                path: (!before.is_replaced(range.clone())).then(|| path.clone()),
                reason,
            })?;
            read.insert(path.clone(), found);
        }
        shift(&mut page, done, range.start, range.end)?;
        page.replace(origin(before, range.clone()), read.get(&path).map_or("", String::as_str))?;
        done = range.end;
    }
    shift(&mut page, done, text.len(), usize::MAX)?;
    Ok(page.0)
}

/// Where a reference, which ends with a brace of the text as written, comes from.
fn origin(before: &Substituted, range: Range<usize>) -> Range<usize> {
    before.origin(range.start)..before.origin(range.end.saturating_sub(1)) + 1
}

fn resolve(name: &str, directory: &Path, variables: Variables<'_>) -> PathBuf {
    match (name.strip_prefix("~/"), variables("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => directory.join(name),
    }
}

fn escaped(path: &Path) -> Result<String, Reason> {
    let bytes = files::read_bounded(path, MAX_FILE).map_err(|error| match error {
        files::ReadError::Io(source) => Reason::Read(source),
        files::ReadError::NotAFile => Reason::NotAFile,
        files::ReadError::TooLarge => Reason::TooLarge,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let quoted = serde_json::Value::from(text).to_string();
    Ok(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
}

/// Every `{env:…}` or `{file:…}`: its place, and what stands in it.
fn references<'t>(text: &'t str, begin: &str) -> Vec<(Range<usize>, &'t str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(begin).map(|start| at + start) {
        let inner = start + begin.len();
        let Some(end) = text[inner..].find('}').map(|end| inner + end) else { break };
        if end == inner {
            at = inner;
            continue;
        }
        found.push((start..end + 1, &text[inner..end]));
        at = end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "A" => Some("value".into()),
            "QUOTE" => Some("q\"q".into()),
            "DIR" => Some("sub".into()),
            _ => None,
        }
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("sub")).unwrap();
        std::fs::write(directory.path().join("key"), "\u{feff} a\"b\nc \n").unwrap();
        std::fs::write(directory.path().join("sub/key"), "sub").unwrap();
        directory
    }

    fn text(text: &str) -> Result<String, Failure> {
        Ok(substitute(text, directory().path(), &variables)?.text)
    }

    #[test]
    fn what_is_replaced_by_what() {
        for (written, replaced) in [
            ("{env:A}{env:NONE}", "value"),
            ("\"{env:QUOTE}\"", "\"q\"q\""),
            ("{env:}{env:A", "{env:}{env:A"),
            ("\"{file:key}\"", "\"a\\\"b\\nc\""),
            ("\"{file:./key}\" {file:{env:DIR}/key}", "\"a\\\"b\\nc\" sub"),
            ("  // {file:gone}\n{env:A}", "  // {file:gone}\nvalue"),
            ("// {env:A}", "// value"),
        ] {
            assert_eq!(text(written).unwrap(), replaced, "{written}");
        }
        for written in ["1 // {file:gone}", "/* {file:gone} */", "{file:sub}", "{file:/dev/null}"] {
            let refused = text(written).unwrap_err();
            assert!(
                matches!(&refused, Failure::Reference { at, .. } if at.start == written.find('{').unwrap())
            );
        }
    }

    #[test]
    fn every_byte_has_an_origin() {
        let written = "{env:A}, {file:key}, {env:DIR}, {file:{env:DIR}/key}|{env:NONE}|";
        let home = directory();
        let done = substitute(written, home.path(), &variables).unwrap();
        assert_eq!(done.text, "value, a\\\"b\\nc, sub, sub||");
        for needle in [", {f", ", {e", "|{", "|"] {
            let old = written.rfind(needle).unwrap();
            let new = done.text.char_indices().map(|(at, _)| at).find(|at| done.origin(*at) == old).unwrap();
            // Nothing that was put in counts as the byte behind it.
            assert_eq!(done.is_replaced(new..new + 1), needle == "|", "{needle}");
        }
        let at = |text: &str| done.text.find(text).unwrap();
        assert_eq!(done.origin(at("alue")), 0);
        assert_eq!(done.origin(at("\\nc")), written.find("{file:key}").unwrap());
        assert!(done.is_replaced(at("||")..at("||") + 2) && done.is_replaced(at("sub")..at("sub") + 1));
    }

    #[test]
    fn what_may_result_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("large"), vec![b'x'; MAX_FILE as usize]).unwrap();
        let many = "{file:large}".repeat(9);
        assert!(matches!(substitute(&many, directory.path(), &variables), Err(Failure::TooLarge)));
        let file = std::fs::File::create(directory.path().join("huge")).unwrap();
        file.set_len(1 << 30).unwrap();
        let reason = |text: &str| match substitute(text, directory.path(), &variables) {
            Err(Failure::Reference { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(matches!(reason("{file:huge}"), Reason::TooLarge));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            directory.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(reason("{file:fifo}"), Reason::NotAFile));
    }
}
