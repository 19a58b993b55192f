//! A NAR is read back as strictly as Nix writes it: what is taken, written again, is the same bytes.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use opencode_cache_tree::{Error, Result, nar, remove_tree};

use crate::support::{fill, program, sample};

fn dump(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    nar::write(path, &mut bytes).unwrap();
    bytes
}

/// Trees that programs have got wrong before, each under its name.
fn odd(root: &Path) {
    let make = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    make("empty-directory");
    fs::write(root.join("empty-file"), "").unwrap();
    fs::write(root.join("executable"), "#!").unwrap();
    fs::set_permissions(root.join("executable"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/nowhere/at all", root.join("dangling-link")).unwrap();
    let paddings = make("paddings");
    for length in 0..=17 {
        fs::write(paddings.join(format!("file-{length}")), vec![0; length]).unwrap();
        fs::write(paddings.join("n".repeat(length + 1)), "").unwrap();
        symlink("t".repeat(length + 1), paddings.join(format!("link-{length}"))).unwrap();
    }
    fs::write(paddings.join("x".repeat(255)), "the longest name").unwrap();
    symlink("t".repeat(4095), paddings.join("longest-target")).unwrap();
    // By bytes: capitals before small letters, what follows a name after it, UTF-8 after ASCII, and what is no UTF-8 at all.
    let order = make("order");
    for name in [
        &b"a"[..],
        b"A",
        b"a.b",
        b"a-b",
        b"a b",
        b"aa",
        b"B",
        b"\xc3\xa4",
        b"\xff",
        b"\x01",
        b"a\nb",
        b"a\\b",
        b"~",
        b"(",
        b")",
    ] {
        fs::write(order.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::create_dir(order.join("a0")).unwrap();
    symlink(OsStr::from_bytes(b"\xff\xfe"), order.join("target-no-utf8")).unwrap();
    let deep = make("deep").join(["d"; 100].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), "100 down").unwrap();
    fs::write(root.join("large"), vec![b'x'; (9 << 20) + 3]).unwrap();
}

#[test]
fn odd_trees_are_dumped_as_nix_dumps_them_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    fs::create_dir(&root).unwrap();
    odd(&root);
    let ours = dump(&root);
    let back = dir.path().join("back");
    nar::restore(&ours[..], &back).unwrap();
    assert!(dump(&back) == ours);
    let Some(nix_store) = program("nix-store") else { return };
    for entry in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).chain([root.clone()]) {
        let theirs = Command::new(&nix_store).arg("--dump").arg(&entry).output().unwrap();
        assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
        assert!(dump(&entry) == theirs.stdout, "{} differs", entry.display());
    }
    let theirs = dir.path().join("theirs");
    let mut restoring =
        Command::new(&nix_store).arg("--restore").arg(&theirs).stdin(Stdio::piped()).spawn().unwrap();
    restoring.stdin.take().unwrap().write_all(&ours).unwrap();
    assert!(restoring.wait().unwrap().success());
    assert!(dump(&theirs) == ours);
    remove_tree(&theirs).unwrap();
}

/// Takes note of nothing.
struct Nobody;

impl nar::read::Sink for Nobody {
    fn directory(&mut self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn file(&mut self, _: &Path, _: u64, _: bool) -> Result<()> {
        Ok(())
    }

    fn content(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn file_ends(&mut self) -> Result<()> {
        Ok(())
    }

    fn link(&mut self, _: &Path, _: &Path) -> Result<()> {
        Ok(())
    }
}

#[test]
fn whatever_one_byte_is_changed_to_it_is_another_nar_or_none() {
    let dir = tempfile::tempdir().unwrap();
    sample(&dir.path().join("tree"));
    let whole = dump(&dir.path().join("tree"));
    let mut taken = 0;
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            match nar::read::read(&changed[..], &mut Nobody) {
                Ok(()) => {
                    taken += 1;
                    let back = dir.path().join("back");
                    nar::restore(&changed[..], &back).unwrap();
                    assert!(dump(&back) == changed, "byte {at}");
                    remove_tree(&back).unwrap();
                }
                Err(error) => assert!(matches!(error, Error::BrokenNar { .. }), "byte {at}: {error}"),
            }
        }
        let error = nar::read::read(&whole[..at], &mut Nobody).unwrap_err();
        assert!(matches!(error, Error::BrokenNar { .. }), "the first {at} bytes: {error}");
    }
    // Contents, targets and names may be others.
    assert!(taken > 20, "{taken}");
}

/// A NAR of words.
fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [&[&b"nix-archive-1"[..]], words].concat() {
        bytes.extend((word.len() as u64).to_le_bytes());
        bytes.extend(word);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

#[test]
fn what_would_lead_out_of_the_tree_is_refused() {
    let entry = |name: &'static [u8]| -> Vec<&'static [u8]> {
        vec![b"entry", b"(", b"name", name, b"node", b"(", b"type", b"regular", b"contents", b"", b")", b")"]
    };
    let of = |entries: &[&'static [u8]]| {
        let entries: Vec<_> = entries.iter().flat_map(|name| entry(name)).collect();
        words(&[&[&b"("[..], b"type", b"directory"], entries.as_slice(), &[&b")"[..]]].concat())
    };
    let told = |bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        match nar::restore(bytes, &dir.path().join("tree")) {
            Ok(()) => "taken",
            Err(Error::BrokenNar { reason, .. }) => reason,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(told(&of(&[b"a", b"b"])), "taken");
    for name in [&b"."[..], b"..", b"", b"a/b", b"/etc", b"a\0b"] {
        assert_eq!(told(&of(&[name])), "a name that no file can have", "{name:?}");
    }
    assert_eq!(told(&of(&[b"b", b"a"])), "names out of order");
    // A link would come first, and a file be written through it.
    assert_eq!(told(&of(&[b"a", b"a"])), "names out of order");
    assert_eq!(told(&[of(&[]), vec![0]].concat()), "more after the end");
    assert_eq!(told(&words(&[b"(", b"type", b"symlink", b"target", b"", b")"])), "a link to nowhere");
    assert_eq!(told(&words(&[b"(", b"type", b"fifo", b")"])), "neither file, directory nor link");
    assert_eq!(
        told(&words(&[b"(", b"type", b"a word of another format"])),
        "a string longer than any is here"
    );
}

#[test]
fn bounds_hold_and_nothing_that_is_there_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = Vec::new();
    for _ in 0..300 {
        deep.extend([&b"("[..], b"type", b"directory", b"entry", b"(", b"name", b"d", b"node"]);
    }
    let error = nar::restore(&words(&deep)[..], &dir.path().join("deep")).unwrap_err();
    assert!(matches!(error, Error::TooDeep { limit: 256, .. }), "{error}");
    // A size that nobody has bytes for costs nothing.
    let mut endless = words(&[b"(", b"type", b"regular", b"contents"]);
    endless.extend(u64::MAX.to_le_bytes());
    let error = nar::restore(&endless[..], &dir.path().join("endless")).unwrap_err();
    assert_eq!(error.code(), "nar-malformed");

    fill(dir.path(), &[("there/file", "mine")]);
    sample(&dir.path().join("tree"));
    let whole = dump(&dir.path().join("tree"));
    assert!(matches!(nar::restore(&whole[..], &dir.path().join("there")), Err(Error::Exists { .. })));
    let file = dump(&dir.path().join("tree/b.txt"));
    assert!(nar::restore(&file[..], &dir.path().join("there/file")).is_err());
    symlink("there/other", dir.path().join("link")).unwrap();
    assert!(nar::restore(&file[..], &dir.path().join("link")).is_err());
    assert_eq!(fs::read_to_string(dir.path().join("there/file")).unwrap(), "mine");
    assert!(!dir.path().join("there/other").exists());
}

#[test]
fn one_plain_file_is_what_nix_makes_of_a_download() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for content in ["", "1234567", "12345678", "123456789"] {
        fs::write(&path, content).unwrap();
        let expected = dump(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let (size, mut ours) = (content.len() as u64, Vec::new());
        nar::write_plain(content.as_bytes(), size, &path, &mut ours).unwrap();
        assert!(ours == expected && nar::plain_length(size) == ours.len() as u64);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for wrong in [size + 1, size.wrapping_sub(1)] {
            let error = nar::write_plain(content.as_bytes(), wrong, &path, std::io::sink());
            assert!(error.is_err() || size == 0, "{content}");
        }
    }
}
