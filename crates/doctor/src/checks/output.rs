//! Whether the output is one that can be started here.

use lock::System;

use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::surroundings::is_program;

/// What to do with a damaged output.
const BUILD_AGAIN: &str = "build the output again; `opencode-cache verify` says what is damaged";

/// Looks at the output's name, description and binary.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let (subject, root) = (case.subject, shown(&case.subject.root));
    let mut findings = Vec::new();
    match &subject.contents {
        Ok(contents) => {
            let text =
                format!("OpenCode {}, {}, profile {}", contents.opencode, contents.system, contents.profile);
            findings.push(Finding::ok("output", &root, text));
            if System::host() != Some(contents.system) {
                let here = System::host().map_or("of another kind", System::as_str);
                let text = format!("it is for {}, and this machine is {here}", contents.system);
                findings.push(
                    Finding::problem("output-other-system", &root, text).next("build it on this machine"),
                );
            }
        }
        Err(error) => {
            let text = format!("its description cannot be used: {error}");
            findings.push(Finding::problem("output-malformed", &root, text).next(BUILD_AGAIN));
        }
    }
    if !case.start.is_named_by_digest {
        let text = "a start lays nothing: links to a directory without the digest in its name would not be known as ours";
        findings.push(
            Finding::problem("output-unnamed", &root, text)
                .next("start it as `build` made it, <digest>-opencode-cache, not as a copy of another name"),
        );
    }
    if case.surroundings.get("OPENCODE_CACHE_STRICT").is_some_and(|value| value == "1") {
        let text = "OpenCode is not started where anything could not be laid";
        findings.push(Finding::note("strict", "OPENCODE_CACHE_STRICT", text));
    }
    let binary = subject.binary();
    if !is_program(&binary) {
        let text = "the real OpenCode is missing or cannot be executed";
        findings.push(Finding::problem("output-no-binary", shown(&binary), text).next(BUILD_AGAIN));
    }
    findings
}
