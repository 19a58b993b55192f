//! The programs of captured packages that a configuration starts by command: which there are in a tree, and the index by which
//! the output's `commands.mjs` finds them. Knows nothing of command lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use lock::{ExerciseKind, Lock, PackageId, PackageName, RelPath, Spec, Want};
use replay::registry::{Answer, BaseRecord};
use serde_json::{Value, json};

use crate::{emit, files};

/// The largest `package.json` of a package that is read, in bytes.
const MAX_PACKAGE_JSON: u64 = 1 << 20;
/// How much of a program is looked at to tell what runs it, in bytes: its first line.
const HEAD: u64 = 256;

/// A package's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The package's version.
    pub version: String,
    /// Which program is meant where a command names the package alone.
    pub runs: Option<String>,
    /// Its programs by name: their files, relative to the package.
    pub files: BTreeMap<String, RelPath>,
}

/// The programs of the package that `spec` names, in the tree at `tree`; nothing where it has none.
pub fn programs(tree: &Path, spec: &Spec) -> std::io::Result<Option<Programs>> {
    let Some(name) = spec.name() else { return Ok(None) };
    let directory = tree.join("node_modules").join(name.as_str());
    let bytes =
        files::read_bounded(&directory.join("package.json"), MAX_PACKAGE_JSON).map_err(
            |error| match error {
                files::ReadError::Io(source) => source,
                _ => std::io::Error::from(std::io::ErrorKind::InvalidData),
            },
        )?;
    let package: Value = serde_json::from_slice(&bytes)?;
    let version = package.get("version").and_then(Value::as_str).unwrap_or_default().to_owned();
    let files: BTreeMap<String, RelPath> = named(&package, name)
        .into_iter()
        .filter_map(|(program, file)| Some((program.to_owned(), file.trim_start_matches("./").parse().ok()?)))
        .filter(|(_, file): &(String, RelPath)| directory.join(file.as_str()).is_file())
        .collect();
    let runs = meant(&files, name);
    Ok((!files.is_empty()).then_some(Programs { version, runs, files }))
}

/// What `bin` says: one program, which is called like the package, or several by their names.
fn named<'p>(package: &'p Value, name: &'p PackageName) -> Vec<(&'p str, &'p str)> {
    match package.get("bin") {
        Some(Value::String(file)) => vec![(unscoped(name), file.as_str())],
        Some(Value::Object(all)) => {
            all.iter().filter_map(|(program, file)| Some((program.as_str(), file.as_str()?))).collect()
        }
        _ => Vec::new(),
    }
}

/// As npx chooses: the only one, or the one that is called like the package (npm 7 and later).
fn meant(files: &BTreeMap<String, RelPath>, name: &PackageName) -> Option<String> {
    let different: BTreeSet<&RelPath> = files.values().collect();
    if different.len() == 1 {
        return files.keys().next().cloned();
    }
    files.contains_key(unscoped(name)).then(|| unscoped(name).to_owned())
}

fn unscoped(name: &PackageName) -> &str {
    name.as_str().rsplit('/').next().unwrap_or_default()
}

/// The index of what the output at `root` has; nothing where it has nothing of the kind.
pub fn index(root: &Path, lock: &Lock) -> Result<Option<String>, emit::Error> {
    let mut packages = Vec::new();
    for (exercise_name, exercise) in &lock.exercises {
        let ExerciseKind::Executable { spec } = &exercise.kind else { continue };
        let (Some(tree), Some(name)) = (emit::tree_of(&lock.opencode, exercise_name, exercise), spec.name())
        else {
            continue;
        };
        let path = root.join(&tree);
        let failed = |source| emit::Error::Io { verb: "read the programs of", path: path.clone(), source };
        let Some(found) = programs(&path, spec).map_err(failed)? else { continue };
        let directory = format!("{tree}/node_modules/{name}");
        let mut files = serde_json::Map::new();
        for (program, file) in &found.files {
            let script = is_script(&root.join(&directory).join(file.as_str())).map_err(failed)?;
            files.insert(program.clone(), json!({ "file": file.as_str(), "script": script }));
        }
        packages.push(json!({
            "name": name.as_str(),
            "want": want(spec),
            "version": found.version,
            "path": directory,
            "runs": found.runs,
            "programs": files,
        }));
    }
    Ok((!packages.is_empty()).then(|| format!("{:#}\n", json!({ "packages": packages }))))
}

fn want(spec: &Spec) -> String {
    match spec.want() {
        Some(Want::Exact(version)) => version.to_string(),
        Some(Want::Tag(text) | Want::Range(text)) => text.clone(),
        Some(Want::Unsaid) | None => "latest".to_owned(),
    }
}

/// Whether a JavaScript runtime runs it: its first line says node or bun, or says nothing and its name is that of a script.
fn is_script(file: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.starts_with(b"#!") {
        let line = String::from_utf8_lossy(line);
        return Ok(line.contains("node") || line.contains("bun"));
    }
    Ok(file.extension().is_none_or(|ending| ["js", "mjs", "cjs"].iter().any(|js| ending == *js))
        && !head.starts_with(b"\x7fELF"))
}

/// Of the packages that a command needs, those with scripts that are not run: OpenCode's npm runs none (1.14.34 to 1.18.33), and `npx`
/// would. What such a script downloads or compiles is not there.
pub fn unrun(kind: &ExerciseKind, record: &BaseRecord, resolved: &BTreeSet<PackageId>) -> Vec<String> {
    if !matches!(kind, ExerciseKind::Executable { .. }) {
        return Vec::new();
    }
    let with_script = resolved.iter().filter(|id| {
        let Some(Answer::Found(packument)) = record.packuments.get(&id.name) else { return false };
        let manifest = packument.versions.get(&id.version).map(|release| &release.manifest);
        let fields = manifest.and_then(|manifest| lock::manifest_fields(manifest).ok());
        fields.is_some_and(|fields| fields.fields().any(|(field, _)| field == lock::Field::HasInstallScript))
    });
    let note = "has a script of its own for its installation, which OpenCode does not run: whether it works without is not known";
    with_script.map(|id| format!("{id} {note}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(package: &Value, files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let directory = tree.path().join("node_modules/@a/server");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("package.json"), package.to_string()).unwrap();
        for (name, content) in files {
            std::fs::write(directory.join(name), content).unwrap();
        }
        tree
    }

    fn found(package: &Value, files: &[(&str, &[u8])]) -> Option<Programs> {
        programs(tree(package, files).path(), &"@a/server".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_package_means_its_only_program_or_the_one_of_its_name() {
        let files: [(&str, &[u8]); 2] = [("a.js", b""), ("b.js", b"")];
        let runs = |bin: Value| found(&json!({ "version": "1.0.0", "bin": bin }), &files)?.runs;
        assert_eq!(runs(json!("./a.js")).as_deref(), Some("server"));
        assert_eq!(runs(json!({ "other": "a.js" })).as_deref(), Some("other"));
        assert_eq!(runs(json!({ "x": "a.js", "y": "./a.js" })).as_deref(), Some("x"));
        assert_eq!(runs(json!({ "server": "a.js", "y": "b.js" })).as_deref(), Some("server"));
        assert_eq!(runs(json!({ "x": "a.js", "y": "b.js" })), None);
        for none in [json!(null), json!({}), json!("../../a.js"), json!("gone.js"), json!("/etc/passwd")] {
            assert_eq!(found(&json!({ "version": "1.0.0", "bin": none }), &files), None, "{none}");
        }
    }

    #[test]
    fn what_a_runtime_runs_is_told_from_programs() {
        let tree = tempfile::tempdir().unwrap();
        let check = |name: &str, content: &[u8]| {
            let file = tree.path().join(name);
            std::fs::write(&file, content).unwrap();
            is_script(&file).unwrap()
        };
        assert!(check("a", b"#!/usr/bin/env node\nx"));
        assert!(check("b", b"#!/usr/bin/env -S node --no-warnings\n"));
        assert!(check("c.js", b"x") && check("d", b""));
        assert!(!check("e", b"#!/bin/sh\n"));
        assert!(!check("f", b"\x7fELF\x02"));
    }
}
