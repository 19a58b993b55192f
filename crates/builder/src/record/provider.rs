//! Which version of a provider SDK is locked: the newest of the generation that the OpenCode holds, proved by a trial. A version that
//! the user wrote is theirs, and tried all the same.

use std::sync::Arc;

use lock::{ExerciseKind, PackageName, Spec, Version, Want};
use replay::registry::{Packument, Sight};

use super::Error;
use super::one::{One, Recorded};
use crate::generation::{self, MOST};
use crate::trial::Verdict;
use crate::{exercise, resolve};

impl One {
    pub(super) async fn provider(&self, spec: &Spec) -> Result<Recorded, Error> {
        let (Some(name), Some(want)) = (spec.name(), spec.want()) else { return Err(Error::Worker) };
        let tag = match want {
            Want::Unsaid => "latest",
            Want::Tag(tag) => tag,
            Want::Exact(_) | Want::Range(_) => return self.users_own(spec, name).await,
        };
        if self.sight.only.contains_key(name) {
            return self.users_own(spec, name).await;
        }
        let packument = self.packument(name).await?;
        let mut tried = Vec::new();
        for version in self.candidates(&packument, spec, tag)? {
            match self.attempt(&self.kind, name, &version).await? {
                Ok(mut recorded) => {
                    recorded.notes.extend(self.other_than_tagged(&packument, tag, &version));
                    return Ok(recorded);
                }
                Err(reason) => tried.push((version, reason)),
            }
        }
        Err(Error::NoSdk { name: self.name.clone(), package: name.clone(), tried })
    }

    /// The version that the user wrote, or that a pin of theirs or their range leads to: it is taken as it is. Where it does not
    /// work they are told, with one that does.
    async fn users_own(&self, spec: &Spec, name: &PackageName) -> Result<Recorded, Error> {
        let (mut recorded, verdict) = self.once(&self.kind, &self.sight).await?;
        let reason = match verdict {
            Some(Verdict::Works(proof)) => {
                recorded.proof = Some(proof);
                return Ok(recorded);
            }
            Some(Verdict::Fails(reason)) => reason,
            None => return Ok(recorded),
        };
        let taken: Vec<String> =
            recorded.resolved.iter().filter(|id| id.name == *name).map(ToString::to_string).collect();
        let better = match self.another(name, &recorded).await? {
            Some(version) => format!("{name}@{version} works"),
            None => "no other version was found that works".to_owned(),
        };
        recorded.notes.push(format!(
            "{spec} does not work with this OpenCode ({} was tried: {reason}); {better}",
            taken.join(", ")
        ));
        Ok(recorded)
    }

    /// Another version than those that were resolved, which works.
    async fn another(&self, name: &PackageName, recorded: &Recorded) -> Result<Option<Version>, Error> {
        let packument = self.packument(name).await?;
        let candidates = generation::candidates(&packument, "latest", self.generation);
        let others =
            candidates.into_iter().filter(|version| !recorded.resolved.contains(&name.at(version.clone())));
        // Asked for by its bare name, so that any version may be shown.
        let kind = ExerciseKind::Provider { spec: name.clone().into() };
        for version in others.take(MOST - 1) {
            if self.attempt(&kind, name, &version).await?.is_ok() {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Tries one version: what was recorded, or why it does not work.
    async fn attempt(
        &self,
        kind: &ExerciseKind,
        name: &PackageName,
        version: &Version,
    ) -> Result<Result<Recorded, String>, Error> {
        let mut sight = self.sight.clone();
        sight.only.insert(name.clone(), version.clone());
        match self.once(kind, &sight).await {
            Ok((mut recorded, Some(Verdict::Works(proof)))) => {
                recorded.proof = Some(proof);
                Ok(Ok(recorded))
            }
            Ok((_, Some(Verdict::Fails(reason)))) => Ok(Err(reason)),
            Ok((recorded, None)) => Ok(Ok(recorded)),
            Err(Error::Exercise { source: error @ exercise::Error::Incomplete { .. }, .. }) => {
                let text = error.to_string();
                Ok(Err(text.lines().next().unwrap_or_default().to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// All of the package that may be seen.
    async fn packument(&self, name: &PackageName) -> Result<Arc<Packument>, Error> {
        let found =
            resolve::found(self.origin.upstream(), name, name.as_str(), self.origin.packument(name).await)?;
        // The candidates are chosen from what a day leaves, whatever is pinned.
        let sight = Sight { only: Default::default(), ..self.sight.clone() };
        sight.shown(&found).map_err(|hidden| self.hidden(name, &hidden))
    }

    fn candidates(&self, packument: &Packument, spec: &Spec, tag: &str) -> Result<Vec<Version>, Error> {
        let candidates = match tag {
            "latest" => generation::candidates(packument, tag, self.generation),
            tag if packument.tags.contains_key(tag) => {
                generation::candidates(packument, tag, self.generation)
            }
            _ => Vec::new(),
        };
        if candidates.is_empty() {
            return Err(Error::Resolve(resolve::Error::Absent { what: spec.to_string(), status: 404 }));
        }
        Ok(candidates)
    }

    /// That another version was taken than the one that the tag names.
    fn other_than_tagged(&self, packument: &Packument, tag: &str, taken: &Version) -> Option<String> {
        let tagged = packument.tags.get(tag).filter(|tagged| *tagged != taken)?;
        let name = &packument.name;
        let wanted = packument.versions.get(tagged).map(generation::of).unwrap_or_default();
        let why = match self.generation {
            Some(own) if !wanted.is_empty() && !wanted.contains(&own) => {
                let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
                format!(
                    "is made for generation {} of the AI SDK, and this OpenCode holds {own}",
                    wanted.join(", ")
                )
            }
            _ => "does not work with this OpenCode".to_owned(),
        };
        Some(format!("{name}@{taken} is taken: {tagged}, which {tag:?} names, {why}"))
    }
}
