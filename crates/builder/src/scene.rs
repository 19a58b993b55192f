//! What an exercise of a user's own, or one about a language server, finds: variables, a project's files, and a model that says
//! what it was told to. Starts nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use lock::{ExerciseKind, Reply};
use replay::llm::{Saying, Script};

use crate::exercise::ANSWER;
use crate::opencode::servers::{self, Way};
use crate::{grammars, stage};

/// What the scripted model says during an exercise.
pub fn script(kind: &ExerciseKind) -> Script {
    let mut script = Script::saying(ANSWER);
    if let ExerciseKind::Command(wanted) = kind {
        script.says = wanted.replies.iter().cloned().map(saying).collect();
    }
    if let ExerciseKind::Grammars { languages } = kind {
        script.answer = grammars::answer(languages);
        script.thinks = Duration::from_secs(1);
    }
    script
}

fn saying(reply: Reply) -> Saying {
    match reply {
        Reply::Text(text) => Saying::Text(text),
        Reply::Call { tool, arguments } => Saying::Call { tool, arguments },
    }
}

/// Variables that only this exercise has.
pub fn variables(kind: &ExerciseKind) -> BTreeMap<String, String> {
    match kind {
        ExerciseKind::Command(wanted) => wanted.env.clone(),
        ExerciseKind::LanguageServer { server } => {
            let (name, value) = servers::ALLOWED;
            let mut env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            // One that lies on this machine's PATH would be used instead, and nothing installed.
            if let Some(Way::Npm { .. }) = servers::find(server).map(|server| server.way) {
                env.insert("PATH".into(), stage::NO_PATH.into());
            }
            env
        }
        _ => BTreeMap::new(),
    }
}

/// The files of the project that an exercise is performed in.
pub fn project(kind: &ExerciseKind) -> Vec<(&str, &str)> {
    match kind {
        ExerciseKind::Command(wanted) => {
            wanted.files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect()
        }
        ExerciseKind::LanguageServer { server } => {
            servers::find(server).map(|server| server.files.to_vec()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
