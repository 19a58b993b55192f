//! A bundle made of its parts as `docs/BUNDLE.md` says, by somebody who does not look whether they make sense.

use std::collections::BTreeMap;

use bundle::header::{BLOCK, Frame, Header};
use bundle::{Index, Sha256, frame};

/// How a frame begins that zstd skips.
pub const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// Between sections.
const BETWEEN: &[u8] = b"\n====\n";

/// Bytes of a record.
const RECORD: usize = 512;

/// A bundle of an index, a listing for each of its trees, and contents. In a listing `f`, `x` and a number in place of hash and size
/// (`f<TAB>0<TAB>path`) mean that content. `None` where nothing can be made of it.
pub fn made(bytes: &[u8], level: i32) -> Option<Vec<u8>> {
    let (flip, bytes) = flipped(bytes);
    let mut sections = split(bytes).into_iter();
    let text = sections.next()?;
    let mut index = serde_json::from_slice::<Index>(text).ok();
    let number = index.as_ref().map_or(1, |index| index.parts.len());
    let rest: Vec<&[u8]> = sections.collect();
    let (lists, contents) = rest.split_at_checked(number)?;
    let lists: Vec<List> = lists.iter().map(|text| List::new(text, contents)).collect();
    let parts = index.iter_mut().flat_map(|index| &mut index.parts);
    for (part, list) in parts.zip(&lists) {
        part.listing = Sha256::of(&list.text);
        part.listing_size = list.text.len() as u64;
        part.size = list.size;
    }
    let text = index.as_ref().map_or(text.to_vec(), |index| index.to_text().into_bytes());
    let names = |number: usize| match index.as_ref().and_then(|index| index.parts.get(number)) {
        Some(part) => part.name(),
        None => "x".to_owned(),
    };
    let mut front = file("index.json", 0o444, &text);
    for (number, list) in lists.iter().enumerate() {
        front.extend(file(&format!("{}.list", names(number)), 0o444, &list.text));
    }
    let mut trees = Vec::new();
    let mut seen: BTreeMap<(&[u8], bool), String> = BTreeMap::new();
    for (number, list) in lists.iter().enumerate() {
        let root = names(number);
        trees.extend(header(&format!("{root}/"), b'5', 0o555, 0, ""));
        for line in &list.lines {
            let path = format!("{root}/{}", line.path);
            match line.content {
                Content::Directory => trees.extend(header(&format!("{path}/"), b'5', 0o555, 0, "")),
                Content::Link(target) => trees.extend(header(&path, b'2', 0o777, 0, target)),
                Content::File(bytes, executable) => {
                    let mode = if executable { 0o555 } else { 0o444 };
                    match seen.get(&(bytes, executable)) {
                        Some(first) => trees.extend(header(&path, b'1', mode, 0, first)),
                        None => {
                            trees.extend(file(&path, mode, bytes));
                            if !bytes.is_empty() {
                                seen.insert((bytes, executable), path);
                            }
                        }
                    }
                }
            }
        }
    }
    trees.resize(trees.len() + 2 * RECORD, 0);
    if let Some(at) = flip {
        let at = at % (front.len() + trees.len());
        let byte = if at < front.len() { &mut front[at] } else { &mut trees[at - front.len()] };
        *byte ^= 1;
    }
    Some(packed(&front, text.len() as u64, &trees, level))
}

fn packed(front: &[u8], index: u64, trees: &[u8], level: i32) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut bytes = Vec::new();
    for block in front.chunks(BLOCK).chain(trees.chunks(BLOCK)) {
        let one = frame::pack(block, level).expect("memory");
        frames.push(Frame { packed: one.len() as u64, size: block.len() as u64, hash: Sha256::of(&one) });
        bytes.extend(one);
    }
    let text = Header { stub: None, front: front.len() as u64, index, frames }.to_text();
    [&SKIPPED, &(text.len() as u32).to_le_bytes()[..], text.as_bytes(), &bytes].concat()
}

fn flipped(bytes: &[u8]) -> (Option<usize>, &[u8]) {
    let number = || {
        let rest = bytes.strip_prefix(b"flip ")?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let at = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        Some((at, &rest[end + 1..]))
    };
    number().map_or((None, bytes), |(at, rest)| (Some(at), rest))
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut sections = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        sections.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    sections.push(rest);
    sections
}

/// A listing, as text and as what it means.
struct List<'a> {
    text: Vec<u8>,
    lines: Vec<Line<'a>>,
    size: u64,
}

struct Line<'a> {
    path: &'a str,
    content: Content<'a>,
}

enum Content<'a> {
    Directory,
    File(&'a [u8], bool),
    Link(&'a str),
}

impl<'a> List<'a> {
    fn new(text: &'a [u8], contents: &[&'a [u8]]) -> Self {
        let mut list = Self { text: Vec::new(), lines: Vec::new(), size: 0 };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match Self::line(line, contents) {
                Some((text, one)) => {
                    if let Content::File(bytes, _) = one.content {
                        list.size += bytes.len() as u64;
                    }
                    list.text.extend_from_slice(text.as_bytes());
                    list.lines.push(one);
                }
                None => list.text.extend_from_slice(line),
            }
            list.text.push(b'\n');
        }
        list
    }

    fn line(line: &'a [u8], contents: &[&'a [u8]]) -> Option<(String, Line<'a>)> {
        let text = std::str::from_utf8(line).ok()?;
        let fields: Vec<&str> = text.split('\t').collect();
        let (text, path, content) = match fields[..] {
            ["d", path] => (text.to_owned(), path, Content::Directory),
            ["l", target, path] => (text.to_owned(), path, Content::Link(target)),
            [kind @ ("f" | "x"), number, path] => {
                let bytes = *contents.get(number.parse::<usize>().ok()?)?;
                let text = format!("{kind}\t{}\t{}\t{path}", Sha256::of(bytes), bytes.len());
                (text, path, Content::File(bytes, kind == "x"))
            }
            _ => return None,
        };
        Some((text, Line { path, content }))
    }
}

fn file(path: &str, mode: u32, bytes: &[u8]) -> Vec<u8> {
    let mut record = header(path, b'0', mode, bytes.len(), "");
    record.extend_from_slice(bytes);
    fill(&mut record);
    record
}

fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(RECORD), 0);
}

/// ustar, with an extended record before it where a name has over 100 bytes.
fn header(path: &str, kind: u8, mode: u32, size: usize, target: &str) -> Vec<u8> {
    let long = [("path", path), ("linkpath", target)].into_iter().filter(|(_, value)| value.len() > 100);
    let extended: String = long.map(|(key, value)| extended(key, value)).collect();
    let mut bytes = Vec::new();
    if !extended.is_empty() {
        bytes.extend(record("pax", b'x', 0o444, extended.len(), ""));
        bytes.extend_from_slice(extended.as_bytes());
        fill(&mut bytes);
    }
    bytes.extend(record(path, kind, mode, size, target));
    bytes
}

fn extended(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let length =
        (1..).map(|digits| rest.len() + digits).find(|all| rest.len() + all.to_string().len() == *all);
    format!("{}{rest}", length.expect("there is one"))
}

fn record(path: &str, kind: u8, mode: u32, size: usize, target: &str) -> Vec<u8> {
    let field = |text: &str, length: usize| {
        let mut field = text.as_bytes()[..text.len().min(length)].to_vec();
        field.resize(length, 0);
        field
    };
    let mut record = [
        field(path, 100),
        field(&format!("{mode:07o}"), 8),
        field("0000000", 8),
        field("0000000", 8),
        field(&format!("{size:011o}"), 12),
        field("00000000001", 12),
        b"        ".to_vec(),
        vec![kind],
        field(target, 100),
        b"ustar\x0000".to_vec(),
        field("", 64),
        field("0000000", 8),
        field("0000000", 8),
    ]
    .concat();
    fill(&mut record);
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    record
}
