//! Whose a place is. A start as another user (`sudo` that kept HOME) would leave files there that their
//! owner can neither replace nor remove; and what somebody else may change is no place for a cache.

use crate::bytes::split;
use crate::failure::{Advice, Failure};
use rustix::fs::{AtFlags, CWD, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Refuses a root that belongs to another user, or would come to stand in a directory that does. What belongs
/// to the system's administrator is for its permissions to decide.
pub fn check(root: &[u8]) -> Result<(), Failure> {
    let own = geteuid().as_raw();
    let mut path = root;
    loop {
        match statat(CWD, if path.is_empty() { b"/" } else { path }, AtFlags::empty()) {
            Ok(found) if found.st_uid == own || found.st_uid == 0 => return Ok(()),
            Ok(_) => {
                let cause = b"it belongs to another user";
                return Err(Failure::because("write to", path, cause, Advice::OwnHome));
            }
            Err(Errno::NOENT) => {}
            // Opening it will fail too, and says why.
            Err(_) => return Ok(()),
        }
        match split(path).0 {
            Some(above) => path = above,
            None => return Ok(()),
        }
    }
}
