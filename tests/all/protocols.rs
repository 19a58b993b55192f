//! The scripted model speaks what the SDKs that are built into OpenCode speak: through each of them the real OpenCode calls a tool
//! and gives an answer. What is proved of an SDK when locking rests on this.

use std::time::Duration;

use replay::llm::Script;
use serde_json::{Value, json};
use testkit::desk::{Desk, Outside};
use testkit::output::Output;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("every_protocol_answers_and_calls_a_tool", every_protocol_answers_and_calls_a_tool)];

/// SDKs that are built in, the protocol that each speaks, and options beside the address.
const SDKS: [(&str, &str, &str); 5] = [
    ("@ai-sdk/openai-compatible", "chat-completions", "{}"),
    ("@ai-sdk/openai", "responses", "{}"),
    ("@ai-sdk/anthropic", "messages", "{}"),
    ("@ai-sdk/google", "generate-content", "{}"),
    ("@ai-sdk/amazon-bedrock", "converse", "{\"region\":\"eu-central-1\"}"),
];
/// What the model says once its tool has answered.
const DONE: &str = "it says so";
/// Long enough for a start and two questions on a busy machine.
const ENOUGH: Duration = Duration::from_secs(60);

fn every_protocol_answers_and_calls_a_tool() {
    let mut script = Script::saying("a title").calling(
        "look into the file",
        "read",
        json!({ "filePath": "/home/user/project/said.txt" }),
    );
    script.done = DONE.to_owned();
    let desk = Desk::new(Outside::Refused, script, &[Output::shared().path()]);
    let mut providers = serde_json::Map::new();
    for (sdk, protocol, more) in SDKS {
        let mut options: Value = serde_json::from_str(more).unwrap();
        options["baseURL"] = json!(desk.model_url());
        options["apiKey"] = json!("not-a-secret");
        let models =
            json!({ "scripted": { "name": "Scripted", "limit": { "context": 100_000, "output": 10_000 } } });
        providers.insert(protocol.into(), json!({ "npm": sdk, "options": options, "models": models }));
    }
    desk.write(".config/opencode/opencode.json", &json!({ "provider": providers }).to_string());
    desk.write("project/said.txt", "what the file says\n");
    let project = desk.directory("project");
    for (_, protocol, _) in SDKS {
        let before = desk.asked().turns.len();
        let model = format!("{protocol}/scripted");
        let arguments = ["run", "-m", &model, "look into the file"];
        let ran = desk.run(&desk.command(&Output::shared().wrapper(), &arguments, &project), ENOUGH);
        assert!(ran.exit.is_some_and(sandbox::Exit::success), "{protocol}: {ran:?}");
        assert!(ran.stdout.contains(DONE), "{protocol}: {ran:?}");
        let turns = desk.asked().turns.split_off(before);
        assert!(turns.iter().all(|turn| turn.protocol == protocol && turn.stream), "{protocol}: {turns:?}");
        assert!(turns.iter().all(|turn| turn.model == "scripted"), "{protocol}: {turns:?}");
        let results: Vec<&str> =
            turns.iter().flat_map(|turn| &turn.results).map(|result| result.text.as_str()).collect();
        assert!(
            matches!(results[..], [text] if text.contains("what the file says")),
            "{protocol}: {turns:?}"
        );
    }
    assert_eq!(desk.asked().unknown, [""; 0]);
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}
