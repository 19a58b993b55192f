//! Providers that are named, and SDKs that nothing has to be run for: what the release binary says of both.

use std::collections::BTreeMap;
use std::path::Path;

use lock::{Exercise, ExerciseKind, ExerciseName, Lock, System};

use super::{Error, Recording};
use crate::progress::Event;
use crate::release::Release;
use crate::signatures::Judge;

impl Recording<'_> {
    /// What the catalogue says of the providers that are named: as the old lock has it, or as the binary does.
    pub(super) async fn providers(
        &self,
        lock: &mut Lock,
        judge: &mut Judge<'_>,
        kept: Option<&Lock>,
        host: System,
    ) -> Result<(), Error> {
        let by_name = &self.wishes.by_name;
        if let Some(known) = by_name.known_from(kept.map_or(&BTreeMap::new(), |old| &old.providers))
            && (kept.is_some() || by_name.built_in.is_empty())
        {
            lock.providers = known;
            return Ok(());
        }
        let release = self.release(&self.binary(lock, judge, host).await?).await?;
        let (sdks, notes) = by_name.look_up(&release, &lock.opencode)?;
        lock.providers = sdks;
        notes.iter().for_each(|note| self.progress.event(Event::Note(note)));
        Ok(())
    }

    /// Nothing is run for an SDK that the binary says it has: it would find nothing to install.
    pub(super) async fn without_built_in(
        &self,
        lock: &mut Lock,
        mut anew: BTreeMap<ExerciseName, ExerciseKind>,
        binary: &Path,
    ) -> Result<BTreeMap<ExerciseName, ExerciseKind>, Error> {
        if !anew.values().any(|kind| matches!(kind, ExerciseKind::Provider { .. })) {
            return Ok(anew);
        }
        let release = self.release(binary).await?;
        anew.retain(|name, kind| {
            let built_in = matches!(kind, ExerciseKind::Provider { spec } if release.has(spec.as_str()));
            if built_in {
                lock.exercises.insert(name.clone(), Exercise::empty(kind.clone()));
            }
            !built_in
        });
        Ok(anew)
    }

    async fn release(&self, binary: &Path) -> Result<Release, Error> {
        let path = binary.to_path_buf();
        let read = tokio::task::spawn_blocking(move || {
            Release::read(&path).map_err(|source| Error::Release { path, source })
        });
        read.await.map_err(|_| Error::Worker)?
    }
}
