//! From Rust's runtime to [`launch`], for macOS. Undoes what the runtime did to SIGPIPE.

use core::ffi::CStr;
use opencode_cache_wrapper::launch;
use opencode_cache_wrapper::process::{CANNOT_EXECUTE, Execute, Started};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The program, as Rust's runtime calls it.
pub fn main() -> ExitCode {
    let variables: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let variable = [name.into_vec(), b"=".to_vec(), value.into_vec()].concat();
            CString::new(variable).ok()
        })
        .collect();
    let mut environment = variables.iter().map(CString::as_c_str);
    let status = launch(Started { environment: &mut environment, execute: &Library });
    ExitCode::from(u8::try_from(status).unwrap_or(CANNOT_EXECUTE as u8))
}

/// What the system library does.
struct Library;

impl Execute for Library {
    fn execute(&self, path: &CStr, environment: &mut dyn Iterator<Item = &CStr>) -> Errno {
        let mut command = Command::new(OsStr::from_bytes(path.to_bytes()));
        command.env_clear();
        command.args(std::env::args_os().skip(1));
        command.envs(environment.filter_map(|variable| {
            let text = variable.to_bytes();
            let at = text.iter().position(|byte| *byte == b'=')?;
            Some((
                OsStr::from_bytes(text.get(..at)?).to_owned(),
                OsStr::from_bytes(text.get(at + 1..)?).to_owned(),
            ))
        }));
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        // `exec` gives SIGPIPE back its default, as it was before the runtime.
        command.exec().raw_os_error().map_or(Errno::INVAL, Errno::from_raw_os_error)
    }
}
