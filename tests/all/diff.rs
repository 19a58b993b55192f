//! `diff` compares two locks or two outputs, in words, in Markdown and as JSON; and status 1 says that anything is not the same.

use serde_json::Value;
use testkit::cli::Place;
use testkit::output::Output;
use testkit::site::Site;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("two_locks", two_locks),
    case("an_output_is_itself", an_output_is_itself),
    case("what_cannot_be_compared", what_cannot_be_compared),
];

fn two_locks() {
    let site = Site::empty();
    let lock = site.read("opencode.lock.json").unwrap();
    let mut changed: Value = serde_json::from_str(&lock).unwrap();
    changed["models"]["somebody"] = 7.into();
    site.write("new.json", &changed.to_string()).unwrap();
    assert_eq!(site.run(&["diff", "opencode.lock.json"]).unwrap().succeeds(), "");

    let arguments = ["diff", "opencode.lock.json", "new.json"];
    let told = site.run(&arguments).unwrap();
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), "+  models  somebody  7\n"), "{}", told.stderr);
    let told = site.run(&[&arguments[..], &["--format", "md"]].concat()).unwrap();
    assert!(told.stdout.ends_with("| `+` | models | somebody | 7 |  |\n"), "{}", told.stdout);
    let told = site.run(&[&arguments[..], &["--json"]].concat()).unwrap();
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((told.code, &json["rows"][0]["to"]), (Some(1), &"7".into()));
    assert_eq!(json["rows"].as_array().unwrap().len(), 1);
}

fn an_output_is_itself() {
    let output = Output::shared().path();
    let run = Place::get().command(["diff"]).arg(output).arg(output).output().unwrap();
    assert_eq!((run.status.code(), run.stdout.as_slice()), (Some(0), &b""[..]));
}

fn what_cannot_be_compared() {
    let site = Site::empty();
    let output = Output::shared().path().to_str().unwrap();
    site.run(&["diff", "opencode.lock.json", output]).unwrap().fails_with_next_step(3, "diff-unlike");
    site.run(&["diff", "opencode.lock.json", "home"]).unwrap().fails_with_next_step(3, "output-unreadable");
    site.run(&["diff", "/dev/zero", "opencode.lock.json"]).unwrap().fails(3, "lock-unreadable");
}
