//! Why a link map is refused. Owns the reasons and their stable codes; never decides what happens then.

use core::fmt;

/// A map that is refused: where, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Line number, from 1. For a fault of the whole text the last line that was looked at.
    pub line: u32,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Fault {
    /// Stable kebab-case code of the reason, such as `linkmap-absolute-path`.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// What the reader can do: a map is never written by hand, so the answer is always the same.
    pub const fn hint(&self) -> &'static str {
        "the link map is written by `opencode-cache build`: build the output again with this version"
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason.text())
    }
}

impl core::error::Error for Fault {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What is wrong with a line of a link map.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Stable kebab-case code.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => concat!("linkmap-", $code),)* }
            }
            /// One clause in plain words, without the line number.
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
            /// Every reason there is, for tests that want each to have a fixture.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];
        }
    };
}

reasons! {
    /// More than [`crate::MAX_BYTES`].
    TooLarge = "too-large", "the map is larger than 1 MiB";
    /// More than [`crate::MAX_ENTRIES`].
    TooManyEntries = "too-many-entries", "more than 4096 entries";
    /// The first line is not [`crate::HEADER`], but could be that of another version.
    OtherVersion = "other-version", "a link map of another version";
    /// The first line is something else.
    NoHeader = "no-header", "the first line is not `opencode-cache linkmap 1`";
    /// The last byte is not a line feed: the file was cut off.
    NoFinalNewline = "no-final-newline", "the last line has no line feed: the file was cut off";
    /// Not UTF-8.
    NotUtf8 = "not-utf8", "not UTF-8";
    /// A carriage return.
    CarriageReturn = "carriage-return", "a carriage return: lines end in a line feed alone";
    /// NUL or another control character (a TAB inside a field is one field too many).
    ControlCharacter = "control-character", "a control character";
    /// The first field is no word of this format.
    UnknownWord = "unknown-word", "the first field is none of exec, restore, root, fallback, env, envpath, link, copy, force, keep";
    /// Too few or too many fields for the word.
    FieldCount = "field-count", "too few or too many fields for this word";
    /// The second field of an entry is no root.
    UnknownRoot = "unknown-root", "the root is none of cache, config, data";
    /// Lines stand in another order than the format's.
    Order = "order", "out of order: exec, restore, root, fallback, then variables by name, then entries by root and path";
    /// The same word, variable or destination twice.
    Duplicate = "duplicate", "named twice";
    /// No `exec` line.
    NoExec = "no-exec", "no exec line";
    /// No `root` line.
    NoRoot = "no-root", "no root line";
    /// The `root` line does not end in the component `opencode`, which OpenCode appends itself.
    RootName = "root-name", "the last component of the root is not `opencode`";
    /// An empty path, or an empty component (`a//b`, `a/`).
    EmptyComponent = "empty-component", "an empty path or path component";
    /// A path that begins with `/`.
    AbsolutePath = "absolute-path", "an absolute path";
    /// A component `.` or `..`.
    DotComponent = "dot-component", "a path component `.` or `..`";
    /// Longer than [`crate::MAX_PATH`].
    TooLong = "too-long", "a path or value longer than 4096 bytes";
    /// A destination with a component beginning with [`crate::OWN_PREFIX`].
    ReservedName = "reserved-name", "the destination is a name that the wrapper keeps for itself";
    /// A destination below a `link`, `copy` or `force`.
    BelowLeaf = "below-leaf", "the destination lies below another entry that is not `keep`";
    /// `force` outside the cache: there it could overwrite what the user wrote.
    ForceOutsideCache = "force-outside-cache", "force is for the cache root only";
    /// Not 16 lower-case hexadecimal digits.
    BadSum = "bad-sum", "the sum is not 16 lower-case hexadecimal digits";
    /// Not a name that a shell would take.
    BadVariable = "bad-variable", "not an environment variable's name";
    /// A variable that the wrapper sets by its own rules, or that must stay the user's.
    ReservedVariable = "reserved-variable", "a variable that a map may not set";
}
