//! The wire format of Anthropic's messages, streamed and whole.

use serde_json::{Value, json};

use super::conversation::{self, Ask, Said, list, named_events, string};
use super::{Answer, Asked, EVENTS, JSON, Protocol, Reply, ToolResult, Turn};

/// `POST …/messages`.
pub(super) struct Messages;

impl Protocol for Messages {
    fn takes(&self, path: &str) -> bool {
        path.ends_with("/messages")
    }

    fn read(&self, asked: &Asked<'_>) -> Option<Turn> {
        let messages = asked.body.get("messages")?.as_array()?;
        let ask = Ask {
            protocol: "messages",
            model: asked.body.get("model")?.as_str()?.to_owned(),
            stream: asked.body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            tools: list(asked.body, "tools").iter().map(|tool| string(tool, "name")).collect(),
            messages: messages.len(),
        };
        let mut said = Vec::new();
        for message in messages {
            match message.get("content") {
                _ if string(message, "role") != "user" => said.push(Said::Other),
                Some(Value::String(text)) => said.push(Said::User(text.clone())),
                _ => said.extend(conversation::parts(list(message, "content"), result)),
            }
        }
        Some(conversation::turn(ask, said))
    }

    fn write(&self, _: &Asked<'_>, turn: &Turn, reply: &Reply, number: usize) -> Answer {
        if turn.stream {
            let events = events(turn, reply, number);
            let (said, end) = events.split_at(3);
            Answer::stream(EVENTS, named_events(said), named_events(end))
        } else {
            let message = message(turn, number, vec![block(reply)], Some(stop_reason(reply)));
            Answer::new(JSON, message.to_string())
        }
    }
}

fn result(part: &Value) -> Option<ToolResult> {
    let is_result = string(part, "type") == "tool_result";
    is_result.then(|| ToolResult {
        call: string(part, "tool_use_id"),
        text: conversation::text(part.get("content")),
    })
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text(_) => "end_turn",
        Reply::Call { .. } => "tool_use",
    }
}

fn block(reply: &Reply) -> Value {
    match reply {
        Reply::Text(text) => json!({ "type": "text", "text": text }),
        Reply::Call { id, tool, arguments } => {
            json!({ "type": "tool_use", "id": id, "name": tool, "input": arguments })
        }
    }
}

fn message(turn: &Turn, number: usize, content: Vec<Value>, stop_reason: Option<&str>) -> Value {
    json!({
        "type": "message", "id": format!("msg_{number}"), "role": "assistant", "model": turn.model, "content": content,
        "stop_reason": stop_reason, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
}

fn events(turn: &Turn, reply: &Reply, number: usize) -> [Value; 6] {
    let (start, delta) = match reply {
        Reply::Text(text) => {
            (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }))
        }
        Reply::Call { id, tool, arguments } => (
            json!({ "type": "tool_use", "id": id, "name": tool, "input": {} }),
            json!({ "type": "input_json_delta", "partial_json": arguments.to_string() }),
        ),
    };
    [
        json!({ "type": "message_start", "message": message(turn, number, vec![], None) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": start }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": stop_reason(reply), "stop_sequence": null }, "usage": { "output_tokens": 1 } }),
        json!({ "type": "message_stop" }),
    ]
}
