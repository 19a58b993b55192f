//! Having the terminal interface download grammars: it draws an answer with code of each language, and its worker asks for what
//! it does not have. What it asks for goes through the recording proxy; what it keeps of it is only looked at.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::exercise::{Error, Outcome};
use crate::opencode;
use crate::stage::{self, Stage};
use crate::terminal::Terminal;

/// How long drawing and downloading may take together. An idle machine needs ten seconds.
const LIMIT: Duration = Duration::from_secs(240);
/// How long nothing more may have come, until it is all: queries follow grammars.
const QUIET: Duration = Duration::from_secs(4);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);
/// Stands below the code, so that it is drawn when all is.
const END: &str = "the end of the answer";

/// An answer with code of `languages`.
pub fn answer(languages: &BTreeSet<String>) -> String {
    let blocks = languages.iter().map(|language| format!("```{language}\nx\n```\n\n"));
    format!("{}{END}\n", blocks.collect::<String>())
}

/// Draws it, and waits until a grammar of each language was kept.
pub async fn draw(
    stage: &Stage,
    languages: &BTreeSet<String>,
    env: &[(String, String)],
) -> Result<Outcome, Error> {
    let asked = languages.iter().filter(|name| !opencode::BUILT_IN_GRAMMARS.contains(&name.as_str())).count();
    let terminal = Terminal::open(stage, stage::BINARY, &["--prompt", "hello"], env).await?;
    let start = Instant::now();
    let drawn = terminal.wait(LIMIT, |screen| screen.colours_of(END).is_some()).await?;
    let cache = stage.sandbox().outside(Path::new(stage::HOME).join(opencode::GRAMMAR_CACHE));
    let mut seen = (0, 0);
    let mut since = Instant::now();
    while drawn && start.elapsed() < LIMIT && (seen.0 < asked || since.elapsed() < QUIET) {
        tokio::time::sleep(LOOK).await;
        let now = (entries(&cache.join("languages")), entries(&cache.join("queries")));
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        // Enough time for whoever can be reached; those that cannot do not keep the others.
        if seen.0 < asked && since.elapsed() > QUIET * 5 {
            break;
        }
    }
    let output = terminal.text();
    terminal.close().await?;
    if drawn && seen.0 >= asked {
        return Ok(Outcome::Filled);
    }
    let reason = match drawn {
        true => format!(
            "{} of {asked} grammars came; are their hosts reached, and are all of these languages?",
            seen.0
        ),
        false => "the answer was not drawn".to_owned(),
    };
    let what = format!("grammars of {}", languages.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    Err(Error::Incomplete { what, reason, output })
}

/// How many files there are in a directory.
fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, |entries| entries.flatten().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_block_for_each_language() {
        let languages = BTreeSet::from(["python".to_owned(), "toml".to_owned()]);
        let text = answer(&languages);
        assert_eq!(text, "```python\nx\n```\n\n```toml\nx\n```\n\nthe end of the answer\n");
    }
}
