//! A directory of the user's own outside HOME, for a start that cannot write there: what OpenCode insists
//! on having goes there, until the machine is started again.

use crate::bytes::{decimal, join, split};
use crate::environment::Environment;
use crate::failure::{Advice, Failure};
use crate::refresh::directory::open_root;
use crate::roots::Roots;
pub use crate::system::forbids_programs;
use alloc::vec::Vec;
use linkmap::Root;
use rustix::fs::{Access, AtFlags, CWD, Mode, accessat, mkdirat, statat, symlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Where OpenCode keeps keys, in its data directory; without them no provider answers.
const CREDENTIALS: &[u8] = b"auth.json";

/// Where bun unpacks libraries if nobody says otherwise (1.18.18: the first that is set).
pub fn usual_temporary<'e>(environment: &'e Environment<'_>) -> &'e [u8] {
    let named = [b"BUN_TMPDIR".as_slice(), b"TMPDIR", b"TMP", b"TEMP"];
    let named = named.into_iter().find_map(|name| environment.get(name).filter(|path| !path.is_empty()));
    named.unwrap_or(b"/tmp")
}

/// A directory that only this user can enter, created if need be; one from which libraries can be loaded,
/// if `for_programs`.
pub fn directory(environment: &Environment<'_>, for_programs: bool) -> Option<Vec<u8>> {
    let runtime = environment.get(b"XDG_RUNTIME_DIR");
    let others = [usual_temporary(environment), b"/tmp", b"/var/tmp", b"/dev/shm"];
    let own = geteuid().as_raw();
    let name = [b"opencode-cache-".as_slice(), &decimal(own)].concat();
    let absolute = |above: &&[u8]| above.starts_with(b"/");
    runtime.into_iter().chain(others).filter(absolute).find_map(|above| {
        let path = join(above, &name);
        match mkdirat(CWD, path.as_slice(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(_) => return None,
        }
        // In a directory for everybody somebody else may have been first.
        let found = statat(CWD, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let private = found.st_uid == own && found.st_mode & 0o170_077 == 0o040_000;
        (private && !(for_programs && forbids_programs(&path))).then_some(path)
    })
}

/// A variable, the directory of OpenCode's that it decides, and whether OpenCode must be able to write there.
type Place<'a> = (&'static [u8], Option<&'a [u8]>, bool);

/// What stands in for directories that OpenCode cannot have in HOME.
pub struct Private {
    directory: Vec<u8>,
    /// The variables that say so.
    pub lent: Vec<(&'static [u8], Vec<u8>)>,
}

impl Private {
    /// The directory that they are below.
    pub fn path(&self) -> &[u8] {
        &self.directory
    }
}

/// Finds a place for the directories that OpenCode cannot have in HOME: it creates them all before anything
/// else, and ends where it cannot (1.18.18). `None` where none is needed, or none is to be had.
pub fn replace(environment: &Environment<'_>, roots: &Roots) -> Option<Private> {
    let directories: [Place<'_>; 3] = [
        (b"XDG_DATA_HOME", roots.of(Root::Data), true),
        (b"XDG_STATE_HOME", roots.state(), false),
        (b"XDG_CONFIG_HOME", roots.of(Root::Config), false),
    ];
    let impossible =
        |(_, path, written): &(_, Option<&[u8]>, _)| path.is_some_and(|path| !is_possible(path, *written));
    if !roots.is_homeless() && !directories.iter().any(impossible) {
        return None;
    }
    let mut private = Private { directory: directory(environment, false)?, lent: Vec::new() };
    if roots.is_homeless() {
        let home = join(&private.directory, b"home");
        open_root(&home).ok()?;
        private.lent.push((b"HOME", home));
        return Some(private);
    }
    for (variable, path, _) in directories.into_iter().filter(impossible) {
        let replaced = join(&private.directory, variable);
        if let (b"XDG_DATA_HOME", Some(path)) = (variable, path) {
            let data = join(&replaced, b"opencode");
            if open_root(&data).is_ok() {
                let (keys, link) = (join(path, CREDENTIALS), join(&data, CREDENTIALS));
                let _ = symlinkat(keys.as_slice(), CWD, link.as_slice());
            }
        }
        private.lent.push((variable, replaced));
    }
    Some(private)
}

/// Why OpenCode would end though nothing had to be laid: it writes to its data directory at every start.
pub fn obstacle(roots: &Roots) -> Option<Failure> {
    let data = roots.of(Root::Data)?;
    match may_write(data) {
        Ok(()) => None,
        Err(Errno::NOENT) if is_possible(data, true) => None,
        Err(error) => Some(Failure::new("write to", data, error, Advice::MakeWritable)),
    }
}

/// Whether the user may write there.
pub fn may_write(path: &[u8]) -> Result<(), Errno> {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::empty())
}

/// Whether a directory is there, or can come to be; writable too, if `written`.
fn is_possible(path: &[u8], written: bool) -> bool {
    match accessat(CWD, path, Access::EXISTS, AtFlags::empty()) {
        Ok(()) => return !written || may_write(path).is_ok(),
        Err(Errno::NOENT) => {}
        Err(_) => return false,
    }
    let mut above = split(path).0;
    while let Some(directory) = above {
        match may_write(if directory.is_empty() { b"/" } else { directory }) {
            Err(Errno::NOENT) => above = split(directory).0,
            result => return result.is_ok(),
        }
    }
    false
}
