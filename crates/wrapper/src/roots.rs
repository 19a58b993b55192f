//! Which directories of the user's OpenCode will use: the whole environment policy in one `match`.
//! Never sets a variable and never creates a directory.

use crate::bytes::{join, split, without_trailing_slashes};
use crate::environment::Environment;
use crate::home;
use alloc::vec::Vec;
use linkmap::{Map, Root};

/// Our own place for caches where the user named none: OpenCodes without a wrapper keep `~/.cache`.
const OWN_CACHE_HOME: &[u8] = b".cache-nix";

/// The three roots of a map, absolute; `None` where the environment does not say.
pub struct Roots {
    cache: Option<Vec<u8>>,
    config: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
    state: Option<Vec<u8>>,
    homeless: bool,
    /// What `XDG_CACHE_HOME` must be for OpenCode, where that is not what the user has.
    cache_home: Option<Vec<u8>>,
    /// Why there is no cache root.
    pub missing: Option<Missing>,
}

/// Why OpenCode gets no cache from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `HOME` is relative, or says nothing and the system does not know the user.
    Home,
    /// Another `XDG_CACHE_HOME` is needed, and nothing could give the user's back to tools.
    Carrier,
}

impl Roots {
    /// Decides from the user's environment. `can_restore`: a variable that is set for OpenCode can be
    /// given back before tools start.
    pub fn choose(environment: &Environment<'_>, map: &Map<'_>, can_restore: bool) -> Roots {
        let home = home::of(environment);
        let home = home.as_deref();
        let own = absolute(environment, b"XDG_CACHE_HOME").filter(|own| !is_default(own, home));
        // `opencode` alone, or `NAME/opencode` for an era that must have a directory of its own.
        let apart = split(map.root().as_bytes()).0;

        let (base, changed, missing) = match (own, home, apart, can_restore) {
            (Some(own), _, None, _) => (Some(own.to_vec()), false, None),
            (Some(own), _, Some(_), true) => (Some(own.to_vec()), true, None),
            (None, Some(home), _, true) => (Some(join(home, OWN_CACHE_HOME)), true, None),
            // Without a way back the environment stays as it is, and OpenCode's usual place must do.
            (None, Some(home), None, false) => (Some(join(home, b".cache")), false, None),
            (_, Some(_), Some(_), false) | (Some(_), None, Some(_), false) => {
                (None, false, Some(Missing::Carrier))
            }
            (None, None, _, _) => (None, false, Some(Missing::Home)),
        };
        let cache = base.as_ref().map(|base| join(base, map.root().as_bytes()));
        let cache_home = cache.as_ref().filter(|_| changed);
        let cache_home = cache_home.and_then(|cache| split(cache).0.map(<[u8]>::to_vec));

        let place = |variable: &[u8], usual: &[u8]| {
            let base = absolute(environment, variable).map(<[u8]>::to_vec);
            let base = base.or_else(|| home.map(|home| join(home, usual)));
            base.map(|base| join(&base, b"opencode"))
        };
        Roots {
            cache,
            config: place(b"XDG_CONFIG_HOME", b".config"),
            data: place(b"XDG_DATA_HOME", b".local/share"),
            homeless: home.is_none(),
            state: place(b"XDG_STATE_HOME", b".local/state"),
            cache_home,
            missing,
        }
    }

    /// The directory of a root.
    pub fn of(&self, root: Root) -> Option<&[u8]> {
        match root {
            Root::Cache => self.cache.as_deref(),
            Root::Config => self.config.as_deref(),
            Root::Data => self.data.as_deref(),
        }
    }

    /// Whether nothing says where the user's home is: OpenCode does not start then.
    pub fn is_homeless(&self) -> bool {
        self.homeless
    }

    /// OpenCode's state directory. Nothing is laid there.
    pub fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    /// What `XDG_CACHE_HOME` must be for OpenCode, where that is not what the user has.
    pub fn cache_home(&self) -> Option<&[u8]> {
        self.cache_home.as_deref()
    }
}

/// A variable's value where it is an absolute path: the XDG base directory specification says that
/// an empty or relative one counts as unset.
fn absolute<'e>(environment: &'e Environment<'_>, name: &[u8]) -> Option<&'e [u8]> {
    environment.get(name).filter(|value| value.starts_with(b"/"))
}

/// `$HOME/.cache` said explicitly is the default, not a wish.
fn is_default(own: &[u8], home: Option<&[u8]>) -> bool {
    home.is_some_and(|home| join(home, b".cache") == without_trailing_slashes(own))
}
