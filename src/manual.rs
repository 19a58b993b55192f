//! Man pages and shell completions, made from the same description as the parser: nothing to forget.

use clap::Command;
use clap_complete::Shell;

use crate::cli;

/// The name that everything is installed under.
const NAME: &str = "opencode-cache";

/// Where each shell that looks for completions by itself does so, below a prefix.
const PLACES: [(Shell, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions/opencode-cache"),
    (Shell::Fish, "share/fish/vendor_completions.d/opencode-cache.fish"),
    (Shell::Zsh, "share/zsh/site-functions/_opencode-cache"),
];

/// Every page and completion, by its path below a prefix, in the order of the paths. The same program always makes the same bytes.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        PLACES.iter().map(|(shell, path)| ((*path).to_owned(), completion(*shell))).collect();
    files.extend(pages());
    files.sort();
    files
}

/// What a shell reads to complete this program's arguments.
pub fn completion(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::grammar(), NAME, &mut text);
    text
}

/// A page for the program, and one for each verb that is not hidden.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut program = cli::grammar();
    // Options that every verb has come into the verbs' pages.
    program.build();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let mut pages: Vec<(String, Vec<u8>)> =
        verbs.map(|verb| page(verb.clone(), &format!("{NAME}-{}", verb.get_name()))).collect();
    pages.push(page(program.disable_help_subcommand(true), NAME));
    pages
}

fn page(command: Command, name: &str) -> (String, Vec<u8>) {
    let mut text = Vec::new();
    let command = command.display_name(name.to_owned()).version(env!("CARGO_PKG_VERSION"));
    // Without a date: a page is of a version. A vector takes whatever is written.
    let _infallible = clap_mangen::Man::new(command)
        .title(name)
        .source(concat!("opencode-cache ", env!("CARGO_PKG_VERSION")))
        .date("")
        .render(&mut text);
    (format!("share/man/man1/{name}.1"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_that_is_shown_has_a_page_and_is_completed() {
        let files = files();
        assert!(files.iter().any(|(path, _)| path == "share/man/man1/opencode-cache.1"));
        for verb in cli::grammar().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let page = format!("share/man/man1/opencode-cache-{}.1", verb.get_name());
            let (_, text) = files.iter().find(|(path, _)| *path == page).unwrap();
            assert!(String::from_utf8_lossy(text).contains(".SH OPTIONS"), "{page}");
        }
        assert!(!files.iter().any(|(path, _)| path.contains("in-derivation") || path.contains("help")));
        for (shell, _) in PLACES {
            let text = String::from_utf8(completion(shell)).unwrap();
            assert!(text.contains("verify") && text.contains("--network"), "{shell}");
        }
    }

    #[test]
    fn the_same_bytes_each_time() {
        assert_eq!(files(), files());
    }
}
