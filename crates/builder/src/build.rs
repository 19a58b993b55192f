//! Lock → output: fetch what is missing, check every byte, replay, settle, emit, commit, link.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lock::{Algorithm, Hasher, Lock, Profile, System};
use replay::registry::Upstream;
use replay::vendor::Vendor;
use tokio::task::JoinSet;
use tree::Store;

use crate::capture::Capture;
use crate::error::Error;
use crate::fetch::Pin;
use crate::progress::{Progress, timed};
use crate::{binary, capture, emit, fetch};

/// What a build works with.
pub struct Build {
    /// The lock.
    pub lock: Lock,
    /// Its text, byte for byte.
    pub lock_text: String,
    /// The system to build for.
    pub system: System,
    /// The profile.
    pub profile: Profile,
    /// Where downloads lie.
    pub vendor: Vendor,
    /// Our state: the store and the memory of finished builds.
    pub state: PathBuf,
    /// The link that is to lead to the output.
    pub link: PathBuf,
    /// A text that changes whenever the same lock may give other bytes, such as a hash of this
    /// program's sources: part of what a finished build is found by.
    pub rules: &'static str,
    /// The wrapper's bytes, for `system`.
    pub wrapper: &'static [u8],
    /// The restore plugin.
    pub restore: emit::Restore,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// A finished output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it was there already.
    pub was_there: bool,
}

impl Build {
    /// Where finished outputs lie.
    pub fn store_path(&self) -> PathBuf {
        self.state.join("store")
    }

    /// The output of an earlier build from the same inputs, linked; `None` when there is none.
    ///
    /// Looks at names only, so that doing nothing takes no time; `verify` looks at bytes.
    pub fn finished(&self) -> Result<Option<Built>, Error> {
        let Ok(name) = fs::read_to_string(self.memory()) else { return Ok(None) };
        let path = self.store_path().join(name.trim());
        if tree::store::digest_in(&path).is_none() || !path.is_dir() {
            return Ok(None);
        }
        tree::set_link(&self.link, &path)?;
        Ok(Some(Built { path, was_there: true }))
    }

    /// Whether every pinned file that a build needs is there and whole: then no registry has to be
    /// known. A damaged one is as good as none where there is a registry to ask.
    pub async fn is_provided(&self) -> Result<bool, Error> {
        let pins = self.pins()?;
        Ok(fetch::missing(&self.vendor, &pins).is_empty() && self.check(&pins, false).await.is_ok())
    }

    /// What has to lie in the vendor directory: what the wanted system needs, and the binary of
    /// this machine's.
    fn pins(&self) -> Result<Vec<Pin>, Error> {
        let mut pins = fetch::pins(&self.lock, &BTreeSet::from([self.system]))?;
        for pin in fetch::artifact_pins(self.host_artifact()?) {
            if !pins.contains(&pin) {
                pins.push(pin);
            }
        }
        Ok(pins)
    }

    fn host_artifact(&self) -> Result<&lock::Artifact, Error> {
        let host = binary::host()?;
        Ok(self.lock.systems.get(&host).ok_or(binary::Error::NotLocked { system: host })?)
    }

    /// Builds. `upstream` is asked for what is missing; without one, missing is an error.
    pub async fn run(&self, upstream: Option<&Upstream>) -> Result<Built, Error> {
        let pins = self.pins()?;
        self.provide(upstream, &pins).await?;
        let (vendor, artifact) = (self.vendor.clone(), self.host_artifact()?.clone());
        let unpacked = tokio::task::spawn_blocking(move || binary::unpacked(&vendor, &artifact));
        let host_binary = unpacked.await.map_err(|_| capture::Error::Worker)??;
        let store = Store::at(self.store_path())?;
        let staging = store.staging()?;
        let lock = Arc::new(self.lock.clone());
        let capture = Capture {
            lock,
            system: self.system,
            binary: host_binary,
            vendor: self.vendor.clone(),
            lent: Vec::new(),
            progress: self.progress.clone(),
        };
        capture.run(staging.path()).await?;
        timed(&*self.progress, "settle", async { self.commit(staging) }).await
    }

    /// Fetches what is missing, then hashes everything again: what lies in the vendor directory
    /// may have been damaged since it was written.
    async fn provide(&self, upstream: Option<&Upstream>, pins: &[Pin]) -> Result<(), Error> {
        let Some(upstream) = upstream else {
            fetch::require(&self.vendor, pins)?;
            return Ok(self.check(pins, false).await?);
        };
        fetch::fetch(&self.vendor, upstream, pins, &self.progress).await?;
        self.check(pins, true).await?;
        fetch::fetch(&self.vendor, upstream, pins, &self.progress).await?;
        Ok(())
    }

    /// Hashes every pin's file. A damaged one is removed where it can be had again.
    async fn check(&self, pins: &[Pin], remove: bool) -> Result<(), fetch::Error> {
        let mut running = JoinSet::new();
        for pin in pins.iter().cloned() {
            let vendor = self.vendor.clone();
            running.spawn(async move {
                let verified = vendor.verify(&pin.integrity).await;
                (pin, verified)
            });
        }
        while let Some(done) = running.join_next().await {
            let (pin, verified) = done.map_err(|_| fetch::Error::Worker)?;
            let failed = |source| fetch::Error::Vendor { what: pin.source.to_string(), source };
            match verified {
                Ok(_) => {}
                Err(_) if remove => self.vendor.remove(&pin.integrity).map_err(failed)?,
                Err(source) => return Err(failed(source)),
            }
        }
        Ok(())
    }

    fn commit(&self, staging: tree::Staging) -> Result<Built, Error> {
        let artifact =
            self.lock.systems.get(&self.system).ok_or(fetch::Error::System { system: self.system })?;
        let binary = binary::unpacked(&self.vendor, artifact)?;
        let catalogue = emit::catalogue(&self.lock, &self.vendor)?;
        let parts = emit::Parts {
            lock: &self.lock,
            lock_text: &self.lock_text,
            system: self.system,
            profile: self.profile,
            wrapper: self.wrapper,
            restore: self.restore,
            binary: &binary,
            vendor: &self.vendor,
            catalogue: catalogue.as_deref(),
        };
        emit::complete(staging.path(), &parts)?;
        let stored = staging.commit()?;
        tree::set_link(&self.link, stored.path())?;
        self.remember(stored.path())?;
        Ok(Built { path: stored.path().to_path_buf(), was_there: false })
    }

    /// Where the name of this build's output is remembered.
    fn memory(&self) -> PathBuf {
        let mut key = Hasher::new(Algorithm::Sha256);
        let head = format!("{}\0{}\0{}", self.rules, self.system, self.profile.as_str());
        let emit::Restore { plugin, modules, commands, config, directory } = self.restore;
        let texts = [&head, self.lock_text.as_str(), plugin, modules, commands, config, directory];
        for part in texts.map(str::as_bytes).into_iter().chain([self.wrapper]) {
            key.update(&(part.len() as u64).to_le_bytes());
            key.update(part);
        }
        self.state.join("builds").join(key.finish().hex())
    }

    fn remember(&self, output: &Path) -> Result<(), Error> {
        let memory = self.memory();
        let name = output.file_name().unwrap_or_default().as_encoded_bytes();
        if let Some(parent) = memory.parent() {
            fs::create_dir_all(parent).map_err(|source| emit::Error::Io {
                verb: "create",
                path: parent.into(),
                source,
            })?;
        }
        Ok(tree::atomic::write_file(&memory, name, 0o644)?)
    }
}
