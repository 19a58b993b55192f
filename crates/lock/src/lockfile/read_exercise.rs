//! The exercises of a lock, from JSON. Owns which keys each kind has.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{Command, Reply, is_variable},
    json::{Json, Node},
    lockfile::{
        Exercise, ExerciseKind, Problem, Proof, WordError,
        package_manifest::sorted,
        read::{id, optional_map, unknown},
        record::{Outcome, Record, fault, items, key_word, map, members, plain, set, string, word},
    },
    package::PackageName,
    spec::Spec,
};

pub(super) fn exercise(node: &Node) -> Outcome<Exercise> {
    // The kind decides which other keys there may be.
    let kind_node = node.member("kind");
    let kind_word = match kind_node {
        Some(kind) => string(kind, "the kind")?,
        None => {
            members(node, "the exercise")?;
            return fault(node.at, Problem::MissingKey { key: "kind", within: "the exercise" });
        }
    };
    let own_keys: &[&'static str] = match kind_word {
        "config-dir" => &["dependencies"],
        "plugin" | "executable" => &["spec"],
        "provider" => &["spec", "proof"],
        "command" => &["run", "env", "replies", "files"],
        "language-server" => &["server"],
        "grammars" => &["languages"],
        "shared-tree" => &["specs", "patched"],
        other => {
            return unknown(
                kind_node.unwrap_or(node),
                "the kind",
                other,
                "command, config-dir, executable, grammars, language-server, plugin, provider, shared-tree",
            );
        }
    };
    let keys = [&["kind", "tags", "absent", "packages", "fills"], own_keys].concat();
    let record = Record::of(node, "the exercise", &keys)?;
    Ok(Exercise {
        kind: exercise_kind(kind_word, record)?,
        tags: map(record.required("tags")?, "`tags`", |key, node| {
            let tags = map(node, "the package's tags", |tag, version| {
                Ok((plain(&tag.text, tag.at, "the tag")?, word(version, "the tag's version")?))
            })?;
            Ok((key_word(key, "the package's name")?, tags))
        })?,
        absent: set(record.required("absent")?, "`absent`", "the package's name")?,
        packages: set(record.required("packages")?, "`packages`", "the package's id")?,
        fills: record
            .optional("fills")
            .map_or_else(|| Ok(BTreeSet::new()), |node| set(node, "`fills`", "the place"))?,
        proof: record.optional("proof").map(proof).transpose()?,
    })
}

fn proof(node: &Node) -> Outcome<Proof> {
    match string(node, "the proof")? {
        "answered" => Ok(Proof::Answered),
        "loads" => Ok(Proof::Loads),
        other => unknown(node, "the proof", other, "answered, loads"),
    }
}

fn exercise_kind(kind: &str, record: Record<'_>) -> Outcome<ExerciseKind> {
    Ok(match kind {
        "config-dir" => ExerciseKind::ConfigDir {
            dependencies: wanted(record.required("dependencies")?, "`dependencies`")?,
        },
        "executable" => ExerciseKind::Executable { spec: registry_spec(record.required("spec")?)? },
        "plugin" => ExerciseKind::Plugin { spec: registry_spec(record.required("spec")?)? },
        "provider" => ExerciseKind::Provider { spec: registry_spec(record.required("spec")?)? },
        "command" => ExerciseKind::Command(command(record)?),
        "language-server" => {
            let server = record.required("server")?;
            let text = string(server, "the language server")?;
            ExerciseKind::LanguageServer { server: id(text, server.at, "the language server")? }
        }
        "grammars" => ExerciseKind::Grammars { languages: languages(record.required("languages")?)? },
        _ => ExerciseKind::SharedTree {
            specs: items(record.required("specs")?, "`specs`")?
                .iter()
                .map(registry_spec)
                .collect::<Outcome<_>>()?,
            patched: wanted(record.required("patched")?, "`patched`")?,
        },
    })
}

fn wanted(node: &Node, what: &'static str) -> Outcome<BTreeMap<PackageName, String>> {
    map(node, what, |key, node| {
        let name: PackageName = key_word(key, "the dependency's name")?;
        let spec = plain(string(node, "the dependency's spec")?, node.at, "the dependency's spec")?;
        let whole: Spec = format!("{name}@{spec}").parse().or_else(|error: crate::spec::Error| {
            fault(node.at, Problem::Word { what: "the dependency's spec", source: WordError::Spec(error) })
        })?;
        if whole.is_registry() {
            return Ok((name, spec));
        }
        fault(node.at, Problem::ForeignSpec { spec: whole.to_string(), kind: whole.kind().as_str() })
    })
}

fn registry_spec(node: &Node) -> Outcome<Spec> {
    let spec: Spec = word(node, "the spec")?;
    if spec.is_registry() {
        return Ok(spec);
    }
    fault(node.at, Problem::ForeignSpec { spec: spec.to_string(), kind: spec.kind().as_str() })
}

fn languages(node: &Node) -> Outcome<BTreeSet<String>> {
    let mut languages = BTreeSet::new();
    for item in items(node, "`languages`")? {
        let language = id(string(item, "the language")?, item.at, "the language")?;
        if !languages.insert(language.clone()) {
            return fault(item.at, Problem::Repeated { item: language });
        }
    }
    if languages.is_empty() {
        return fault(node.at, Problem::Empty { what: "`languages`" });
    }
    Ok(languages)
}

fn command(record: Record<'_>) -> Outcome<Command> {
    Ok(Command {
        run: arguments(record.required("run")?)?,
        env: optional_map(record.optional("env"), "`env`", |key, node| {
            if !is_variable(&key.text) {
                let source = WordError::Variable { name: key.text.chars().take(80).collect() };
                return fault(key.at, Problem::Word { what: "the variable", source });
            }
            Ok((key.text.clone(), without_nul(node, "the variable's value")?))
        })?,
        replies: record
            .optional("replies")
            .map_or_else(|| Ok(Vec::new()), |node| items(node, "`replies`")?.iter().map(reply).collect())?,
        files: optional_map(record.optional("files"), "`files`", |key, node| {
            Ok((key_word(key, "the file's path")?, string(node, "the file's content")?.to_owned()))
        })?,
    })
}

fn without_nul(node: &Node, what: &'static str) -> Outcome<String> {
    let text = string(node, what)?;
    if text.contains('\0') {
        let source = WordError::Text { text: text.chars().take(80).collect() };
        return fault(node.at, Problem::Word { what, source });
    }
    Ok(text.to_owned())
}

fn reply(node: &Node) -> Outcome<Reply> {
    if let Json::String(text) = &node.value {
        return Ok(Reply::Text(text.clone()));
    }
    let record = Record::of(node, "the reply", &["tool", "arguments"])?;
    let (tool, arguments) = (record.required("tool")?, record.required("arguments")?);
    members(arguments, "`arguments`")?;
    Ok(Reply::Call {
        tool: plain(string(tool, "the tool")?, tool.at, "the tool")?,
        arguments: sorted(arguments.to_value()),
    })
}

fn arguments(node: &Node) -> Outcome<Vec<String>> {
    let arguments = items(node, "`run`")?;
    if arguments.is_empty() {
        return fault(node.at, Problem::Empty { what: "`run`" });
    }
    arguments.iter().map(|item| plain(string(item, "the argument")?, item.at, "the argument")).collect()
}
