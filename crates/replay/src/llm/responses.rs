//! The wire format of OpenAI's responses, streamed and whole.

use serde_json::{Value, json};

use super::conversation::{self, Ask, Said, list, named_events, string};
use super::{Answer, Asked, EVENTS, JSON, Protocol, Reply, ToolResult, Turn};

/// `POST …/responses`.
pub(super) struct Responses;

impl Protocol for Responses {
    fn takes(&self, path: &str) -> bool {
        path.ends_with("/responses")
    }

    fn read(&self, asked: &Asked<'_>) -> Option<Turn> {
        let (said, messages) = match asked.body.get("input")? {
            Value::String(text) => (vec![Said::User(text.clone())], 1),
            Value::Array(input) => (input.iter().map(said).collect(), input.len()),
            _ => return None,
        };
        let ask = Ask {
            protocol: "responses",
            model: asked.body.get("model")?.as_str()?.to_owned(),
            stream: asked.body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            // What the service itself would run (web search and the like) has no name.
            tools: list(asked.body, "tools")
                .iter()
                .filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned()))
                .collect(),
            messages,
        };
        Some(conversation::turn(ask, said))
    }

    fn write(&self, _: &Asked<'_>, turn: &Turn, reply: &Reply, number: usize) -> Answer {
        let output = item(reply, number, "completed");
        if !turn.stream {
            return Answer::new(JSON, response(turn, number, "completed", vec![output]).to_string());
        }
        let mut events = vec![
            json!({ "type": "response.created", "response": response(turn, number, "in_progress", vec![]) }),
            json!({ "type": "response.in_progress", "response": response(turn, number, "in_progress", vec![]) }),
            json!({ "type": "response.output_item.added", "output_index": 0, "item": item(&empty(reply), number, "in_progress") }),
        ];
        events.extend(deltas(reply, &id(reply, number)));
        events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": output }));
        events.push(json!({ "type": "response.completed", "response": response(turn, number, "completed", vec![output]) }));
        for (sequence, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(sequence);
        }
        let (said, end) = events.split_at(events.len() - 2);
        Answer::stream(EVENTS, named_events(said), named_events(end))
    }
}

fn said(item: &Value) -> Said {
    match (string(item, "type").as_str(), string(item, "role").as_str()) {
        ("function_call_output", _) => Said::Result(ToolResult {
            call: string(item, "call_id"),
            text: conversation::text(item.get("output")),
        }),
        (_, "user") => Said::User(conversation::text(item.get("content"))),
        _ => Said::Other,
    }
}

fn id(reply: &Reply, number: usize) -> String {
    match reply {
        Reply::Text(_) => format!("msg_{number}"),
        Reply::Call { .. } => format!("fc_{number}"),
    }
}

/// The same kind of reply with nothing in it: how a stream announces it.
fn empty(reply: &Reply) -> Reply {
    match reply {
        Reply::Text(_) => Reply::Text(String::new()),
        Reply::Call { id, tool, .. } => {
            Reply::Call { id: id.clone(), tool: tool.clone(), arguments: Value::Null }
        }
    }
}

fn item(reply: &Reply, number: usize, status: &str) -> Value {
    let own = id(reply, number);
    match reply {
        Reply::Text(text) => {
            let content = match text.as_str() {
                "" => json!([]),
                text => json!([{ "type": "output_text", "text": text, "annotations": [] }]),
            };
            json!({ "type": "message", "id": own, "role": "assistant", "status": status, "content": content })
        }
        Reply::Call { id, tool, arguments } => {
            let arguments = if arguments.is_null() { String::new() } else { arguments.to_string() };
            json!({ "type": "function_call", "id": own, "call_id": id, "name": tool, "arguments": arguments, "status": status })
        }
    }
}

fn deltas(reply: &Reply, own: &str) -> Vec<Value> {
    match reply {
        Reply::Text(text) => {
            let at =
                |kind: &str| json!({ "type": kind, "item_id": own, "output_index": 0, "content_index": 0 });
            let with = |kind: &str, key: &str, value: Value| {
                let mut event = at(kind);
                event[key] = value;
                event
            };
            let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
            vec![
                with("response.content_part.added", "part", part("")),
                with("response.output_text.delta", "delta", json!(text)),
                with("response.output_text.done", "text", json!(text)),
                with("response.content_part.done", "part", part(text)),
            ]
        }
        Reply::Call { arguments, .. } => {
            let arguments = arguments.to_string();
            vec![
                json!({ "type": "response.function_call_arguments.delta", "item_id": own, "output_index": 0, "delta": arguments }),
                json!({ "type": "response.function_call_arguments.done", "item_id": own, "output_index": 0, "arguments": arguments }),
            ]
        }
    }
}

fn response(turn: &Turn, number: usize, status: &str, output: Vec<Value>) -> Value {
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 1, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 2,
    });
    json!({
        "id": format!("resp_{number}"), "object": "response", "created_at": 0, "model": turn.model, "status": status,
        "error": null, "incomplete_details": null, "output": output, "usage": usage,
    })
}
