//! Reading a map. Owns the grammar and its order; a [`Map`] exists only when the whole text is right.

use crate::path::{check_dest, check_relative, check_root, is_below, path_order};
use crate::{
    Action, Entry, EnvDefault, EnvValue, Fault, HEADER, MAX_BYTES, MAX_ENTRIES, MAX_PATH, Reason, Root, Sum,
};

/// A whole, checked map, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map<'a> {
    text: &'a str,
    exec: &'a str,
    restore: Option<&'a str>,
    root: &'a str,
    fallback: Option<&'a str>,
}

/// A line of which there may be many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A variable's default.
    Env(EnvDefault<'a>),
    /// A destination.
    Entry(Entry<'a>),
}

/// One line, parsed alone.
enum Line<'a> {
    Exec(&'a str),
    Restore(&'a str),
    Root(&'a str),
    Fallback(&'a str),
    Env(EnvDefault<'a>),
    Entry(Entry<'a>),
}

impl<'a> Map<'a> {
    /// Reads and checks a whole map. Linear in its size, allocates nothing.
    ///
    /// # Errors
    /// The first line that is not as `docs/LINKMAP.md` says, and why.
    pub fn parse(bytes: &'a [u8]) -> Result<Map<'a>, Fault> {
        Map::parse_each(bytes, &mut |_| {})
    }

    /// The same, for who goes through the lines anyway: `see` gets each as it is found to be right. What it
    /// got counts only if the whole map is.
    ///
    /// # Errors
    /// As [`Map::parse`].
    pub fn parse_each(bytes: &'a [u8], see: &mut dyn FnMut(Item<'a>)) -> Result<Map<'a>, Fault> {
        let text = checked_text(bytes)?;
        // Once for all: a line is only looked at for them where there are any.
        let controlled = has_control_character(text.as_bytes());
        let mut seen = Seen::default();
        let mut number = 1;
        for line in lines(text) {
            number += 1;
            if controlled { check_characters(line) } else { Ok(()) }
                .and_then(|()| parse_line(line))
                .and_then(|line| {
                    let item = match line {
                        Line::Env(default) => Some(Item::Env(default)),
                        Line::Entry(entry) => Some(Item::Entry(entry)),
                        _ => None,
                    };
                    seen.add(line)?;
                    item.into_iter().for_each(&mut *see);
                    Ok(())
                })
                .map_err(|reason| Fault { line: number, reason })?;
        }
        let missing = |reason| Fault { line: number, reason };
        Ok(Map {
            text,
            exec: seen.exec.ok_or(missing(Reason::NoExec))?,
            restore: seen.restore,
            root: seen.root.ok_or(missing(Reason::NoRoot))?,
            fallback: seen.fallback,
        })
    }

    /// The real binary, relative to the output.
    pub const fn exec(&self) -> &'a str {
        self.exec
    }

    /// The plugin that gives the user's environment back, relative to the output.
    pub const fn restore(&self) -> Option<&'a str> {
        self.restore
    }

    /// OpenCode's cache directory, relative to the cache home that the wrapper chose. Its last
    /// component is `opencode`; the directory above it is what `XDG_CACHE_HOME` has to name.
    pub const fn root(&self) -> &'a str {
        self.root
    }

    /// A cache home in the output, for a start that cannot lay anything: OpenCode then reads its cache
    /// from there.
    pub const fn fallback(&self) -> Option<&'a str> {
        self.fallback
    }

    /// Environment defaults, by name.
    pub fn env(&self) -> impl Iterator<Item = EnvDefault<'a>> + use<'a> {
        let named = self.lines().filter(|line| line.starts_with("env"));
        // Every line was parsed once already: nothing is lost by `ok`.
        named.filter_map(|line| match parse_line(line).ok()? {
            Line::Env(default) => Some(default),
            _ => None,
        })
    }

    /// Entries, by root and destination (in [`path_order`]).
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let head = ["env", "exec", "restore", "root", "fallback"];
        let entries = self.lines().filter(move |line| !head.iter().any(|word| line.starts_with(word)));
        entries.filter_map(|line| match parse_line(line).ok()? {
            Line::Entry(entry) => Some(entry),
            _ => None,
        })
    }

    /// The text that this map was read from.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        lines(self.text)
    }
}

/// The lines after the header, without their line feeds.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let (_, mut rest) = cut(text, b'\n');
    core::iter::from_fn(move || {
        let (line, more) = cut(rest?, b'\n');
        // The text ends in a line feed, and what follows that one is no line.
        rest = more;
        more.map(|_| line)
    })
}

/// What is before a byte and what is after it. A search for a `char` by the standard library is made for
/// long texts; here it would be a third of a warm start's computing.
fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match text.as_bytes().iter().position(|byte| *byte == at) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..)),
        None => (text, None),
    }
}

/// What the lines so far were, to check order and repetition with one look back.
#[derive(Default)]
struct Seen<'a> {
    exec: Option<&'a str>,
    restore: Option<&'a str>,
    root: Option<&'a str>,
    fallback: Option<&'a str>,
    variable: Option<&'a str>,
    entry: Option<Entry<'a>>,
    leaf: Option<Entry<'a>>,
    entries: usize,
}

impl<'a> Seen<'a> {
    fn add(&mut self, line: Line<'a>) -> Result<(), Reason> {
        match line {
            Line::Exec(path) => {
                let later = self.restore.is_some() || self.past_restore();
                set_once(&mut self.exec, path, later)
            }
            Line::Restore(path) => {
                let later = self.past_restore();
                set_once(&mut self.restore, path, later)
            }
            Line::Root(path) => {
                let later = self.past_root();
                set_once(&mut self.root, path, later)
            }
            Line::Fallback(path) => {
                let later = self.past_head();
                set_once(&mut self.fallback, path, later)
            }
            Line::Env(default) => self.add_variable(default.name),
            Line::Entry(entry) => self.add_entry(entry),
        }
    }

    fn past_restore(&self) -> bool {
        self.root.is_some() || self.past_root()
    }

    fn past_root(&self) -> bool {
        self.fallback.is_some() || self.past_head()
    }

    fn past_head(&self) -> bool {
        self.variable.is_some() || self.entry.is_some()
    }

    fn add_variable(&mut self, name: &'a str) -> Result<(), Reason> {
        match self.variable.replace(name) {
            Some(last) if last == name => Err(Reason::Duplicate),
            Some(last) if last > name => Err(Reason::Order),
            _ if self.entry.is_some() => Err(Reason::Order),
            _ => Ok(()),
        }
    }

    fn add_entry(&mut self, entry: Entry<'a>) -> Result<(), Reason> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(Reason::TooManyEntries);
        }
        if let Some(last) = self.entry.replace(entry) {
            let order = last.root.cmp(&entry.root);
            let order = order.then_with(|| path_order(last.dest, entry.dest));
            match order {
                core::cmp::Ordering::Equal => return Err(Reason::Duplicate),
                core::cmp::Ordering::Greater => return Err(Reason::Order),
                core::cmp::Ordering::Less => {}
            }
        }
        let below = |leaf: Entry<'_>| leaf.root == entry.root && is_below(entry.dest, leaf.dest);
        if self.leaf.is_some_and(below) {
            return Err(Reason::BelowLeaf);
        }
        if entry.action != Action::Keep {
            self.leaf = Some(entry);
        }
        Ok(())
    }
}

fn set_once<'a>(field: &mut Option<&'a str>, value: &'a str, out_of_order: bool) -> Result<(), Reason> {
    match field.replace(value) {
        Some(_) => Err(Reason::Duplicate),
        None if out_of_order => Err(Reason::Order),
        None => Ok(()),
    }
}

/// The checks of the text as a whole: size, encoding, header, end.
fn checked_text(bytes: &[u8]) -> Result<&str, Fault> {
    let fault = |line, reason| Err(Fault { line, reason });
    if bytes.len() > MAX_BYTES {
        return fault(1, Reason::TooLarge);
    }
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            return fault(line_at_end_of(good), Reason::NotUtf8);
        }
    };
    let first = cut(text, b'\n').0;
    if first != HEADER {
        let reason = match first.strip_prefix("opencode-cache linkmap ") {
            Some(version) if version.bytes().all(|byte| byte.is_ascii_digit()) => Reason::OtherVersion,
            _ if first.ends_with('\r') => Reason::CarriageReturn,
            _ => Reason::NoHeader,
        };
        return fault(1, reason);
    }
    if !text.ends_with('\n') {
        return fault(line_at_end_of(bytes), Reason::NoFinalNewline);
    }
    Ok(text)
}

fn line_at_end_of(bytes: &[u8]) -> u32 {
    let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(newlines).unwrap_or(u32::MAX).saturating_add(1)
}

fn parse_line(line: &str) -> Result<Line<'_>, Reason> {
    let (word, rest) = cut(line, b'\t');
    let rest = rest.unwrap_or_default();
    match word {
        "exec" => one_path(rest).map(Line::Exec),
        "restore" => one_path(rest).map(Line::Restore),
        "root" => parse_root(rest).map(Line::Root),
        "fallback" => one_path(rest).map(Line::Fallback),
        "env" => parse_env(rest).map(Line::Env),
        "envpath" => parse_env_path(rest).map(Line::Env),
        "link" | "copy" | "force" | "keep" => parse_entry(word, rest).map(Line::Entry),
        _ => Err(Reason::UnknownWord),
    }
}

fn check_characters(line: &str) -> Result<(), Reason> {
    if line.as_bytes().contains(&b'\r') {
        return Err(Reason::CarriageReturn);
    }
    if has_control_character(line.as_bytes()) { Err(Reason::ControlCharacter) } else { Ok(()) }
}

/// Unicode's control characters but TAB and the line feed, seen in their UTF-8 form: below a blank, DEL, and U+0080 to U+009F.
fn has_control_character(text: &[u8]) -> bool {
    let mut last = 0;
    text.iter().any(|byte| {
        // Nearly every byte is neither.
        let plain = matches!(byte, b' '..=b'~');
        let second_half = !plain && last == 0xc2 && matches!(byte, 0x80..=0x9f);
        last = *byte;
        second_half || (!plain && matches!(byte, 0..=0x08 | 0x0b..=0x1f | 0x7f))
    })
}

/// Exactly `N` fields.
fn fields<const N: usize>(rest: &str) -> Result<[&str; N], Reason> {
    let mut fields = [""; N];
    let mut rest = Some(rest);
    for field in &mut fields {
        (*field, rest) = cut(rest.ok_or(Reason::FieldCount)?, b'\t');
    }
    if rest.is_none() { Ok(fields) } else { Err(Reason::FieldCount) }
}

fn one_path(rest: &str) -> Result<&str, Reason> {
    let [path] = fields(rest)?;
    check_relative(path)?;
    Ok(path)
}

fn parse_root(rest: &str) -> Result<&str, Reason> {
    let [path] = fields(rest)?;
    check_root(path)?;
    Ok(path)
}

fn parse_env(rest: &str) -> Result<EnvDefault<'_>, Reason> {
    let [name, value] = fields(rest)?;
    check_variable(name)?;
    if value.len() > MAX_PATH {
        return Err(Reason::TooLong);
    }
    let value = EnvValue::Text(value);
    Ok(EnvDefault { name, value })
}

fn parse_env_path(rest: &str) -> Result<EnvDefault<'_>, Reason> {
    let [name, path] = fields(rest)?;
    check_variable(name)?;
    check_relative(path)?;
    let value = EnvValue::OutputPath(path);
    Ok(EnvDefault { name, value })
}

/// Variables with rules of their own in the wrapper, or that no default may stand in for.
const RESERVED_VARIABLES: [&str; 5] =
    ["HOME", "OPENCODE_CONFIG", "OPENCODE_CONFIG_CONTENT", "OPENCODE_CONFIG_DIR", "PATH"];
const RESERVED_PREFIXES: [&str; 3] = ["LD_", "OPENCODE_CACHE_", "XDG_"];

fn check_variable(name: &str) -> Result<(), Reason> {
    let word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let digit_first = name.as_bytes().first().is_none_or(u8::is_ascii_digit);
    if digit_first || name.len() > 255 || !name.bytes().all(word) {
        return Err(Reason::BadVariable);
    }
    let prefixed = |prefix: &&str| name.starts_with(*prefix);
    if RESERVED_VARIABLES.contains(&name) || RESERVED_PREFIXES.iter().any(prefixed) {
        return Err(Reason::ReservedVariable);
    }
    Ok(())
}

fn parse_entry<'a>(word: &str, rest: &'a str) -> Result<Entry<'a>, Reason> {
    let (root, dest, action) = match word {
        "copy" => {
            let [root, dest, source, sum] = fields(rest)?;
            let sum = Sum::from_hex(sum).ok_or(Reason::BadSum)?;
            (root, dest, Action::Copy { source, sum })
        }
        "keep" => {
            let [root, dest] = fields(rest)?;
            (root, dest, Action::Keep)
        }
        word => {
            let [root, dest, source] = fields(rest)?;
            let action = match word {
                "force" => Action::Force { source },
                _ => Action::Link { source },
            };
            (root, dest, action)
        }
    };
    let root = Root::from_word(root).ok_or(Reason::UnknownRoot)?;
    check_dest(dest)?;
    if let Some(source) = action.source() {
        check_relative(source)?;
    }
    if matches!(action, Action::Force { .. }) && root != Root::Cache {
        return Err(Reason::ForceOutsideCache);
    }
    Ok(Entry { root, dest, action })
}
