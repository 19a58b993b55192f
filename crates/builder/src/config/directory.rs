//! A configuration directory: the configurations in it, and the agents, modes and commands that are files with a head.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Config, Error, Wanted, of_this_process};
use crate::files;
use crate::opencode::reads;

/// The most files that are looked at; real directories have some ten.
const MOST_FILES: usize = 2000;
/// The deepest directory that is looked into.
const DEEPEST: usize = 8;
/// The largest file that is read, in bytes. They hold prompts.
const MAX_BYTES: u64 = 1 << 20;

/// What the configurations in a directory ask for, and which providers its agents and commands name.
pub fn directory(path: &Path) -> Result<Vec<Wanted>, Error> {
    let mut wanted = Vec::new();
    for file in configs(path) {
        wanted.push(Config::read(&file, &of_this_process)?.wanted()?);
    }
    let ids = heads(path).into_iter().map(|(_, id)| id);
    wanted.push(Wanted { ids: ids.collect(), ..Wanted::default() });
    Ok(wanted)
}

/// The configurations that lie in a directory, later ones win. `config.json` is none in a project's (1.14.34, 1.18.33).
pub fn configs(path: &Path) -> Vec<PathBuf> {
    let is_projects = path.file_name().is_some_and(|name| name == reads::CONFIG_DIRECTORY);
    let names: &[&str] = if is_projects { &reads::PROJECT_CONFIGS } else { &reads::GLOBAL_CONFIGS };
    let files = names.iter().map(|name| path.join(name));
    files.filter(|file| file.symlink_metadata().is_ok()).collect()
}

/// The providers that agents, modes and commands of a directory name in their heads, each with its file.
pub fn heads(path: &Path) -> Vec<(PathBuf, String)> {
    let files = reads::MARKDOWN_DIRECTORIES.iter().flat_map(|name| markdown(&path.join(name)));
    let named = files.filter_map(|file| {
        let id = provider(&files::read_bounded(&file, MAX_BYTES).ok()?)?;
        Some((file, id))
    });
    named.collect()
}

/// The files below a directory whose names end as OpenCode wants it. What cannot be listed is not there for OpenCode.
fn markdown(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(top.to_path_buf(), 0)];
    while let Some((directory, depth)) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth < DEEPEST {
                open.push((path, depth + 1));
            } else if path.extension().is_some_and(|ending| ending == "md") && found.len() < MOST_FILES {
                found.push(path);
            }
        }
        if found.len() == MOST_FILES {
            break;
        }
    }
    found
}

/// The provider of the model that a file's head names: `model: PROVIDER/MODEL` between two lines `---`.
fn provider(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let model =
        lines.take_while(|line| line.trim_end() != "---").find_map(|line| line.strip_prefix("model:"))?;
    let model = model.trim().trim_matches(['"', '\'']);
    let (id, rest) = model.split_once('/')?;
    (!id.is_empty() && !rest.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_and_configurations_of_a_directory_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("agent/deep/a.md", "---\r\ndescription: x\r\nmodel: groq/llama/3\r\n---\r\nmodel: no/no\r\n");
        write("modes/b.md", "---\nmodel: \"xai/grok\"\n---\n");
        write("commands/c.md", "model: no/no\n---\nmodel: no/no\n");
        write("agent/d.txt", "---\nmodel: no/no\n---\n");
        write("opencode.jsonc", "{ \"plugin\": [\"a\"], }");
        write(".opencode/config.json", "{ \"plugin\": [\"b\"] }");
        assert!(configs(&directory.path().join(".opencode")).is_empty());
        let mut all = Wanted::default();
        super::directory(directory.path()).unwrap().into_iter().for_each(|wanted| all.extend(wanted));
        assert_eq!(all.ids, ["groq", "xai"].map(str::to_owned).into());
        assert_eq!(all.plugins.len(), 1);
        assert_eq!(super::directory(&directory.path().join("none")).unwrap(), [Wanted::default()]);
    }
}
