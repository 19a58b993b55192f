//! The bot's steps (`.ci/refresh`), as its workflow runs them, against a bare repository on disk and a GitHub on loopback: nothing is
//! merged that was not verified, there is one pull request at a time, and the token is nowhere.
//!
//! Our own program is stood in for where its failures are what matters; what it does is the business of other modules. With
//! `OPENCODE_CACHE_BOT=all` the real one moves a real OpenCode, too: a minute and more.

mod github;
mod place;

use std::fs;

use serde_json::{Value, json};
use testkit::cli::{Place, told};

use crate::{Case, case};
use place::{BRANCH, Bot, ELSEWHERE, HERE, git};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("merges_what_every_system_verified", merges_what_every_system_verified),
    case("says_what_was_not_verified", says_what_was_not_verified),
    case("keeps_one_pull_request", keeps_one_pull_request),
    case("leaves_open_what_cannot_be_merged", leaves_open_what_cannot_be_merged),
    case("bears_with_github", bears_with_github),
    case("takes_nothing_else", takes_nothing_else),
    case("has_sandboxes_or_says_why_not", has_sandboxes_or_says_why_not),
    case("a_real_update_finds_nothing", a_real_update_finds_nothing),
    case("moves_a_real_opencode", moves_a_real_opencode),
];

fn merges_what_every_system_verified() {
    let bot = Bot::new(&[HERE]);
    let outputs = bot.update();
    assert_eq!(outputs[0], "changed=true");
    let matrix: Value = serde_json::from_str(outputs[1].strip_prefix("matrix=").unwrap()).unwrap();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 1);
    assert_eq!(matrix["include"][0]["system"], HERE);
    let verified = bot.verify(&[]);
    assert!(verified.status.success(), "{}", told(&verified));
    let said = told(&verified);
    // What is said by others is no command.
    let stopped = said.lines().find_map(|line| line.strip_prefix("::stop-commands::")).unwrap().to_owned();
    let (before, after) = (said.find(&stopped).unwrap(), said.rfind(&stopped).unwrap());
    assert!((before..after).contains(&said.find("::error::a line").unwrap()), "{said}");

    let proposed = bot.propose();
    assert!(proposed.status.success() && told(&proposed).contains("merged #1"), "{}", told(&proposed));
    assert_eq!(bot.version("main"), "1.18.33");
    let pulls = bot.github.pulls();
    assert_eq!(pulls[0]["title"], "OpenCode 1.18.18 → 1.18.33");
    let body = pulls[0]["body"].as_str().unwrap();
    assert!(body.contains("| OpenCode | 1.18.18 | 1.18.33 |"));
    assert!(body.contains(&format!("{HERE}.html in the artifact result-{HERE} of")), "{body}");
    let asked = fs::read_to_string(bot.path("asked")).unwrap();
    assert!(asked.contains("--format md --min-age 3d\n") && asked.contains("verify --proof "), "{asked}");
    // The page has what verify saw.
    assert!(
        asked.lines().any(|line| line.starts_with("inspect --html ") && line.contains(" --proof ")),
        "{asked}"
    );
    // Only the lock has changed, and the branch has gone.
    let changed = git(&bot.path("origin"), &["diff", "--name-only", "main~1", "main"]);
    assert_eq!(changed, "opencode.lock.json");
    assert_eq!(git(&bot.path("origin"), &["branch", "--list", BRANCH]), "");

    // Nothing newer: nothing happens.
    fs::remove_file(bot.path("newer")).unwrap();
    git(&bot.path("work"), &["pull", "--quiet", "origin", "main"]);
    let requests = bot.github.requests().len();
    assert_eq!(bot.update(), ["changed=false"]);
    assert!(!bot.path("candidate").exists());
    assert_eq!(bot.github.requests().len(), requests);
}

fn says_what_was_not_verified() {
    // One fails, one has no result, one has no runner.
    let bot = Bot::new(&[HERE, ELSEWHERE, "x86_64-darwin"]);
    let said = bot.run(&[("VERIFIES", "1")]);
    assert!(said.contains("#1 is not merged:"), "{said}");
    let pull = &bot.github.pulls()[0];
    assert_eq!((&pull["draft"], &pull["state"]), (&json!(true), &json!("open")));
    assert_eq!(pull["title"], "Not verified: OpenCode 1.18.18 → 1.18.33");
    let body = pull["body"].as_str().unwrap();
    for text in [
        &format!("> - {HERE}: verify ended with exit status 1"),
        &format!("> - {ELSEWHERE}: no result"),
        "> - x86_64-darwin: no runner is known",
        "run: &lt;b&gt;3&lt;/b&gt; attempts to leave",
        "https://github.example/someone/something/actions/runs/42",
    ] {
        assert!(body.contains(text), "{text} is not in\n{body}");
    }
    assert_eq!(fs::read_to_string(bot.path("shown")).unwrap(), body);
    assert_eq!(bot.version("main"), "1.18.18");
    // A result of another candidate is none.
    let verified = Bot::new(&[HERE]);
    verified.update();
    verified.verify(&[]);
    fs::copy(verified.path(&format!("results/{HERE}.json")), bot.path(&format!("results/{HERE}.json")))
        .unwrap();
    let proposed = told(&bot.propose());
    assert!(proposed.contains("the result is of another candidate"), "{proposed}");
    // A build that fails is no better than a verify; and a summary of any length fits.
    let bot = Bot::new(&[HERE]);
    bot.update();
    bot.write("candidate/summary.md", &"| a long line |\n".repeat(10_000));
    bot.verify(&[("BUILDS", "4")]);
    bot.propose();
    let pull = &bot.github.pulls()[0];
    assert!(pull["body"].as_str().unwrap().contains("build ended with exit status 4"), "{pull}");
    assert_eq!(bot.version("main"), "1.18.18");
    // An update that fails is no candidate.
    let failed = bot.step(&["update", "../other"], &[("UPDATES", "4")]);
    assert_eq!(failed.status.code(), Some(4), "{}", told(&failed));
}

fn keeps_one_pull_request() {
    let bot = Bot::new(&[HERE]);
    bot.run(&[("VERIFIES", "1")]);
    let head = git(&bot.path("origin"), &["rev-parse", BRANCH]);
    // The same candidate is the same commit; a failure stays a draft.
    bot.run(&[("VERIFIES", "1")]);
    assert_eq!(git(&bot.path("origin"), &["rev-parse", BRANCH]), head);
    // Somebody merged something, and wrote on the branch: the branch is made anew, the pull request says the new.
    bot.write("work/README.md", "changed\n");
    bot.commit();
    git(&bot.path("work"), &["push", "--quiet", "--force", "origin", &format!("main:{BRANCH}")]);
    let newer = fs::read_to_string(bot.path("newer")).unwrap().replace("1.18.33", "1.18.34");
    bot.write("newer", &newer);
    let said = bot.run(&[]);
    assert!(said.contains("merged #1"), "{said}");
    let pulls = bot.github.pulls();
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0]["title"], "OpenCode 1.18.18 → 1.18.34");
    assert_eq!(bot.version("main"), "1.18.34");
    assert_eq!(git(&bot.path("origin"), &["show", "main:README.md"]), "changed");

    // Made by an attempt whose answer was lost.
    let bot = Bot::new(&[HERE]);
    bot.github.lost("POST /pulls", 502);
    let said = bot.run(&[]);
    assert!(said.contains("merged #1"), "{said}");
    assert_eq!(bot.github.pulls().len(), 1);
    // Where there are no drafts, title and text say it.
    let bot = Bot::new(&[HERE]);
    bot.github.without_drafts();
    let said = bot.run(&[("VERIFIES", "1")]);
    assert!(said.contains("opened #1"), "{said}");
    bot.run(&[("VERIFIES", "1")]);
    assert!(bot.github.pulls()[0]["title"].as_str().unwrap().starts_with("Not verified: "));
}

fn leaves_open_what_cannot_be_merged() {
    let open = |bot: &Bot, said: &str, reason: &str| {
        assert!(said.contains(reason), "{said}");
        assert_eq!(bot.github.pulls()[0]["state"], "open");
        assert_eq!(bot.version("main"), "1.18.18");
    };
    let bot = Bot::new(&[HERE]);
    for _ in 0..3 {
        bot.github.instead("PUT /pulls/1/merge", 405, "", "At least 1 approving review is required");
    }
    let said = bot.run(&[]);
    open(&bot, &said, "#1 is left open: GitHub answered 405: At least 1 approving review is required");
    // Somebody else pushed in between.
    bot.github.instead("PUT /pulls/1/merge", 409, "", "Head branch was modified");
    let said = bot.run(&[]);
    open(&bot, &said, "#1 is left open: GitHub answered 409: Head branch was modified");
    // A person is to merge.
    let output = bot.propose_with(&[("MERGE", "false")]);
    open(&bot, &told(&output), "#1 is for a person to merge");
    // What was verified was made from what is the base no more.
    bot.update();
    bot.verify(&[]);
    let base = git(&bot.path("work"), &["rev-parse", "HEAD"]);
    git(&bot.path("work"), &["reset", "--quiet", "--hard"]);
    bot.write("work/README.md", "changed\n");
    bot.commit();
    git(&bot.path("work"), &["reset", "--quiet", "--hard", &base]);
    open(&bot, &told(&bot.propose()), "#1 is left open: main has moved since it was verified");
}

fn bears_with_github() {
    // A limit that ends soon, and servers that are down for a moment, are waited for.
    let bot = Bot::new(&[HERE]);
    bot.github.instead(
        "GET /pulls",
        403,
        "Retry-After: 0\r\nX-RateLimit-Remaining: 0\r\n",
        "API rate limit exceeded",
    );
    bot.github.instead("PUT /pulls/1/merge", 503, "", "");
    let said = bot.run(&[]);
    assert!(said.contains("merged #1"), "{said}");
    // One that does not is told with its end, and so is what GitHub forbids.
    let refused = |headers: &'static str, message: &str| {
        let bot = Bot::new(&[HERE]);
        bot.github.instead("POST /pulls", 403, headers, message);
        bot.update();
        bot.verify(&[]);
        let output = bot.propose();
        assert_eq!(output.status.code(), Some(4), "{}", told(&output));
        told(&output)
    };
    let said =
        refused("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 4102444800\r\n", "API rate limit exceeded");
    assert!(said.contains("UTC (rate limit): run this again then"), "{said}");
    let said = refused("", "GitHub Actions is not permitted to create or approve pull requests.");
    assert!(said.contains("not permitted") && said.contains("Allow GitHub Actions to create"), "{said}");
    // A server that stays down.
    let bot = Bot::new(&[HERE]);
    (0..4).for_each(|_| bot.github.instead("GET /pulls", 502, "", "<html>"));
    bot.update();
    bot.verify(&[]);
    let output = bot.propose();
    assert_eq!(output.status.code(), Some(4));
    assert!(told(&output).contains("GitHub does not answer (502)"), "{}", told(&output));
}

fn takes_nothing_else() {
    let bot = Bot::new(&[HERE]);
    bot.update();
    bot.verify(&[]);
    let candidate: Value =
        serde_json::from_str(&fs::read_to_string(bot.path("candidate/candidate.json")).unwrap()).unwrap();
    let refuses = |changed: &dyn Fn(&mut Value), reason: &str| {
        let mut forged = candidate.clone();
        changed(&mut forged);
        bot.write("candidate/candidate.json", &forged.to_string());
        let output = bot.propose();
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        assert!(told(&output).contains(reason), "{}", told(&output));
    };
    let lock = "opencode.lock.json";
    refuses(&|forged| forged["files"] = json!({".github/workflows/ci.yml": "00"}), "which is none of");
    refuses(&|forged| forged["removed"] = json!(["README.md"]), "which is none of");
    refuses(&|forged| forged["files"][lock] = json!("00"), "another hash");
    refuses(&|forged| forged["base"] = json!("0".repeat(40)), "another commit");
    let file = bot.path(&format!("candidate/files/{lock}"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    refuses(&|_| {}, "is no file");
    assert_eq!(bot.github.requests(), [""; 0]);
    // A system of another machine is not verified here; and whoever says nothing is told what to say.
    assert_eq!(bot.step(&["verify", "../candidate", ELSEWHERE, "../results"], &[]).status.code(), Some(3));
    assert_eq!(bot.step(&["merge"], &[]).status.code(), Some(2));
}

fn has_sandboxes_or_says_why_not() {
    let bot = Bot::new(&[HERE]);
    let ready = |more: &[(&str, &str)]| {
        let output = bot.step(&["ready"], more);
        (output.status.code(), told(&output))
    };
    let (code, said) = ready(&[]);
    assert_eq!((code, said.trim_end()), (Some(0), "sandboxes can be made"));
    // Ubuntu 24.04, of which there is none here: namespaces are refused until root has said otherwise.
    bot.program("unshare", "[ -e \"$ALLOWED\" ]");
    bot.program(
        "sudo",
        "[ \"$*\" = '-n sysctl -qw kernel.apparmor_restrict_unprivileged_userns=0' ] && touch \"$ALLOWED\"",
    );
    bot.write("setting", "1\n");
    let [path, setting, allowed] =
        ["programs", "setting", "allowed"].map(|name| bot.path(name).display().to_string());
    let path = format!("{path}:{}", std::env::var("PATH").unwrap());
    let ubuntu = [("PATH", path.as_str()), ("REFRESH_APPARMOR", &setting), ("ALLOWED", &allowed)];
    let own = ready(&[&ubuntu[..], &[("RUNNER_ENVIRONMENT", "self-hosted")]].concat());
    assert_eq!(own.0, Some(4));
    assert!(own.1.contains("run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"), "{}", own.1);
    assert!(!bot.path("allowed").exists());
    let theirs = ready(&[&ubuntu[..], &[("RUNNER_ENVIRONMENT", "github-hosted")]].concat());
    assert_eq!(theirs.0, Some(0), "{}", theirs.1);
    // Whatever else forbids them.
    fs::remove_file(bot.path("allowed")).unwrap();
    bot.write("setting", "0\n");
    let other = ready(&ubuntu);
    assert_eq!(other.0, Some(4));
    assert!(other.1.contains("--security-opt seccomp=unconfined"), "{}", other.1);
}

/// The real program, which finds that nothing is newer: no pull request, and not a byte that differs.
fn a_real_update_finds_nothing() {
    let bot = Bot::with_committed_lock();
    let lock = fs::read(bot.path("work/opencode.lock.json")).unwrap();
    let version = bot.version("main");
    let frozen = format!("--to {version} --freeze @ai-sdk/fireworks --freeze opencode-pty");
    assert_eq!(bot.update_with(&frozen), ["changed=false"]);
    assert_eq!(fs::read(bot.path("work/opencode.lock.json")).unwrap(), lock);
}

/// The steps with the real program: the committed lock is moved to the newest OpenCode, verified without a network and merged.
fn moves_a_real_opencode() {
    if std::env::var("OPENCODE_CACHE_BOT").as_deref() != Ok("all") {
        return;
    }
    let bot = Bot::with_committed_lock();
    let before = bot.version("main");
    let system = format!("--system {HERE}");
    assert_eq!(bot.update_with(&system)[0], "changed=true");
    let state = Place::get().state();
    let verified = bot.verify(&[("XDG_STATE_HOME", state.to_str().unwrap())]);
    assert!(verified.status.success(), "{}", told(&verified));
    let said = told(&bot.propose());
    // To be read by a person.
    let body = bot.github.pulls()[0]["body"].as_str().unwrap().to_owned();
    fs::write(Place::get().scratch.join("bot.md"), body).unwrap();
    assert!(said.contains("merged #1"), "{said}");
    assert_ne!(bot.version("main"), before);
    git(&bot.path("work"), &["pull", "--quiet", "origin", "main"]);
    assert_eq!(bot.update_with(&system), ["changed=false"]);
}
