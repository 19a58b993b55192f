//! What an upstream client sends with a question: the same choice as the crate's.

use url::Url;

use super::npmrc::{Credential, Settings, nearest};

/// The credential for an address, and the header that shows it.
pub fn for_address<'s>(settings: &'s Settings, url: &Url) -> Option<(&'s Credential, &'s str)> {
    let credential = nearest(&settings.credentials, url, |credential| &credential.prefix)?;
    Some((credential, credential.header.reveal()))
}
