//! The wire format of Amazon Bedrock's `Converse` and `ConverseStream`. The model stands in the path; a stream is made of AWS
//! event-stream frames (see [`super::event_stream`]).

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::conversation::{self, Ask, Said, list, string};
use super::event_stream::{self, frame};
use super::{Answer, Asked, JSON, Protocol, Reply, ToolResult, Turn};

/// `POST …/model/MODEL/converse` and `…/converse-stream`.
pub(super) struct Converse;

const WHOLE: &str = "/converse";
const STREAM: &str = "/converse-stream";

impl Protocol for Converse {
    fn takes(&self, path: &str) -> bool {
        path.contains("/model/") && (path.ends_with(WHOLE) || path.ends_with(STREAM))
    }

    fn read(&self, asked: &Asked<'_>) -> Option<Turn> {
        let messages = asked.body.get("messages")?.as_array()?;
        let (before, method) = asked.path.rsplit_once('/')?;
        let model = percent_decode_str(before.rsplit('/').next()?).decode_utf8().ok()?;
        let tools = asked.body.get("toolConfig").map_or(&[][..], |config| list(config, "tools"));
        let ask = Ask {
            protocol: "converse",
            model: model.into_owned(),
            stream: STREAM.ends_with(method),
            // Between the tools there may be marks for what is to be cached.
            tools: tools
                .iter()
                .filter_map(|tool| Some(tool.pointer("/toolSpec/name")?.as_str()?.to_owned()))
                .collect(),
            messages: messages.len(),
        };
        let mut said = Vec::new();
        for message in messages {
            match string(message, "role").as_str() {
                "user" => said.extend(conversation::parts(list(message, "content"), result)),
                _ => said.push(Said::Other),
            }
        }
        Some(conversation::turn(ask, said))
    }

    fn write(&self, _: &Asked<'_>, turn: &Turn, reply: &Reply, _: usize) -> Answer {
        if turn.stream {
            return stream(reply);
        }
        let content = match reply {
            Reply::Text(text) => json!({ "text": text }),
            Reply::Call { id, tool, arguments } => {
                json!({ "toolUse": { "toolUseId": id, "name": tool, "input": arguments } })
            }
        };
        let message = json!({ "role": "assistant", "content": [content] });
        let answer = json!({ "output": { "message": message }, "stopReason": stop_reason(reply), "usage": usage(), "metrics": metrics() });
        Answer::new(JSON, answer.to_string())
    }
}

fn result(part: &Value) -> Option<ToolResult> {
    let result = part.get("toolResult")?;
    Some(ToolResult { call: string(result, "toolUseId"), text: conversation::text(result.get("content")) })
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text(_) => "end_turn",
        Reply::Call { .. } => "tool_use",
    }
}

fn usage() -> Value {
    json!({ "inputTokens": 1, "outputTokens": 1, "totalTokens": 2 })
}

fn metrics() -> Value {
    json!({ "latencyMs": 1 })
}

fn stream(reply: &Reply) -> Answer {
    let mut frames = frame("messageStart", &json!({ "role": "assistant" }));
    let delta = match reply {
        // Only blocks of tools are announced.
        Reply::Text(text) => json!({ "text": text }),
        Reply::Call { id, tool, arguments } => {
            let start = json!({ "toolUse": { "toolUseId": id, "name": tool } });
            frames.extend(frame("contentBlockStart", &json!({ "contentBlockIndex": 0, "start": start })));
            json!({ "toolUse": { "input": arguments.to_string() } })
        }
    };
    frames.extend(frame("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": delta })));
    let mut end = frame("contentBlockStop", &json!({ "contentBlockIndex": 0 }));
    end.extend(frame("messageStop", &json!({ "stopReason": stop_reason(reply) })));
    end.extend(frame("metadata", &json!({ "usage": usage(), "metrics": metrics() })));
    Answer::stream(event_stream::CONTENT_TYPE, frames, end)
}
