//! The first answer with no network against the same run with everything installed and the network up.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use sandbox::Exit;
use testkit::desk::{Desk, MODEL, Outside};
use testkit::output::Output;

use crate::Measured;
use crate::figures::{Goal, Rounds};
use crate::stock::{ANSWER, Stock, Wanted};

/// Pairs, interleaved.
const PAIRS: usize = 7;
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// Where HOME lies in memory, as it does in a sandbox: both sides write to the same kind of file system.
const MEMORY: &str = "/dev/shm";

/// Measures and prints.
pub fn measure() -> Measured {
    let temporary = std::env::temp_dir();
    let memory = Path::new(MEMORY);
    let stock = Stock::new(if memory.is_dir() { memory } else { &temporary })?;
    let (bare, project) = (stock.directory("bare")?, stock.directory("project")?);
    stock.directory("project/.opencode")?;
    stock.populate()?;
    stock.install(&[&project])?;
    let wanted = Wanted::read()?;
    let (mut first, mut again, mut unseeded) = (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..PAIRS {
        stock.forget()?;
        let desk = machine(&wanted)?;
        let (ours, nobodys) = (desk.directory("bare"), desk.directory("project/.opencode"));
        let nobodys = nobodys.parent().ok_or("a path without a parent")?;
        first.say("first", offline(&desk, &ours)?, stock.run(&bare)?);
        again.say("second", offline(&desk, &ours)?, stock.run(&bare)?);
        unseeded.say(".opencode", offline(&desk, nobodys)?, stock.run(&project)?);
    }
    let what = "the first answer in an empty HOME, offline, against stock OpenCode online";
    first.tell(what, Goal::Ratio(1.05));
    again.tell("the second answer", Goal::Ratio(1.05));
    let half = Duration::from_millis(500);
    unseeded.tell("in a directory with a .opencode that nobody seeded", Goal::More(half));
    Ok(())
}

/// A machine of an ordinary user with an empty HOME and nothing but loopback.
fn machine(wanted: &Wanted) -> Result<Desk, Box<dyn Error>> {
    let visible = [Output::shared().path()];
    let desk = Desk::uncounted(Outside::Refused, wanted.script(), &visible);
    desk.configure(wanted.sdk()?, &wanted.plugins());
    Ok(desk)
}

/// A run through the wrapper that must print the model's answer; how long it took.
fn offline(desk: &Desk, directory: &Path) -> Result<Duration, Box<dyn Error>> {
    let command = desk.command(&Output::shared().wrapper(), &["run", "-m", MODEL, "hello"], directory);
    let mut ran = desk.run(&command, LIMIT);
    if ran.exit.is_some_and(Exit::success) && ran.stdout.trim().is_empty() {
        // 1.15.13 now and then loses one (builder, verify/once.rs).
        println!("    an answer was lost, asked again");
        ran = desk.run(&command, LIMIT);
    }
    let answered = ran.exit.is_some_and(Exit::success) && ran.stdout.contains(ANSWER);
    if answered { Ok(ran.elapsed) } else { Err(format!("OpenCode did not answer offline: {ran:?}").into()) }
}
