//! `key`: keys that sign bundles.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use builder::bundles::keys;
use serde_json::json;

use crate::failure::Failure;
use crate::workplace::Workplace;

/// Make keys that sign bundles, and say what their public halves are.
///
/// They are files of minisign's, without a password, or of Nix's: `minisign` and `nix` use them too.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a key: FILE is its owner's alone, and signs; what others need goes beside it, with `.pub` at the end. Neither is
    /// ever written over.
    Generate {
        /// Where the secret key goes.
        #[arg(default_value = "opencode-cache.key")]
        file: PathBuf,
        /// Where the public key goes [default: FILE with `.pub` at the end instead of `.key`].
        #[arg(long, value_name = "FILE")]
        public: Option<PathBuf>,
        /// A key as Nix has them, of this name, which signs binary caches too (`export --sign`).
        #[arg(long, value_name = "NAME")]
        nix: Option<String>,
        /// Print what was made as JSON, the secret key excepted.
        #[arg(long)]
        json: bool,
    },
    /// Print the public key of a secret one.
    Public {
        /// The secret key's file.
        file: PathBuf,
    },
}

/// Runs the verb.
pub fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    match args.what {
        What::Generate { file, public, nix, json } => {
            let public = public.unwrap_or_else(|| beside(&file));
            let key = keys::generate(&file, &public, nix.as_deref());
            let key = key.map_err(|error| builder::Error::from(builder::bundles::Error::from(error)))?;
            if json {
                place.ui().json(&json!({
                    "secret_file": file, "public_file": public, "name": key.name(), "public_key": key.to_string().trim_end(),
                }));
                return Ok(ExitCode::SUCCESS);
            }
            place.ui().data(&key.to_string());
            place.ui().talk(&told(&file, &public));
        }
        What::Public { file } => {
            let key = keys::public(&file).map_err(builder::Error::from)?;
            place.ui().data(&key.to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn beside(file: &Path) -> PathBuf {
    if file.extension().is_some_and(|extension| extension == "key") {
        return file.with_extension("pub");
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn told(file: &Path, public: &Path) -> String {
    format!(
        "secret key: {}; whoever has it signs in your name\n\
         next: `opencode-cache bundle --sign {}`; bring {} to where bundles are installed, by another way than they come, and put it into\n\
         ~/.config/opencode-cache/keys/ or /etc/opencode-cache/keys/",
        file.display(),
        file.display(),
        public.display()
    )
}
