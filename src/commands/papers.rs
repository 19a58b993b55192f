//! What tells of the outputs of a bundle, for those who approve it.

use std::sync::Arc;

use builder::bundles::{Papers, Part, Role, Sha256};
use lock::{Algorithm, Sri};
use report::Source;
use report::source::Beside;

use crate::workplace::Workplace;

/// Those of each output of a bundle, with the lock where it is the one that the output was built from.
pub fn of_bundle(place: &Workplace) -> Papers {
    let lock = builder::lockfile::read(place.lock_path()).ok();
    Papers(Arc::new(move |told| {
        let beside = told.beside.iter().filter_map(|(part, listing)| Beside::of(part, listing)).collect();
        let digest = told.part.digest.to_string();
        let mut source = Source::listed(told.root, digest, told.listing.clone(), beside)?;
        let program = (Sha256::of(told.program), told.program.len() as u64);
        source.program = (!told.program.is_empty()).then_some(program);
        let lock = lock.as_ref().map(|(lock, text)| (lock, text.as_str()));
        Ok(report::papers::tree(&report::collect(&source, lock)?, &source))
    }))
}

/// Whether the lock in use is the one that all outputs were built from.
pub fn are_of(place: &Workplace, parts: &[Part]) -> bool {
    let Ok((_, text)) = builder::lockfile::read(place.lock_path()) else { return false };
    let lock = Sri::of(Algorithm::Sha256, text.as_bytes()).to_string();
    let mut outputs = parts.iter().filter(|part| part.role == Role::Output);
    outputs.all(|part| part.facts.get("lock") == Some(&lock))
}
