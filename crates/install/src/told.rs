//! What a person is told: texts for the two programs that print them.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use lock::Instant;

use crate::error::Error;
use crate::gc::Collected;
use crate::generation::Generation;
use crate::install::Installed;
use crate::place::{Here, Place};
use crate::rollback::RolledBack;
use crate::uninstall::Uninstalled;

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}", self.number)?;
        match self.record.opencode() {
            Some(version) => write!(f, ", OpenCode {version}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.before == Some(self.generation.number) { " as before" } else { "" };
        writeln!(f, "installed{again}: {}, below {}", self.generation, self.generation.record.prefix)?;
        writeln!(f, "digest of the bundle: {}", self.generation.record.bundle)?;
        match &self.generation.record.key {
            Some(key) => writeln!(f, "signed by {key}")?,
            None => writeln!(
                f,
                "no signature was looked at, since no key is known here: compare the digest with what `bundle` said where it was made"
            )?,
        }
        if self.generation.tree(bundle::Role::Papers).is_some() {
            writeln!(f, "what is in it: {}/share/doc/opencode-cache", self.generation.record.prefix)?;
        }
        left_out(f, &self.left_out)
    }
}

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            Some(before) => writeln!(f, "active: {}; it was generation {before}", self.generation)?,
            None => writeln!(f, "active: {}", self.generation)?,
        }
        left_out(f, &self.left_out)
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "removed: generations {}, trees {}, {} bytes",
            self.generations.len(),
            self.trees.len(),
            self.bytes
        )?;
        self.running.iter().try_for_each(|tree| writeln!(f, "kept, since it runs: {tree}"))
    }
}

impl fmt::Display for Uninstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.links.iter().try_for_each(|link| writeln!(f, "removed {}", link.display()))?;
        self.collected.fmt(f)?;
        self.kept.iter().try_for_each(|kept| writeln!(f, "left behind: {kept}"))?;
        if self.is_shared {
            let hint = "whoever has used it: remove ~/.config/opencode/node_modules where it leads nowhere";
            writeln!(f, "{hint}; another OpenCode would not start")?;
        }
        if !self.collected.running.is_empty() {
            writeln!(f, "run it again when OpenCode has ended")?;
        }
        Ok(())
    }
}

fn left_out(f: &mut fmt::Formatter<'_>, paths: &[std::path::PathBuf]) -> fmt::Result {
    paths
        .iter()
        .try_for_each(|path| writeln!(f, "not laid, since something else stands there: {}", path.display()))
}

/// A line for a generation in a list.
pub fn line(generation: &Generation, wrong: Option<&Error>) -> String {
    let mark = if generation.is_active { "*" } else { " " };
    let when = generation.installed.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let when = Instant::from_unix(i64::try_from(when).unwrap_or(0));
    let version = generation.record.opencode().map_or_else(|| "?".to_owned(), |version| version.to_string());
    let digest = generation.record.bundle.to_string();
    let signed =
        generation.record.key.as_deref().map_or_else(String::new, |key| format!("  signed by {key}"));
    let wrong = wrong.map_or_else(String::new, |wrong| format!("  {wrong}"));
    format!("{mark} {:>3}  OpenCode {version}  {when}  {}{signed}{wrong}", generation.number, &digest[..16])
}

/// What to do where the prefix's programs are not found.
pub fn path_hint(place: &Place, here: &Here) -> Option<String> {
    let bin = place.bin();
    let is_found = here.has_on_path(&bin);
    (!is_found).then(|| {
        format!(
            "{} is not on PATH: add `export PATH={}:$PATH` to your shell's profile",
            bin.display(),
            quoted(&bin)
        )
    })
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// An error as a person meets it: what, why, and the next step.
pub fn failure(error: &Error) -> String {
    let mut text = format!("error[{}]: {error}", error.code());
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // A transparent wrapper repeats its cause; a person reads it once.
        if words != last {
            text.push_str("\n  caused by: ");
            text.push_str(&words);
        }
        last = words;
        source = cause.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str("\n  next step: ");
        text.push_str(&hint);
    }
    text
}
