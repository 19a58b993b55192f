//! Releases of language servers as their projects publish them: archives, and in them a small program of ours that speaks the
//! Language Server Protocol. Owns the program and the archives' forms; who serves them is the test's.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// The program's source.
const SOURCE: &str = include_str!("../assets/language_server.rs");

/// A user of the machine that archives are made on, whom no other machine knows.
const MAKER: u64 = 1001;

/// The program: of every document it says which arguments it was started with, as an error.
///
/// # Panics
/// Where it cannot be compiled.
#[must_use]
pub fn server() -> &'static [u8] {
    static SERVER: OnceLock<Vec<u8>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let directory = tempfile::tempdir().expect("make a directory");
        let (source, program) = (directory.path().join("server.rs"), directory.path().join("server"));
        fs::write(&source, SOURCE).expect("write the source");
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let made = Command::new(compiler)
            .args([
                "--edition",
                "2021",
                "-C",
                "panic=abort",
                "-C",
                "strip=symbols",
                "-C",
                "opt-level=s",
                "-o",
            ])
            .arg(&program)
            .arg(&source)
            .output()
            .expect("start rustc");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read(&program).expect("read the program")
    })
}

/// A tar.gz of these files, path and content, all executable, made by a user of another machine.
///
/// # Panics
/// Where a path is longer than 100 bytes.
#[must_use]
pub fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(MAKER);
        header.set_gid(MAKER);
        // As it stands, also where the crate would not have it.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).expect("write to memory");
    }
    archive.into_inner().expect("write to memory").finish().expect("write to memory")
}

/// A zip of these files, path and content, not compressed and without any mode, as made where there are none.
///
/// # Panics
/// Where the files are larger than such an archive can say.
#[must_use]
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let small = |length: usize| u32::try_from(length).expect("a small file").to_le_bytes();
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (path, content) in files {
        let mut sum = Crc::new();
        sum.update(content);
        let offset = small(archive.len());
        // Version 1.0, no flags, stored, a date, the sum, both sizes, the name's length, nothing extra.
        let mut facts = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x28];
        facts.extend(sum.sum().to_le_bytes());
        facts.extend(small(content.len()));
        facts.extend(small(content.len()));
        facts.extend(u16::try_from(path.len()).expect("a short path").to_le_bytes());
        facts.extend([0, 0]);
        write(&mut archive, &[b"PK\x03\x04", &facts, path.as_bytes(), content]);
        write(&mut directory, &[b"PK\x01\x02", &[10, 0], &facts, &[0; 10], &offset, path.as_bytes()]);
    }
    let count = u16::try_from(files.len()).expect("a few files").to_le_bytes();
    let (start, size) = (small(archive.len()), small(directory.len()));
    write(&mut archive, &[&directory, b"PK\x05\x06", &[0; 4], &count, &count, &size, &start, &[0; 2]]);
    archive
}

fn write(to: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        to.write_all(part).expect("write to memory");
    }
}
