//! `bundle` gives the same bytes for the same output, and what is in them `verify`, tar and minisign see too; a delta gives the same
//! tree; what cannot be bundled is told.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::cli::{program, succeed, told};
use testkit::output::Output;
use testkit::site::{Site, copy_writable, link_tree};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("the_same_bytes_signed_cut_and_seen_by_others", the_same_bytes),
    case("a_delta_gives_the_same_tree", delta),
    case("deltas_of_several_systems_are_a_file_each", several),
    case("what_cannot_be_bundled_is_told", refusals),
    case("keys_are_never_written_over", keys),
];

/// Level 1: what comes out is not compared with other levels.
fn bundle(site: &Site, output: &Path, more: &[&str]) -> Value {
    let start = ["bundle", output.to_str().unwrap(), "--json"];
    let level: &[&str] = if more.contains(&"--level") { &[] } else { &["--level", "1"] };
    let ran = site.run(&[&start, level, more].concat()).unwrap();
    serde_json::from_str(&ran.succeeds()).unwrap()
}

/// A program that needs nothing of the machine, of a few bytes; the real one takes minutes to compile.
fn static_program() -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18] = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, 1);
    bytes
}

fn the_same_bytes() {
    let (Some(minisign), Some(tar)) = (program("minisign"), program("tar")) else { return };
    let site = Site::empty();
    let output = Output::shared().path();
    let tool = "release";
    for (name, bytes) in
        [("bin/opencode-cache", static_program()), ("libexec/opencode-cache-installer", static_program())]
    {
        let path = site.path(tool).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    site.run(&["key", "generate", "a.key"]).unwrap().succeeds();
    site.run(&["key", "generate", "n.key", "--nix", "test-1"]).unwrap().succeeds();
    let whole =
        bundle(&site, output, &["-o", "a.bundle", "--tool", tool, "--sign", "a.key", "--sign", "n.key"]);
    let roles: Vec<_> =
        whole["parts"].as_array().unwrap().iter().map(|part| part["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["output", "tool", "papers"]);
    let cut = bundle(
        &site,
        output,
        &["-o", "c.bundle", "--tool", tool, "--sign", "a.key", "--detached", "--split", "30M"],
    );
    assert_eq!((&cut["digest"], cut["files"].as_array().unwrap().len() > 2), (&whole["digest"], true));

    // The same but for the signatures, which are behind.
    let path = |name: &str| site.path(name);
    let joined: Vec<u8> = cut["files"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|file| fs::read(path(file.as_str().unwrap())).unwrap())
        .collect();
    let signed = fs::read(path("a.bundle")).unwrap();
    assert!(signed.starts_with(&joined) && signed.len() - joined.len() < 1000);
    assert_eq!(fs::metadata(path("a.bundle")).unwrap().permissions().mode() & 0o777, 0o755);

    // minisign sees its signature, and verify sees what minisign signed.
    fs::write(path("c.whole"), &joined).unwrap();
    let verify = |key: &str| {
        let mut command = Command::new(&minisign);
        command
            .args(["-V", "-m"])
            .arg(path("c.whole"))
            .arg("-x")
            .arg(path("c.bundle.minisig"))
            .arg("-p")
            .arg(path(key));
        command
    };
    assert!(succeed(&mut verify("a.pub")).contains("opencode-cache bundle sha256:"));
    succeed(Command::new(&minisign).args(["-G", "-W", "-p"]).arg(path("m.pub")).arg("-s").arg(path("m.key")));
    assert!(!verify("m.pub").output().unwrap().status.success());
    succeed(
        Command::new(&minisign).args(["-S", "-W", "-s"]).arg(path("m.key")).arg("-m").arg(path("c.whole")),
    );
    for (file, key) in
        [("a.bundle", "a.pub"), ("a.bundle", "n.pub"), ("c.bundle", "a.pub"), ("c.whole", "m.pub")]
    {
        let told = site.run(&["verify", file, "--hashes-only", "--key", key]).unwrap().succeeds();
        assert!(told.contains("which is believed") && told.contains(" tool "), "{file} {key}: {told}");
    }
    let stranger = site.run(&["verify", "a.bundle", "--hashes-only", "--key", "m.pub"]).unwrap();
    assert_eq!(stranger.code, Some(1), "{stranger:?}");
    assert!(stranger.stdout.contains("[signature-other-key]"), "{}", stranger.stdout);

    // A tar, behind the program: with what the program prints about itself in it.
    let mut rest = Command::new("sh");
    let script = "tail -c +4097 \"$1\" | \"$2\" --zstd -tf -";
    let listed = succeed(rest.args(["-c", script, "sh"]).arg(path("a.bundle")).arg(&tar));
    assert!(
        listed.contains("index.json") && listed.contains("/share/man/man1/opencode-cache.1\n"),
        "{listed}"
    );

    // What lies in it for those who approve it is what `sbom` says of it, and agrees with it.
    site.run(&["sbom", "a.bundle", "--into", "papers"]).unwrap().succeeds();
    for name in ["sbom.cdx.json", "sbom.spdx.json", "inside.html", "licences/INDEX.tsv"] {
        let script =
            "tail -c +4097 \"$1\" | \"$2\" --zstd --wildcards -xOf - \"*/share/doc/opencode-cache/$3\"";
        let mut inside = Command::new("sh");
        let inside = succeed(inside.args(["-c", script, "sh"]).arg(path("a.bundle")).arg(&tar).arg(name));
        assert!(inside == site.read(&format!("papers/{name}")).unwrap().trim_end(), "{name}");
    }
    site.run(&["sbom", "a.bundle", "--check", "papers/sbom.cdx.json"]).unwrap().succeeds();
    let sbom = site.read("papers/sbom.cdx.json").unwrap();
    assert!(sbom.contains("\"../program\""), "the program before it is not told of");

    // A bit, anywhere.
    let mut file = File::options().write(true).open(path("c.bundle.002")).unwrap();
    file.seek(SeekFrom::Start(12_345_678)).unwrap();
    file.write_all(&[joined[30_000_000 + 12_345_678] ^ 1]).unwrap();
    let damaged = site.run(&["verify", "c.bundle.001", "--hashes-only"]).unwrap();
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    assert!(damaged.stdout.contains("[bundle-damaged]"), "{}", damaged.stdout);
    // One that is written again without a signature has none beside it either.
    bundle(&site, output, &["-o", "c.bundle", "--no-tool"]);
    assert!(!path("c.bundle.minisig").exists() && !path("c.bundle.001").exists());
}

/// An output that differs in a few bytes of the binary, under the name that this gives it.
fn patched(site: &Site) -> PathBuf {
    let copy = site.path("copy");
    copy_writable(Output::shared().path(), &copy).unwrap();
    let mut binary = File::options().write(true).open(copy.join("lib/opencode/bin/opencode")).unwrap();
    binary.seek(SeekFrom::Start(90_000_000)).unwrap();
    binary.write_all(b"another release").unwrap();
    let name = tree::Digest::of(&tree::nar_hash(&copy).unwrap()).file_name();
    let path = site.path(&name);
    fs::rename(&copy, &path).unwrap();
    path
}

fn delta() {
    let site = Site::empty();
    let old = Output::shared().path();
    let new = patched(&site);
    let full = bundle(&site, old, &["-o", "old.bundle", "--no-tool"]);
    let small = bundle(&site, &new, &["-o", "d.bundle", "--no-tool", "--since", old.to_str().unwrap()]);
    let (small, full) = (small["bytes"].as_u64().unwrap(), full["bytes"].as_u64().unwrap());
    assert!(small * 100 < full, "{small} of {full} bytes");
    // Since a bundle it is the same, and is read where the old tree lies.
    bundle(&site, &new, &["-o", "e.bundle", "--no-tool", "--since", "old.bundle"]);
    assert!(fs::read(site.path("d.bundle")).unwrap() == fs::read(site.path("e.bundle")).unwrap());
    let missing = site.run(&["verify", "d.bundle", "--hashes-only"]).unwrap();
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stdout.contains("[bundle-base-missing]"), "{}", missing.stdout);
    // What is in it is told where what it was made against is named.
    site.run(&["sbom", "d.bundle"]).unwrap().fails_with_next_step(3, "report-bundle");
    let told = site.run(&["sbom", "d.bundle", "--since", old.to_str().unwrap()]).unwrap().succeeds();
    assert!(told == site.run(&["sbom", new.to_str().unwrap()]).unwrap().succeeds());
    link_tree(old, &site.store().join(old.file_name().unwrap())).unwrap();
    let told = site.run(&["verify", "d.bundle", "--hashes-only"]).unwrap().succeeds();
    assert!(told.contains(new.file_name().unwrap().to_str().unwrap()), "{told}");
}

/// A tree that says of itself that it is an output for this system, and has one file more, in a place of the name that this gives it.
fn small(site: &Site, system: &str, text: &str) -> String {
    let made = site.path("made");
    fs::create_dir(&made).unwrap();
    let manifest = fs::read_to_string(Output::shared().path().join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["system"] = system.into();
    fs::write(made.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(made.join("text"), text).unwrap();
    let name = tree::Digest::of(&tree::nar_hash(&made).unwrap()).file_name();
    fs::rename(&made, site.path(&name)).unwrap();
    name
}

fn several() {
    let site = Site::empty();
    let [old_x, old_a] = ["x86_64-linux", "aarch64-linux"].map(|system| small(&site, system, "old"));
    let [x, a] = ["x86_64-linux", "aarch64-linux"].map(|system| small(&site, system, "new"));
    let bundle = |arguments: &[&str]| {
        site.run(&[&["bundle", "--no-tool", "--no-papers", "--json"], arguments].concat()).unwrap()
    };
    bundle(&[&old_x, &old_a, "-o", "old.bundle"]).succeeds();
    bundle(&[&x, &a, "--since", "old.bundle", "-o", "one.bundle"])
        .fails_with_next_step(3, "bundle-delta-systems");
    let told: Value = serde_json::from_str(&bundle(&[&x, &a, "--since", "old.bundle"]).succeeds()).unwrap();
    // Each is read where the older output of its own system is, and nothing else.
    for (told, (old, new)) in told.as_array().unwrap().iter().zip([(&old_a, &a), (&old_x, &x)]) {
        let file = told["files"][0].as_str().unwrap();
        let missing = site.run(&["verify", file, "--hashes-only"]).unwrap();
        assert!(missing.stdout.contains("[bundle-base-missing]"), "{file}: {}", missing.stdout);
        link_tree(&site.path(old), &site.store().join(old)).unwrap();
        let found = site.run(&["verify", file, "--hashes-only"]).unwrap().succeeds();
        assert!(found.contains(new.as_str()), "{file}: {found}");
    }
    assert_eq!(told.as_array().unwrap().len(), 2);
}

fn refusals() {
    let site = Site::empty();
    let output = Output::shared().path().to_str().unwrap();
    let fails = |arguments: &[&str], code: &str| {
        let ran = site.run(&[&["bundle", "--level", "1"], arguments].concat()).unwrap();
        ran.fails_with_next_step(3, code);
    };
    site.write("mine", "text").unwrap();
    fails(&[output, "-o", "mine"], "bundle-place-taken");
    assert_eq!(site.read("mine").unwrap(), "text");
    site.run(&["bundle", "home"]).unwrap().fails(3, "store-foreign-path");
    fails(&[output, "--tool", "home"], "bundle-no-tool");
    site.write("t/bin/opencode-cache", "#!/bin/sh\n").unwrap();
    fails(&[output, "--tool", "t"], "bundle-tool-unknown");
    let own = testkit::cli::Place::get().cli.clone();
    fs::copy(own, site.path("t/bin/opencode-cache")).unwrap();
    fails(&[output, "--tool", "t"], "bundle-tool-dynamic");
    let mut other = static_program();
    other[18] = if other[18] == 62 { 183 } else { 62 };
    fs::write(site.path("t/bin/opencode-cache"), other).unwrap();
    fails(&[output, "--tool", "t"], "bundle-tool-other-system");
    fails(&[output, "--sign", "mine"], "key-malformed");
    fails(&[output, "--since", "mine"], "bundle-none");
    assert_eq!(site.run(&["bundle", output, "--split", "0"]).unwrap().code, Some(2));
    let ran = site.run(&["verify", "mine"]).unwrap();
    ran.fails_with_next_step(3, "bundle-none");
}

fn keys() {
    let site = Site::empty();
    let public = site.run(&["key", "generate", "a.key"]).unwrap().succeeds();
    let secret = fs::read_to_string(site.path("a.key")).unwrap();
    assert_eq!(fs::metadata(site.path("a.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(site.read("a.pub").unwrap(), public);
    assert_eq!(site.run(&["key", "public", "a.key"]).unwrap().succeeds(), public);
    let again = site.run(&["key", "generate", "a.key"]).unwrap();
    again.fails_with_next_step(3, "key-exists");
    assert_eq!(fs::read_to_string(site.path("a.key")).unwrap(), secret);
    let line = secret.lines().nth(1).unwrap();
    assert!(!format!("{}{}{public}", again.stdout, again.stderr).contains(line));
    // Nix takes the other kind.
    let Some(nix) = program("nix") else { return };
    let public = site.run(&["key", "generate", "n.key", "--nix", "test-1"]).unwrap().succeeds();
    let mut convert = Command::new(nix);
    convert.args(["--extra-experimental-features", "nix-command", "key", "convert-secret-to-public"]);
    let ran = convert.stdin(File::open(site.path("n.key")).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), public.trim(), "{}", told(&ran));
}
