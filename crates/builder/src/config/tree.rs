//! The text of a configuration as a tree: each value with its place in the text as written, and no text in it that a
//! variable or another file put there.

use std::path::Path;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use serde_json::Value;

use super::error::Error;
use super::substitute::{Failure, Substituted, Variables, substitute};

/// The deepest nesting that is parsed. Real ones have some ten levels; the parser has a stack frame for each, and
/// ends the program where the stack does.
const MAX_DEPTH: usize = 128;

/// A value and where it begins.
#[derive(Debug)]
pub struct Node {
    /// The offset in the text as written.
    pub at: usize,
    /// The value.
    pub value: Tree,
}

/// A value.
#[derive(Debug)]
pub enum Tree {
    /// A null, a boolean or a number.
    Plain(Value),
    /// A string.
    Text(Text),
    /// A list.
    List(Vec<Node>),
    /// The members of an object, in order. The last of those with one name counts.
    Members(Vec<(Text, Node)>),
}

/// A string. Where something in it was replaced it is what stands in the file, `{env:NAME}` and all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// The string.
    pub text: String,
    /// Whether OpenCode sees another one.
    pub is_replaced: bool,
}

impl Node {
    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.members().rev().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// The members of an object; none where it is another value.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (&Text, &Node)> {
        let members = if let Tree::Members(members) = &self.value { members.as_slice() } else { &[] };
        members.iter().map(|(key, node)| (key, node))
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        if let Tree::List(items) = &self.value { Some(items) } else { None }
    }

    /// A string.
    pub fn text(&self) -> Option<&Text> {
        if let Tree::Text(text) = &self.value { Some(text) } else { None }
    }

    /// A boolean.
    pub fn is(&self, value: bool) -> bool {
        matches!(self.value, Tree::Plain(Value::Bool(found)) if found == value)
    }

    /// As JSON.
    pub fn to_value(&self) -> Value {
        match &self.value {
            Tree::Plain(value) => value.clone(),
            Tree::Text(text) => Value::String(text.text.clone()),
            Tree::List(items) => items.iter().map(Node::to_value).collect(),
            Tree::Members(members) => {
                members.iter().map(|(key, node)| (key.text.clone(), node.to_value())).collect()
            }
        }
    }
}

/// A configuration's text, and where it stands.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What it is called in messages.
    pub path: &'a Path,
    /// The directory that paths in it start from.
    pub directory: &'a Path,
    /// The text, without a byte order mark.
    pub text: &'a str,
}

impl Source<'_> {
    /// Line and column of an offset, from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    fn syntax(&self, offset: usize, reason: impl Into<String>) -> Error {
        let (line, column) = self.position(offset);
        Error::Syntax { path: self.path.into(), line, column, reason: reason.into() }
    }

    /// The tree, as OpenCode parses it: comments and commas at an end, and nothing else that is no JSON. An empty
    /// text is an empty object.
    pub fn tree(&self, variables: Variables<'_>) -> Result<Node, Error> {
        let replaced = self.replaced(variables)?;
        let text = &replaced.text;
        if self.text.is_empty() {
            return Ok(Node { at: 0, value: Tree::Members(Vec::new()) });
        }
        if let Some(offset) = too_deep(text) {
            return Err(self.syntax(replaced.origin(offset), format!("nested more than {MAX_DEPTH} deep")));
        }
        let options = jsonc_parser::ParseOptions {
            allow_comments: true,
            allow_loose_object_property_names: false,
            allow_trailing_commas: true,
        };
        let parsed = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options)
            .map_err(|error| self.syntax(replaced.origin(error.range().start), error.kind().to_string()))?;
        let value = parsed.value.ok_or_else(|| self.syntax(self.text.len(), "a value is expected"))?;
        Planter { source: self, replaced: &replaced }.node(value)
    }

    fn replaced(&self, variables: Variables<'_>) -> Result<Substituted, Error> {
        substitute(self.text, self.directory, variables).map_err(|failure| match failure {
            Failure::TooLarge => Error::TooLarge { path: self.path.into() },
            Failure::Reference { at, path: file, reason } => {
                let (line, column) = self.position(at.start);
                let reference = self.text.get(at).unwrap_or_default().to_owned();
                Error::Reference { path: self.path.into(), line, column, reference, file, reason }
            }
        })
    }
}

struct Planter<'a> {
    source: &'a Source<'a>,
    replaced: &'a Substituted,
}

impl Planter<'_> {
    fn node(&self, value: ast::Value<'_>) -> Result<Node, Error> {
        let range = value.range();
        let at = self.replaced.origin(range.start);
        let value = match value {
            ast::Value::NullKeyword(_) => Tree::Plain(Value::Null),
            ast::Value::BooleanLit(found) => Tree::Plain(Value::Bool(found.value)),
            ast::Value::NumberLit(_) if self.replaced.is_replaced(range.start..range.end) => {
                Tree::Plain(Value::Null)
            }
            ast::Value::NumberLit(found) => {
                let number = found.value.parse::<serde_json::Number>();
                Tree::Plain(number.map_err(|_| self.source.syntax(at, "Expected a number"))?.into())
            }
            ast::Value::StringLit(found) => Tree::Text(self.text(found)?),
            ast::Value::Array(found) => {
                self.separated(found.elements.iter().map(Ranged::range))?;
                Tree::List(found.elements.into_iter().map(|one| self.node(one)).collect::<Result<_, _>>()?)
            }
            ast::Value::Object(found) => {
                self.separated(found.properties.iter().map(Ranged::range))?;
                let members = found.properties.into_iter().map(|one| self.member(one));
                Tree::Members(members.collect::<Result<_, _>>()?)
            }
        };
        Ok(Node { at, value })
    }

    /// The parser lets a missing comma pass, OpenCode's does not (1.14.34, 1.18.33).
    fn separated(&self, ranges: impl Iterator<Item = Range>) -> Result<(), Error> {
        let mut end = None;
        for range in ranges {
            let between = end.and_then(|end| self.replaced.text.get(end..range.start));
            if between.is_some_and(|between| !has_comma(between)) {
                return Err(self.source.syntax(self.replaced.origin(range.start), "Expected a comma"));
            }
            end = Some(range.end);
        }
        Ok(())
    }

    fn member(&self, member: ast::ObjectProp<'_>) -> Result<(Text, Node), Error> {
        let key = match member.name {
            ast::ObjectPropName::String(found) => self.text(found)?,
            ast::ObjectPropName::Word(found) => {
                let at = self.replaced.origin(found.range.start);
                return Err(self.source.syntax(at, "Expected string for object property"));
            }
        };
        Ok((key, self.node(member.value)?))
    }

    fn text(&self, found: ast::StringLit<'_>) -> Result<Text, Error> {
        let (start, end) = (found.range.start, found.range.end);
        let old = self.replaced.origin(start)..self.replaced.origin(end.saturating_sub(1)) + 1;
        if self.replaced.text.get(start..end).is_some_and(|text| text.starts_with('\'')) {
            return Err(self.source.syntax(old.start, "Expected a double quote"));
        }
        // Nor does it escape them where it puts in what a variable holds.
        if self.replaced.text.get(start..end).is_some_and(|text| text.bytes().any(|byte| byte < b' ')) {
            return Err(self.source.syntax(old.start, "Expected no control character in a string"));
        }
        if !self.replaced.is_replaced(start..end) {
            return Ok(Text { text: found.value.into_owned(), is_replaced: false });
        }
        let written = self.source.text.get(old).unwrap_or_default();
        Ok(Text { text: written.trim_matches('"').to_owned(), is_replaced: true })
    }
}

/// Whether what stands between two values, blanks and comments, has a comma.
fn has_comma(mut between: &str) -> bool {
    while let Some(at) = between.find([',', '/']) {
        let rest = &between[at..];
        if rest.starts_with(',') {
            return true;
        }
        let end = if rest.starts_with("//") { rest.find('\n') } else { rest.find("*/") };
        // Behind the sign that ends the comment; of two, the second is no beginning of another.
        between = end.and_then(|end| rest.get(end + 1 + usize::from(rest.starts_with("/*"))..)).unwrap_or("");
    }
    false
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
