//! What makes OpenCode find a captured language server where downloads are off: it then looks on PATH and in `bin` of its cache
//! directory only, and not at what it would have installed. Owns those few programs of an output.

use lock::{ExerciseKind, Lock, System};

use crate::opencode::servers::{self, Server, Way};

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
    let servers = captured.filter_map(|exercise| match &exercise.kind {
        ExerciseKind::LanguageServer { server } => servers::find(server),
        _ => None,
    });
    servers.filter_map(|server| program(server, system)).collect()
}

fn program(server: &Server, system: System) -> Option<(&'static str, Program)> {
    match server.way {
        Way::Npm { package, executable } => {
            let name = executable?;
            Some((name, Program::Script(script(package, name))))
        }
        Way::Release { executable } => {
            let (name, file) = executable?;
            Some((name, Program::Captured(file.replace("{cpu}", system.npm_cpu()))))
        }
        Way::Refused(_) => None,
    }
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
    fn a_script_finds_the_binary_above_its_package() {
        assert!(
            script("pyright", "pyright-langserver").contains("$package/../../../lib/opencode/bin/opencode")
        );
        let scoped = script("@vue/language-server", "vue-language-server");
        assert!(scoped.contains("package=${0%/*}/../packages/@vue/language-server\n"), "{scoped}");
        assert!(scoped.contains("$package/../../../../lib/opencode/bin/opencode"), "{scoped}");
    }
}
