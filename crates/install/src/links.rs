//! `PREFIX`: links through `STATE/current`, so that they are right for every generation. Where something else stands it stays: what
//! users call is refused then, before anything is written; the rest is left out.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bundle::{Listing, Role};

use crate::error::{At as _, Error, Result};
use crate::generation::Generation;
use crate::place::Place;
use crate::state::{LINK_ASIDE, make_directory};

/// Directories of a tree, of which each file has a link in the same directory of `PREFIX`; of `share/doc` each directory.
const DIRECTORIES: [&str; 6] = [
    "bin",
    "share/bash-completion/completions",
    "share/doc",
    "share/fish/vendor_completions.d",
    "share/man/man1",
    "share/zsh/site-functions",
];

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    /// Relative to `PREFIX`, and to the tree.
    path: String,
    role: Role,
}

impl Link {
    /// Whether nothing may stand in its place: what is installed is of no use without it.
    fn is_needed(&self) -> bool {
        self.role == Role::Output
    }

    fn target(&self, place: &Place) -> PathBuf {
        place.current().join(Generation::word(self.role)).join(&self.path)
    }
}

/// The links for a tree with this listing.
pub(crate) fn of_listing(role: Role, listing: &Listing) -> Vec<Link> {
    let is_wanted = |path: &str| path.rsplit_once('/').is_some_and(|(above, _)| DIRECTORIES.contains(&above));
    let entries = listing.entries().iter().filter(|entry| entry.kind != bundle::Kind::Directory);
    let paths = entries.map(|entry| entry.path.as_str()).filter(|path| is_wanted(path));
    paths.map(|path| Link { path: path.to_owned(), role }).collect()
}

/// The links for a generation that is there.
pub(crate) fn of_generation(generation: &Generation) -> Result<BTreeSet<Link>> {
    let mut links = BTreeSet::new();
    for role in [Role::Output, Role::Tool, Role::Papers] {
        let Some(tree) = generation.tree(role) else { continue };
        for directory in DIRECTORIES {
            for name in names(&tree.join(directory))? {
                links.insert(Link { path: format!("{directory}/{name}"), role });
            }
        }
    }
    Ok(links)
}

/// Refuses where something stands in the place of a link that is needed.
pub(crate) fn check<'a>(place: &Place, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
    for link in links.into_iter().filter(|link| link.is_needed()) {
        let path = place.prefix.join(&link.path);
        if stands(place, &path)? == Stands::Other {
            return Err(Error::NotOurs { path });
        }
    }
    Ok(())
}

/// Lays what is missing; what could not be laid because something else stands there.
pub(crate) fn lay(place: &Place, links: &BTreeSet<Link>) -> Result<Vec<PathBuf>> {
    check(place, links)?;
    let mut left_out = Vec::new();
    for link in links {
        let path = place.prefix.join(&link.path);
        let target = link.target(place);
        match stands(place, &path)? {
            Stands::Ours(found) if found == target => {}
            Stands::Ours(_) => tree::set_link(&path, &target)?,
            Stands::Nothing => {
                make_directory(path.parent().unwrap_or(&place.prefix), place.is_shared)?;
                // Fails where something has come into being since: nothing is replaced unseen.
                symlink(&target, &path).at("create", &path)?;
            }
            Stands::Other => left_out.push(path),
        }
    }
    Ok(left_out)
}

/// Removes links of ours that lead nowhere, and what a killed process left of one that was to be replaced.
pub(crate) fn sweep(place: &Place) -> Result<()> {
    remove(place, |path, name| name.starts_with(LINK_ASIDE) || !path.exists()).map(drop)
}

/// Removes all links of ours: where they were.
pub(crate) fn remove_all(place: &Place) -> Result<Vec<PathBuf>> {
    remove(place, |_, _| true)
}

/// Links of ours that are missing, and others that stand in their place.
pub(crate) fn wrong(place: &Place, links: &BTreeSet<Link>) -> Result<Vec<PathBuf>> {
    let mut wrong = Vec::new();
    for link in links {
        let path = place.prefix.join(&link.path);
        let is_right = matches!(stands(place, &path)?, Stands::Ours(found) if found == link.target(place));
        if !is_right && (link.is_needed() || !path.exists()) {
            wrong.push(path);
        }
    }
    Ok(wrong)
}

fn remove(place: &Place, is_meant: impl Fn(&Path, &str) -> bool) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for directory in DIRECTORIES {
        let directory = place.prefix.join(directory);
        for name in names(&directory)? {
            let path = directory.join(&name);
            if matches!(stands(place, &path)?, Stands::Ours(_)) && is_meant(&path, &name) {
                fs::remove_file(&path).at("remove", &path)?;
                removed.push(path);
            }
        }
    }
    Ok(removed)
}

#[derive(PartialEq, Eq)]
enum Stands {
    Nothing,
    /// A link of ours, and where it leads.
    Ours(PathBuf),
    Other,
}

/// What stands at a place. A link is ours if it leads through our `current`.
fn stands(place: &Place, path: &Path) -> Result<Stands> {
    let is_ours = |target: &PathBuf| target.starts_with(place.current());
    match fs::symlink_metadata(path) {
        // Above it is nothing, or a file.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Stands::Nothing)
        }
        Err(error) => Err(error).at("read", path),
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(path).at("read the link", path)?;
            Ok(if is_ours(&target) { Stands::Ours(target) } else { Stands::Other })
        }
        Ok(_) => Ok(Stands::Other),
    }
}

/// The names in a directory, sorted; none where it is not there. A name that is no text is none of ours.
fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.at("list", directory)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.at("list", directory)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
