//! The wire format of OpenAI chat completions, streamed and whole.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::conversation::{self, Ask, Said, list, string};
use super::{Answer, Asked, EVENTS, JSON, Protocol, Reply, ToolResult, Turn};

/// `POST …/chat/completions`.
pub(super) struct ChatCompletions;

impl Protocol for ChatCompletions {
    fn takes(&self, path: &str) -> bool {
        path.ends_with("/chat/completions")
    }

    fn read(&self, asked: &Asked<'_>) -> Option<Turn> {
        let messages = asked.body.get("messages")?.as_array()?;
        let tools = list(asked.body, "tools").iter();
        let ask = Ask {
            protocol: "chat-completions",
            model: asked.body.get("model")?.as_str()?.to_owned(),
            stream: asked.body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            tools: tools
                .filter_map(|tool| Some(tool.pointer("/function/name")?.as_str()?.to_owned()))
                .collect(),
            messages: messages.len(),
        };
        let said = messages.iter().map(|message| match string(message, "role").as_str() {
            "user" => Said::User(conversation::text(message.get("content"))),
            "tool" => Said::Result(ToolResult {
                call: string(message, "tool_call_id"),
                text: conversation::text(message.get("content")),
            }),
            _ => Said::Other,
        });
        Some(conversation::turn(ask, said.collect()))
    }

    fn write(&self, _: &Asked<'_>, turn: &Turn, reply: &Reply, number: usize) -> Answer {
        let id = format!("chatcmpl-{number}");
        if turn.stream {
            stream(&id, turn, reply)
        } else {
            Answer::new(JSON, whole(&id, turn, reply).to_string())
        }
    }
}

/// The answer to `GET …/models`.
pub(super) fn models(names: &[String]) -> Value {
    let model =
        |name: &String| json!({ "id": name, "object": "model", "created": 0, "owned_by": "scripted" });
    json!({ "object": "list", "data": names.iter().map(model).collect::<Vec<_>>() })
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

fn stream(id: &str, turn: &Turn, reply: &Reply) -> Answer {
    let delta = match reply {
        Reply::Text(text) => json!({ "role": "assistant", "content": text }),
        Reply::Call { id, tool, arguments } => {
            let mut call = call(id, tool, arguments);
            call["index"] = json!(0);
            json!({ "role": "assistant", "content": null, "tool_calls": [call] })
        }
    };
    let chunk = |choices: Value, usage: Value| json!({ "id": id, "object": "chat.completion.chunk", "created": 0, "model": turn.model, "choices": choices, "usage": usage });
    let first = chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), Value::Null);
    let chunks = [
        chunk(json!([{ "index": 0, "delta": {}, "finish_reason": finish(reply) }]), Value::Null),
        chunk(json!([]), usage()),
    ];
    let mut end = String::new();
    for chunk in chunks {
        // Writing into a String cannot fail.
        let _ = write!(end, "data: {chunk}\n\n");
    }
    end.push_str("data: [DONE]\n\n");
    Answer::stream(EVENTS, format!("data: {first}\n\n"), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_after_the_last_user_message_count() {
        let body = json!({"model": "m", "messages": [
            {"role": "user", "content": "one"}, {"role": "tool", "tool_call_id": "a", "content": "old"},
            {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image"}]},
        ]});
        let turn =
            ChatCompletions.read(&Asked { path: "/chat/completions", query: "", body: &body }).unwrap();
        assert_eq!(
            (turn.user.as_str(), turn.results.len(), turn.messages, turn.stream),
            ("two", 0, 3, false)
        );
    }
}
