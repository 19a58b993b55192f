//! Processor and temporary directory: what OpenCode's binary needs of the machine.

use std::path::PathBuf;

use builder::opencode::reads;
use memchr::memmem;
use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, accessat, statvfs};

use crate::case::Case;
use crate::finding::{Finding, shown};

/// What OpenCode unpacks there when its terminal interface starts, in bytes: two libraries and a third that it
/// removes again (1.18.18: 13.7, 5.6 and 0.5 MB).
const UNPACKED: u64 = 20_000_000;

/// Looks at both.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = processor(case).into_iter().collect();
    findings.push(temporary(case));
    findings
}

/// Of the processors of x86_64 some lack AVX2, and of the release binaries some need it.
fn processor(case: &Case<'_>) -> Option<Finding> {
    let contents = case.subject.contents.as_ref().ok()?;
    if contents.system.npm_cpu() != "x64" {
        return None;
    }
    let flags = case.surroundings.processor().and_then(flags)?;
    if flags.split(|byte| *byte == b' ').any(|flag| flag == b"avx2") {
        return Some(Finding::ok("avx2", "processor", "has AVX2"));
    }
    let finding = match case.release.needs_avx2 {
        Some(false) => {
            Finding::ok("avx2-not-needed", "processor", "has no AVX2, and this OpenCode needs none")
        }
        Some(true) => {
            let text = "has no AVX2, which this OpenCode needs: it ends with an illegal instruction";
            Finding::problem("avx2-missing", "processor", text)
                .next("take a baseline variant of OpenCode, or another machine")
        }
        None => {
            let text = "has no AVX2, and whether this OpenCode needs it cannot be told";
            Finding::note("avx2-unknown", "processor", text).next("try `opencode --version`")
        }
    };
    Some(finding)
}

fn flags(description: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(description, b"\nflags")?;
    let line = description.get(at + 1..)?.split(|byte| *byte == b'\n').next()?;
    line.get(line.iter().position(|byte| *byte == b':')? + 1..)
}

/// bun unpacks native libraries there at every start, and maps them.
fn temporary(case: &Case<'_>) -> Finding {
    let named = reads::TEMPORARY.iter().find_map(|name| Some((*name, case.surroundings.filled(name)?)));
    let (who, path) = match named {
        Some((name, value)) => (name, case.surroundings.directory().join(value)),
        None => ("the default", PathBuf::from("/tmp")),
    };
    let problem = |code, reason: String| {
        Finding::problem(code, shown(&path), format!("the temporary directory ({who}) {reason}"))
            .next("set BUN_TMPDIR to a directory of your own on a file system that may execute")
    };
    let lacks = "OpenCode's terminal interface cannot load its libraries";
    if !path.is_dir() {
        return problem("temporary-missing", format!("is not there, and OpenCode does not make it: {lacks}"));
    }
    if let Err(error) = accessat(CWD, &path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        let error = std::io::Error::from(error);
        return problem("temporary-not-writable", format!("cannot be written: {error}; {lacks}"));
    }
    let Ok(system) = statvfs(&path) else {
        return Finding::note(
            "temporary-unknown",
            shown(&path),
            "its file system does not say what it allows",
        );
    };
    if system.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return problem("temporary-noexec", format!("may not execute: {lacks}"));
    }
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    if free < UNPACKED {
        return problem("temporary-full", format!("has {free} bytes left: {lacks}"));
    }
    Finding::ok(
        "temporary",
        shown(&path),
        format!("the temporary directory ({who}) may be written and may execute"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_first_processor() {
        let description =
            b"processor\t: 0\nflags\t\t: fpu avx2\nbugs\t: x\n\nprocessor\t: 1\nflags\t\t: fpu\n";
        assert_eq!(flags(description), Some(b" fpu avx2".as_slice()));
        assert_eq!(flags(b"processor: 0"), None);
    }
}
