//! SBOMs are what the forms' own validators accept: CycloneDX's schema (strict) and SPDX's tools, as `.ci/validators` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use lock::Lock;
use report::{Source, collect, cyclonedx, spdx};

use crate::support::{LOCK, Output};

const PROGRAM: &str = r#"
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for path in sys.argv[1:]:
    if path.endswith(".cdx.json"):
        found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(path).read())
        if found: sys.exit(f"{path}: {found}")
    else:
        found = validate_full_spdx_document(parse_file(path))
        if found: sys.exit(f"{path}: {[one.validation_message for one in found][:5]}")
"#;

/// Where `.ci/validators` puts them.
fn validators() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("validators/python");
    if path.join("complete").exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "run .ci/validators: {} is not there",
        path.display()
    );
    eprintln!("not run: .ci/validators was not");
    None
}

#[test]
fn both_forms_are_valid() {
    let Some(path) = validators() else { return };
    let output = Output::new();
    output.put("lib/opencode/libc/libc.so.6", "libc");
    output.put("lib/opencode/libc/doc/libc6/copyright", "its terms");
    let manifest = std::fs::read_to_string(output.path().join("manifest.json")).unwrap();
    output.put(
        "manifest.json",
        &manifest.replace("\"models\":{}", "\"models\":{},\"libraries\":{\"libc6\":\"2.36-9+deb12u14\"}"),
    );
    let lock = Lock::parse(LOCK).unwrap();
    let source = Source::read(&output.path(), None).unwrap();
    let mut files = Vec::new();
    for (name, lock) in [("with", Some((&lock, LOCK))), ("without", None)] {
        let inventory = collect(&source, lock).unwrap();
        assert_eq!(inventory.with_lock, lock.is_some());
        assert!(inventory.components.iter().any(|one| one.label() == "libc6@2.36-9+deb12u14"));
        for (end, text) in
            [("cdx.json", cyclonedx::render(&inventory)), ("spdx.json", spdx::render(&inventory))]
        {
            let file = output.0.path().join(format!("{name}.{end}"));
            std::fs::write(&file, text).unwrap();
            files.push(file);
        }
    }
    // One that is not, so that it is known that they look.
    let broken = output.0.path().join("broken.cdx.json");
    std::fs::write(&broken, std::fs::read_to_string(&files[0]).unwrap().replace("\"library\"", "\"thing\""))
        .unwrap();
    let run = |files: &[PathBuf]| {
        Command::new("python3").args(["-c", PROGRAM]).args(files).env("PYTHONPATH", &path).output().unwrap()
    };
    let accepted = run(&files);
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    assert!(!run(&[broken]).status.success());
}
