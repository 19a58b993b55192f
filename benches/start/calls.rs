//! The system calls of a warm start, as strace sees them, without what differs from machine to machine.

use std::error::Error;
use std::fs;
use std::process::Command;

use crate::scene::{self, Scene};

/// Every call of the wrapper itself: after it was started, up to the one that makes it OpenCode.
pub fn of_a_warm_start(scene: &Scene) -> Result<Vec<String>, Box<dyn Error>> {
    let (home, log) = (scene.settled_home("wrapper")?, scene.beside("log"));
    let home = home.prepare()?;
    let mut command = Command::new("strace");
    // Strings whole, structures and the environment not.
    command.args(["-s", "4096", "-e", "abbrev=all", "-o"]).arg(&log).arg(scene.wrapper());
    let status = command.env_clear().envs(scene::ENVIRONMENT).env("HOME", home.path()).status()?;
    if !status.success() {
        return Err(format!("strace: {status}").into());
    }
    let log = fs::read_to_string(log)?;
    let own: Vec<_> = log.lines().skip(1).collect();
    let last = own.iter().position(|line| line.starts_with("execve(")).ok_or("the wrapper became nothing")?;
    let shown = |path: &std::path::Path| path.display().to_string();
    let (output, home) = (shown(scene.output()), shown(home.path()));
    let short = |line: &&str| {
        let line = line.replace(&output, "OUTPUT").replace(&home, "~");
        match line.split_once("\"opencode-cache linkmap") {
            Some((before, after)) => {
                let rest = after.rsplit_once('"').map_or("", |(_, rest)| rest);
                format!("{before}\"opencode-cache linkmap…\"{rest}")
            }
            None => line,
        }
    };
    Ok(own.iter().take(last + 1).map(short).collect())
}
