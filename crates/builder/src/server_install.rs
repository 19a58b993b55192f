//! Performing the exercise of a language server: OpenCode installs it, from npm or by unpacking a release. For that it takes programs
//! of the machine, and those are all that is on PATH then: a server of the machine's own would be used instead of the release.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::System;

use crate::binary;
use crate::exercise::{COMMAND_TIME, Error, Outcome};
use crate::opencode::servers::{self, Release, Way};
use crate::servers::place;
use crate::settle;
use crate::stage::{self, Stage};

/// Where unpackers are on PATH, inside. Outside of what is captured.
const PLACE: &str = "/tmp/opencode-cache-unpackers";

/// How the names of archives end.
const ARCHIVES: [&str; 3] = [".zip", ".tar.gz", ".tar.xz"];

/// Has OpenCode start a language server, which it installs first.
pub async fn perform(
    stage: &Stage,
    id: &str,
    env: &[(String, String)],
    system: System,
) -> Result<Outcome, Error> {
    let server = servers::find(id).ok_or(Error::Unsupported { kind: "language-server" })?;
    let file = server.files.first().map(|(path, _)| *path).unwrap_or_default();
    let [debug, lsp, diagnostics] = servers::ARGUMENTS;
    // Whether the server runs here is not the question: it may want a runtime that this sandbox does not have.
    let mut env = env.to_vec();
    let is_installed: Arc<dyn Fn() -> bool + Send + Sync> = match server.way {
        Way::Npm { package, .. } => {
            let tree = stage.sandbox().outside(stage::package_directory(package));
            Arc::new(move || settle::is_whole(&tree))
        }
        Way::Release(release) => {
            if binary::host().is_ok_and(|host| host != system) {
                return Err(Error::OtherSystem { server: id.to_owned(), system });
            }
            // One of the machine's own would be used instead.
            env.push(("PATH".into(), provide(stage, id, &release)?));
            let bin = stage.sandbox().outside(stage::CACHE_DIR).join("bin");
            Arc::new(move || is_unpacked(&bin, &release, system))
        }
        Way::Refused(_) => return Err(Error::Unsupported { kind: "language-server" }),
    };
    let done = Arc::clone(&is_installed);
    let output =
        stage.run_until(&[debug, lsp, diagnostics, file], &env, move || done(), COMMAND_TIME).await?;
    if is_installed() {
        return Ok(Outcome::Filled);
    }
    Err(Error::Incomplete {
        what: format!("the language server {id}"),
        reason: "OpenCode gave up".into(),
        output,
    })
}

/// Puts the unpackers of a release on the stage, and gives the PATH that has them and nothing else.
pub fn provide(stage: &Stage, server: &str, release: &Release) -> Result<String, Error> {
    let directory = stage.sandbox().outside(PLACE);
    stage.sandbox().make_directory(PLACE).map_err(stage::Error::from)?;
    for program in release.unpackers {
        let missing = || Error::NoUnpacker { server: server.to_owned(), program };
        let found = on_path(program).ok_or_else(missing)?;
        match symlink(&found, directory.join(program)) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::Link { path: found, source });
            }
            _ => {}
        }
    }
    Ok(stage.sandbox().inside(PLACE).display().to_string())
}

/// A program of this machine's, with all links resolved.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(program));
    found.filter(|file| is_executable(file)).find_map(|file| file.canonicalize().ok())
}

/// Whether a release lies unpacked in `bin`, its archive being gone: OpenCode removes it when all is unpacked.
pub fn is_unpacked(bin: &Path, release: &Release, system: System) -> bool {
    let names = names(bin);
    let Some(place) = place(release, system, names.iter().map(String::as_str)) else { return false };
    let above = bin.join(&place);
    let above = names_of_archives(above.parent().unwrap_or(bin));
    is_executable(&bin.join(&place)) && above.is_none() && names_of_archives(bin).is_none()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn names_of_archives(directory: &Path) -> Option<String> {
    names(directory).into_iter().find(|name| ARCHIVES.iter().any(|ending| name.ends_with(ending)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
