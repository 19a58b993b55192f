//! Reading npm's configuration files: the edge of the module.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{Error, Identity, Layer, Secret, Settings, resolve};

/// Largest configuration or certificate file, in bytes. A full bundle of root certificates is a quarter of it.
const MAX_FILE: u64 = 1024 * 1024;

/// Where to look for npm's configuration.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The environment, usually the process's own.
    pub env: &'a BTreeMap<String, String>,
    /// The directory whose `.npmrc` is the project's; relative paths in any layer are relative to it.
    pub project: Option<&'a Path>,
    /// The directory whose `.npmrc` is the user's, unless `npm_config_userconfig` names another file.
    pub home: Option<&'a Path>,
    /// npm's global configuration file, unless `npm_config_globalconfig` or `npm_config_prefix` lead to another one.
    pub global: Option<&'a Path>,
}

pub(super) fn load(sources: &Sources<'_>) -> Result<Settings, Error> {
    let Sources { env, project, home, global } = *sources;
    let base = project.unwrap_or(Path::new("."));
    let environment = Layer::environment(env);
    let named = |key: &str| environment.get(key).map(|path| resolve(base, Path::new(path)));
    let user = named("userconfig").or_else(|| home.map(|home| home.join(".npmrc")));
    let global = named("globalconfig")
        .or_else(|| named("prefix").map(|prefix| prefix.join("etc/npmrc")))
        .or_else(|| global.map(Path::to_owned));
    let files = [project.map(|project| project.join(".npmrc")), user, global];
    let mut layers = vec![environment.clone()];
    for file in files.into_iter().flatten() {
        if let Some(text) = read(&file)? {
            layers.push(Layer::parse(&text, env));
        }
    }
    let mut settings = Settings::layered(&layers, env)?;
    let files: Vec<PathBuf> = settings.certificate_files.iter().map(|file| resolve(base, file)).collect();
    for file in &files {
        if let Some(pem) = read(file)? {
            settings.certificates.push(pem);
        }
    }
    settings.certificate_files = files;
    for files in &mut settings.identity_files {
        files.certificate = resolve(base, &files.certificate);
        files.key = resolve(base, &files.key);
        let pem = format!("{}\n{}\n", needed(&files.certificate)?, needed(&files.key)?);
        settings.identities.push(Identity { prefix: files.prefix.clone(), pem: Secret::new(pem) });
    }
    Ok(settings)
}

/// The text of a file that has to be there: without it nobody would let us in, and say less clearly why.
fn needed(path: &Path) -> Result<String, Error> {
    read(path)?.ok_or_else(|| Error::Read { path: path.to_owned(), source: ErrorKind::NotFound.into() })
}

/// The text of a file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge { path: path.to_owned(), limit: MAX_FILE });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
