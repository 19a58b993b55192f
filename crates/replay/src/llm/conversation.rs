//! A conversation without its wire format: who said what, in order. Every protocol's request is read into this, so that a script
//! sees the same turn whatever the protocol.

use serde_json::Value;

use super::{ToolResult, Turn};

/// One thing that was said before the model's turn.
pub(super) enum Said {
    /// By the user.
    User(String),
    /// By a tool.
    Result(ToolResult),
    /// By the model, or by whoever wrote the system prompt.
    Other,
}

/// What is asked of the model beside the conversation.
pub(super) struct Ask {
    pub(super) protocol: &'static str,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) tools: Vec<String>,
    /// How many messages the request held, in the protocol's own counting.
    pub(super) messages: usize,
}

/// The turn at the end of a conversation: only what the tools answered after the user's last words counts.
pub(super) fn turn(ask: Ask, said: Vec<Said>) -> Turn {
    let mut turn = Turn {
        protocol: ask.protocol,
        model: ask.model,
        stream: ask.stream,
        tools: ask.tools,
        user: String::new(),
        results: Vec::new(),
        messages: ask.messages,
    };
    for said in said {
        match said {
            Said::User(text) => {
                turn.user = text;
                turn.results.clear();
            }
            Said::Result(result) => turn.results.push(result),
            Said::Other => {}
        }
    }
    turn
}

/// What a user's message that is a list of parts says: texts that stand together are one, and what `result` knows for a tool's answer
/// is one. (Anthropic, Google and Bedrock send what tools answer in the user's name.)
pub(super) fn parts(parts: &[Value], result: impl Fn(&Value) -> Option<ToolResult>) -> Vec<Said> {
    let mut said = Vec::new();
    for part in parts {
        if let Some(result) = result(part) {
            said.push(Said::Result(result));
        } else if let Some(text) = part.get("text").and_then(Value::as_str) {
            match said.last_mut() {
                Some(Said::User(before)) => {
                    before.push('\n');
                    before.push_str(text);
                }
                _ => said.push(Said::User(text.to_owned())),
            }
        }
    }
    said
}

/// A text, whether it is written as a string or as parts.
pub(super) fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// A string at a key; empty where there is none.
pub(super) fn string(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The elements of a list at a key; none where there is no list.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Server-sent events, each with its name.
pub(super) fn named_events(events: &[Value]) -> Vec<u8> {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", string(event, "type"));
    events.iter().map(event).collect::<String>().into_bytes()
}
