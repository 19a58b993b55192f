//! The kinds of network that OpenCode is run with: what happens to whoever wants to leave.

use std::fmt;
use std::str::FromStr;

use replay::dns::Policy;
use sandbox::{BLACK_HOLE_ADDRESS, Network};
use serde::{Serialize, Serializer};

/// What happens to whoever wants to leave the machine. Loopback works in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outside {
    /// There is no network: no name exists, and connecting fails at once.
    None,
    /// Every name has an address, and every packet to it is lost.
    Dropped,
    /// Every packet is lost, and the name server never answers.
    Silent,
}

impl Outside {
    /// All of them, in the order of how soon one notices.
    pub const ALL: [Self; 3] = [Self::None, Self::Dropped, Self::Silent];

    /// Its word on the command line and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dropped => "dropped",
            Self::Silent => "silent",
        }
    }

    /// What the sandbox does with packets.
    pub(super) const fn network(self) -> Network {
        match self {
            Self::None => Network::Loopback,
            Self::Dropped | Self::Silent => Network::BlackHole,
        }
    }

    /// What the name server says.
    pub(super) const fn names(self) -> Policy {
        match self {
            Self::None => Policy::NxDomain,
            Self::Dropped => Policy::Fixed(BLACK_HOLE_ADDRESS),
            Self::Silent => Policy::Silent,
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outside {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outside| outside.as_str() == text);
        found.ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

impl Serialize for Outside {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
