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
    assert_eq!(client.post(format!("{}/responses", llm.url())).send().await.unwrap().status(), 404);
    let bad = client.post(format!("{}/chat/completions", llm.url())).body("{").send().await.unwrap();
    assert_eq!(bad.status(), 400);
    let facts = llm.shutdown().await;
    assert_eq!(facts.unknown, ["POST /v1/responses"]);
    assert_eq!(facts.turns, []);
}
