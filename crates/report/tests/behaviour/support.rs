//! An output that is made up, for tests: small, with every kind of thing in it, and hostile names.

use std::fs;
use std::path::PathBuf;

use report::{Inventory, Source, collect};
use serde_json::{Value, json};

/// The name of the output's directory.
pub const NAME: &str = "0123456789abcdfghijklmnpqrsvwxyz-opencode-cache";
/// Where the plugin's tree lies.
pub const TREE: &str = "cache/packages/a@latest";
/// A name that wants to be markup.
pub const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

/// An output in a directory of its own: a plugin `a` that needs `b`, which lies there twice in two versions.
pub struct Output(pub tempfile::TempDir);

impl Output {
    pub fn new() -> Self {
        let output = Self(tempfile::tempdir().unwrap());
        output.put("bin/opencode", "the launcher");
        output.put("lib/opencode/bin/opencode", "the binary");
        output.put("cache/bin/rg", "rg");
        output.put("share/models.json", "{}");
        output.put("cache/packages/a@latest/package.json", r#"{"dependencies":{"a":"1.0.0","b":"1"}}"#);
        output.put("cache/packages/a@latest/package-lock.json", "{}");
        output.package(
            "node_modules/a",
            json!({"name": "a", "version": "1.0.0", "license": "MIT", "dependencies": {"b": "^2"}}),
        );
        output.put(&format!("{TREE}/node_modules/a/LICENSE"), "MIT, the text");
        output.put(&format!("{TREE}/node_modules/a/index.js"), "x");
        output.put(&format!("{TREE}/node_modules/a/dist/package.json"), r#"{"type":"module"}"#);
        output.package(
            "node_modules/a/node_modules/b",
            json!({"name": "b", "version": "2.0.0", "licenses": [{"type": "MIT"}, {"type": "ISC"}]}),
        );
        output.package("node_modules/b", json!({"name": "b", "version": "1.0.0"}));
        output.put(&format!("{TREE}/node_modules/b/LICENSE"), "MIT, the text");
        output.package(
            "node_modules/@s/c",
            json!({"name": HOSTILE, "version": "1", "license": "SEE LICENSE IN x"}),
        );
        let placed = |id: &str| json!({"path": "node_modules/x", "id": id, "digest": "x"});
        let packages = [placed("a@1.0.0"), placed("b@2.0.0"), placed("b@1.0.0"), placed("@s/c@1.0.0")];
        let contents = json!({
            "version": 1, "opencode": "1.18.33", "system": "x86_64-linux", "profile": "offline", "lock": lock_integrity(), "models": {},
            "exercises": {"plugin:a": {"path": TREE, "spec": "a", "bytes": 1, "packages": packages}},
            "programs": {"ripgrep": {"path": "cache/bin/rg", "from": "@vscode/ripgrep-linux-x64@1.18.0", "bytes": 2, "digest": "x"}},
        });
        output.put("manifest.json", &contents.to_string());
        output
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join(NAME)
    }

    pub fn put(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn package(&self, place: &str, manifest: Value) {
        self.put(&format!("{TREE}/{place}/package.json"), &manifest.to_string());
    }

    pub fn told(&self) -> Inventory {
        collect(&Source::read(&self.path(), None).unwrap(), None).unwrap()
    }
}

/// The repository's own lock, of which this output says that it was built from it.
pub const LOCK: &str = include_str!("../../../../opencode.lock.json");

fn lock_integrity() -> String {
    lock::Sri::of(lock::Algorithm::Sha256, LOCK.as_bytes()).to_string()
}
