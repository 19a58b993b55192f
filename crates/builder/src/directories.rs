//! What the user's config directories want: each is a directory with a `package.json` of its own. Reads those files;
//! knows which of OpenCode's two kinds of directories each is.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use lock::{ExerciseKind, PackageName, Spec, Version};
use serde_json::Value;

use crate::opencode;
use crate::plan::{self, Error};

/// Packages and the versions or ranges that are asked for.
type Dependencies = BTreeMap<PackageName, String>;

/// What config directories want of npm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigDirs {
    /// What the global one wants (`~/.config/opencode`).
    pub global: Dependencies,
    /// What each project's `.opencode` wants that wants anything, by its path in the manifest.
    pub projects: BTreeMap<String, Dependencies>,
}

/// The groups of a `package.json` that OpenCode wants installed in a config directory, later ones winning: it compares
/// the names of all four with its lock file's (1.18.18).
const GROUPS: [&str; 4] = ["peerDependencies", "devDependencies", "dependencies", "optionalDependencies"];

impl ConfigDirs {
    /// Reads what a directory of the manifest's at `directory` wants, named `given` there. One that is called `.opencode` is a
    /// project's, and gets a tree of its own; any other is a global one, wherever the user keeps it.
    pub fn add(&mut self, given: &Path, directory: &Path) -> Result<(), Error> {
        let path = directory.join("package.json");
        let wanted = match plan::read_text(&path) {
            Ok(text) => dependencies(&path, &text)?,
            // Tools that import nothing but OpenCode's own library need none.
            Err(Error::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && directory.is_dir() =>
            {
                Dependencies::new()
            }
            Err(error) => return Err(error),
        };
        if directory.file_name().is_some_and(|name| name == opencode::PROJECT_DIR) {
            if !wanted.is_empty() {
                self.projects.insert(spelled(given), wanted);
            }
            return Ok(());
        }
        for (package, second) in wanted {
            match self.global.insert(package.clone(), second.clone()) {
                Some(first) if first != second => {
                    return Err(Error::Conflict { path, package, first, second });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The exercises that install all of it beside OpenCode's own library, each with the directory that it is about.
    pub fn exercises(&self, opencode: &Version) -> Vec<(ExerciseKind, Option<&str>)> {
        let with_library = |wanted: &Dependencies| {
            let mut dependencies = wanted.clone();
            if let Ok(name) = opencode::CONFIG_DIR_PACKAGE.parse() {
                // OpenCode installs its own version, whatever the user's package.json says.
                dependencies.insert(name, opencode.to_string());
            }
            ExerciseKind::ConfigDir { dependencies }
        };
        let projects =
            self.projects.iter().map(|(given, wanted)| (with_library(wanted), Some(given.as_str())));
        std::iter::once((with_library(&self.global), None)).chain(projects).collect()
    }
}

/// A path as it is written, whatever stands at its end.
fn spelled(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

fn dependencies(path: &Path, text: &str) -> Result<Dependencies, Error> {
    let invalid = |reason: String| Error::PackageJson { path: path.into(), reason };
    let value: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let mut all = Dependencies::new();
    for group in GROUPS {
        let wanted = match value.get(group) {
            None => continue,
            Some(Value::Object(wanted)) => wanted,
            Some(_) => return Err(invalid(format!("{group} must be an object"))),
        };
        for (name, range) in wanted {
            let package: PackageName =
                name.parse().map_err(|error: lock::package::Error| invalid(error.to_string()))?;
            let range = range.as_str().ok_or_else(|| invalid(format!("{group}.{name} must be a string")))?;
            let spec: Result<Spec, _> = format!("{name}@{range}").parse();
            if !range.is_empty() && !spec.is_ok_and(|spec| spec.is_registry()) {
                return Err(invalid(format!(
                    "{group}.{name} is {range:?}, and only packages of an npm registry can be pinned"
                )));
            }
            all.insert(package, range.to_owned());
        }
    }
    // What OpenCode writes there itself is no wish of the user's.
    all.retain(|name, _| name.as_str() != opencode::CONFIG_DIR_PACKAGE);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Vec<(String, String)>, String> {
        let found = dependencies(Path::new("package.json"), text).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|(name, range)| (name.to_string(), range)).collect())
    }

    #[test]
    fn every_group_is_wanted_and_opencodes_own_library_is_not() {
        let text = r#"{"dependencies":{"ms":"2.1.3","@opencode-ai/plugin":"1.0.0"},"devDependencies":{"ms":"^1","typescript":"5"}}"#;
        let pair = |name: &str, range: &str| (name.to_owned(), range.to_owned());
        assert_eq!(wanted(text).unwrap(), [pair("ms", "2.1.3"), pair("typescript", "5")]);
        assert_eq!(wanted("{}").unwrap(), []);
    }

    #[test]
    fn what_no_registry_has_is_refused_by_name() {
        for range in ["file:../own", "git+https://host.example/own.git", "workspace:*", "npm:other@1"] {
            let error = wanted(&format!(r#"{{"dependencies":{{"own":"{range}"}}}}"#)).unwrap_err();
            assert!(error.contains("dependencies.own is") && error.contains(range), "{error}");
        }
        assert!(wanted("[]").unwrap().is_empty());
        assert!(wanted(r#"{"devDependencies":[]}"#).unwrap_err().contains("must be an object"));
    }

    #[test]
    fn a_path_is_spelled_one_way() {
        assert_eq!(spelled(Path::new("./apps//web/.opencode/")), "apps/web/.opencode");
        assert_eq!(spelled(Path::new("/srv/web/.opencode")), "/srv/web/.opencode");
        assert_eq!(spelled(Path::new("../.opencode")), "../.opencode");
        assert_eq!(spelled(Path::new(".opencode")), ".opencode");
    }
}
