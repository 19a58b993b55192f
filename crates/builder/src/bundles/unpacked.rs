//! The trees of a bundle as directories, each of them compared with its name.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use bundle::{Bases, Bundle, Error, Front, Restoring, Result};
use tree::Digest;

/// Unpacks all trees below `into`, under their names, and makes them canonical, as they are in a store. Gives where they lie, in the
/// index's order.
pub(crate) fn unpack<R: Read + Seek>(
    bundle: &mut Bundle<R>,
    front: &Front,
    bases: &dyn Bases,
    into: &Path,
) -> Result<Vec<PathBuf>> {
    let roots: Vec<_> = front.index.parts.iter().map(|part| into.join(part.name())).collect();
    let mut restoring = Restoring::new(roots.iter().cloned().map(Some).collect());
    bundle.unpack(front, bases, &mut restoring)?;
    for (part, root) in front.index.parts.iter().zip(&roots) {
        let tree = tree::scan(root)?;
        let found = Digest::of(&tree::nar::hash_tree(&tree)?);
        if found != part.digest {
            let reason = format!("its tree {} has the content of {found}", part.name());
            return Err(Error::Malformed { what: "its index", reason });
        }
        tree::canonicalise(&tree)?;
    }
    Ok(roots)
}
