//! Property: any number of wrappers at once, of one generation or of two, all become OpenCode without
//! a word; the end state is right and no temporary file is left.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{Output, Stage, Wanted, stderr};
use std::process::{Child, Stdio};

/// Starts `count` of each output before waiting for any.
fn crowd(stage: &Stage, outputs: &[&Output], count: usize) {
    let start = |output: &&Output| -> Child {
        let mut command = stage.command(output);
        command.arg("/dev/null").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..count).flat_map(|_| outputs.iter().map(start)).collect();
    for child in children {
        let run = child.wait_with_output().unwrap();
        assert!(run.status.success());
        assert_eq!(stderr(&run), "");
    }
}

fn assert_tidy(stage: &Stage) {
    let listing = stage.listing();
    let ours = listing.keys().filter(|path| path.contains("/.opencode-cache-"));
    assert_eq!(ours.collect::<Vec<_>>(), [".cache-nix/opencode/.opencode-cache-state"]);
}

#[test]
fn fifty_on_an_empty_home() {
    let (stage, alone) = (Stage::new(), Stage::new());
    crowd(&stage, &[&stage.output('a', &Wanted::usual())], 50);
    assert_tidy(&stage);
    // The same as one alone leaves.
    alone.start(&alone.output('a', &Wanted::usual()));
    let normal = |stage: &Stage| {
        let root = stage.path("store").display().to_string();
        let listing = stage.listing().into_iter();
        listing.map(|(path, what)| (path, what.replace(&root, "STORE"))).collect::<Vec<_>>()
    };
    assert_eq!(normal(&stage), normal(&alone));
}

#[test]
fn fifty_of_two_generations() {
    let stage = Stage::new();
    let a = stage.output('a', &Wanted::usual().with("link", Root::Cache, "packages/only-a"));
    let b = stage.output('b', &Wanted::usual().with("link", Root::Cache, "packages/only-b"));
    crowd(&stage, &[&a, &b], 25);
    assert_tidy(&stage);
    for (last, gone) in [(&a, "b"), (&b, "a")] {
        stage.start(last);
        last.assert_link(&stage.config("node_modules"), "config/node_modules");
        assert!(stage::is_absent(&stage.cache(&format!("packages/only-{gone}"))));
        assert_eq!(
            stage::read(&stage.config("package.json")),
            stage::read(&last.file("config/package.json"))
        );
    }
    assert_tidy(&stage);
}
