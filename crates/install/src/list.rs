//! Which generations there are. Takes no lock and changes nothing.

use crate::error::{Error, Result};
use crate::generation::{self, Generation};
use crate::place::Place;

/// All generations, the oldest first; of one that is not whole its number alone.
///
/// # Errors
/// [`Error::NotInstalled`] where there is none; [`Error::Io`], [`Error::Record`].
pub fn list(place: &Place) -> Result<Vec<(Generation, Option<Error>)>> {
    let all = generation::all(place)?;
    if all.is_empty() {
        return Err(Error::NotInstalled { path: place.current() });
    }
    Ok(all
        .into_iter()
        .map(|generation| {
            let wrong = generation.check().err();
            (generation, wrong)
        })
        .collect())
}
