//! What targets share: the readers of npm's texts, without the network that they lie beside, a place to unpack in, and
//! bundles that nobody would write.

pub mod place;
pub mod tape;

/// npm's texts, as `opencode-cache-replay` reads them. The same files, compiled alone: the crate brings TLS and HTTP, minutes to compile
/// with these flags.
#[allow(dead_code, unused_imports)]
pub mod registry {
    #[path = "../../../../crates/replay/src/registry/npmrc/mod.rs"]
    pub mod npmrc;
    #[path = "../../../../crates/replay/src/registry/packument.rs"]
    pub mod packument;
    #[path = "../../../../crates/replay/src/registry/view.rs"]
    pub mod view;

    pub mod credential;
}

/// A position that an error names lies in its text.
pub fn check_position(text: &str, at: lock::Position) {
    let mut lines = text.split('\n');
    let line = at.line.checked_sub(1).and_then(|line| lines.nth(line));
    let length = line.map(|line| line.chars().count());
    assert!(
        length.is_some_and(|length| (1..=length + 1).contains(&at.column)),
        "{at}, a line of {length:?} characters"
    );
}
