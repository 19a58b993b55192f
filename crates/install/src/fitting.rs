//! Step 4: an output whose OpenCode does not find a C library on this machine is fitted to the one that it holds, in its staging. So it is
//! there once, under a digest of its own; what it was stays known (`generation::Fitted`).

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fit::{Answer, BINARY, Edit, LIBRARIES};
use tree::{Digest, Staging, StorePath};

use crate::error::{At as _, Error, Result};
use crate::generation::Fitted;
use crate::place::Place;
use crate::state::{State, make_directory};

/// How long OpenCode may take to say its version: half a second on an idle machine, read from the disk for the first time.
const BOUND: Duration = Duration::from_secs(60);

/// Characters of a digest in a loader's name: few, because it stands in the binary.
const SHORT: usize = 8;

/// Whether the OpenCode of a tree runs here as it is. A tree without one has nothing that could not.
pub(crate) fn runs(tree: &Path) -> Result<bool> {
    let binary = tree.join(BINARY);
    if !binary.is_file() {
        return Ok(true);
    }
    Ok(fit::answer(&binary, BOUND)? == Answer::Runs)
}

/// Puts a staged output, which has this digest, fitted into the store.
pub(crate) fn commit(state: &State, staging: Staging, digest: Digest) -> Result<Fitted> {
    let loader = loader(&state.place, digest);
    let edits = edit(staging.path(), &loader)?;
    let stored = staging.commit()?;
    lay(state, &stored, &loader)?;
    let fitted = Fitted { digest: stored.digest(), edits };
    check(&stored)?;
    Ok(fitted)
}

/// The same for an output that is in the store as it came: a second tree, of the same files but for one.
pub(crate) fn commit_copy(state: &State, original: &StorePath) -> Result<Fitted> {
    let loader = loader(&state.place, original.digest());
    let staging = state.store.staging()?;
    let edits = fit::output(original.path(), &loader, staging.path())?;
    let stored = staging.commit()?;
    lay(state, &stored, &loader)?;
    check(&stored)?;
    Ok(Fitted { digest: stored.digest(), edits })
}

/// Lays the link that a fitted binary names: a killed process, or another prefix, may have left it out.
pub(crate) fn lay_again(state: &State, stored: &StorePath, digest: Digest) -> Result<()> {
    lay(state, stored, &loader(&state.place, digest))
}

/// Removes links to loaders of trees that are gone.
pub(crate) fn sweep(place: &Place) -> Result<()> {
    let directory = place.loaders();
    let Ok(entries) = fs::read_dir(&directory) else { return Ok(()) };
    for entry in entries {
        let path = entry.at("list", &directory)?.path();
        if !path.exists() {
            tree::remove_tree(&path)?;
        }
    }
    Ok(())
}

fn loader(place: &Place, digest: Digest) -> PathBuf {
    let name: String = digest.to_string().chars().take(SHORT).collect();
    place.loaders().join(name)
}

fn edit(tree: &Path, loader: &Path) -> Result<Vec<Edit>> {
    let path = tree.join(BINARY);
    if !tree.join(LIBRARIES).join(own_loader(&path)?).is_file() {
        return Err(fit::Error::NoLibraries { output: tree.to_path_buf() }.into());
    }
    fs::set_permissions(&path, Permissions::from_mode(0o755)).at("make writable", &path)?;
    let file = OpenOptions::new().read(true).write(true).open(&path).at("open", &path)?;
    let edits = fit::edits(&file, &path, loader)?;
    for edit in &edits {
        file.write_all_at(&edit.after, edit.offset).at("write", &path)?;
    }
    Ok(edits)
}

/// The file name of the loader that a binary is loaded by.
fn own_loader(binary: &Path) -> Result<&'static str> {
    let file = tree::open_file(binary)?;
    Ok(fit::machine(&file, binary)?.loader())
}

fn lay(state: &State, stored: &StorePath, loader: &Path) -> Result<()> {
    make_directory(&state.place.loaders(), state.place.is_shared)?;
    let name = own_loader(&stored.path().join(BINARY))?;
    let target = Path::new("../installed").join(stored.digest().file_name()).join(LIBRARIES).join(name);
    Ok(tree::set_link(loader, &target)?)
}

/// Fitted, it has to run.
fn check(stored: &StorePath) -> Result<()> {
    match fit::answer(&stored.path().join(BINARY), BOUND)? {
        Answer::Runs => Ok(()),
        Answer::NoLibraries { why } => Err(Error::Unfit { why }),
    }
}
