//! JSON text as a tree that remembers where everything stands, strict: no duplicate key, no trailing text, bounded
//! depth. Owns JSON's grammar; knows nothing of what a lock means.

use serde_json::{Number, Value};

/// Deepest nesting that is read. A lock needs 7 levels; the rest is for a package's `funding` or `license`. Bounds
/// the stack, since the reader recurses.
pub(crate) const MAX_DEPTH: usize = 64;

/// A value and the byte offset where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) value: Json,
}

/// A key and the byte offset where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: usize,
    pub(crate) text: String,
}

/// The forms of JSON. Members stand in the text's order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

/// What is wrong with a text, and at which byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    Expected { at: usize, expected: &'static str },
    Malformed { at: usize, what: &'static str },
    TooDeep { at: usize },
    Duplicate { at: usize, key: String },
}

impl Node {
    /// The same value without offsets.
    pub(crate) fn to_value(&self) -> Value {
        match &self.value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::String(value) => Value::String(value.clone()),
            Json::Array(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Json::Object(members) => {
                Value::Object(members.iter().map(|(key, node)| (key.text.clone(), node.to_value())).collect())
            }
        }
    }

    /// The member of an object; nothing where this is no object.
    pub(crate) fn member(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Json::Object(members) => {
                members.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The form's name in messages.
    pub(crate) fn form(&self) -> &'static str {
        match self.value {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

/// Reads a whole text.
pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.expected("the end of the text")) } else { Ok(node) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expected(&self, expected: &'static str) -> Error {
        Error::Expected { at: self.at, expected }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Error> {
        self.skip_blanks();
        let at = self.at;
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { at });
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.word()?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Json, Error> {
        self.at += 1;
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            let key = self.key()?;
            if !seen.insert(key.text.clone()) {
                return Err(Error::Duplicate { at: key.at, key: key.text });
            }
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            members.push((key, self.value(depth + 1)?));
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn key(&mut self) -> Result<Key, Error> {
        self.skip_blanks();
        let at = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        Ok(Key { at, text: self.string()? })
    }

    fn array(&mut self, depth: usize) -> Result<Json, Error> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let at = self.at;
        let bytes = self.text.as_bytes();
        let mut end = at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(0..=0x1f) => {
                    return Err(Error::Malformed { at: end, what: "a string with a raw control character" });
                }
                Some(_) => end += 1,
                None => return Err(Error::Malformed { at, what: "a string without an end" }),
            }
        }
        self.at = end + 1;
        serde_json::from_str(&self.text[at..self.at])
            .map_err(|_| Error::Malformed { at, what: "a malformed string" })
    }

    fn number(&mut self) -> Result<Json, Error> {
        let at = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let number = serde_json::from_str(&self.text[at..self.at]);
        number.map(Json::Number).map_err(|_| Error::Malformed { at, what: "a malformed number" })
    }

    fn word(&mut self) -> Result<Json, Error> {
        let at = self.at;
        while matches!(self.peek(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_')) {
            self.at += 1;
        }
        match &self.text[at..self.at] {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            _ => Err(Error::Expected { at, expected: "a value" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn remembers_where_things_stand() {
        let node = parse("{\n  \"a\": [1, \"x\"]\n}").unwrap();
        let list = node.member("a").unwrap();
        assert_eq!((node.at, list.at), (0, 9));
        let Json::Array(items) = &list.value else { panic!("no list") };
        assert_eq!(items.iter().map(|item| item.at).collect::<Vec<_>>(), [10, 13]);
    }

    #[test]
    fn refuses_duplicate_keys_also_escaped() {
        let error = parse(r#"{"a": 1, "\u0061": 2}"#).unwrap_err();
        assert_eq!(error, Error::Duplicate { at: 9, key: "a".into() });
    }

    #[test]
    fn bounds_the_depth() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { at: MAX_DEPTH + 1 }));
        assert!(matches!(parse(&"[".repeat(1_000_000)), Err(Error::TooDeep { .. })));
    }

    #[test]
    fn a_backslash_at_the_end_is_no_panic() {
        for text in [r#""\"#, r#""\é"#, r#""\u12"#, "\"é"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    /// Text that is JSON, nearly JSON, or none.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[\\[\\]{}:,\"\\\\ a-e0-9.eE+-]{0,24}",
            "\\{(\"[a-c]\": ?(1|true|null|\"x\"|\\[1,2\\]),? ?){0,3}\\}",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in texts()) {
            match (parse(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.to_value(), theirs),
                (Err(_), Err(_)) | (Err(Error::Duplicate { .. }), Ok(_)) => {}
                (ours, theirs) => prop_assert!(false, "{:?} against {:?}", ours, theirs),
            }
        }
    }
}
