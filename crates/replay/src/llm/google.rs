//! The wire format of Google's `generateContent`, streamed (as events, or as one list) and whole. The model stands in the path.

use serde_json::{Value, json};

use super::conversation::{self, Ask, Said, list, string};
use super::{Answer, Asked, EVENTS, JSON, Protocol, Reply, ToolResult, Turn};

/// `POST …/models/MODEL:generateContent` and `…:streamGenerateContent`.
pub(super) struct GenerateContent;

const WHOLE: &str = ":generateContent";
const STREAM: &str = ":streamGenerateContent";

impl Protocol for GenerateContent {
    fn takes(&self, path: &str) -> bool {
        path.ends_with(WHOLE) || path.ends_with(STREAM)
    }

    fn read(&self, asked: &Asked<'_>) -> Option<Turn> {
        let contents = asked.body.get("contents")?.as_array()?;
        let (model, method) = asked.path.rsplit('/').next()?.split_once(':')?;
        let declarations = list(asked.body, "tools").iter();
        let ask = Ask {
            protocol: "generate-content",
            model: model.to_owned(),
            stream: STREAM.ends_with(method),
            tools: declarations
                .flat_map(|tools| list(tools, "functionDeclarations"))
                .map(|tool| string(tool, "name"))
                .collect(),
            messages: contents.len(),
        };
        let mut said = Vec::new();
        for content in contents {
            match string(content, "role").as_str() {
                "model" => said.push(Said::Other),
                _ => said.extend(conversation::parts(list(content, "parts"), result)),
            }
        }
        Some(conversation::turn(ask, said))
    }

    fn write(&self, asked: &Asked<'_>, turn: &Turn, reply: &Reply, _: usize) -> Answer {
        let answer = answer(turn, reply);
        match turn.stream {
            true if asked.query.split('&').any(|pair| pair == "alt=sse") => {
                let mut end = answer.clone();
                let mut said = answer;
                said["candidates"][0]["finishReason"] = Value::Null;
                end["candidates"][0]["content"]["parts"] = json!([{ "text": "" }]);
                Answer::stream(EVENTS, format!("data: {said}\n\n"), format!("data: {end}\n\n"))
            }
            true => Answer::new(JSON, format!("[{answer}]")),
            false => Answer::new(JSON, answer.to_string()),
        }
    }
}

fn result(part: &Value) -> Option<ToolResult> {
    let response = part.get("functionResponse")?;
    let answered = response.get("response").unwrap_or(&Value::Null);
    // Clients name the text as they like.
    let text = ["content", "output", "result"].iter().find_map(|key| answered.get(key)?.as_str());
    // Calls have no number of their own in this protocol unless the client gives them one.
    let call = ["id", "name"].iter().find_map(|key| response.get(key)?.as_str());
    Some(ToolResult {
        call: call.unwrap_or_default().to_owned(),
        text: text.map_or_else(|| answered.to_string(), str::to_owned),
    })
}

fn answer(turn: &Turn, reply: &Reply) -> Value {
    let part = match reply {
        Reply::Text(text) => json!({ "text": text }),
        Reply::Call { tool, arguments, .. } => {
            json!({ "functionCall": { "name": tool, "args": arguments } })
        }
    };
    let candidate =
        json!({ "content": { "role": "model", "parts": [part] }, "finishReason": "STOP", "index": 0 });
    json!({
        "candidates": [candidate], "modelVersion": turn.model,
        "usageMetadata": { "promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2 },
    })
}
