//! Where this program works: the user's files and our own directories, resolved once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::reach::Trouble;
use builder::registry::{Registry, Sought, Trust};
use builder::{Beside, Progress, Vendor, Wishes};
use lock::Lock;

use crate::cli::Shared;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;

/// The places and the terminal.
pub struct Workplace {
    shared: Shared,
    ui: Arc<Ui>,
}

impl Workplace {
    /// From the options that every verb has.
    pub fn new(shared: Shared, ui: Arc<Ui>) -> Self {
        Self { shared, ui }
    }

    /// The terminal.
    pub fn ui(&self) -> &Ui {
        &self.ui
    }

    /// Who is told of progress.
    pub fn progress(&self) -> Arc<dyn Progress> {
        self.ui.clone()
    }

    /// Where the manifest is.
    pub fn manifest_path(&self) -> &Path {
        &self.shared.manifest
    }

    /// Where the lock is.
    pub fn lock_path(&self) -> &Path {
        &self.shared.lock
    }

    /// What the user wants.
    pub fn wishes(&self, beside: &Beside) -> Result<Wishes, Failure> {
        Ok(Wishes::read(&self.shared.manifest, beside).map_err(builder::Error::from)?)
    }

    /// The lock and its text.
    pub fn lock(&self) -> Result<(Lock, String), Failure> {
        Ok(builder::lockfile::read(&self.shared.lock).map_err(builder::Error::from)?)
    }

    /// A failure to fetch, told for what it is where the catalogue beside the lock is missing.
    pub fn explain(&self, error: builder::Error, lock: &Lock) -> builder::Error {
        match error {
            builder::Error::Fetch(error) => builder::catalogue::Error::of(error, lock, self.lock_path()),
            error => error,
        }
    }

    /// Where downloads are kept.
    pub fn vendor(&self) -> Result<Vendor, Failure> {
        match &self.shared.vendor {
            Some(path) => Ok(Vendor::at(path)),
            None => Ok(Vendor::at(directory("XDG_CACHE_HOME", ".cache")?.join("opencode-cache/vendor"))),
        }
    }

    /// Our state: the store, and which build gave what.
    pub fn state(&self) -> Result<PathBuf, Failure> {
        Ok(directory("XDG_STATE_HOME", ".local/state")?.join("opencode-cache"))
    }

    /// The stores that may have trees of ours: what `build` made, of which the first is, and what `install` did.
    pub fn stores(&self) -> Result<Vec<PathBuf>, Failure> {
        let state = self.state()?;
        Ok(vec![state.join("store"), state.join("installed")])
    }

    /// Which of the hosts that locking and fetching need are reached, as the doctor sees it. `opencode` is the version in use.
    pub async fn reach(&self, opencode: Option<&str>) -> doctor::Check {
        let trouble = |error: builder::Error| {
            let hint = error.hint();
            doctor::reach::unasked(&Trouble { code: error.code(), text: error.to_string(), hint })
        };
        let registry = match self.known_registry().await {
            Ok(registry) => registry,
            Err(error) => return trouble(error),
        };
        let lock = self.lock().ok().map(|(lock, _)| lock);
        let wishes = Wishes::read(&self.shared.manifest, &Beside::default()).ok();
        let locked = lock.as_ref().map(|lock| lock.opencode.clone());
        let version = locked.or_else(|| opencode?.parse().ok());
        let manifest = wishes.as_ref().map(|wishes| &wishes.manifest);
        let needs = builder::reach::needs(&registry, lock.as_ref(), manifest, version.as_ref());
        let trust = Trust::of(&registry.settings, &Sought::here(None, PathBuf::new()).env);
        match builder::reach::ask(&registry.settings, needs).await {
            Ok(asked) => doctor::reach::check(&trust, &asked),
            Err(error) => trouble(builder::registry::Error::from(error).into()),
        }
    }

    /// The registry. As a last resort the OpenCode of the lock is asked, where it was fetched before.
    pub async fn registry(&self) -> Result<Registry, Failure> {
        Ok(self.known_registry().await?)
    }

    async fn known_registry(&self) -> Result<Registry, builder::Error> {
        let project = self.shared.manifest.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut sought = Sought::here(self.shared.registry.clone(), project);
        sought.connect_to = self.shared.connect_to.iter().cloned().collect();
        sought.debian.clone_from(&self.shared.debian);
        sought.opencode = self.vendor().ok().map(|vendor| (vendor, self.lock().ok().map(|(lock, _)| lock)));
        Ok(sought.find().await?)
    }
}

/// A directory of the XDG specification; a relative value counts as unset, as it says.
fn directory(variable: &str, default: &str) -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(default))).ok_or_else(|| {
        Failure::new(
            Kind::Outside,
            "no-home",
            format!("find our directories: neither {variable} nor HOME is set"),
        )
        .hint(format!("set HOME or {variable} to an absolute path"))
    })
}
