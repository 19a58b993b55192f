//! What is where after OpenCode ran: the output as it was, and in HOME links into it beside OpenCode's own files.

use std::process::Command;

use replay::llm::Script;
use sandbox::Bind;
use testkit::cli::{Place, succeed};
use testkit::desk::{Desk, Found, MODEL, Outside};
use testkit::output::Output;

use crate::answers::{NO_STALL, PLUGIN, SDK};
use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("output_unchanged_where_it_could_be_written", output_unchanged), case("home_holds_links", home)];

/// Where OpenCode and the bun in it keep files of their own, offline and without us too.
const OPENCODES: &[&str] = &[".local/share/opencode/", ".local/state/opencode/", ".cache-nix/bun/", UNPACKED];
/// The user's, those that were copied for OpenCode to write, and what OpenCode writes into every config directory.
const OWN_FILES: &[&str] = &[
    ".cache-nix/opencode/.opencode-cache-state",
    ".config/opencode/.gitignore",
    ".config/opencode/opencode.json",
    ".config/opencode/package-lock.json",
    ".config/opencode/package.json",
    "project/.opencode/.gitignore",
];

/// Nothing writes into the output, even where everything could: bound writable, every directory and file with the owner's write
/// permission, as its owner. Its digest is what it was.
fn output_unchanged() {
    let scratch = Place::get().directory("unchanged-");
    let copy = Output::shared().copy_below(scratch.path());
    succeed(Command::new("chmod").args(["-R", "u+w"]).arg(copy.path()));
    let desk = Desk::with(
        Outside::Refused,
        Script::saying("an answer"),
        vec![Bind::writable(copy.path(), copy.path())],
    );
    desk.configure(SDK, &[PLUGIN]);
    let project = desk.directory("project/.opencode");
    let project = project.parent().unwrap();
    for arguments in [&["models"][..], &["run", "-m", MODEL, "hello"]] {
        let ran = desk.run(&desk.command(&copy.wrapper(), arguments, project), NO_STALL);
        assert!(ran.exit.is_some_and(sandbox::Exit::success), "{arguments:?}: {ran:?}");
    }
    let server = desk.serve(&copy.wrapper(), project, NO_STALL);
    let (answer, _) = server.converse(&desk.directory("other/.opencode"), "hello", NO_STALL);
    assert!(answer.to_string().contains("an answer"), "{answer}");
    drop(server);
    drop(desk);
    tree::StorePath::resolve(copy.path()).unwrap().verify().unwrap();
}

/// Where bun unpacks libraries that it does not remove.
const UNPACKED: &str = ".cache-nix/opencode/.opencode-cache-tmp/";

/// After two runs, HOME holds links into the output and files that OpenCode itself wrote, nothing of ours besides; and of
/// the libraries that each unpacked those of the second.
fn home() {
    let output = Output::shared();
    let desk = crate::answers::desk(Outside::Refused, Script::saying("an answer"));
    let project = desk.directory("project/.opencode");
    for _ in 0..2 {
        let command =
            desk.command(&output.wrapper(), &["run", "-m", MODEL, "hello"], project.parent().unwrap());
        let ran = desk.run(&command, NO_STALL);
        assert!(ran.stdout.contains("an answer"), "{ran:?}");
    }
    let home = desk.home();
    let unpacked = home.keys().filter(|path| path.starts_with(UNPACKED)).count();
    assert!(unpacked <= 1, "{unpacked} files are left in {UNPACKED}");
    for (path, found) in home {
        match found {
            Found::Link(target) => {
                assert!(target.starts_with(output.path()), "{path} leads to {}", target.display());
                assert!(target.exists(), "{path} leads nowhere: {}", target.display());
            }
            Found::File => {
                let own = OWN_FILES.contains(&path.as_str());
                assert!(own || OPENCODES.iter().any(|place| path.starts_with(place)), "{path} is nobody's");
            }
            Found::Directory => {}
        }
    }
}
