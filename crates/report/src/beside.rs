//! What tells of an output that `build` made, or Nix: a tree of its own beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lock::Lock;
use tree::Store;

use crate::error::Error;
use crate::source::Source;
use crate::{collect, cyclonedx, papers};

/// The end of the name of the link beside an output's.
const END: &str = "-papers";

/// One of its files, which names the output's digest.
const SBOM: &str = "sbom.cdx.json";

/// The largest of those that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Those of an output alone.
fn of_output(output: &Path, lock: (&Lock, &str)) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let source = Source::read(output, None)?;
    Ok(papers::tree(&collect(&source, Some(lock))?, &source))
}

/// Puts those of `output` into the store that it lies in, and a link beside `link`. What is there already and of this output stays.
pub fn lay(output: &Path, link: &Path, lock: (&Lock, &str)) -> Result<PathBuf, Error> {
    let mut name = link.as_os_str().to_owned();
    name.push(END);
    let papers = PathBuf::from(name);
    let digest = tree::StorePath::resolve(output)?.digest().to_string();
    let known = builder::files::read_bounded(&papers.join(papers::DIRECTORY).join(SBOM), MAX_BYTES);
    let reference = format!("\"{}\"", cyclonedx::reference(&digest));
    if known.is_ok_and(|sbom| String::from_utf8_lossy(&sbom).contains(&reference)) {
        return Ok(papers);
    }
    let store = output.parent().unwrap_or(output);
    let staging = Store::at(store.to_path_buf())?.staging()?;
    write(staging.path(), &of_output(output, lock)?)?;
    tree::set_link(&papers, staging.commit()?.path())?;
    Ok(papers)
}

/// Makes the directory `out` of them.
pub fn write_to(out: &Path, output: &Path, lock: (&Lock, &str)) -> Result<(), Error> {
    fs::create_dir(out).map_err(|source| Error::Write { path: out.to_path_buf(), source })?;
    write(out, &of_output(output, lock)?)
}

fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    for (name, bytes) in files {
        let path = root.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        made.map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}
