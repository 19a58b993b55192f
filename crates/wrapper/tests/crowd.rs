//! Property: 200 wrappers at once, of one generation or of two, all become OpenCode without a word; what
//! they leave is what one of them alone leaves, and no temporary file.
//!
//! Two generations that run at the same time keep what only the other has; a start of either after all of
//! them have ended leaves its own and nothing else.
//!
//! On a machine so slow that somebody waited for the lock in vain, and went on without it, a temporary file may be
//! tidied away under its hands, which it then says; it becomes OpenCode all the same.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod stage;

use linkmap::Root;
use stage::{ARGUMENTS, Output, Stage, Wanted, program, stderr};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many at once.
const CROWD: usize = 200;

/// How long a wrapper waits for the lock.
const LOCK: Duration = Duration::from_secs(2);

/// One crowd at a time: the machine has other things to do.
static ONE_CROWD: Mutex<()> = Mutex::new(());

/// Starts a crowd, of each output as many as of the others, all behind one gate; opens it; waits for all.
fn crowd(stage: &Stage, outputs: &[&Output]) {
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    // Reading from it ends, for all at once, when the only writing end is closed.
    let (gate, closed) = std::io::pipe().unwrap();
    let start = |output: &&Output| -> Child {
        // A shell waits at the gate, and becomes the wrapper when it opens.
        let mut command = Command::new(program("sh"));
        command.args(["-c", "read _; exec \"$0\" \"$1\""]).arg(output.file("bin/opencode")).arg(ARGUMENTS);
        command.env_clear().env("HOME", stage.path("home"));
        command.stdin(gate.try_clone().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = outputs.iter().cycle().take(CROWD).map(start).collect();
    let open = Instant::now();
    drop(closed);
    let runs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let took = open.elapsed();
    for run in runs {
        assert!(run.status.success(), "{:?}: {}", run.status, stderr(&run));
        assert!(took > LOCK || run.stderr.is_empty(), "{took:?}: {}", stderr(&run));
        // `cat` shows its own arguments: it was reached.
        assert!(run.stdout.ends_with(format!("{ARGUMENTS}\0").as_bytes()), "OpenCode did not start");
    }
}

/// The home as one start of `output` in an empty one leaves it.
fn alone(letter: char, wanted: &Wanted) -> BTreeMap<String, String> {
    let stage = Stage::new();
    stage.start(&stage.output(letter, wanted));
    listing(&stage)
}

/// What stands in the home, with the store's place by name.
fn listing(stage: &Stage) -> BTreeMap<String, String> {
    let store = stage.path("store").display().to_string();
    let listing = stage.listing().into_iter();
    listing.map(|(path, what)| (path, what.replace(&store, "STORE"))).collect()
}

#[test]
fn of_one_generation_on_an_empty_home() {
    let stage = Stage::new();
    crowd(&stage, &[&stage.output('a', &Wanted::usual())]);
    assert_eq!(listing(&stage), alone('a', &Wanted::usual()));
}

#[test]
fn of_two_generations() {
    let stage = Stage::new();
    let wanted = |only: &str| Wanted::usual().with("link", Root::Cache, only);
    let (wanted_a, wanted_b) = (wanted("packages/only-a"), wanted("packages/only-b"));
    let (a, b) = (stage.output('a', &wanted_a), stage.output('b', &wanted_b));
    crowd(&stage, &[&a, &b]);
    let (whole_a, whole_b) = (alone('a', &wanted_a), alone('b', &wanted_b));
    let left = listing(&stage);
    let ours = left.keys().filter(|path| path.contains("/.opencode-cache-"));
    assert_eq!(
        ours.collect::<Vec<_>>(),
        [".cache-nix/opencode/.opencode-cache-state", ".cache-nix/opencode/.opencode-cache-tmp"]
    );
    for (last, whole) in [(&a, whole_a), (&b, whole_b)] {
        stage.start(last);
        assert_eq!(listing(&stage), whole);
    }
}
