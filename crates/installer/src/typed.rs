//! What was typed. By hand: there are five verbs and six options, and a parser's crate would be a third of the program.

use std::ffi::OsString;
use std::path::PathBuf;

/// What is told of all that.
pub const HELP: &str = "\
Installs the bundle that this program begins, or another one, with no network and no other program.

Usage: BUNDLE [VERB] [OPTIONS]

Verbs:
  install [FILE]   put a bundle in place and activate it: this one, unless FILE names another (the default)
  rollback         activate the generation before, or with --to N that one
  list             tell which generations there are
  uninstall        take away all that was installed; OpenCode's own directories stay
  gc               remove old generations, all but the active one and --keep N others [default: 1]

Options:
  --prefix DIR     where the links go that you call [default: ~/.local]
  --key KEY        install only what this public key signed: minisign's or Nix's, or a file of one
                   [default: those of /etc/opencode-cache/keys and ~/.config/opencode-cache/keys]
  --downgrade      install an OpenCode that is older than the active one
  --to N, --keep N see above
  --help, --version

Exit status: 0 yes, 1 the answer is no, 2 usage, 3 bad input, 4 outside world.";

/// A whole command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// What to do.
    pub verb: Verb,
    /// Where.
    pub prefix: Option<PathBuf>,
    /// Who is believed.
    pub keys: Vec<String>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Verb {
    /// Install a bundle: this program's own where none is named.
    Install {
        /// Which.
        bundle: Option<PathBuf>,
        /// Whether it may be older.
        downgrade: bool,
    },
    /// Go back.
    Rollback {
        /// Where to.
        to: Option<u64>,
    },
    /// Tell what there is.
    List,
    /// Take everything away.
    Uninstall,
    /// Make room.
    Gc {
        /// Generations to keep beside the active one.
        keep: usize,
    },
    /// Tell all this.
    Help,
    /// Tell the version.
    Version,
}

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them, in words.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, String> {
    let (mut words, mut prefix, mut downgrade) = (Vec::new(), None, false);
    let (mut to, mut keep, mut keys) = (None, None, Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (text, None),
        };
        let mut value = || joined.clone().or_else(|| arguments.next()).ok_or(format!("{name} needs a value"));
        match name {
            "--help" | "-h" => return Ok(Typed { verb: Verb::Help, prefix, keys }),
            "--version" | "-V" => return Ok(Typed { verb: Verb::Version, prefix, keys }),
            "--prefix" => prefix = Some(PathBuf::from(value()?)),
            "--key" => keys.push(value()?.into_string().map_err(|_| "--key wants text".to_owned())?),
            "--downgrade" if joined.is_none() => downgrade = true,
            "--to" => to = Some(number(name, &value()?)?),
            "--keep" => keep = Some(number(name, &value()?)?),
            _ if text.starts_with('-') => return Err(format!("there is no option {name}")),
            _ => words.push(argument),
        }
    }
    let mut words = words.into_iter();
    let verb = match words.next() {
        None => Verb::Install { bundle: None, downgrade },
        Some(word) => match word.to_str() {
            Some("install") => Verb::Install { bundle: words.next().map(PathBuf::from), downgrade },
            Some("rollback") => Verb::Rollback { to },
            Some("list") => Verb::List,
            Some("uninstall") => Verb::Uninstall,
            Some("gc") => Verb::Gc { keep: keep.map_or(install::gc::KEPT, |keep| keep as usize) },
            _ => return Err(format!("there is no verb {}", word.display())),
        },
    };
    if let Some(word) = words.next() {
        return Err(format!("{} is one word too many", word.display()));
    }
    let is_of = |option: &str, is_there: bool, is_fitting: bool| match is_there && !is_fitting {
        true => Err(format!("{option} is not of this verb")),
        false => Ok(()),
    };
    is_of("--downgrade", downgrade, matches!(verb, Verb::Install { .. }))?;
    is_of("--key", !keys.is_empty(), matches!(verb, Verb::Install { .. }))?;
    is_of("--to", to.is_some(), matches!(verb, Verb::Rollback { .. }))?;
    is_of("--keep", keep.is_some(), matches!(verb, Verb::Gc { .. }))?;
    Ok(Typed { verb, prefix, keys })
}

fn number(name: &str, value: &OsString) -> Result<u64, String> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{name} wants a number, not {}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn verb(line: &str) -> Verb {
        typed(line).unwrap().verb
    }

    #[test]
    fn without_a_word_it_installs_itself() {
        assert_eq!(verb(""), Verb::Install { bundle: None, downgrade: false });
        let typed = typed("--prefix /opt/x --downgrade").unwrap();
        assert_eq!(typed.prefix, Some(PathBuf::from("/opt/x")));
        assert_eq!(typed.verb, Verb::Install { bundle: None, downgrade: true });
    }

    #[test]
    fn every_verb_has_its_options() {
        assert_eq!(verb("install a"), Verb::Install { bundle: Some("a".into()), downgrade: false });
        assert_eq!(verb("rollback --to=3"), Verb::Rollback { to: Some(3) });
        assert_eq!(verb("--keep 0 gc"), Verb::Gc { keep: 0 });
        assert_eq!(verb("gc"), Verb::Gc { keep: 1 });
        assert_eq!(verb("list --help"), Verb::Help);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for line in [
            "instal",
            "install a b",
            "list a",
            "--prefix",
            "--frefix x",
            "gc --to 1",
            "list --keep 1",
            "rollback --downgrade",
            "gc --keep some",
            "--downgrade=yes",
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
    }
}
