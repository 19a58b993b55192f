//! Processor and temporary directory: what OpenCode's binary needs of the machine.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use builder::opencode::reads;
use memchr::memmem;
use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

use super::directories::unwritable;
use crate::case::Case;
use crate::finding::{Finding, shown};
use crate::surroundings::Surroundings;

/// What OpenCode unpacks there when its terminal interface starts, in bytes: two libraries and a third that it
/// removes again (1.18.18: 13.7, 5.6 and 0.5 MB).
const UNPACKED: u64 = 20_000_000;

/// Looks at both.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = processor(case).into_iter().collect();
    findings.push(temporary(case));
    findings.extend(own_temporary(case.surroundings));
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

/// bun unpacks native libraries at every start, and maps them. A start has it do so in the cache root; where
/// programs cannot be loaded from there, where everybody does; where not from there either, somewhere else.
fn temporary(case: &Case<'_>) -> Finding {
    let own = case.surroundings.get("BUN_TMPDIR").is_some();
    let (who, usual) = usual(case.surroundings);
    if own || !case.start.can_lend {
        return judge(&who, &usual);
    }
    if let Some(cache) = case.start.cache.as_deref().filter(|cache| may_execute(cache)) {
        return Finding::ok(
            "temporary",
            shown(cache),
            "OpenCode's libraries are unpacked in a directory of their own there",
        );
    }
    if !is_noexec(&usual) {
        return judge(&who, &usual);
    }
    let runtime = case.surroundings.absolute("XDG_RUNTIME_DIR").map(Path::to_path_buf);
    let others = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
    match runtime.into_iter().chain(others).find(|other| may_execute(other)) {
        Some(other) => {
            let text = format!(
                "the temporary directory ({who}) may not execute: a start takes one in {}",
                other.display()
            );
            Finding::note("temporary-elsewhere", shown(&usual), text)
        }
        None => judge(&who, &usual),
    }
}

/// Where OpenCode itself makes a directory before it does anything else.
fn own_temporary(surroundings: &Surroundings) -> Option<Finding> {
    let (who, path) = named(reads::TEMPORARY.get(1..).unwrap_or_default(), surroundings);
    let cause = unwritable(&path.join(reads::OWN_TEMPORARY))?.cause;
    let text = format!(
        "OpenCode makes a directory in the temporary directory ({who}), and ends where it cannot: {cause}"
    );
    Some(
        Finding::problem("temporary-unusable", shown(&path), text)
            .next("set TMPDIR to a directory of your own"),
    )
}

/// Where bun unpacks if nobody says otherwise, and who says it.
fn usual(surroundings: &Surroundings) -> (String, PathBuf) {
    named(&reads::TEMPORARY, surroundings)
}

/// The directory that the first of some variables names, else `/tmp`.
fn named(variables: &[&str], surroundings: &Surroundings) -> (String, PathBuf) {
    let named = variables.iter().find_map(|name| Some((*name, surroundings.filled(name)?)));
    match named {
        Some((name, value)) => (name.to_owned(), surroundings.directory().join(value)),
        None => ("the default".to_owned(), PathBuf::from("/tmp")),
    }
}

/// Whether a directory that is there, or could be made, may be written and may execute.
fn may_execute(directory: &Path) -> bool {
    let above = directory.ancestors().find(|path| path.exists());
    above.is_some_and(|above| !is_noexec(above) && may_write(above).is_ok())
}

fn is_noexec(path: &Path) -> bool {
    wrapper::private::forbids_programs(path.as_os_str().as_bytes())
}

fn may_write(path: &Path) -> std::io::Result<()> {
    Ok(accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

fn judge(who: &str, path: &Path) -> Finding {
    let problem = |code, reason: String| {
        Finding::problem(code, shown(path), format!("the temporary directory ({who}) {reason}"))
            .next("set BUN_TMPDIR to a directory of your own on a file system that may execute")
    };
    let lacks = "OpenCode's terminal interface cannot load its libraries";
    if !path.is_dir() {
        return problem("temporary-missing", format!("is not there, and OpenCode does not make it: {lacks}"));
    }
    if let Err(error) = may_write(path) {
        return problem("temporary-not-writable", format!("cannot be written: {error}; {lacks}"));
    }
    if is_noexec(path) {
        return problem("temporary-noexec", format!("may not execute: {lacks}"));
    }
    let free = statvfs(path).map_or(u64::MAX, |system| system.f_bavail.saturating_mul(system.f_frsize));
    if free < UNPACKED {
        return problem("temporary-full", format!("has {free} bytes left: {lacks}"));
    }
    Finding::ok(
        "temporary",
        shown(path),
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
