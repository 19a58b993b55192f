//! The user's own `opencode.json`: which providers and plugins it names.
//!
//! JSONC, as OpenCode reads it (comments, trailing commas). Only what implies a download is
//! looked at; everything else is OpenCode's business. This module never resolves anything and
//! never reads a file that the configuration points at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lock::Spec;
use serde_json::Value;

/// The largest `opencode.json` that is read, in bytes. Real ones are a few kilobytes; the bound
/// only keeps a wrong path (a log, a device) from filling the memory.
pub const MAX_BYTES: u64 = 4 << 20;

/// The deepest nesting that is parsed. Real ones have some ten levels; the parser has a stack frame for each, and
/// ends the program where the stack does.
const MAX_DEPTH: usize = 128;

/// What one configuration asks OpenCode to install.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// npm specs of `provider.*.npm`, as written.
    pub providers: BTreeSet<Spec>,
    /// npm specs of `plugin`, as written.
    pub plugins: BTreeSet<Spec>,
    /// Plugins that are files on this machine (`file://…`, `./…`, `/…`): OpenCode loads them in
    /// place, nothing is captured.
    pub local_plugins: Vec<String>,
}

/// Why a configuration was refused. Line and column count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is larger than [`MAX_BYTES`], or is no regular file.
    #[error("read {}: not a regular file of at most {MAX_BYTES} bytes", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The text is not JSONC.
    #[error("parse {}:{line}:{column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser saw.
        reason: String,
    },
    /// A key holds something that OpenCode does not accept there.
    #[error("read {}:{line}:{column}: {key} must be {expected}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The key, as a dotted path.
        key: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A provider or plugin is named by something that is no npm spec of a registry.
    #[error("read {}:{line}:{column}: {key}: {spec:?} cannot be pinned: {reason}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The key, as a dotted path.
        key: String,
        /// The text.
        spec: String,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-unreadable",
            Self::NotAFile { .. } => "config-not-a-file",
            Self::Syntax { .. } => "config-syntax",
            Self::Shape { .. } => "config-shape",
            Self::Spec { .. } => "config-spec",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::NotAFile { .. } => {
                Some("the manifest's `config` lists paths relative to the manifest".into())
            }
            Self::Spec { .. } => {
                Some("use NAME, NAME@VERSION or NAME@TAG; a local plugin is written file:///… or ./…".into())
            }
            Self::Syntax { .. } | Self::Shape { .. } => None,
        }
    }
}

/// Reads and parses the configuration at `path`.
pub fn read(path: &Path) -> Result<Wanted, Error> {
    parse(path, &read_text(path)?)
}

/// The text of the configuration at `path`.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = crate::files::read_bounded(path, MAX_BYTES).map_err(|error| match error {
        crate::files::ReadError::NotAFile | crate::files::ReadError::TooLarge => {
            Error::NotAFile { path: path.into() }
        }
        crate::files::ReadError::Io(source) => Error::Read { path: path.into(), source },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let (line, column) = position(&String::from_utf8_lossy(valid), valid.len());
        Error::Syntax { path: path.into(), line, column, reason: "not UTF-8".into() }
    })
}

/// Parses the text of a configuration; `path` only names it in errors.
pub fn parse(path: &Path, text: &str) -> Result<Wanted, Error> {
    let value = document(path, text)?;
    let reader = Reader { path, text };
    let Value::Object(root) = &value else {
        return Err(reader.shape("the configuration", "{", "an object"));
    };
    let mut wanted = Wanted::default();
    if let Some(providers) = root.get("provider") {
        reader.providers(providers, &mut wanted)?;
    }
    if let Some(plugins) = root.get("plugin") {
        reader.plugins(plugins, &mut wanted)?;
    }
    Ok(wanted)
}

/// The text of a configuration as JSON, whatever it says. An empty text is an empty object.
pub fn document(path: &Path, text: &str) -> Result<Value, Error> {
    if let Some(offset) = too_deep(text) {
        let (line, column) = position(text, offset);
        let reason = format!("nested more than {MAX_DEPTH} deep");
        return Err(Error::Syntax { path: path.into(), line, column, reason });
    }
    jsonc_parser::parse_to_serde_value(text, &jsonc_parser::ParseOptions::default())
        .map(|value| value.unwrap_or(Value::Object(serde_json::Map::new())))
        .map_err(|error| {
            let (line, column) = position(text, error.range().start);
            Error::Syntax { path: path.into(), line, column, reason: error.kind().to_string() }
        })
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn providers(&self, value: &Value, wanted: &mut Wanted) -> Result<(), Error> {
        let Value::Object(providers) = value else {
            return Err(self.shape("provider", "\"provider\"", "an object of providers"));
        };
        for (id, provider) in providers {
            let Some(npm) = provider.get("npm") else { continue };
            let key = format!("provider.{id}.npm");
            let Value::String(text) = npm else {
                return Err(self.shape(&key, &format!("\"{id}\""), "a string"));
            };
            if !is_local(text) {
                wanted.providers.insert(self.spec(&key, text)?);
            }
        }
        Ok(())
    }

    /// An entry is a spec, or since 1.14 a pair of a spec and the plugin's options.
    fn plugins(&self, value: &Value, wanted: &mut Wanted) -> Result<(), Error> {
        let expected = "a list of npm specs, or of [spec, options] pairs";
        let Value::Array(plugins) = value else {
            return Err(self.shape("plugin", "\"plugin\"", expected));
        };
        for entry in plugins {
            let text = match entry {
                Value::String(text) => text,
                Value::Array(pair) => match pair.first() {
                    Some(Value::String(text)) => text,
                    _ => return Err(self.shape("plugin", "\"plugin\"", expected)),
                },
                _ => return Err(self.shape("plugin", "\"plugin\"", expected)),
            };
            if is_local(text) {
                wanted.local_plugins.push(text.clone());
            } else {
                wanted.plugins.insert(self.spec("plugin", text)?);
            }
        }
        Ok(())
    }

    fn spec(&self, key: &str, text: &str) -> Result<Spec, Error> {
        let refused = |reason: String| {
            let (line, column) = self.find(&format!("\"{text}\""));
            Error::Spec { path: self.path.into(), line, column, key: key.into(), spec: text.into(), reason }
        };
        let spec: Spec = text.parse().map_err(|error: lock::spec::Error| refused(error.to_string()))?;
        crate::opencode::registry_spec(&spec).map_err(refused)?;
        Ok(spec)
    }

    fn shape(&self, key: &str, needle: &str, expected: &'static str) -> Error {
        let (line, column) = self.find(needle);
        Error::Shape { path: self.path.into(), line, column, key: key.into(), expected }
    }

    fn find(&self, needle: &str) -> (usize, usize) {
        position(self.text, self.text.find(needle).unwrap_or(0))
    }
}

/// OpenCode takes these for paths, not for npm specs (code, 1.18).
pub fn is_local(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with('.') || text.starts_with('/')
}

/// Where a text is nested too deep. Knows just enough of JSONC not to count what stands in strings and comments.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b'"' | b'\'' => string_length(rest),
            b'/' if rest.starts_with(b"//") => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                memchr::memmem::find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4)
            }
            _ => 1,
        };
        match byte {
            b'[' | b'{' if depth == MAX_DEPTH => return Some(at - 1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The length of the string that the text begins with, both quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if Some(byte) == text.first() => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Wanted, String> {
        parse(Path::new("opencode.json"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn comments_and_trailing_commas_are_jsonc() {
        let wanted = wanted(
            r#"{
              // mine
              "provider": { "fw": { "npm": "@ai-sdk/fireworks", "options": {}, }, "a": {} },
              /* and */ "plugin": ["opencode-pty", ["@x/y@1.2.3", {"k": 1}], "./mine.ts", "file:///p.js",],
            }"#,
        )
        .unwrap();
        let names = |specs: &BTreeSet<Spec>| specs.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&wanted.providers), ["@ai-sdk/fireworks"]);
        assert_eq!(names(&wanted.plugins), ["@x/y@1.2.3", "opencode-pty"]);
        assert_eq!(wanted.local_plugins, ["./mine.ts", "file:///p.js"]);
    }

    #[test]
    fn an_empty_file_wants_nothing() {
        assert_eq!(wanted("").unwrap(), Wanted::default());
        assert_eq!(wanted("{}").unwrap(), Wanted::default());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize, before: &str| before.to_owned() + &"[".repeat(depth) + &"]".repeat(depth);
        let reason = |text: String| document(Path::new("o"), &text).unwrap_err().to_string();
        assert!(document(Path::new("o"), &nested(128, "")).is_ok());
        assert_eq!(reason(nested(129, "")), "parse o:1:129: nested more than 128 deep");
        // Neither a quote in a comment nor a bracket in one hides anything.
        assert_eq!(reason(nested(129, "// \"\n/* ' ] */")), "parse o:2:138: nested more than 128 deep");
        assert_eq!(reason("[/*]*/".repeat(1 << 18)), "parse o:1:769: nested more than 128 deep");
        // What only looks like nesting does not count.
        let flat = format!("{{ \"a\": \"\\\"{0}\", /* {0} */ \"b\": '{0}' }} // {0}", "[".repeat(1000));
        assert!(document(Path::new("o"), &flat).is_ok());
    }

    #[test]
    fn errors_say_line_and_column() {
        let at = |text: &str| wanted(text).unwrap_err();
        assert_eq!(at("{\n  \"plugin\": [\n}"), "parse opencode.json:3:1: Unexpected close brace");
        assert_eq!(
            at("{\n  \"plugin\": 3\n}"),
            "read opencode.json:2:3: plugin must be a list of npm specs, or of [spec, options] pairs"
        );
        assert!(
            at("{\"provider\": {\"x\": {\"npm\": 1}}}").contains("1:15: provider.x.npm must be a string")
        );
        assert!(
            at("{\"plugin\": [\n \"git+ssh://h/x\"]}")
                .contains("2:2: plugin: \"git+ssh://h/x\" cannot be pinned")
        );
    }
}
