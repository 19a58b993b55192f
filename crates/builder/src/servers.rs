//! What makes OpenCode find a captured language server where downloads are off: it then looks on PATH and in `bin` of its cache
//! directory only, and not at what it would have installed. Owns those few programs of an output.

use lock::{Exercise, ExerciseKind, Lock, System};

use crate::opencode::servers::{self, Found, Release, Server, Way};

/// A program in `bin` of the cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A script with this text.
    Script(String),
    /// A file that lies there already, below this name.
    Captured(String),
}

/// The programs that the language servers of `lock` need on `system`, by name.
pub fn programs(lock: &Lock, system: System) -> Vec<(&'static str, Program)> {
    let captured = lock.exercises.values().filter(|exercise| !exercise.fills.is_empty());
    captured
        .filter_map(|exercise| match &exercise.kind {
            ExerciseKind::LanguageServer { server } => program(servers::find(server)?, exercise, system),
            _ => None,
        })
        .collect()
}

fn program(server: &Server, exercise: &Exercise, system: System) -> Option<(&'static str, Program)> {
    match server.way {
        Way::Npm { package, executable } => {
            let name = executable?;
            Some((name, Program::Script(script(package, name))))
        }
        Way::Release(release) => {
            let names = exercise.fills.iter().filter_map(|fill| fill.path.as_str().strip_prefix("bin/"));
            let place = place(&release, system, names)?;
            match release.found {
                Found::There => None,
                Found::Linked(name) => Some((name, Program::Captured(place))),
                Found::Started(name, arguments) => {
                    Some((name, Program::Script(starter(name, &place, arguments))))
                }
            }
        }
        Way::Refused(_) => None,
    }
}

/// Where the program of a release lies below `bin`, among whose entries are `names`.
pub fn place<'n>(
    release: &Release,
    system: System,
    mut names: impl Iterator<Item = &'n str>,
) -> Option<String> {
    let program = release.program.replace("{cpu}", system.npm_cpu());
    let (first, rest) = match program.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (program.as_str(), None),
    };
    let found = match first.split_once('*') {
        Some((start, end)) => names.find(|name| name.starts_with(start) && name.ends_with(end))?,
        None => names.find(|name| *name == first)?,
    };
    Some(rest.map_or_else(|| found.to_owned(), |rest| format!("{found}/{rest}")))
}

/// Starts what lies at `place` beside the script, with a directory of the user's own for what it writes.
fn starter(name: &str, place: &str, arguments: &[&str]) -> String {
    let arguments: String = arguments.iter().map(|argument| format!(" \"{argument}\"")).collect();
    format!(
        "#!/bin/sh\n\
         kept=${{XDG_CACHE_HOME:-$HOME/.cache}}/{name}\n\
         exec \"${{0%/*}}/{place}\"{arguments} \"$@\"\n"
    )
}

/// Starts `executable` of `package` with the machine's node, or with the bun in OpenCode's own binary where there is no node. The
/// script is found beside the directory that its package is linked in, and that link leads into the output.
fn script(package: &str, executable: &str) -> String {
    let up = "../".repeat(package.split('/').count() + 2);
    format!(
        "#!/bin/sh\n\
         package=${{0%/*}}/../packages/{package}\n\
         server=$package/node_modules/.bin/{executable}\n\
         if command -v node >/dev/null 2>&1; then exec node \"$server\" \"$@\"; fi\n\
         BUN_BE_BUN=1 exec \"$package/{up}lib/opencode/bin/opencode\" \"$server\" \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_release_is_found_among_what_it_left() {
        let place = |id: &str, names: &[&str]| {
            let Way::Release(release) = servers::find(id).unwrap().way else { panic!("{id}") };
            place(&release, System::X86_64Linux, names.iter().copied())
        };
        assert_eq!(place("clangd", &["clangd_21.1.0"]).as_deref(), Some("clangd_21.1.0/bin/clangd"));
        assert_eq!(place("texlab", &["LICENSE", "texlab"]).as_deref(), Some("texlab"));
        assert_eq!(place("texlab", &["texlab-x86_64-linux.tar.gz"]), None);
        let lua = "lua-language-server-x64-linux";
        assert_eq!(place("lua-ls", &[lua]), Some(format!("{lua}/bin/lua-language-server")));
    }

    #[test]
    fn what_a_server_writes_goes_to_a_directory_of_the_users() {
        assert_eq!(
            starter("s", "s-1/bin/s", &["--log=$kept/log"]),
            "#!/bin/sh\nkept=${XDG_CACHE_HOME:-$HOME/.cache}/s\nexec \"${0%/*}/s-1/bin/s\" \"--log=$kept/log\" \"$@\"\n"
        );
    }

    #[test]
    fn a_script_finds_the_binary_above_its_package() {
        assert!(
            script("pyright", "pyright-langserver").contains("$package/../../../lib/opencode/bin/opencode")
        );
        let scoped = script("@vue/language-server", "vue-language-server");
        assert!(scoped.contains("package=${0%/*}/../packages/@vue/language-server\n"), "{scoped}");
        assert!(scoped.contains("$package/../../../../lib/opencode/bin/opencode"), "{scoped}");
    }
}
