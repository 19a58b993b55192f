//! `serve` with a session in each of two directories, of which nobody seeded either `.opencode`;
//! and the same server through an hour.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::inside::{Inside, UNSEEDED};
use super::{Error, Finding, STALL, chain};
use crate::exercise;
use crate::stage::{self, Server};

/// Where what lets time pass lies inside, and is told and tells.
const HOUR: &str = "/home/user/.verify/hour";
/// How much of it passes, in seconds: what is due every hour begins a minute after the start.
const LONG: u64 = 3900;
/// How often is looked whether it has passed.
const LOOK: Duration = Duration::from_millis(50);
/// The longest that is read of what it tells, in bytes.
const MAX_TOLD: u64 = 64 * 1024;

/// A server with a session in each of two directories.
pub async fn check(inside: &Inside<'_>) -> Result<Finding, Error> {
    let server = match inside.stage.serve(&inside.program, &inside.environment()).await {
        Ok(server) => server,
        Err(error) => return Ok(Finding::failed("not started", &error)),
    };
    let mut finding = Finding::default();
    let mut times = Vec::new();
    for directory in [stage::PROJECT, UNSEEDED] {
        let start = Instant::now();
        if let Err(problem) = session(inside, &server, directory).await {
            finding.problems.push(format!("session in {directory}: {problem}"));
        }
        times.push(format!("{:.1} s", start.elapsed().as_secs_f64()));
    }
    server.stop().await?;
    finding.summary = format!("sessions in two directories answered in {}", times.join(" and "));
    Ok(finding)
}

/// A server that an hour passes in: its hourly timers fire, and it answers before and after.
pub async fn hour(inside: &Inside<'_>) -> Result<Finding, Error> {
    let mut env = inside.environment();
    let script = format!("{HOUR}/hour.mjs");
    let inside_path = |path: &str| inside.stage.sandbox().inside(path).display().to_string();
    // What the output itself has loaded first stays first.
    let first = inside.variable("BUN_INSPECT_PRELOAD").map(|path| format!("import {};\n", json!(path)));
    let text = first.unwrap_or_default() + include_str!("../../assets/hour.mjs");
    inside.stage.sandbox().write(&script, text.as_bytes()).map_err(stage::Error::from)?;
    env.push(("BUN_INSPECT_PRELOAD".into(), inside_path(&script)));
    env.push(("OPENCODE_CACHE_HOUR".into(), inside_path(HOUR)));
    let server = match inside.stage.serve(&inside.program, &env).await {
        Ok(server) => server,
        Err(error) => return Ok(Finding::failed("not started", &error)),
    };
    let mut finding = Finding::default();
    let seen = through(inside, &server).await;
    server.stop().await?;
    match seen {
        Ok(passed) => {
            finding.summary = format!("{} minutes, {} timers", passed.seconds / 60, passed.fired);
            if passed.long == 0 {
                finding.problems.push("no timer of half an hour or more fired".into());
            }
            finding.problems.extend(passed.errors);
        }
        Err(problem) => {
            finding.summary = "not passed".into();
            finding.problems.push(problem);
        }
    }
    Ok(finding)
}

/// What passed.
#[derive(Deserialize)]
struct Passed {
    seconds: u64,
    /// Timers that fired.
    fired: u64,
    /// Those of them that wait for half an hour or more.
    long: u64,
    errors: Vec<String>,
}

async fn through(inside: &Inside<'_>, server: &Server) -> Result<Passed, String> {
    session(inside, server, stage::PROJECT).await?;
    let sandbox = inside.stage.sandbox();
    sandbox.write(format!("{HOUR}/go"), LONG.to_string().as_bytes()).map_err(|error| chain(&error))?;
    let start = Instant::now();
    let passed = loop {
        if let Ok(told) = sandbox.read(format!("{HOUR}/passed"), MAX_TOLD) {
            break serde_json::from_slice(&told).map_err(|error| chain(&error))?;
        }
        if start.elapsed() > STALL {
            return Err(format!("the hour has not passed after {} s", STALL.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    };
    session(inside, server, UNSEEDED).await.map_err(|problem| format!("afterwards: {problem}"))?;
    Ok(passed)
}

async fn session(inside: &Inside<'_>, server: &Server, directory: &str) -> Result<(), String> {
    let query = format!("?directory={directory}");
    let ask = |path: String, body: Value| async move {
        server.ask("POST", &path, Some(&body), STALL).await.map_err(|error| chain(&error))
    };
    let session = ask(format!("/session{query}"), json!({})).await?;
    let id = session.get("id").and_then(Value::as_str).ok_or("it has no id")?;
    let mut message = exercise::message("hello");
    message["model"]["providerID"] = json!(inside.specs.id(0));
    let answer = ask(format!("/session/{id}/message{query}"), message).await?;
    if answer.to_string().contains(exercise::ANSWER) { Ok(()) } else { Err(format!("no answer: {answer}")) }
}
