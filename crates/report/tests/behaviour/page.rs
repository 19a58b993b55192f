//! The page in a real browser, without a window: nothing leaves it, nothing hostile runs in it, and what it promises works, for eyes, keys
//! and screen readers, with five thousand packages too. `browser.mjs` drives Chromium over a pipe.

use std::path::{Path, PathBuf};
use std::process::Command;

use builder::currency::Row;
use lock::{About, Lock, compare};
use report::{Hosts, Inventory, Page, Proof, Source, collect};
use serde_json::json;

use crate::support::{HOSTILE, LOCK, NAME, Output};

fn told(output: &Output) -> Inventory {
    let lock = Lock::parse(LOCK).unwrap();
    collect(&Source::read(&output.path(), None).unwrap(), Some((&lock, LOCK))).unwrap()
}

fn changes() -> lock::Diff {
    let package = |name: &str, version: &str, bytes| About::Package.fact(name, version).bytes(bytes);
    let old =
        [package("a", "0.9.0", 4000), package("gone", "1.0.0", 7000), About::Opencode.fact("", "1.18.32")];
    let new = [
        package("a", "1.0.0", 9000),
        package("b", "2.0.0", 100),
        package(HOSTILE, "1", 1),
        About::Opencode.fact("", "1.18.33"),
    ];
    compare(old, new)
}

fn proof(output: &Output, inventory: &Inventory) -> Proof {
    let check = |name: &str, summary: &str| json!({"name": name, "profile": "offline", "network": "none", "seconds": 1.2, "attempts": 0, "summary": summary, "problems": []});
    let report = json!({
        "path": format!("/store/{NAME}"), "attempts": [], "apart": [], "hosts": [],
        "checks": [{"name": "bytes", "seconds": 0.1, "attempts": 0, "summary": "all hash to the name", "problems": []}, check("models", "92 providers"), check("run a", HOSTILE)],
    });
    let file = output.0.path().join("proof.json");
    std::fs::write(&file, report.to_string()).unwrap();
    Proof::read(&file, inventory).unwrap()
}

fn hosts() -> Hosts {
    let hosts = [("", "packages.example"), ("@s", HOSTILE)];
    Hosts(hosts.map(|(scope, host)| (scope.to_owned(), host.to_owned())).into())
}

/// Rows as `versions --results` keeps them.
fn versions() -> Vec<Row> {
    let good = json!({"version": "1.18.33", "verdict": "good", "lock": 1.0, "build": 2.0, "verify": 3.0, "packages": 5, "bytes": 1000});
    let newer = json!({"version": "1.18.34", "verdict": "verify-failed", "reason": HOSTILE});
    [good, newer].map(|row| serde_json::from_value(row).unwrap()).into()
}

#[test]
fn versions_are_told_the_newest_first_and_whether_a_newer_one_works() {
    let inventory = told(&Output::new());
    let mut rows = versions();
    let page = |rows: &[Row]| Page { versions: rows, ..Page::default() }.render(&inventory);
    let text = page(&rows);
    assert!(text.find("1.18.34").unwrap() < text.find(">1.18.33 <span class=\"quiet\">this one").unwrap());
    assert!(text.contains("None that is newer than this one is known to work."));
    rows[1].verdict = builder::currency::Verdict::Good;
    assert!(page(&rows).contains("1 version is newer and known to work."));
    assert!(!page(&[]).contains("id=\"versions\""));
}

fn chromium() -> Option<&'static str> {
    let there = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(there);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "chromium is needed and not on PATH");
        eprintln!("not run: there is no chromium");
    }
    found
}

/// Opens the pages, each with what is to be looked at there.
fn browse(pages: &[(&str, &Path)]) {
    let Some(chromium) = chromium() else { return };
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour/browser.mjs");
    let mut command = Command::new("node");
    command.arg(driver).arg(chromium);
    for (what, page) in pages {
        command.arg(format!("{what}={}", page.display()));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn write(output: &Output, name: &str, text: &str) -> PathBuf {
    let file = output.0.path().join(name);
    report::write(&file, text).unwrap();
    file
}

#[test]
fn a_browser_shows_what_is_inside_and_nothing_leaves() {
    let small = Output::new();
    let inventory = told(&small);
    let (diff, proof) = (changes(), proof(&small, &inventory));
    let (hosts, versions) = (hosts(), versions());
    let page = Page {
        changes: Some(("old.lock.json", &diff)),
        proof: Some(&proof),
        hosts: Some(&hosts),
        versions: &versions,
    };
    let text = page.render(&inventory);
    assert_eq!(text, page.render(&told(&Output::new())), "two runs, one page");
    let whole = write(&small, "whole.html", &text);
    let many = Output::new();
    for number in 0..5000 {
        let manifest = json!({
            "name": format!("package-{number}"),
            "version": "1.0.0",
            "license": if number % 9 == 0 { "ISC" } else { "MIT" },
            "dependencies": {format!("package-{}", number / 2): "*"},
            "description": "x".repeat(1 + number % 997),
        });
        many.package(&format!("node_modules/package-{number}"), manifest);
    }
    let large = write(&many, "many.html", &Page::default().render(&told(&many)));
    assert!(std::fs::metadata(&large).unwrap().len() < 4_000_000);
    browse(&[("whole", &whole), ("many", &large)]);
}

#[test]
fn a_proof_of_another_output_is_refused() {
    let output = Output::new();
    let inventory = told(&output);
    for text in
        [r#"{"path":"/store/other-opencode-cache","checks":[],"attempts":[]}"#, "{}", "[", "{\"path\":7}"]
    {
        let file = write(&output, "proof.json", text);
        assert_eq!(Proof::read(&file, &inventory).unwrap_err().code(), "proof-malformed");
    }
}

#[test]
fn what_packages_say_of_themselves_is_text() {
    let output = Output::new();
    let inventory = told(&output);
    let diff = changes();
    let proof = proof(&output, &inventory);
    let page = Page {
        changes: Some(("<b>old</b>", &diff)),
        proof: Some(&proof),
        hosts: Some(&hosts()),
        versions: &versions(),
    };
    let text = page.render(&inventory);
    assert!(!text.contains("<img") && !text.contains("<b>old"));
    assert_eq!(text.matches("<script").count(), 2);
    assert_eq!(text.matches("</script>").count(), 2);
    // Not an address in it that a browser would follow by itself.
    assert!(
        !text.contains("src=\"")
            && !text.contains("http://")
            && !text.contains("https://")
            && !text.contains("url(")
    );
}
