//! The worker of the terminal interface that colours code, and the grammars that it downloads: which module of the release
//! binary it is, and the small module of ours that runs before it. Never changes the worker.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use lock::{Algorithm, ExerciseKind, HttpsUrl, Lock, Profile, Sri};
use serde_json::Value;

use crate::downloads::Body;
use crate::{in_binary, layout, opencode};

/// What replaces the worker's `fetch`.
const FETCH: &str = include_str!("../assets/tree-sitter.mjs");

/// The path of the worker's module in the binary at `path`; `None` where it has none that is known.
pub fn worker(path: &Path) -> io::Result<Option<String>> {
    in_binary::find(path, &opencode::TREE_SITTER_WORKERS, |bytes, _, end| module_ending_at(bytes, end))
}

/// The quoted path whose closing quote stands before `end`, where it is one inside the binary.
fn module_ending_at(bytes: &[u8], end: usize) -> Option<String> {
    let before = bytes.get(end.saturating_sub(in_binary::AROUND)..end.checked_sub(1)?)?;
    let start = memchr::memrchr(b'"', before)? + 1;
    let path = std::str::from_utf8(before.get(start..)?).ok()?;
    path.starts_with(opencode::INSIDE_THE_BINARY).then(|| path.to_owned())
}

/// The grammars and queries that `lock` has, by the address that OpenCode asks for.
pub fn grammars(lock: &Lock) -> BTreeMap<&HttpsUrl, Body<'_>> {
    if !lock.exercises.values().any(|exercise| matches!(exercise.kind, ExerciseKind::Grammars { .. })) {
        return BTreeMap::new();
    }
    let is_grammar =
        |url: &HttpsUrl| opencode::GRAMMAR_ENDINGS.iter().any(|ending| url.as_str().ends_with(ending));
    let asked = lock.downloads.keys().filter(|url| is_grammar(url));
    asked.filter_map(|url| Some((url, crate::downloads::body(lock, url)?))).collect()
}

/// The files of an output that make the worker use `grammars`, each with its text.
pub fn files(
    worker: &str,
    grammars: &BTreeMap<&HttpsUrl, Body<'_>>,
    profile: Profile,
) -> [(String, String); 3] {
    let place = |name: &str| format!("{}/{name}", layout::TREE_SITTER);
    let quoted = |text: &str| Value::from(text).to_string();
    let mut table =
        format!("export const online = {}\nexport const grammars = new Map([\n", profile == Profile::Online);
    for (url, body) in grammars {
        let file = format!("./{}", grammar(body));
        table.push_str(&format!("  [{}, {}],\n", quoted(url.as_str()), quoted(&file)));
    }
    table.push_str("])\n");
    [
        (
            layout::TREE_SITTER_WORKER.to_owned(),
            format!("import \"./fetch.mjs\"\nimport {}\n", quoted(worker)),
        ),
        (place("fetch.mjs"), FETCH.to_owned()),
        (place("grammars.mjs"), table),
    ]
}

/// The name of a captured grammar's file beside the worker.
pub fn grammar(body: &Body<'_>) -> String {
    let hex = match body {
        Body::File(integrity) => integrity.hex(),
        Body::Text(text) => Sri::of(Algorithm::Sha512, text.as_bytes()).hex(),
    };
    format!("grammar-{}", hex.get(..32).unwrap_or(&hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &[u8]) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        worker(file.path()).unwrap()
    }

    #[test]
    fn the_worker_is_found_in_both_of_its_forms() {
        let new = "x=\"/$bunfs/root/opentui-tree-sitter-worker.js\";";
        assert_eq!(found(new.as_bytes()).as_deref(), Some("/$bunfs/root/opentui-tree-sitter-worker.js"));
        let old = "/$bunfs/root/../../node_modules/.bun/@opentui+core@0.2.2+1/node_modules/@opentui/core/parser.worker.js";
        assert_eq!(found(format!("A=\"{old}\";").as_bytes()).as_deref(), Some(old));
        assert_eq!(found(b"var a=\"/elsewhere/opentui-tree-sitter-worker.js\""), None);
        assert_eq!(found(b""), None);
    }

    #[test]
    fn it_is_found_across_the_end_of_a_buffer() {
        let mut bytes = vec![b' '; (1 << 20) - 20];
        bytes.extend_from_slice(b"\"/$bunfs/root/opentui-tree-sitter-worker.js\"");
        assert!(found(&bytes).is_some());
    }

    #[test]
    fn what_is_not_captured_is_not_asked_for_offline() {
        let [worker, fetch, table] = files("/$bunfs/root/w.js", &BTreeMap::new(), Profile::Offline);
        assert_eq!(worker.1, "import \"./fetch.mjs\"\nimport \"/$bunfs/root/w.js\"\n");
        assert!(fetch.1.contains("not captured"));
        assert_eq!(table.1, "export const online = false\nexport const grammars = new Map([\n])\n");
    }
}
