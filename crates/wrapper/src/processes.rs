//! The OpenCodes that run.

use crate::link::Target;
use crate::system;
use linkmap::names_output;

/// Whether the process of this number is an OpenCode, or a wrapper that is about to become one.
pub fn is_opencode(process: &[u8]) -> bool {
    system::program(process, &mut Target::new()).is_ok_and(names_output)
}

/// Calls `see` with the number of each process whose program lies in an output, and that program. This
/// process is none of them.
pub fn each_opencode(see: &mut dyn FnMut(&[u8], &[u8])) {
    system::each_other_process(&mut |process| {
        // Another user's cannot be read, and uses another home.
        let mut program = Target::new();
        if let Some(program) = system::program(process, &mut program).ok().filter(|path| names_output(path)) {
            see(process, program);
        }
    });
}
