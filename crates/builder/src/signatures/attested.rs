//! Who built what is pinned, as far as its registry has attestations: which of them are asked for, and what follows from a verdict.

use std::collections::BTreeMap;

use ::trust::Attested;
use lock::{AttestationPolicy, Lock, PackageId, Sri};
use replay::registry::{Lookup, Upstream};
use tokio::task::JoinSet;
use url::Url;

use super::refusal::some;
use super::{AT_ONCE, Judge, Reason};
use crate::resolve;

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;

/// What is to be asked of a version.
#[derive(Debug)]
pub(super) struct Asked {
    pinned: Sri,
    /// Where the registry says that its attestations are.
    at: Option<Url>,
}

impl Judge<'_> {
    /// Takes down where a registry says that the attestations of a version are that is pinned as `pinned`.
    pub(super) fn attestations_are_at(&mut self, id: &PackageId, pinned: &Sri, at: Option<&Url>) {
        let is_wanted = self.policy.attestations == AttestationPolicy::Prefer;
        if is_wanted && !self.attested.contains_key(id) {
            self.unattested.insert(id.clone(), Asked { pinned: pinned.clone(), at: at.cloned() });
        }
    }

    /// What is kept of a lock keeps what is said of it.
    pub(super) fn keep_attestation(&mut self, id: &PackageId, old: Option<&Lock>) {
        let before = old.and_then(|old| old.attestations.get(id));
        if self.policy.attestations == AttestationPolicy::Prefer {
            self.attested.extend(before.map(|before| (id.clone(), Some(before.clone()))));
        }
    }

    /// Asks for the attestations of all that was seen, one document each where a registry states that there is one, and judges them.
    pub(super) async fn attest(&mut self, upstream: &Upstream) -> Result<(), resolve::Error> {
        let mut asking = JoinSet::new();
        let mut unverifiable: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut left = std::mem::take(&mut self.unattested).into_iter();
        loop {
            while asking.len() < AT_ONCE
                && let Some((id, asked)) = left.next()
            {
                let (upstream, keys, sigstore) = (upstream.clone(), self.keys.clone(), self.sigstore.clone());
                asking.spawn(async move {
                    let document = match &asked.at {
                        None => Ok(None),
                        Some(url) => upstream.attestations(&id.name, url).await.map(Lookup::found),
                    };
                    let judge = |found: Option<_>| {
                        found.map_or(Attested::Not, |found| {
                            keys.attested(&sigstore, &id, &asked.pinned, &found)
                        })
                    };
                    let what = format!("{id} (attestations)");
                    let found =
                        document.map(judge).map_err(|source| resolve::Error::Upstream { what, source });
                    (id, found)
                });
            }
            let Some(done) = asking.join_next().await else { break };
            let (id, found) = done.map_err(|_| resolve::Error::Worker)?;
            let found = found?;
            if let Attested::Unverifiable { why } = &found {
                unverifiable.entry(why).or_default().push(id.to_string());
            }
            self.attests(id, found);
        }
        self.notes.extend(unverifiable.into_iter().map(|(why, packages)| {
            format!("attestation-unverifiable: {why}: counts as not attested: {}", some(&packages))
        }));
        Ok(())
    }

    /// What follows from a verdict: something for the lock to say, or a reason to write none.
    fn attests(&mut self, id: PackageId, found: Attested) {
        let by = match found {
            Attested::By(by) => Some(by),
            Attested::Not | Attested::Unverifiable { .. } => None,
            Attested::Forged { why } => return self.disbelieve(&id, Reason::AttestationForged { why }),
            Attested::OfOtherBytes { about } => {
                return self.disbelieve(&id, Reason::AttestationOfOtherBytes { about });
            }
        };
        let locked = self.locked;
        let is_lost = by.is_none() && locked.is_some_and(|locked| locked.expects_attestation(&id));
        if is_lost && !self.policy.excepts_attestation(&id.name) {
            return self.disbelieve(&id, Reason::AttestationLost);
        }
        if let (Some(by), Some(locked)) = (&by, locked) {
            let of_package = |(other, _): &(&PackageId, _)| other.name == id.name;
            let before = locked.attestations.iter().filter(of_package).map(|(_, before)| before);
            let before: Vec<_> = before.collect();
            if let Some(last) = before.last()
                && !before.iter().any(|before| before.repository() == by.repository())
            {
                let note =
                    format!("attestation-moved: {id} was built by {by}, and the package before by {last}");
                self.notes.insert(note);
            }
        }
        self.attested.insert(id, by);
    }

    fn disbelieve(&mut self, id: &PackageId, reason: Reason) {
        self.refusals.entry(id.to_string()).or_insert(reason);
    }
}
