//! What the wrapper adds to a start of OpenCode: a program that ends at once, executed directly, through the wrapper as it is shipped, and
//! through what else could stand there.
//!
//! `cargo bench --bench start`, or `-- 500` for as many rounds. In each round all take their turn, in random order, so that whatever else the
//! machine does falls on all of them alike; what counts is the difference to direct execution *in the same round*. It needs a C compiler,
//! bash and strace, and no network, and it never fails because of a figure.
#![expect(clippy::print_stdout, reason = "a report is what it is for")]

mod calls;
mod figures;
mod scene;
mod stand_ins;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use figures::Figures;
use scene::{Home, Scene};

/// Rounds, where nothing else is said.
const ROUNDS: usize = 2000;

/// What takes long takes part in one round of this many.
const SELDOM: usize = 10;

/// One way to start.
struct Way {
    name: &'static str,
    program: PathBuf,
    home: Home,
    seldom: bool,
}

fn main() -> ExitCode {
    // Cargo itself adds `--bench`.
    let rounds = std::env::args().skip(1).find(|argument| argument != "--bench");
    match rounds.map_or(Ok(ROUNDS), |rounds| rounds.parse()).map_err(Into::into).and_then(measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("not measured: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: usize) -> Result<(), Box<dyn Error>> {
    let scene = Scene::new()?;
    let ways = ways(&scene)?;
    figures::say_where();
    println!("wrapper {} bytes, {} entries, {rounds} rounds", shipped::WRAPPER.len(), scene::ENTRIES);
    // What is settled is settled by the first start.
    for way in &ways {
        time(way)?;
    }
    let mut figures: Vec<Figures> = ways.iter().map(|way| Figures::of(way.name)).collect();
    let mut dice = Dice::new();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..ways.len()).collect();
        order.retain(|way| round % SELDOM == 0 || !ways[*way].seldom);
        dice.shuffle(&mut order);
        for way in order {
            figures[way].add(round, time(&ways[way])?);
        }
    }
    figures::tell(&figures);
    println!("\na warm start, call by call");
    let calls = calls::of_a_warm_start(&scene)?;
    println!("  {}\n{} calls, {} entries", calls.join("\n  "), calls.len(), scene::ENTRIES);
    Ok(())
}

/// All that are compared; direct execution first.
fn ways(scene: &Scene) -> Result<Vec<Way>, Box<dyn Error>> {
    let often = |name, program, home| Way { name, program, home, seldom: false };
    let seldom = |name, program, home| Way { name, program, home, seldom: true };
    let (target, wrapper) = (scene.target(), scene.wrapper());
    let mut ways = vec![
        often("direct", target.clone(), scene.settled_home("direct")?),
        often("the wrapper, warm", wrapper.clone(), scene.settled_home("wrapper")?),
        often("execve and nothing else", stand_ins::execve(scene)?, scene.settled_home("execve")?),
        often("C, static, execv", stand_ins::c(scene)?, scene.settled_home("c")?),
        seldom("bash, as the ancestor", stand_ins::bash(scene)?, scene.settled_home("bash")?),
        seldom("the wrapper, first start, disk", wrapper.clone(), scene.new_homes_on_disk()?),
    ];
    match scene.new_homes_in_memory() {
        Some(home) => ways.push(seldom("the wrapper, first start, memory", wrapper, home)),
        None => println!("no memory file system at /dev/shm: no first start in one"),
    }
    Ok(ways)
}

/// One start: from before the process is made until its end is known.
fn time(way: &Way) -> Result<Duration, Box<dyn Error>> {
    let home = way.home.prepare()?;
    let mut command = Command::new(&way.program);
    command.env_clear().envs(scene::ENVIRONMENT).env("HOME", home.path());
    let start = Instant::now();
    let status = command.status()?;
    let took = start.elapsed();
    home.put_away()?;
    if status.success() { Ok(took) } else { Err(format!("{}: {status}", way.name).into()) }
}

/// Marsaglia's xorshift: an order that nobody chose.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        Dice(0x9e37_79b9_7f4a_7c15)
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
