//! Which public keys are believed here: those that are named, else those that lie where keys lie.

use std::path::Path;

use bundle::believed::{BELOW_CONFIG, FOR_ALL, keys_in, public_key};
use bundle::signatures::PublicKey;

use crate::error::Result;
use crate::place::Here;

/// The keys of these texts or files; where there are none, those of the machine and of the user.
///
/// # Errors
/// [`Error::Bundle`](crate::Error::Bundle) for what is no key.
pub fn believed(named: &[String], here: &Here) -> Result<Vec<PublicKey>> {
    if !named.is_empty() {
        return Ok(named.iter().map(|text| public_key(text)).collect::<bundle::Result<_>>()?);
    }
    let mut keys = keys_in(Path::new(FOR_ALL))?;
    let config = here.config_home.clone().or_else(|| Some(here.home.as_ref()?.join(".config")));
    if let Some(config) = config {
        keys.extend(keys_in(&config.join(BELOW_CONFIG))?);
    }
    Ok(keys)
}
