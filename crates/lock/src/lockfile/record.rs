//! Taking JSON values apart: objects with a fixed set of keys, words, lists, whole numbers. Owns the faults that any
//! format of ours can have; knows no key of the lock.

use std::str::FromStr;

use crate::{
    json::{Json, Key, Node},
    lockfile::error::{Problem, WordError},
    nearest::nearest,
};

/// A problem at a byte offset; it becomes an [`super::Error`] once the text is at hand.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: Problem,
}

pub(super) type Outcome<T> = Result<T, Fault>;

pub(super) fn fault<T>(at: usize, problem: Problem) -> Outcome<T> {
    Err(Fault { at, problem })
}

/// An object with a fixed set of keys.
#[derive(Clone, Copy)]
pub(super) struct Record<'n> {
    node: &'n Node,
    what: &'static str,
}

impl<'n> Record<'n> {
    /// Takes an object apart; a key that is none of `keys` is a fault. `what` names the object in messages.
    pub(super) fn of(node: &'n Node, what: &'static str, keys: &[&'static str]) -> Outcome<Self> {
        for (key, _) in members(node, what)? {
            if !keys.contains(&key.text.as_str()) {
                let nearest = nearest(&key.text, keys)
                    .and_then(|near| keys.iter().copied().find(|known| *known == near));
                return fault(key.at, Problem::UnknownKey { key: key.text.clone(), within: what, nearest });
            }
        }
        Ok(Record { node, what })
    }

    pub(super) fn optional(&self, key: &str) -> Option<&'n Node> {
        self.node.member(key)
    }

    pub(super) fn required(&self, key: &'static str) -> Outcome<&'n Node> {
        match self.node.member(key) {
            Some(node) => Ok(node),
            None => fault(self.node.at, Problem::MissingKey { key, within: self.what }),
        }
    }
}

fn wrong_form<T>(node: &Node, what: &'static str, expected: &'static str) -> Outcome<T> {
    fault(node.at, Problem::WrongForm { what, expected, found: node.form() })
}

pub(super) fn members<'n>(node: &'n Node, what: &'static str) -> Outcome<&'n [(Key, Node)]> {
    match &node.value {
        Json::Object(members) => Ok(members),
        _ => wrong_form(node, what, "an object"),
    }
}

pub(super) fn items<'n>(node: &'n Node, what: &'static str) -> Outcome<&'n [Node]> {
    match &node.value {
        Json::Array(items) => Ok(items),
        _ => wrong_form(node, what, "a list"),
    }
}

pub(super) fn string<'n>(node: &'n Node, what: &'static str) -> Outcome<&'n str> {
    match &node.value {
        Json::String(text) => Ok(text),
        _ => wrong_form(node, what, "a string"),
    }
}

/// A whole number from 0 that fits `N`.
pub(super) fn whole<N: TryFrom<u64>>(node: &Node, what: &'static str) -> Outcome<N> {
    let number = match &node.value {
        Json::Number(number) => number.as_u64().and_then(|number| N::try_from(number).ok()),
        _ => None,
    };
    match number {
        Some(number) => Ok(number),
        None => {
            let found = if matches!(node.value, Json::Number(_)) { "another number" } else { node.form() };
            fault(node.at, Problem::WrongForm { what, expected: "a whole number from 0", found })
        }
    }
}

fn word_of<W>(text: &str, at: usize, what: &'static str) -> Outcome<W>
where
    W: FromStr,
    WordError: From<W::Err>,
{
    text.parse().or_else(|error: W::Err| fault(at, Problem::Word { what, source: error.into() }))
}

/// A string that is a word.
pub(super) fn word<W>(node: &Node, what: &'static str) -> Outcome<W>
where
    W: FromStr,
    WordError: From<W::Err>,
{
    word_of(string(node, what)?, node.at, what)
}

/// A key that is a word.
pub(super) fn key_word<W>(key: &Key, what: &'static str) -> Outcome<W>
where
    W: FromStr,
    WordError: From<W::Err>,
{
    word_of(&key.text, key.at, what)
}

/// A text that is not empty and holds no control character.
pub(super) fn plain(text: &str, at: usize, what: &'static str) -> Outcome<String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        let source = WordError::Text { text: text.chars().take(80).collect() };
        return fault(at, Problem::Word { what, source });
    }
    Ok(text.to_owned())
}

/// A list of words, none twice; `item` names one of them in messages.
pub(super) fn set<W>(
    node: &Node,
    what: &'static str,
    item: &'static str,
) -> Outcome<std::collections::BTreeSet<W>>
where
    W: FromStr + Ord + std::fmt::Display,
    WordError: From<W::Err>,
{
    let mut words = std::collections::BTreeSet::new();
    for node in items(node, what)? {
        let word: W = word(node, item)?;
        let text = word.to_string();
        if !words.insert(word) {
            return fault(node.at, Problem::Repeated { item: text });
        }
    }
    Ok(words)
}

/// An object whose keys and values are read one by one.
pub(super) fn map<K: Ord, V>(
    node: &Node,
    what: &'static str,
    mut entry: impl FnMut(&Key, &Node) -> Outcome<(K, V)>,
) -> Outcome<std::collections::BTreeMap<K, V>> {
    members(node, what)?.iter().map(|(key, node)| entry(key, node)).collect()
}
