//! `acp`: OpenCode as an agent of an editor. JSON-RPC over stdin and stdout, a message a line (Agent
//! Client Protocol, version 1): `initialize`, `session/new`, `session/prompt`.

use std::io::{BufRead, BufReader, PipeWriter, Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sandbox::{Child, Input};
use serde_json::{Value, json};

use super::inside::Inside;
use super::{Error, Finding, STALL, tail};
use crate::{exercise, opencode, stage};

/// The longest message, in bytes: `session/new` lists the models, some 1.5 MB with 1.18.
const MAX_LINE: u64 = 16 << 20;
/// The most that is kept of what is said beside the protocol, in bytes.
const MAX_BESIDE: u64 = 64 * 1024;
/// How long after a prompt's end its answer may still be told.
const LATE: Duration = Duration::from_secs(5);
/// How long it may take to end after its input did.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A conversation of one question.
pub async fn check(inside: &Inside<'_>) -> Result<Finding, Error> {
    let directory = inside.stage.sandbox().inside(stage::PROJECT).display().to_string();
    let command = inside.stage.command(&inside.program, &["acp"], &inside.environment()).input(Input::Pipe);
    let sandbox = inside.stage.sandbox().clone();
    let tries = opencode::tries(&inside.contents.opencode);
    let talked = tokio::task::spawn_blocking(move || {
        let mut child = sandbox.spawn(&command).map_err(stage::Error::from)?;
        let start = Instant::now();
        let result = talk(&mut child, &directory, tries);
        let answered = start.elapsed();
        // Its input has ended with the conversation; what does not end by that is ended.
        if child.wait(STOP_TIME).map_err(stage::Error::from)?.is_none() {
            child.kill().map_err(stage::Error::from)?;
        }
        Ok::<_, Error>((result, answered))
    });
    let (result, answered) = talked.await.map_err(|_| Error::Worker)??;
    Ok(match result {
        Ok(()) => Finding {
            summary: format!("a prompt answered in {:.1} s", answered.as_secs_f64()),
            problems: Vec::new(),
        },
        Err(problem) => Finding { summary: "no answer".into(), problems: vec![problem] },
    })
}

fn talk(child: &mut Child, directory: &str, tries: u64) -> Result<(), String> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it has no pipes".into());
    };
    let (said, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while let Ok(1..) = stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            // Nobody listens any more where the conversation is over.
            let _gone = said.send(std::mem::take(&mut line));
        }
    });
    let beside = std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut stderr = stderr;
        // Read to its end, so that it never blocks; what cannot be read any more is not told.
        let _broke = stderr.by_ref().take(MAX_BESIDE).read_to_end(&mut kept);
        let _rest = std::io::copy(&mut stderr, &mut std::io::sink());
        kept
    });
    let mut talk = Talk { stdin, lines, deadline: Instant::now() + STALL, heard: String::new() };
    let result = talk.converse(directory, tries);
    drop(talk);
    result.map_err(|problem| {
        // Where it still runs its words are not complete: the problem has to do.
        let words = if beside.is_finished() { beside.join().unwrap_or_default() } else { Vec::new() };
        format!("{problem} {}", tail(&words)).trim_end().to_owned()
    })
}

struct Talk {
    stdin: PipeWriter,
    lines: mpsc::Receiver<Vec<u8>>,
    deadline: Instant,
    /// What the agent has said.
    heard: String,
}

impl Talk {
    fn converse(&mut self, directory: &str, tries: u64) -> Result<(), String> {
        self.ask(0, "initialize", &json!({ "protocolVersion": 1, "clientCapabilities": {} }))?;
        let session = self.ask(1, "session/new", &json!({ "cwd": directory, "mcpServers": [] }))?;
        let id = session.get("sessionId").ok_or("session/new: the session has no id")?;
        let prompt = json!([{ "type": "text", "text": "hello" }]);
        let prompt = json!({ "sessionId": id, "prompt": prompt });
        let mut end = Value::Null;
        for number in 2..2 + tries {
            end = self.ask(number, "session/prompt", &prompt)?;
            if self.hears_the_answer()? {
                return Ok(());
            }
        }
        Err(format!("session/prompt: no answer but {:?}: {end}", self.heard))
    }

    /// Whether the answer is told, if need be after the end of the prompt: 1.14.34 looks each piece up before it tells it, and was
    /// seen to come too late, or not at all, for a model that says everything at once.
    fn hears_the_answer(&mut self) -> Result<bool, String> {
        let late = Instant::now() + LATE;
        while !self.heard.contains(exercise::ANSWER) {
            let Ok(line) = self.lines.recv_timeout(late.saturating_duration_since(Instant::now())) else {
                return Ok(false);
            };
            if let Ok(message) = serde_json::from_slice::<Value>(&line) {
                self.hear(&message)?;
            }
        }
        Ok(true)
    }

    /// Sends a request and waits for its answer; what is told meanwhile is heard.
    fn ask(&mut self, id: u64, method: &str, parameters: &Value) -> Result<Value, String> {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
        self.send(method, &request)?;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => {
                    format!("{method}: no answer within {} s", STALL.as_secs())
                }
                mpsc::RecvTimeoutError::Disconnected => format!("{method}: it ended"),
            })?;
            let Ok(mut message) = serde_json::from_slice::<Value>(&line) else { continue };
            if message.get("method").is_some() {
                self.hear(&message)?;
            } else if message.get("id") == Some(&json!(id)) {
                return match message.get("result") {
                    Some(_) => Ok(message["result"].take()),
                    None => Err(format!("{method}: {}", message["error"])),
                };
            }
        }
    }

    fn hear(&mut self, message: &Value) -> Result<(), String> {
        if let Some(text) = message.pointer("/params/update/content/text").and_then(Value::as_str) {
            self.heard.push_str(text);
        }
        // A question of the agent's: this editor can do nothing.
        let Some(id) = message.get("id") else { return Ok(()) };
        let error = json!({ "code": -32601, "message": "not supported" });
        self.send("answer", &json!({ "jsonrpc": "2.0", "id": id, "error": error }))
    }

    fn send(&mut self, what: &str, message: &Value) -> Result<(), String> {
        let line = format!("{message}\n");
        self.stdin.write_all(line.as_bytes()).map_err(|error| format!("{what}: {error}"))
    }
}
