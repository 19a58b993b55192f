//! The same lock gives the same bytes, whoever builds it, where, and when; and nothing of the
//! machine is in them.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::output::Output;
use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("user_place_and_date_change_no_byte", user_place_and_date_change_no_byte)];

/// A user without a name, a home or a right.
const NOBODY: &str = "65534";

/// Two builders.
struct Builder {
    /// What they run the CLI by.
    runner: Vec<&'static str>,
    /// What day they have.
    date: &'static str,
    /// The umask's opposite: the mode of their directories.
    mask: &'static str,
}

fn user_place_and_date_change_no_byte() {
    let other: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"],
        // Where the tests do not run as root there is one user to be had.
        false => &["env"],
    };
    let builders = [
        Builder { runner: vec!["env"], date: "2019-12-31 23:59:50", mask: "umask 077" },
        Builder { runner: other.to_vec(), date: "2031-02-03 04:05:06", mask: "umask 002" },
    ];
    let built: Vec<(Site, PathBuf, String)> = builders.iter().map(build).collect();
    let [(first, one, here), (second, two, there)] = &built[..] else { unreachable!() };
    // What tells of it, too: SBOMs and the page.
    let papers = |site: &Site, home: &str| fs::canonicalize(site.path(home).join("result-papers")).unwrap();
    let (told, again) = (papers(first, here), papers(second, there));
    assert_eq!(told.file_name(), again.file_name(), "what tells of it differs");
    for random in [here, there] {
        assert_eq!(tree::contains_bytes(&told, &[random.as_bytes()]).unwrap(), None);
    }
    assert_eq!(one.file_name(), two.file_name(), "the digests differ");
    assert_eq!(
        one.file_name(),
        Output::shared().path().file_name(),
        "the digest is another than the test's user has"
    );
    for output in [one, two, Output::shared().path()] {
        // What stands in the name is what lies there.
        tree::StorePath::resolve(output).unwrap().verify().unwrap();
        for random in [here, there] {
            assert_eq!(tree::contains_bytes(output, &[random.as_bytes()]).unwrap(), None);
        }
    }
    assert_same_bytes(one, two);
}

/// Builds in a HOME with a random name: where the output lies, and the name.
fn build(builder: &Builder) -> (Site, PathBuf, String) {
    // Not below the target directory, which may lie where no other user gets to.
    let site = Site::below(&std::env::temp_dir()).unwrap();
    site.fill_vendor(site::pinned()).unwrap();
    let random = format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    assert_eq!(random.len(), 32);
    let (home, temporary) = (site.path(&random), site.path(format!("{random}/tmp")));
    fs::create_dir_all(&temporary).unwrap();
    open(&site);
    let script = format!("{} && exec faketime -m \"$DATE\" \"$0\" \"$@\"", builder.mask);
    let mut runner = builder.runner.clone();
    runner.extend(["sh", "-c", &script]);
    let out = home.join("result");
    let arguments = ["build", "--offline", "--json", "--out", out.to_str().unwrap()];
    let mut command = site.command_by(&runner, &arguments);
    command.env("HOME", &home).env("TMPDIR", &temporary).env("DATE", builder.date);
    // Written to whenever somebody asks for the time and is told the false one.
    let lies = site.path("lies");
    command.env("FAKETIME_SAVE_FILE", &lies);
    let ran = site::run(command).unwrap();
    assert!(fs::metadata(&lies).is_ok_and(|lies| lies.len() > 0), "it took the true date");
    let value: Value = serde_json::from_str(&ran.succeeds()).unwrap();
    assert_eq!(value["was_there"], false);
    (site, PathBuf::from(value["output"].as_str().unwrap()), random)
}

/// Lets every user work in a site.
fn open(site: &Site) {
    for entry in walkdir::WalkDir::new(site.path("")) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o777)).unwrap();
        }
    }
}

/// Names, kinds, modes, times, link targets and contents, one by one, without our own hash.
fn assert_same_bytes(one: &Path, two: &Path) {
    let list = |root: &Path| -> Vec<walkdir::DirEntry> {
        walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap).collect()
    };
    let (ours, theirs) = (list(one), list(two));
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(a.path().strip_prefix(one), b.path().strip_prefix(two));
        let (meta, other) = (a.metadata().unwrap(), b.metadata().unwrap());
        assert_eq!(meta.permissions(), other.permissions(), "{}", a.path().display());
        assert_eq!(meta.modified().unwrap(), other.modified().unwrap(), "{}", a.path().display());
        if a.file_type().is_file() {
            assert!(fs::read(a.path()).unwrap() == fs::read(b.path()).unwrap(), "{}", a.path().display());
        } else if a.path_is_symlink() {
            assert_eq!(fs::read_link(a.path()).unwrap(), fs::read_link(b.path()).unwrap());
        }
    }
}
