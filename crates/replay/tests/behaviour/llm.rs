//! Property: a scripted model says what its script says, in the form that was asked for, and records what it was asked.

use replay::llm::{Script, ScriptedLlm};
use serde_json::{Value, json};

use crate::support::listener;

fn script() -> Script {
    Script::saying("hello there").calling("ENVIRONMENT", "bash", json!({"command": "env"}))
}

async fn post(llm: &ScriptedLlm, request: &Value) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/chat/completions", llm.url());
    let answer = client.post(url).body(request.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "bash", "parameters": {}}}])
}

/// The deltas of a stream.
fn deltas(stream: &str) -> Vec<Value> {
    let chunks =
        stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|text| *text != "[DONE]");
    chunks
        .filter_map(|text| serde_json::from_str::<Value>(text).unwrap().pointer("/choices/0/delta").cloned())
        .collect()
}

#[tokio::test]
async fn it_calls_the_tool_and_then_is_done() {
    let llm = ScriptedLlm::serve(listener(), script()).unwrap();
    let mut messages = vec![json!({"role": "user", "content": "print your ENVIRONMENT"})];
    let request = json!({"model": "m", "stream": true, "tools": tools(), "messages": messages});
    let stream = post(&llm, &request).await;
    assert!(stream.ends_with("data: [DONE]\n\n"));
    let call = deltas(&stream)[0]["tool_calls"][0].clone();
    assert_eq!(call["function"], json!({"name": "bash", "arguments": "{\"command\":\"env\"}"}));
    messages.push(json!({"role": "assistant", "tool_calls": [call]}));
    messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "A=1"}));
    let request = json!({"model": "m", "stream": true, "tools": tools(), "messages": messages});
    assert_eq!(deltas(&post(&llm, &request).await)[0]["content"], "done");
    let facts = llm.shutdown().await;
    assert_eq!(facts.turns.len(), 2);
    assert_eq!(facts.turns[1].results[0].text, "A=1");
    assert_eq!(facts.turns[0].tools, ["bash"]);
}

#[tokio::test]
async fn it_calls_one_tool_after_the_other() {
    let script = script().calling("ENVIRONMENT", "bash", json!({"command": "set"}));
    let llm = ScriptedLlm::serve(listener(), script).unwrap();
    let mut messages = vec![json!({"role": "user", "content": "print your ENVIRONMENT"})];
    let mut called = Vec::new();
    for _ in 0..3 {
        let request = json!({"model": "m", "stream": true, "tools": tools(), "messages": messages});
        let delta = deltas(&post(&llm, &request).await)[0].clone();
        let call = &delta["tool_calls"][0];
        called.push(call.pointer("/function/arguments").unwrap_or(&delta["content"]).clone());
        messages.push(json!({"role": "assistant", "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "A=1"}));
    }
    assert_eq!(called, ["{\"command\":\"env\"}", "{\"command\":\"set\"}", "done"]);
}

#[tokio::test]
async fn a_tool_that_is_not_offered_is_not_called() {
    let llm = ScriptedLlm::serve(listener(), script()).unwrap();
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "a title for: print your ENVIRONMENT"}]});
    let answer: Value = serde_json::from_str(&post(&llm, &request).await).unwrap();
    assert_eq!(answer.pointer("/choices/0/message/content").unwrap(), "hello there");
}

#[tokio::test]
async fn it_lists_its_models_and_notes_what_it_does_not_understand() {
    let llm = ScriptedLlm::serve(listener(), script()).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let models: Value = serde_json::from_str(
        &client.get(format!("{}/models", llm.url())).send().await.unwrap().text().await.unwrap(),
    )
    .unwrap();
    assert_eq!(models["data"][0]["id"], "scripted");
    assert_eq!(client.post(format!("{}/embeddings", llm.url())).send().await.unwrap().status(), 404);
    let bad = client.post(format!("{}/chat/completions", llm.url())).body("{").send().await.unwrap();
    assert_eq!(bad.status(), 400);
    let facts = llm.shutdown().await;
    assert_eq!(facts.unknown, ["POST /v1/embeddings"]);
    assert_eq!(facts.turns, []);
}

/// The same talk in every protocol: where it is asked, how, and where an answer says what.
struct Dialect {
    protocol: &'static str,
    path: &'static str,
    request: fn(stream: bool, result: bool) -> Value,
    /// Where the call's arguments and the text stand in a whole answer.
    arguments: &'static str,
    text: &'static str,
}

const DIALECTS: [Dialect; 4] = [
    Dialect {
        protocol: "responses",
        path: "/v1/responses",
        request: |stream, result| {
            let mut input = vec![
                json!({"role": "user", "content": [{"type": "input_text", "text": "print your ENVIRONMENT"}]}),
            ];
            if result {
                input.push(
                    json!({"type": "function_call", "call_id": "call_1", "name": "bash", "arguments": "{}"}),
                );
                input.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "A=1"}));
            }
            json!({"model": "m", "stream": stream, "input": input, "tools": [{"type": "web_search"}, {"type": "function", "name": "bash"}]})
        },
        arguments: "/output/0/arguments",
        text: "/output/0/content/0/text",
    },
    Dialect {
        protocol: "messages",
        path: "/v1/messages",
        request: |stream, result| {
            let mut messages = vec![
                json!({"role": "user", "content": [{"type": "text", "text": "print your"}, {"type": "text", "text": "ENVIRONMENT"}]}),
            ];
            if result {
                messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "bash", "input": {}}]}));
                messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "A=1"}]}]}));
            }
            json!({"model": "m", "stream": stream, "messages": messages, "tools": [{"name": "bash"}]})
        },
        arguments: "/content/0/input",
        text: "/content/0/text",
    },
    Dialect {
        protocol: "generate-content",
        path: "/v1/models/m",
        request: |_, result| {
            let mut contents = vec![json!({"role": "user", "parts": [{"text": "print your ENVIRONMENT"}]})];
            if result {
                contents.push(
                    json!({"role": "model", "parts": [{"functionCall": {"name": "bash", "args": {}}}]}),
                );
                contents.push(json!({"role": "user", "parts": [{"functionResponse": {"id": "call_1", "name": "bash", "response": {"content": "A=1"}}}]}));
            }
            json!({"contents": contents, "tools": [{"functionDeclarations": [{"name": "bash"}]}]})
        },
        arguments: "/candidates/0/content/parts/0/functionCall/args",
        text: "/candidates/0/content/parts/0/text",
    },
    Dialect {
        protocol: "converse",
        path: "/v1/model/m",
        request: |_, result| {
            let mut messages = vec![json!({"role": "user", "content": [{"text": "print your ENVIRONMENT"}]})];
            if result {
                messages.push(json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": "call_1", "name": "bash", "input": {}}}]}));
                messages.push(json!({"role": "user", "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"text": "A=1"}]}}]}));
            }
            json!({"messages": messages, "toolConfig": {"tools": [{"toolSpec": {"name": "bash"}}, {"cachePoint": {"type": "default"}}]}})
        },
        arguments: "/output/message/content/0/toolUse/input",
        text: "/output/message/content/0/text",
    },
];

impl Dialect {
    /// The path for an answer of that form: two of them say it there.
    fn path(&self, stream: bool) -> String {
        let method = match (self.protocol, stream) {
            ("generate-content", true) => ":streamGenerateContent?alt=sse",
            ("generate-content", false) => ":generateContent",
            ("converse", true) => "/converse-stream",
            ("converse", false) => "/converse",
            _ => "",
        };
        format!("{}{method}", self.path)
    }

    async fn ask(&self, llm: &ScriptedLlm, stream: bool, result: bool) -> Vec<u8> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{}", llm.address(), self.path(stream));
        let answer = client.post(url).body((self.request)(stream, result).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", self.protocol);
        answer.bytes().await.unwrap().to_vec()
    }
}

#[tokio::test]
async fn every_protocol_says_the_same() {
    for dialect in DIALECTS {
        let name = dialect.protocol;
        let llm = ScriptedLlm::serve(listener(), script()).unwrap();
        let answer: Value = serde_json::from_slice(&dialect.ask(&llm, false, false).await).unwrap();
        let arguments = answer.pointer(dialect.arguments).unwrap_or_else(|| panic!("{name}: {answer}"));
        // OpenAI's are a text.
        let arguments = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        assert_eq!(arguments, "{\"command\":\"env\"}", "{name}");
        let answer: Value = serde_json::from_slice(&dialect.ask(&llm, false, true).await).unwrap();
        assert_eq!(answer.pointer(dialect.text), Some(&json!("done")), "{name}: {answer}");
        for (result, said) in [(false, "command"), (true, "done")] {
            let stream = dialect.ask(&llm, true, result).await;
            assert!(String::from_utf8_lossy(&stream).contains(said), "{name}");
        }
        let facts = llm.shutdown().await;
        assert_eq!(facts.turns.len(), 4, "{name}");
        for (number, turn) in facts.turns.iter().enumerate() {
            assert_eq!((turn.protocol, turn.model.as_str(), turn.stream), (name, "m", number > 1), "{name}");
            assert_eq!(turn.user.replace('\n', " "), "print your ENVIRONMENT", "{name}");
            assert_eq!(turn.tools, ["bash"], "{name}");
            let results: Vec<_> =
                turn.results.iter().map(|result| (result.call.as_str(), result.text.as_str())).collect();
            assert_eq!(results, [("call_1", "A=1")][..number % 2], "{name}");
        }
    }
}
