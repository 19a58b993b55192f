//! Whether a binary runs on this machine: found out by running it.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{At, Error, Result};

/// How often it is looked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Bytes of what it says that are kept.
const MAX_WORDS: u64 = 2048;

/// Whether a binary runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Runs,
    /// It does not: there is no loader, or no library, that it could use.
    NoLibraries {
        /// What the system or the loader said.
        why: String,
    },
}

/// Runs OpenCode's binary for no longer than `bound`, as the bun that it holds (`BUN_BE_BUN`, 1.0.152 to 1.18.33), which then
/// writes nothing anywhere, and with an empty environment.
///
/// # Errors
/// [`Error::Io`] where it cannot be executed for another reason than its loader; [`Error::Run`] where a signal ended it, or it did
/// not end in time.
pub fn answer(binary: &Path, bound: Duration) -> Result<Answer> {
    // A missing loader is the same error as a missing program.
    fs::metadata(binary).at("look at", binary)?;
    let mut command = Command::new(binary);
    command.arg("--version").env_clear().env("BUN_BE_BUN", "1").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Answer::NoLibraries { why: "there is no loader for it".to_owned() });
        }
        Err(error) => return Err(error).at("execute", binary),
    };
    let status = wait(&mut child, binary, bound)?;
    if status.success() {
        return Ok(Answer::Runs);
    }
    if let Some(signal) = status.signal() {
        return Err(Error::Run { path: binary.into(), how: format!("signal {signal} ended it") });
    }
    Ok(Answer::NoLibraries { why: words(&mut child) })
}

fn wait(child: &mut Child, binary: &Path, bound: Duration) -> Result<ExitStatus> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().at("wait for", binary)? {
            return Ok(status);
        }
        if since.elapsed() > bound {
            child.kill().at("end", binary)?;
            child.wait().at("wait for", binary)?;
            return Err(Error::Run {
                path: binary.into(),
                how: format!("it did not end within {} s", bound.as_secs_f32()),
            });
        }
        std::thread::sleep(POLL);
    }
}

/// The last line that it said. It has ended, so that this does not wait for more.
fn words(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(said) = child.stderr.take() {
        // What could not be read is not worth another error.
        let _ = said.take(MAX_WORDS).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let plain = text.trim().lines().last().unwrap_or_default().chars().filter(|one| !one.is_control());
    plain.collect()
}
