//! The interface on a terminal: a prompt is answered with code in several languages, and drawn with
//! the colours of those whose grammars are there.

use std::time::{Duration, Instant};

use lock::Profile;

use super::inside::Inside;
use super::{Error, Finding, STALL};
use crate::contents::Contents;
use crate::terminal::Terminal;
use crate::{exercise, opencode};

/// A piece of code that the model answers with.
struct Code {
    /// As the answer names it.
    language: &'static str,
    /// One line, which any grammar would draw in more than one colour.
    line: &'static str,
}

/// In languages whose grammars are built into every version of era C (1.14.34 to 1.18.33).
const BUILT_IN: [Code; 2] = [
    Code { language: "typescript", line: "const answer_ts: number = 42 // typescript" },
    Code { language: "javascript", line: "function answerJs() { return \"javascript\" }" },
];

/// In languages whose grammars OpenCode would download.
const OTHERS: [Code; 3] = [
    Code { language: "python", line: "def answer_py(): return \"python\" # 42" },
    Code { language: "rust", line: "fn answer_rs() -> u32 { 42 } // rust" },
    Code { language: "bash", line: "for answer_sh in 1 2; do echo \"bash\"; done" },
];

/// The longest that drawing may take. Twice as long as for anything else: the interface draws all the time, and under a busy machine's
/// other work that alone was seen to take a minute.
const LIMIT: Duration = STALL.saturating_mul(2);
/// How often Enter is pressed where the prompt is not sent by itself: as soon as the interface takes keys, once is enough.
const BETWEEN_KEYS: Duration = Duration::from_secs(2);
/// Stands below the code, so that it is drawn when all is.
const END: &str = "the end of the answer";

/// What the model answers, to whatever asks. An output of the online profile lets OpenCode get the grammars that it has not:
/// there the answer is in languages only that need none.
pub fn answer(contents: &Contents) -> String {
    let blocks = shown(contents).map(|code| format!("```{}\n{}\n```\n\n", code.language, code.line));
    format!("{}\n\n{}{END}\n", exercise::ANSWER, blocks.collect::<String>())
}

fn shown(contents: &Contents) -> impl Iterator<Item = &'static Code> {
    let others = (contents.profile == Profile::Offline.as_str()).then_some(&OTHERS);
    BUILT_IN.iter().chain(others.into_iter().flatten())
}

/// One prompt; once more where its answer is not drawn.
pub async fn check(inside: &Inside<'_>) -> Result<Finding, Error> {
    let mut last = String::new();
    // It asks for a session's messages when it opens it; what a model said meanwhile is then overwritten by the older list (1.14.34).
    for number in 1..=opencode::tries(&inside.contents.opencode) {
        match drawn(inside).await? {
            Drawn::NotStarted(finding) => return Ok(finding),
            Drawn::Coloured(took) => {
                let pieces = shown(inside.contents).count();
                let took = took.as_secs_f64();
                let again = if number == 1 { "" } else { ", the second time it was asked" };
                let summary = format!("an answer with {pieces} pieces of code drawn in {took:.1} s{again}");
                return Ok(Finding { summary, ..Finding::default() });
            }
            Drawn::Plain => {
                let problem = "code in a language that is built in was drawn in one colour";
                return Ok(Finding::wrong("an answer drawn without colours", problem));
            }
            Drawn::Nothing(screen) => last = screen,
        }
    }
    let problem = format!("the answer was not drawn; the screen was:\n{}", last.trim());
    Ok(Finding::wrong("no answer drawn", problem))
}

/// What an interface did.
enum Drawn {
    NotStarted(Finding),
    /// Code in colours, and after how long the answer stood there.
    Coloured(Duration),
    /// All of the answer, its code in one colour.
    Plain,
    /// Not all of the answer: what stood on the screen.
    Nothing(String),
}

/// Starts the interface with a prompt and ends it when the answer is drawn, or [`LIMIT`] is over.
async fn drawn(inside: &Inside<'_>) -> Result<Drawn, Error> {
    let model = inside.specs.model(0);
    let arguments = ["-m", &model, "--prompt", "hello"];
    let start = Instant::now();
    let terminal =
        match Terminal::open(&inside.stage, &inside.program, &arguments, &inside.environment()).await {
            Ok(terminal) => terminal,
            Err(error) => return Ok(Drawn::NotStarted(Finding::failed("not started", &error))),
        };
    let coloured = |screen: &crate::screen::Screen, code: &Code| {
        screen.colours_of(code.line).is_some_and(|colours| colours.len() > 1)
    };
    let is_answered = |screen: &crate::screen::Screen| screen.colours_of(END).is_some();
    let answered = if opencode::sends_prompt(&inside.contents.opencode) {
        terminal.wait(LIMIT, is_answered).await?
    } else {
        let mut answered = false;
        while !answered && start.elapsed() < LIMIT {
            answered = terminal.wait(BETWEEN_KEYS, is_answered).await?;
            if !answered && !terminal.enter() {
                break;
            }
        }
        answered
    };
    let took = start.elapsed();
    // Colours come a little later, from a worker.
    let left = LIMIT.saturating_sub(took);
    let highlighted =
        answered && terminal.wait(left, |screen| BUILT_IN.iter().all(|code| coloured(screen, code))).await?;
    let text = terminal.text();
    terminal.close().await?;
    Ok(match (answered, highlighted) {
        (false, _) => Drawn::Nothing(text),
        (true, false) => Drawn::Plain,
        (true, true) => Drawn::Coloured(took),
    })
}
