//! Programs that OpenCode would download: a search works with no network and no `rg` on PATH, and a plain OpenCode's does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use replay::llm::Script;
use replay::proxy::{Recorded, RecordedBody};
use serde_json::json;
use testkit::desk::{Desk, MODEL, Outside};
use testkit::output::Output;
use testkit::site::Site;

use crate::answers::NO_STALL;
use crate::grammars::lock_behind_a_proxy;
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_search_needs_no_rg_on_path", with_ours),
    case("a_plain_one_finds_nothing", plain),
    case("from_its_own_release", from_its_own_release),
];

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

/// `ripgrep = "github"`: the release that the binary would download, for every system of the lock, where it is behind a redirect.
fn from_its_own_release() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    let wanted = kept.collect::<Vec<_>>().join("\n") + "\nripgrep = \"github\"\n";
    site.write("opencode-cache.toml", &wanted).unwrap();
    let mut answers = BTreeMap::new();
    let mut addresses = Vec::new();
    for platform in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu"] {
        let name = format!("ripgrep-15.1.0-{platform}");
        site.write(&format!("{name}/rg"), &format!("#!/bin/sh\necho {platform}\n")).unwrap();
        let archive = site.path(format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(site.path("")).arg(&name);
        assert!(tar.status().unwrap().success());
        let size = archive.metadata().unwrap().len();
        let address = format!("https://github.com/BurntSushi/ripgrep/releases/download/15.1.0/{name}.tar.gz");
        let today = format!("https://release-assets.example/{name}?signature=x");
        let redirect = Recorded {
            status: 302,
            headers: BTreeMap::from([("location".into(), today.clone())]),
            body: None,
        };
        let file =
            Recorded { status: 200, headers: BTreeMap::new(), body: Some(RecordedBody::File(archive, size)) };
        answers.extend([(address.clone(), redirect), (today, file)]);
        addresses.push(address);
    }
    lock_behind_a_proxy(&site, answers.iter().map(|(address, it)| (address.as_str(), it.clone())).collect());
    let text = site.read("opencode.lock.json").unwrap();
    assert!(addresses.iter().all(|address| text.contains(&format!("\"url\": \"{address}\""))), "{text}");
    assert_eq!(site.run(&["lock", "--check"]).unwrap().code, Some(0));

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let said = Command::new(site.path("result/cache/bin/rg")).output().unwrap().stdout;
    let platform = format!("{}-unknown-linux", std::env::consts::ARCH);
    assert!(String::from_utf8_lossy(&said).starts_with(&platform), "{said:?}");
}
