//! Which output is meant, and whether it can be started.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use opencode_cache_doctor::{Error, Severity, Surroundings, examine};

use crate::stage::Stage;

#[test]
fn the_output_that_is_meant() {
    let mut stage = Stage::new();
    // By the wrapper on PATH, by a link, by the wrapper in it.
    let found = |stage: &Stage, named: Option<&str>| -> Result<PathBuf, Error> {
        examine(&stage.request(named.map(|name| stage.path(name)))).map(|report| report.output.into())
    };
    assert_eq!(found(&stage, None).unwrap(), stage.output('a'));
    stage.write_output('b', "online");
    stage.link(&stage.output('b'), &stage.path("project/result"));
    assert_eq!(found(&stage, None).unwrap(), stage.output('b'));
    assert_eq!(found(&stage, Some("project/result/bin/opencode")).unwrap(), stage.output('b'));
    assert_eq!(found(&stage, Some("home")).unwrap_err().code(), "output-unreadable");
    fs::remove_file(stage.path("project/result")).unwrap();
    stage.set("PATH", stage.path("home"));
    assert_eq!(found(&stage, None).unwrap_err().code(), "no-output");
}

#[test]
fn a_machine_in_order_has_no_problem() {
    let stage = Stage::new();
    stage.start('a');
    let report = stage.examine();
    assert_eq!(report.count(Severity::Problem), 0, "{report:?}");
    assert_eq!(report.opencode.as_deref(), Some("1.18.18"));
    // Every problem and every note that can be acted on says how; every check says something.
    for check in &report.checks {
        assert!(!check.findings.is_empty(), "{}", check.name);
    }
}

#[test]
fn a_damaged_output() {
    let stage = Stage::new();
    let root = stage.output('a');
    fs::remove_file(root.join("lib/opencode/bin/opencode")).unwrap();
    fs::write(root.join("manifest.json"), "{").unwrap();
    let codes = stage.findings("output").into_iter().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(codes, ["output-malformed", "output-no-binary"]);
    fs::write(root.join("linkmap"), "not a map").unwrap();
    let codes = stage.findings("output").into_iter().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(codes, ["linkmap-refused"]);
}

#[test]
fn a_start_that_is_strict() {
    let mut stage = Stage::new();
    stage.set("OPENCODE_CACHE_STRICT", "1");
    assert_eq!(stage.findings("output")[1].code, "strict");
}

#[test]
fn an_output_under_another_name() {
    let stage = Stage::new();
    fs::rename(stage.output('a'), stage.path("copy")).unwrap();
    let report = examine(&stage.request(Some(stage.path("copy")))).unwrap();
    assert_eq!(report.checks[0].findings[1].code, "output-unnamed");
}

#[test]
fn paths_that_are_no_text() {
    let stage = Stage::new();
    let mut request = stage.request(Some(stage.output('a')));
    let home = [stage.path("").into_os_string().into_vec(), b"h\xff\x1b".to_vec()].concat();
    let home = std::ffi::OsString::from_vec(home);
    fs::create_dir(&home).unwrap();
    request.surroundings = Surroundings::new([("HOME".into(), home)], stage.path("project"));
    let report = examine(&request).unwrap();
    let text = format!("{report:?}");
    assert!(text.contains("h\u{fffd}?/.cache-nix/opencode"), "{text}");
}
