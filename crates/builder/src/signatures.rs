//! What is believed of what a registry states: signatures, attestations, and that a pinned version is still what it was. Owns the policy: which
//! verdicts go into a lock, which are told, and which refuse it. Nothing here is asked twice that a lock knows.

mod attested;
mod recheck;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use ::trust::{Claim, Keys, Sigstore, Verdict};
use lock::{
    Artifact, ArtifactSource, Attestation, Field, Instant, Lock, Package, PackageId, PackageName, Signature,
    SignaturePolicy, Sri, Trust,
};
use replay::registry::{Answer, BaseRecord, Lookup, Release, Upstream};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::resolve;

pub use recheck::{Finding, Recheck, Report};
pub(crate) use refusal::some;
pub use refusal::{Error, Reason, Refusal};

/// Questions that are under way at once: what a registry takes from one client without complaint.
const AT_ONCE: usize = 16;

/// What a registry says of one version now.
#[derive(Debug, Clone)]
pub(crate) enum Stated {
    /// It is there.
    There {
        /// Its document.
        release: Box<Release>,
        /// When it was published, where that had to be asked.
        published: Option<String>,
    },
    /// It is not, or not any more.
    Gone,
}

/// Judges everything that gets into one lock.
#[derive(Debug)]
pub struct Judge<'a> {
    keys: Keys,
    policy: &'a Trust,
    locked: Option<&'a Lock>,
    pins: BTreeMap<PackageId, Sri>,
    /// Packages of which the lock that is there has a version with a verified signature, and that signature's state.
    vouched: BTreeMap<PackageName, Signature>,
    now: Instant,
    states: BTreeMap<PackageId, Signature>,
    sigstore: Sigstore,
    /// What was seen, and whose attestations nobody has looked at yet.
    unattested: BTreeMap<PackageId, attested::Asked>,
    /// Those that were looked at: who built it, where that is attested.
    attested: BTreeMap<PackageId, Option<Attestation>>,
    /// By what a lock calls it: `name@version`, or an artifact's source.
    refusals: BTreeMap<String, Reason>,
    notes: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    /// One for a manifest's policy; `locked` is the lock that there is, also where everything is resolved anew.
    pub fn new(policy: &'a Trust, locked: Option<&'a Lock>) -> Self {
        let vouched = |(id, state): (&PackageId, &Signature)| {
            matches!(state, Signature::Verified { .. }).then(|| (id.name.clone(), state.clone()))
        };
        let pins = locked.map(Lock::npm_pins).unwrap_or_default();
        Self {
            keys: Keys::with(&policy.keys),
            policy,
            locked,
            pins: pins.into_iter().map(|(id, sri)| (id, sri.clone())).collect(),
            vouched: locked.into_iter().flat_map(|lock| &lock.signatures).filter_map(vouched).collect(),
            now: now(),
            states: BTreeMap::new(),
            sigstore: Sigstore::public(),
            unattested: BTreeMap::new(),
            attested: BTreeMap::new(),
            refusals: BTreeMap::new(),
            notes: BTreeSet::new(),
        }
    }

    /// Judges what a recorder saw of a version that is pinned as `pinned`.
    pub(crate) fn recorded(&mut self, id: &PackageId, pinned: &Sri, record: &BaseRecord) {
        if let Some(Answer::Found(packument)) = record.packuments.get(&id.name)
            && let Some(release) = packument.versions.get(&id.version)
        {
            let published = packument.times.get(&id.version).map(String::as_str);
            self.see(id, pinned, release, published);
        }
    }

    /// Judges what is stated of a version that is pinned as `pinned`.
    fn see(&mut self, id: &PackageId, pinned: &Sri, release: &Release, published: Option<&str>) {
        if self.refusals.contains_key(&id.to_string()) {
            return;
        }
        let stated = release.integrity.as_ref().unwrap_or(pinned);
        // Hashes of two algorithms cannot be compared, and "cannot be compared" is no reason to believe.
        let other = if stated == pinned {
            self.pins.get(id).filter(|locked| *locked != pinned)
        } else {
            Some(pinned)
        };
        if let Some(locked) = other {
            let reason = Reason::Changed { locked: locked.clone(), stated: stated.clone() };
            self.refusals.insert(id.to_string(), reason);
            return;
        }
        self.deprecated(id, release);
        self.attestations_are_at(id, pinned, release.attestations.as_ref());
        if self.states.contains_key(id) {
            return;
        }
        let claim = Claim { id, integrity: pinned, signatures: &release.signatures, published };
        let verdict = self.keys.judge(&claim, self.now);
        match self.follows(id, &verdict) {
            Ok(state) => _ = self.states.insert(id.clone(), state),
            Err(reason) => _ = self.refusals.insert(id.to_string(), reason),
        }
    }

    /// What follows from a verdict: a state for the lock, or a reason to write none.
    fn follows(&mut self, id: &PackageId, verdict: &Verdict) -> Result<Signature, Reason> {
        let reason = match verdict {
            Verdict::Verified { key } => {
                let state = Signature::Verified { key: key.clone() };
                self.rotated(id, &state);
                return Ok(state);
            }
            // That says something about the bytes, and nobody can be excepted from it.
            Verdict::Forged { key } => return Err(Reason::Forged { key: key.to_string() }),
            _ if self.policy.excepts(&id.name) => return Ok(Signature::Unsigned),
            Verdict::Expired { key, until, published } => {
                return Err(Reason::Expired {
                    key: key.to_string(),
                    until: *until,
                    published: published.clone(),
                });
            }
            Verdict::Undated { key, until } => Reason::Undated { key: key.to_string(), until: *until },
            Verdict::UnknownKey { key } => Reason::UnknownKey { key: key.clone() },
            Verdict::Unsigned => match self.vouched.get(&id.name) {
                Some(before) => return Err(Reason::Downgraded { before: before.to_string() }),
                None => Reason::Required,
            },
        };
        if self.policy.signatures == SignaturePolicy::Require || self.vouched.contains_key(&id.name) {
            return Err(reason);
        }
        self.notes.extend(reason.note());
        Ok(Signature::Unsigned)
    }

    /// Tells where another key signs a version now than when it was locked. Both are trusted, so it is no error.
    fn rotated(&mut self, id: &PackageId, state: &Signature) {
        let before = self.locked.and_then(|lock| lock.signatures.get(id));
        if let Some(Signature::Verified { key: before }) = before.filter(|before| *before != state)
            && let Signature::Verified { key } = state
        {
            self.notes.insert(format!("signature-rotated: {id} is signed with {key}, and was with {before}"));
        }
    }

    /// Tells where a pinned version has been deprecated since. It is there, and stays what it was.
    fn deprecated(&mut self, id: &PackageId, release: &Release) {
        let Some(text) = release.manifest.get("deprecated").and_then(Value::as_str) else { return };
        let locked = self.locked.and_then(|lock| lock.packages.get(id));
        let is_known =
            |package: &Package| package.manifest.fields().any(|(field, _)| field == Field::Deprecated);
        if !text.is_empty() && locked.is_some_and(|package| !is_known(package)) {
            let text: String = text.chars().filter(|one| !one.is_control()).take(200).collect();
            self.notes
                .insert(format!("pin-deprecated: {id} has been deprecated since it was locked: {text}"));
        }
    }

    fn is_required(&self, name: &PackageName) -> bool {
        self.policy.signatures == SignaturePolicy::Require && !self.policy.excepts(name)
    }

    /// Judges what a lock pins and nobody has judged yet. What `old` pins too keeps what is said of it there, and is asked for only where
    /// the policy wants more than that; of what was resolved just now the registry's answer is remembered.
    pub(crate) async fn pins(
        &mut self,
        lock: &Lock,
        old: Option<&Lock>,
        upstream: &Upstream,
    ) -> Result<(), resolve::Error> {
        let kept = old.map(Lock::npm_pins).unwrap_or_default();
        let mut ask = BTreeMap::new();
        for (id, pinned) in lock.npm_pins() {
            if self.states.contains_key(&id) || self.refusals.contains_key(&id.to_string()) {
                continue;
            }
            let state = old.and_then(|old| old.signatures.get(&id));
            let is_kept = kept.get(&id) == Some(&pinned);
            let is_enough = matches!(state, Some(Signature::Verified { .. })) || !self.is_required(&id.name);
            if is_kept && is_enough {
                self.keep_attestation(&id, old);
                self.states.extend(state.map(|state| (id, state.clone())));
            } else {
                ask.insert(id, pinned.clone());
            }
        }
        self.ask(ask, upstream).await
    }

    /// Judges an artifact that is run, whether it is locked or not.
    pub(crate) async fn artifact(
        &mut self,
        artifact: &Artifact,
        upstream: &Upstream,
    ) -> Result<(), resolve::Error> {
        let ArtifactSource::Npm { package, version } = &artifact.source else { return Ok(()) };
        let id = package.at(version.clone());
        self.ask(BTreeMap::from([(id, artifact.integrity.clone())]), upstream).await
    }

    /// Asks the registry about versions that are pinned, and judges what it says.
    pub(crate) async fn ask(
        &mut self,
        pins: BTreeMap<PackageId, Sri>,
        upstream: &Upstream,
    ) -> Result<(), resolve::Error> {
        let mut asking = JoinSet::new();
        let mut left = pins.into_iter();
        loop {
            while asking.len() < AT_ONCE
                && let Some((id, pinned)) = left.next()
            {
                let (upstream, keys, now) = (upstream.clone(), self.keys.clone(), self.now);
                asking.spawn(async move {
                    let stated = stated(&upstream, &keys, &id, &pinned, now).await;
                    (id, pinned, stated)
                });
            }
            let Some(done) = asking.join_next().await else { return self.attest(upstream).await };
            let (id, pinned, stated) = done.map_err(|_| resolve::Error::Worker)?;
            match stated? {
                Stated::There { release, published } => {
                    self.see(&id, &pinned, &release, published.as_deref())
                }
                Stated::Gone => _ = self.refusals.insert(id.to_string(), Reason::Gone),
            }
        }
    }

    /// Refuses whatever has other bytes than the lock that is there, wherever it comes from and whoever looked at it before.
    pub(crate) fn unchanged(&mut self, lock: &Lock) {
        let Some(locked) = self.locked else { return };
        let changed =
            |locked: &Sri, stated: &Sri| Reason::Changed { locked: locked.clone(), stated: stated.clone() };
        for artifact in lock.artifacts() {
            let before = locked.artifacts().find(|before| before.source == artifact.source);
            if let Some(before) = before.filter(|before| before.integrity != artifact.integrity) {
                let reason = changed(&before.integrity, &artifact.integrity);
                self.refusals.insert(artifact.source.to_string(), reason);
            }
        }
        for (id, package) in &lock.packages {
            if let Some(before) = self.pins.get(id).filter(|before| **before != package.integrity) {
                self.refusals.insert(id.to_string(), changed(before, &package.integrity));
            }
        }
    }

    /// What there is to tell.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// Refuses, where there is a reason.
    ///
    /// # Errors
    /// With every reason that was found.
    pub fn check(&self) -> Result<(), Error> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let refusal =
            |(what, reason): (&String, &Reason)| Refusal { what: what.clone(), reason: reason.clone() };
        Err(Error { refusals: self.refusals.iter().map(refusal).collect() })
    }

    /// Writes what was judged into a lock.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn finish(self, lock: &mut Lock) -> Result<(), Error> {
        self.check()?;
        lock.signatures = self.states;
        lock.attestations = self.attested.into_iter().filter_map(|(id, by)| Some((id, by?))).collect();
        Ok(())
    }
}

/// Now, as this machine's clock has it.
fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// What a registry states of a version. Publish times stand in the whole packument only, which is asked for where a key has come to its
/// end and the time decides.
async fn stated(
    upstream: &Upstream,
    keys: &Keys,
    id: &PackageId,
    pinned: &Sri,
    now: Instant,
) -> Result<Stated, resolve::Error> {
    let what = id.to_string();
    let release = match upstream.version(&id.name, &id.version.to_string()).await {
        Ok(Lookup::Absent { status: 404 | 410 }) => return Ok(Stated::Gone),
        answer => resolve::found(upstream, &id.name, &what, answer)?,
    };
    let claim = Claim { id, integrity: pinned, signatures: &release.signatures, published: None };
    let mut published = None;
    if let Verdict::Undated { .. } = keys.judge(&claim, now) {
        let packument = resolve::found(upstream, &id.name, &what, upstream.packument(&id.name).await)?;
        published = packument.times.get(&id.version).cloned();
    }
    Ok(Stated::There { release: Box::new(release), published })
}

/// What a lock lacks of what the policy wants; `None` where it lacks nothing. Asks nobody.
pub fn missing_from(policy: &Trust, lock: &Lock) -> Option<String> {
    if policy.signatures != SignaturePolicy::Require {
        return None;
    }
    let is_verified = |id: &PackageId| matches!(lock.signatures.get(id), Some(Signature::Verified { .. }));
    let without = lock.npm_pins().into_keys().filter(|id| !is_verified(id) && !policy.excepts(&id.name));
    let without: Vec<String> = without.map(|id| id.to_string()).collect();
    let some = refusal::some(&without);
    (!without.is_empty()).then(|| format!("signatures are required, and the lock has none of {some}"))
}
