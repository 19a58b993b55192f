//! Where things go: `PREFIX`, which users have on their PATH, and `STATE`, which is ours. Decided from a few facts of the process;
//! asks the disk nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lock::System;

use crate::error::{Error, Result};

/// Root's state where the prefix lies outside of a home (File Hierarchy Standard 3.0, 5.8).
const SYSTEM_STATE: &str = "/var/lib/opencode-cache";

/// Root's prefix where there is no home.
const SYSTEM_PREFIX: &str = "/usr/local";

/// What is known of whoever installs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// HOME.
    pub home: Option<PathBuf>,
    /// XDG_STATE_HOME.
    pub state_home: Option<PathBuf>,
    /// XDG_CONFIG_HOME.
    pub config_home: Option<PathBuf>,
    /// PATH.
    pub path: OsString,
    /// Whether it is root.
    pub is_root: bool,
}

/// Where to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where the links are that users call.
    pub prefix: PathBuf,
    /// Where everything else is.
    pub state: PathBuf,
    /// Whether others use it too: directories are readable then, whatever the umask.
    pub is_shared: bool,
}

impl Here {
    /// Of this process. A relative directory counts as none, as the XDG specification says, and so does `/`: a home that has
    /// everything is none.
    pub fn of_process() -> Self {
        let directory = |name: &str| {
            let path = PathBuf::from(std::env::var_os(name)?);
            (path.is_absolute() && path != Path::new("/")).then_some(path)
        };
        Self {
            home: directory("HOME"),
            state_home: directory("XDG_STATE_HOME"),
            config_home: directory("XDG_CONFIG_HOME"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// What this machine is, if it is one that OpenCode knows.
    pub fn system() -> Option<System> {
        System::host()
    }

    /// Whether a directory is on PATH.
    pub fn has_on_path(&self, directory: &Path) -> bool {
        std::env::split_paths(&self.path).any(|entry| entry == directory)
    }
}

impl Place {
    /// The place that a prefix stands for; without one `~/.local`, and `/usr/local` for root without a home.
    ///
    /// # Errors
    /// [`Error::NoHome`], [`Error::Prefix`].
    pub fn find(prefix: Option<&Path>, here: &Here) -> Result<Self> {
        let prefix = match (prefix, &here.home) {
            (Some(prefix), _) => std::path::absolute(prefix).map_err(|source| Error::Io {
                verb: "resolve",
                path: prefix.to_path_buf(),
                source,
            })?,
            (None, Some(home)) => home.join(".local"),
            (None, None) if here.is_root => PathBuf::from(SYSTEM_PREFIX),
            (None, None) => return Err(Error::NoHome),
        };
        if prefix.to_str().is_none() {
            return Err(Error::Prefix { path: prefix });
        }
        let is_at_home = here.home.as_ref().is_some_and(|home| prefix.starts_with(home));
        if here.is_root && !is_at_home {
            return Ok(Self { prefix, state: PathBuf::from(SYSTEM_STATE), is_shared: true });
        }
        let states = here.state_home.clone().or_else(|| Some(here.home.as_ref()?.join(".local/state")));
        let state = states.ok_or(Error::NoHome)?.join("opencode-cache");
        Ok(Self { prefix, state, is_shared: false })
    }

    /// Where users have programs.
    pub fn bin(&self) -> PathBuf {
        self.prefix.join("bin")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.state.join("installed")
    }

    pub(crate) fn generations(&self) -> PathBuf {
        self.state.join("generations")
    }

    /// Links to loaders: short, because they stand in binaries.
    pub(crate) fn loaders(&self) -> PathBuf {
        self.state.join("ld")
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.state.join("current")
    }
}

/// This program's own file. Where nobody mounted `/proc` the kernel still says what it was started as.
pub fn own_file() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| started_as())
}

#[cfg(target_os = "linux")]
fn started_as() -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    PathBuf::from(OsString::from_vec(rustix::param::linux_execfn().to_bytes().to_vec()))
}

#[cfg(not(target_os = "linux"))]
fn started_as() -> PathBuf {
    std::env::args_os().next().map(PathBuf::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        prefix: Option<&str>,
        home: Option<&str>,
        state: Option<&str>,
        is_root: bool,
    ) -> (String, String) {
        let path = |text: Option<&str>| text.map(PathBuf::from);
        let here = Here { home: path(home), state_home: path(state), is_root, ..Here::default() };
        match Place::find(prefix.map(Path::new), &here) {
            Ok(place) => (place.prefix.display().to_string(), place.state.display().to_string()),
            Err(error) => (error.code().to_owned(), String::new()),
        }
    }

    #[test]
    fn users_have_it_at_home_and_root_where_the_system_has_it() {
        let is = |prefix: &str, state: &str| (prefix.to_owned(), state.to_owned());
        let home = Some("/home/a");
        let own = "/home/a/.local/state/opencode-cache";
        assert_eq!(found(None, home, None, false), is("/home/a/.local", own));
        assert_eq!(found(Some("/opt/x"), home, None, false), is("/opt/x", own));
        assert_eq!(found(None, home, Some("/s"), false), is("/home/a/.local", "/s/opencode-cache"));
        assert_eq!(
            found(None, Some("/home/r"), None, true),
            is("/home/r/.local", "/home/r/.local/state/opencode-cache")
        );
        assert_eq!(found(Some("/usr/local"), Some("/home/r"), None, true), is("/usr/local", SYSTEM_STATE));
        assert_eq!(found(None, None, None, true), is("/usr/local", SYSTEM_STATE));
        assert_eq!(found(None, None, None, false), is("no-home", ""));
        assert_eq!(found(Some("/opt/x"), None, None, false), is("no-home", ""));
    }
}
