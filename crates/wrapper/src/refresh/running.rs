//! Which outputs have an OpenCode that runs. It may load a package for the first time after a newer
//! generation was laid, so what it could load stays until it has ended.

use crate::processes;
use alloc::vec::Vec;
use core::cell::OnceCell;
use linkmap::names_output;

/// The programs of running processes that lie in an output. Looked up once, when first asked for.
#[derive(Default)]
pub struct Running(OnceCell<Vec<Vec<u8>>>);

impl Running {
    /// Whether a program runs that lies in the output that `target` points into.
    pub fn has(&self, target: &[u8]) -> bool {
        let Some(output) = output_of(target) else { return false };
        let below =
            |program: &Vec<u8>| program.strip_prefix(output).is_some_and(|rest| rest.starts_with(b"/"));
        self.0.get_or_init(programs).iter().any(below)
    }
}

/// A path up to and with the component that names an output.
fn output_of(path: &[u8]) -> Option<&[u8]> {
    let mut end = path.len();
    loop {
        let above = path.get(..end)?;
        let start = above.iter().rposition(|byte| *byte == b'/')?;
        if names_output(above.get(start..)?) {
            return Some(above);
        }
        end = start;
    }
}

fn programs() -> Vec<Vec<u8>> {
    let mut programs = Vec::new();
    processes::each_opencode(&mut |_, program| programs.push(program.to_vec()));
    programs
}
