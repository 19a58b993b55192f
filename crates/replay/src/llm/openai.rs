//! The wire format of OpenAI chat completions, streamed and whole.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Protocol, Reply, ToolResult, Turn};

/// `POST …/chat/completions`.
pub(super) struct ChatCompletions;

impl Protocol for ChatCompletions {
    fn takes(&self, path: &str) -> bool {
        path.ends_with("/chat/completions")
    }

    fn read(&self, request: &Value) -> Option<Turn> {
        let messages = request.get("messages")?.as_array()?;
        let role =
            |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
        let last_user = messages.iter().rposition(|message| role(message) == "user");
        let after = &messages[last_user.map_or(0, |position| position + 1)..];
        let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
        Some(Turn {
            model: request.get("model")?.as_str()?.to_owned(),
            stream: request.get("stream").and_then(Value::as_bool).unwrap_or(false),
            tools: tools
                .filter_map(|tool| Some(tool.pointer("/function/name")?.as_str()?.to_owned()))
                .collect(),
            user: last_user.map(|position| text(&messages[position])).unwrap_or_default(),
            results: after.iter().filter(|message| role(message) == "tool").map(result).collect(),
            messages: messages.len(),
        })
    }

    fn write(&self, turn: &Turn, reply: &Reply, number: usize) -> (&'static str, String) {
        let id = format!("chatcmpl-{number}");
        if turn.stream {
            ("text/event-stream", stream(&id, turn, reply))
        } else {
            ("application/json", whole(&id, turn, reply).to_string())
        }
    }
}

/// The answer to `GET …/models`.
pub(super) fn models(names: &[String]) -> Value {
    let model =
        |name: &String| json!({ "id": name, "object": "model", "created": 0, "owned_by": "scripted" });
    json!({ "object": "list", "data": names.iter().map(model).collect::<Vec<_>>() })
}

fn result(message: &Value) -> ToolResult {
    let call = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    ToolResult { call, text: text(message) }
}

/// A message's text, whether it is written as a string or as parts.
fn text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn usage() -> Value {
    json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 })
}

fn call(id: &str, tool: &str, arguments: &Value) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": tool, "arguments": arguments.to_string() } })
}

fn finish(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text(_) => "stop",
        Reply::Call { .. } => "tool_calls",
    }
}

fn whole(id: &str, turn: &Turn, reply: &Reply) -> Value {
    let message = match reply {
        Reply::Text(text) => json!({ "role": "assistant", "content": text }),
        Reply::Call { id, tool, arguments } => {
            json!({ "role": "assistant", "content": null, "tool_calls": [call(id, tool, arguments)] })
        }
    };
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish(reply) });
    json!({ "id": id, "object": "chat.completion", "created": 0, "model": turn.model, "choices": [choice], "usage": usage() })
}

fn stream(id: &str, turn: &Turn, reply: &Reply) -> String {
    let delta = match reply {
        Reply::Text(text) => json!({ "role": "assistant", "content": text }),
        Reply::Call { id, tool, arguments } => {
            let mut call = call(id, tool, arguments);
            call["index"] = json!(0);
            json!({ "role": "assistant", "content": null, "tool_calls": [call] })
        }
    };
    let chunk = |choices: Value, usage: Value| json!({ "id": id, "object": "chat.completion.chunk", "created": 0, "model": turn.model, "choices": choices, "usage": usage });
    let chunks = [
        chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), Value::Null),
        chunk(json!([{ "index": 0, "delta": {}, "finish_reason": finish(reply) }]), Value::Null),
        chunk(json!([]), usage()),
    ];
    let mut events = String::new();
    for chunk in chunks {
        // Writing into a String cannot fail.
        let _ = write!(events, "data: {chunk}\n\n");
    }
    events.push_str("data: [DONE]\n\n");
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_after_the_last_user_message_count() {
        let turn = ChatCompletions
            .read(&json!({"model": "m", "messages": [
                {"role": "user", "content": "one"}, {"role": "tool", "tool_call_id": "a", "content": "old"},
                {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image"}]},
            ]}))
            .unwrap();
        assert_eq!(
            (turn.user.as_str(), turn.results.len(), turn.messages, turn.stream),
            ("two", 0, 3, false)
        );
    }
}
