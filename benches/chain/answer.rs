//! The first answer with no network, and with one that loses every packet, against the same run with everything installed and the network up.

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
/// Says how many instead.
const ROUNDS: &str = "OPENCODE_CACHE_ROUNDS";
/// How many times stock OpenCode's time an OpenCode before 1.14 may take.
const OLDER: f64 = 1.2;
/// The networks that are measured: nothing but loopback, and one that loses every packet.
const NETWORKS: [Outside; 2] = [Outside::Refused, Outside::Dropped];
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
    let wanted = Wanted::read()?;
    // With one tree the config directories are warm after a start in each.
    let warm: &[&Path] = if wanted.is_shared() { &[&bare, &project] } else { &[&project] };
    stock.install(warm)?;
    let mut networks = NETWORKS.map(|outside| (outside, Series::default()));
    for _ in 0..rounds() {
        stock.forget()?;
        let others = [stock.run(&bare)?, stock.run(&bare)?, stock.run(&project)?];
        for (outside, series) in &mut networks {
            let desk = machine(*outside, &wanted)?;
            let (ours, nobodys) = (desk.directory("bare"), desk.directory("project/.opencode"));
            let nobodys = nobodys.parent().ok_or("a path without a parent")?;
            let [first, again, unseeded] = others;
            series.first.say("first", offline(&desk, &ours)?, first);
            series.again.say("second", offline(&desk, &ours)?, again);
            series.unseeded.say(".opencode", offline(&desk, nobodys)?, unseeded);
        }
    }
    for (outside, series) in networks {
        let network = if outside == Outside::Refused { "no network" } else { "packets lost" };
        println!("  {network}:");
        let (goal, beside) = match wanted.is_shared() {
            true => (Goal::Ratio(OLDER), Goal::Ratio(OLDER)),
            false => (Goal::Ratio(1.05), Goal::More(Duration::from_millis(500))),
        };
        let what = "the first answer in an empty HOME, offline, against stock OpenCode online";
        series.first.tell(what, goal);
        series.again.tell("the second answer", goal);
        series.unseeded.tell("in a directory with a .opencode that nobody seeded", beside);
    }
    Ok(())
}

/// What is measured with one kind of network.
#[derive(Default)]
struct Series {
    first: Rounds,
    again: Rounds,
    unseeded: Rounds,
}

/// How often everything is done.
fn rounds() -> usize {
    let wanted = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(PAIRS)
}

/// A machine of an ordinary user with an empty HOME and nothing but loopback that answers.
fn machine(outside: Outside, wanted: &Wanted) -> Result<Desk, Box<dyn Error>> {
    let visible = [Output::shared().path()];
    let desk = Desk::uncounted(outside, wanted.script(), &visible);
    desk.write(".config/opencode/opencode.json", &wanted.configuration(&desk.model_url())?);
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
