//! Commands that run a package's program: `npx -y NAME …` and its like. Owns which package such a command line runs, and when a
//! captured one serves it. `lib/opencode/commands.mjs` of an output reads command lines the same way; the cases of
//! `fixtures/commands` hold for both.

use lock::{Spec, Version, Want};

use crate::config::Text;

/// What a command line runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The package, as it is written.
    pub spec: Spec,
    /// The name of its program, where the command says it.
    pub executable: Option<String>,
    /// The program's arguments.
    pub arguments: Vec<String>,
}

/// Programs that run what their first argument names, and those that do so by a word of their own.
const RUNNERS: [(&str, &[&str]); 8] = [
    ("npx", &[]),
    ("bunx", &[]),
    ("pnpx", &[]),
    ("npm", &["exec", "x"]),
    ("bun", &["x"]),
    ("pnpm", &["dlx"]),
    ("yarn", &["dlx"]),
    // OpenCode starts itself as bun for an MCP server (1.14.34 to 1.18.33).
    ("opencode", &["x"]),
];

/// Options without a value that change nothing of what is run.
const FLAGS: [&str; 13] = [
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "-s",
    "--silent",
    "--verbose",
    "--bun",
    "--no",
    "--no-install",
    "--offline",
    "--prefer-offline",
    "--prefer-online",
];

/// What a command line of a configuration runs. Nothing where a variable or a file has a say in it, or where it is none of ours.
pub fn run(command: &[Text]) -> Option<Run> {
    let words = command.iter().map(|word| (!word.is_replaced).then_some(word.text.as_str()));
    let words: Vec<Option<&str>> = words.collect();
    let program = (*words.first()?)?.rsplit('/').next()?;
    let (_, verbs) = RUNNERS.iter().find(|(runner, _)| *runner == program)?;
    let rest = match verbs {
        [] => words.get(1..)?,
        verbs if verbs.contains(&(*words.get(1)?)?) => words.get(2..)?,
        _ => return None,
    };
    of_words(rest, program == "npm")
}

/// npm reads options behind the package too, up to `--`; the others hand them on.
fn of_words(mut rest: &[Option<&str>], is_npm: bool) -> Option<Run> {
    let mut package = None;
    let mut is_ended = false;
    let first = loop {
        let (word, behind) = rest.split_first()?;
        let word = (*word)?;
        rest = behind;
        if !word.starts_with('-') {
            break word;
        }
        if word == "--" {
            is_ended = true;
            let (word, behind) = rest.split_first()?;
            rest = behind;
            break (*word)?;
        }
        let named = match word.strip_prefix("--package=").or_else(|| word.strip_prefix("-p=")) {
            Some(name) => name,
            None if matches!(word, "-p" | "--package") => {
                let (name, behind) = rest.split_first()?;
                rest = behind;
                (*name)?
            }
            None if FLAGS.contains(&word) => continue,
            None => return None,
        };
        // A second package would have to lie in the same tree.
        if package.replace(named).is_some() {
            return None;
        }
    };
    let executable = package.is_some().then(|| first.to_owned());
    let spec: Spec = package.unwrap_or(first).parse().ok()?;
    if !spec.is_registry() {
        return None;
    }
    if is_npm && !is_ended {
        let dashes = rest.iter().position(|word| word.is_none_or(|word| word.starts_with('-')));
        match dashes {
            None => {}
            Some(0) if rest.first() == Some(&Some("--")) => rest = rest.get(1..)?,
            Some(_) => return None,
        }
    }
    // What stands behind is only ever told to the program itself.
    let arguments = rest.iter().map(|word| word.unwrap_or_default().to_owned()).collect();
    Some(Run { spec, executable, arguments })
}

/// The spec without what says nothing: `name@latest` is `name`.
pub fn plain(spec: &Spec) -> Spec {
    let bare = spec.name().filter(|_| matches!(spec.want(), Some(Want::Tag(tag)) if tag == "latest"));
    bare.and_then(|name| name.as_str().parse().ok()).unwrap_or_else(|| spec.clone())
}

/// Whether a package that was captured as `captured`, in `version` where that is known, serves a command that asks for `asked`: it
/// is the same; or the version is; or the command names none, and takes what there is, as `npx` does.
pub fn serves(captured: &Spec, version: Option<&Version>, asked: &Spec) -> bool {
    if captured.name().is_none() || captured.name() != asked.name() {
        return false;
    }
    match asked.want() {
        Some(Want::Unsaid) => true,
        Some(Want::Exact(exact)) if Some(exact) == version => true,
        _ => plain(captured) == plain(asked),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn text(word: &str) -> Text {
        Text { text: word.to_owned(), is_replaced: false }
    }

    #[test]
    fn every_case_is_read_as_it_says() {
        let cases = include_str!("../../../fixtures/commands/cases.json");
        let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let words = |key: &str| -> Vec<String> {
                let words = case[key].as_array().into_iter().flatten();
                words.map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            let command: Vec<Text> = words("command").iter().map(|word| text(word)).collect();
            let expected = case["spec"].as_str().map(|spec| Run {
                spec: spec.parse().unwrap(),
                executable: case["executable"].as_str().map(str::to_owned),
                arguments: words("arguments"),
            });
            assert_eq!(run(&command), expected, "{case}");
        }
    }

    #[test]
    fn what_a_variable_puts_in_names_no_package_and_is_an_argument_like_any_other() {
        let replaced = Text { text: "{env:X}".into(), is_replaced: true };
        assert_eq!(run(&[text("npx"), replaced.clone()]), None);
        assert_eq!(run(&[text("npx"), replaced.clone(), text("server")]), None);
        assert_eq!(run(&[text("npx"), text("server"), replaced]).unwrap().spec.as_str(), "server");
    }

    #[test]
    fn a_captured_package_serves_who_asks_for_it() {
        let spec = |text: &str| text.parse::<Spec>().unwrap();
        let version = "1.2.3".parse().unwrap();
        let check = |captured: &str, asked: &str| serves(&spec(captured), Some(&version), &spec(asked));
        for (captured, asked) in [
            ("a", "a"),
            ("a", "a@latest"),
            ("a@latest", "a"),
            ("a@^1", "a"),
            ("a", "a@1.2.3"),
            ("a@^1", "a@^1"),
        ] {
            assert!(check(captured, asked), "{captured} {asked}");
        }
        for (captured, asked) in
            [("a", "b"), ("a@^1", "a@latest"), ("a", "a@1.2.4"), ("a", "a@^1"), ("a", "a@next")]
        {
            assert!(!check(captured, asked), "{captured} {asked}");
        }
        assert_eq!(plain(&spec("@a/b@latest")), spec("@a/b"));
    }
}
