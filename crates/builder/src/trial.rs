//! The trial of a provider SDK: OpenCode installs it, loads it, and has one talk with the scripted model through it, in whatever
//! protocol the SDK speaks. Bounded in time and in requests, because an SDK that does not fit its OpenCode never comes to an end.

use std::time::{Duration, Instant};

use lock::{ExerciseKind, Proof, Spec, System};
use replay::llm::{LlmFacts, Script, ScriptedLlm};
use serde_json::{Value, json};

use crate::downloads::Outlet;
use crate::exercise::{self, ANSWER, Error, Outcome};
use crate::stage::{self, Server, Stage};
use crate::{opencode, settle};

/// The most requests of one talk: a title, a tool's call, an answer, and two that might be repeated.
const MOST_REQUESTS: usize = 5;
/// How long the talk may take from the first request on, or from when the SDK is there. A second on an idle machine.
const TALK: Duration = Duration::from_secs(20);
/// How long installing may take, as in any other exercise.
const INSTALL: Duration = Duration::from_secs(600);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(30);
/// How long after an answer OpenCode may still be writing the installation's last files.
const GRACE: Duration = Duration::from_secs(3);
/// The most that is told of an error, in characters.
const MOST_OF_AN_ERROR: usize = 300;

/// The file that the model asks for, and what it is asked for with.
const FILE: &str = "trial.txt";
const QUESTION: &str = "hello, look into the file";

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It works, so far.
    Works(Proof),
    /// It does not.
    Fails(String),
}

/// Installs the SDK `spec` as [`exercise::perform`] does, and has a talk through it.
pub async fn perform(
    stage: &mut Stage,
    spec: &Spec,
    registry: &str,
    outlet: &Outlet,
    system: System,
) -> Result<(Outcome, Verdict), Error> {
    let kind = ExerciseKind::Provider { spec: spec.clone() };
    let llm = exercise::model(stage, script())?;
    exercise::prepare(stage, &kind, &llm.url())?;
    let file = format!("{}/{FILE}", stage::PROJECT);
    stage.sandbox().write(file, b"what the file says\n").map_err(stage::Error::from)?;
    let mut env = exercise::environment(stage, registry, outlet, system);
    env.extend(stage.opencode().into_iter().flat_map(opencode::alone_environment));
    let server = stage.serve(stage::BINARY, &env).await?;
    let path = stage.sandbox().outside(exercise::directory(stage, &kind).unwrap_or_default());
    let mark = exercise::mark(stage, &kind);
    let result = tokio::select! {
        answer = talk(stage, &server) => Ok(judge(answer, &llm.facts())),
        verdict = out_of_bounds(&llm, outlet, &path) => Ok(verdict),
        error = exercise::broken_off(stage, &kind, &server) => Err(error),
    };
    let whole = result.is_err() || settles(&path, &mark).await;
    let output = server.output();
    server.stop().await?;
    llm.shutdown().await;
    let verdict = result?;
    match (whole, mark.exists()) {
        (true, true) => Ok((Outcome::Filled, verdict)),
        (_, false) => Ok((Outcome::Untouched, verdict)),
        (false, true) => Err(exercise::incomplete(stage, &kind, "OpenCode gave up", output)),
    }
}

fn script() -> Script {
    let file = format!("{}/{FILE}", stage::PROJECT);
    let mut script = Script::saying(ANSWER).calling(QUESTION, "read", json!({ "filePath": file }));
    script.done = ANSWER.to_owned();
    script
}

async fn talk(stage: &Stage, server: &Server) -> Result<Value, stage::Error> {
    let session = server.ask("POST", "/session", Some(&opencode::session(stage.opencode())), INSTALL).await?;
    let id = session.get("id").and_then(Value::as_str).unwrap_or_default();
    let message = exercise::message(QUESTION);
    server.ask("POST", &format!("/session/{id}/message"), Some(&message), INSTALL).await
}

/// Ends where the talk takes too long or too many requests, or goes elsewhere: an SDK that asks its own service, whatever address it
/// was given, was loaded and used.
async fn out_of_bounds(llm: &ScriptedLlm, outlet: &Outlet, path: &std::path::Path) -> Verdict {
    let mut begun: Option<Instant> = None;
    loop {
        let requests = requests(&llm.facts());
        if requests > MOST_REQUESTS {
            return Verdict::Fails(format!(
                "it asks the model again and again: {requests} requests for one answer"
            ));
        }
        if requests == 0 && outlet.refused() && settle::is_whole(path) {
            return Verdict::Works(Proof::Loads);
        }
        if begun.is_none() && (requests > 0 || settle::is_whole(path)) {
            begun = Some(Instant::now());
        }
        if begun.is_some_and(|begun| begun.elapsed() > TALK) {
            let seconds = TALK.as_secs();
            return Verdict::Fails(format!("no answer within {seconds} s and {requests} requests"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn requests(facts: &LlmFacts) -> usize {
    facts.turns.len() + facts.dropped + facts.unknown.len()
}

/// Whether the tree is whole, now or in a moment; not where there is none.
async fn settles(path: &std::path::Path, mark: &std::path::Path) -> bool {
    let start = Instant::now();
    while mark.exists() && start.elapsed() < GRACE {
        if settle::is_whole(path) {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// What an answer proves. An SDK that asked something that no script answers was loaded and used, and so was one whose own words are
/// that a setting is missing which an exercise cannot know.
fn judge(answer: Result<Value, stage::Error>, facts: &LlmFacts) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Verdict::Fails(cut(&describe(&error))),
    };
    let error = answer.pointer("/info/error").filter(|error| !error.is_null());
    let texts = answer.get("parts").and_then(Value::as_array).into_iter().flatten();
    let said = texts.filter_map(|part| part.get("text")?.as_str()).any(|text| text.contains(ANSWER));
    if said && error.is_none() {
        return Verdict::Works(Proof::Answered);
    }
    let Some(error) = error else {
        return Verdict::Fails("it lost the model's answer".to_owned());
    };
    let name = error.get("name").and_then(Value::as_str).unwrap_or("an error");
    let message = error.pointer("/data/message").and_then(Value::as_str).unwrap_or_default();
    let speaks_otherwise = facts.turns.is_empty() && !facts.unknown.is_empty();
    if speaks_otherwise || NEEDS_SETTINGS.iter().any(|text| message.contains(text)) {
        return Verdict::Works(Proof::Loads);
    }
    Verdict::Fails(cut(&format!("{name}: {message}")))
}

/// How an SDK of era C that was loaded says that it lacks something which no exercise can know: a setting; or OpenCode that its models
/// are made by a loader of OpenCode's own, which goes by the provider's id (`ai-gateway-provider`, 1.14.34 to 1.18.33).
const NEEDS_SETTINGS: [&str; 4] =
    ["API key is missing", "setting is missing", "credential", "languageModel is not a function"];

fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", describe(source)))
}

fn cut(text: &str) -> String {
    text.trim().chars().take(MOST_OF_AN_ERROR).collect()
}
