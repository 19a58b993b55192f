//! Programs that OpenCode would download: a search works with no network and no `rg` on PATH, and a plain OpenCode's does not.

use std::path::Path;

use replay::llm::Script;
use serde_json::json;
use testkit::desk::{Desk, MODEL, Outside};
use testkit::output::Output;

use crate::answers::NO_STALL;
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("a_search_needs_no_rg_on_path", with_ours), case("a_plain_one_finds_nothing", plain)];

/// What is searched for.
const NEEDLE: &str = "a-needle-of-the-project";
/// The file that it is in.
const FILE: &str = "src/haystack.txt";

/// The model has the project searched twice, by content and by name; what both tools answered.
fn search(desk: &Desk, program: &Path) -> Vec<String> {
    desk.configure("@ai-sdk/openai-compatible", &[]);
    desk.write(&format!("project/{FILE}"), &format!("hay\n{NEEDLE}\nhay\n"));
    let command = desk.command(program, &["run", "-m", MODEL, "search"], Path::new("/home/user/project"));
    let ran = desk.run(&command.env("PATH", "/nothing/here"), NO_STALL);
    assert!(ran.exit.is_some_and(sandbox::Exit::success), "{ran:?}");
    let turns = desk.asked().turns;
    let results = turns.iter().map(|turn| &turn.results).max_by_key(|results| results.len()).unwrap();
    assert_eq!(results.len(), 2, "{turns:?}");
    results.iter().map(|result| result.text.clone()).collect()
}

fn script() -> Script {
    Script::saying("nothing").calling("search", "grep", json!({ "pattern": NEEDLE })).calling(
        "search",
        "glob",
        json!({ "pattern": "**/haystack*" }),
    )
}

fn with_ours() {
    let desk = Desk::new(Outside::Refused, script(), &[Output::shared().path()]);
    for answer in search(&desk, &Output::shared().wrapper()) {
        assert!(answer.contains(FILE), "{answer}");
    }
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// The control: the same binary without our work.
fn plain() {
    let alone = Path::new("/opt/stock/bin/opencode");
    let bind = sandbox::Bind::read_only(Output::shared().binary(), alone);
    let desk = Desk::with(Outside::Refused, script(), vec![bind]);
    let answers = search(&desk, alone);
    assert!(answers.iter().any(|answer| !answer.contains(FILE)), "{answers:?}");
    assert!(desk.attempts().iter().any(|attempt| attempt.contains("github.com")), "{:?}", desk.attempts());
}
