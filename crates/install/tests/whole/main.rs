//! Installing, going back, making room and taking away: what users see of it is right after each, whatever was refused in between.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod made;

use std::fs;
use std::os::unix::fs::symlink;

use bundle::signatures::PublicKey;
use bundle::{Role, minisign};
use install::{Request, User, gc, list, rollback, uninstall, verify};
use lock::System;

use made::{Machine, bundle, names};

fn code<T: std::fmt::Debug>(result: install::Result<T>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn generations_come_side_by_side_and_one_is_active() {
    let machine = Machine::new();
    let (old, new) = (machine.output("1.0.0"), machine.output("1.1.0"));
    let (old, new) = (bundle(&[(&old, None)]), bundle(&[(&new, None)]));
    assert_eq!(code(list(&machine.place)), "not-installed");

    let first = machine.install(&old).unwrap();
    assert_eq!((first.generation.number, first.before, machine.says().as_str()), (1, None, "1.0.0"));
    let second = machine.install(&new).unwrap();
    assert_eq!((second.generation.number, second.before, machine.says().as_str()), (2, Some(1), "1.1.0"));
    // The same again is the same generation.
    assert_eq!(machine.install(&new).unwrap().generation.number, 2);

    assert_eq!(code(machine.install(&old)), "install-downgrade");
    assert_eq!(machine.says(), "1.1.0");
    let mut meant = machine.request(&old);
    meant.downgrade = true;
    assert_eq!(install::install(&meant).unwrap().generation.number, 1);
    assert_eq!(machine.says(), "1.0.0");

    assert_eq!(code(rollback(&machine.place, None)), "generation-none");
    assert_eq!(rollback(&machine.place, Some(2)).unwrap().before, Some(1));
    assert_eq!(machine.says(), "1.1.0");
    assert_eq!(rollback(&machine.place, None).unwrap().generation.number, 1);
    assert_eq!(machine.says(), "1.0.0");
    let active: Vec<_> = list(&machine.place).unwrap().iter().map(|(one, _)| one.is_active).collect();
    assert_eq!(active, [true, false]);
    assert_eq!(verify(&machine.place).unwrap().problems, [""; 0]);
}

#[test]
fn room_is_made_and_everything_taken_away_but_what_is_not_ours() {
    let machine = Machine::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        machine.install(&bundle(&[(&machine.output(version), None)])).unwrap();
    }
    fs::write(machine.place.prefix.join("bin/mine"), "").unwrap();
    let collected = gc(&machine.place, 1).unwrap();
    assert_eq!((collected.generations, collected.trees.len()), (vec![1], 1));
    assert_eq!(gc(&machine.place, 1).unwrap().trees, [""; 0]);
    assert_eq!((machine.trees().len(), machine.says().as_str()), (2, "1.2.0"));
    rollback(&machine.place, None).unwrap();
    assert_eq!(gc(&machine.place, 0).unwrap().generations, [3]);
    assert_eq!(machine.says(), "1.1.0");

    assert_eq!(uninstall(&machine.place, &User::default()).unwrap().links.len(), 1);
    assert!(!machine.place.state.exists());
    assert_eq!(names(&machine.place.prefix.join("bin")), ["mine"]);
    assert_eq!(code(uninstall(&machine.place, &User::default())), "not-installed");
}

/// What starts have laid in a user's directories goes with what it leads to; what is the user's own, or another output's, stays.
#[test]
fn what_starts_have_laid_goes_too() {
    let machine = Machine::new();
    let map = "opencode-cache linkmap 1\nexec\tlib/all\nroot\topencode\nlink\tcache\tpackages/x\tlib\n\
        link\tconfig\tnode_modules\tlib\ncopy\tconfig\tpackage.json\tlib/own\t0000000000000000\n";
    linkmap::Map::parse(map.as_bytes()).unwrap();
    let mut files =
        vec![("bin/opencode", "#!/bin/sh\n", true), ("lib/all", "all", false), ("lib/own", "{}", false)];
    files.push(("linkmap", map, false));
    let output = machine.tree(Role::Output, &files, &[("opencode", "1.0.0")]);
    machine.install(&bundle(&[(&output, None)])).unwrap();
    let home = machine.home().join("somebody");
    let (cache, config) = (home.join(".cache/opencode"), home.join(".config/opencode"));
    let store = machine.place.state.join("installed").canonicalize().unwrap();
    let lib = store.join(output.stored.digest().file_name()).join("lib");
    let user = User::new([("HOME".into(), home.clone().into())]);
    let lay = |lib: &std::path::Path| {
        fs::create_dir_all(cache.join("packages")).unwrap();
        fs::create_dir_all(&config).unwrap();
        fs::write(cache.join(".opencode-cache-state"), map).unwrap();
        fs::write(config.join("package.json"), "mine").unwrap();
        symlink(lib, cache.join("packages/x")).unwrap();
        symlink(lib, config.join("node_modules")).unwrap();
    };
    lay(&lib);
    assert!(uninstall(&machine.place, &user).unwrap().kept.is_empty());
    assert!(config.join("node_modules").symlink_metadata().is_err());
    assert_eq!(names(&config), ["package.json"]);
    assert_eq!(names(&cache), ["packages"]);
    assert_eq!(names(&cache.join("packages")), [""; 0]);

    fs::remove_dir_all(&home).unwrap();
    machine.install(&bundle(&[(&output, None)])).unwrap();
    lay(&output.stored.path().join("lib"));
    uninstall(&machine.place, &user).unwrap();
    assert!(config.join("node_modules").is_dir(), "another output's stays");
}

/// `sleep` of this machine, copied into an output.
#[test]
fn what_runs_stays() {
    let machine = Machine::new();
    let sleep = ["/bin/sleep", "/usr/bin/sleep"].iter().find(|path| fs::metadata(path).is_ok()).unwrap();
    let staging = machine.store().staging().unwrap();
    fs::create_dir(staging.path().join("bin")).unwrap();
    fs::copy(sleep, staging.path().join("bin/opencode")).unwrap();
    let mut sleeping = machine.output("1.0.0");
    sleeping.stored = staging.commit().unwrap();
    machine.install(&bundle(&[(&sleeping, None)])).unwrap();
    let program = machine.place.prefix.join("bin/opencode");
    let mut running = std::process::Command::new(program).arg("600").spawn().unwrap();
    machine.install(&bundle(&[(&machine.output("1.1.0"), None)])).unwrap();
    let collected = gc(&machine.place, 0).unwrap();
    assert_eq!((collected.generations, collected.running.len()), (vec![1], 1));
    assert_eq!(uninstall(&machine.place, &User::default()).unwrap().collected.running.len(), 1);
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(uninstall(&machine.place, &User::default()).unwrap().collected.trees.len(), 1);
    assert!(!machine.place.state.exists());
}

#[test]
fn what_is_somebody_elses_stays_and_is_told() {
    let machine = Machine::new();
    let output = machine.output("1.0.0");
    let tool = machine.tree(
        Role::Tool,
        &[
            ("bin/opencode-cache", "tool", true),
            ("share/man/man1/opencode-cache.1", "page", false),
            ("lib/x", "", false),
        ],
        &[],
    );
    let whole = bundle(&[(&output, None), (&tool, None)]);
    let bin = machine.place.prefix.join("bin");
    fs::create_dir_all(&bin).unwrap();
    symlink("/elsewhere/opencode", bin.join("opencode")).unwrap();
    assert_eq!(code(machine.install(&whole)), "install-not-ours");
    assert!(!machine.place.state.exists(), "something was written");
    fs::remove_file(bin.join("opencode")).unwrap();

    fs::write(bin.join("opencode-cache"), "mine").unwrap();
    assert_eq!(machine.install(&whole).unwrap().left_out, [bin.join("opencode-cache")]);
    assert_eq!(fs::read_to_string(bin.join("opencode-cache")).unwrap(), "mine");
    let page = machine.place.prefix.join("share/man/man1/opencode-cache.1");
    assert_eq!(fs::read_to_string(&page).unwrap(), "page");
    // The next has no tool: its page goes, and comes back with the one before.
    machine.install(&bundle(&[(&machine.output("1.1.0"), None)])).unwrap();
    assert!(fs::symlink_metadata(&page).is_err());
    rollback(&machine.place, None).unwrap();
    assert_eq!(fs::read_to_string(&page).unwrap(), "page");
}

/// What tells of an output lies where such things are looked for, of the active generation, and goes with it.
#[test]
fn papers_of_the_output_are_laid_as_one_directory() {
    let machine = Machine::new();
    let output = machine.output("1.0.0");
    let of = |digest: &str, text: &str| {
        let path = "share/doc/opencode-cache/licences/INDEX.tsv";
        machine.tree(Role::Papers, &[(path, text, false)], &[("output", digest)])
    };
    let own = of(&output.stored.digest().to_string(), "of this");
    let other = of("00000000000000000000000000000000", "of another");
    let whole = bundle(&[(&output, None), (&own, None), (&other, None)]);
    let told = machine.install(&whole).unwrap().to_string();
    let doc = machine.place.prefix.join("share/doc");
    assert!(told.contains(&format!("what is in it: {}/opencode-cache\n", doc.display())), "{told}");
    assert!(
        fs::read_link(doc.join("opencode-cache")).unwrap().starts_with(machine.place.state.join("current"))
    );
    let index = doc.join("opencode-cache/licences/INDEX.tsv");
    assert_eq!(fs::read_to_string(&index).unwrap(), "of this");
    assert_eq!(verify(&machine.place).unwrap().problems, [""; 0]);
    fs::write(doc.join("mine"), "").unwrap();
    // The next has none.
    machine.install(&bundle(&[(&machine.output("1.1.0"), None)])).unwrap();
    assert_eq!(names(&doc), ["mine"]);
    rollback(&machine.place, None).unwrap();
    assert_eq!(fs::read_to_string(&index).unwrap(), "of this");
    uninstall(&machine.place, &User::default()).unwrap();
    assert_eq!(names(&doc), ["mine"]);
}

#[test]
fn another_system_is_refused_and_one_of_several_is_taken() {
    let machine = Machine::new();
    let mut other = machine.output("1.0.0");
    other.system = System::Aarch64Linux;
    assert_eq!(code(machine.install(&bundle(&[(&other, None)]))), "install-other-system");
    // What both have comes with the other, which is first.
    let here = machine.output("1.1.0");
    machine.install(&bundle(&[(&other, None), (&here, None)])).unwrap();
    assert_eq!((machine.trees(), machine.says().as_str()), (vec![here.stored.digest().file_name()], "1.1.0"));
    assert_eq!(verify(&machine.place).unwrap().problems, [""; 0]);
}

#[test]
fn a_delta_needs_what_it_was_made_against() {
    let machine = Machine::new();
    let (old, new) = (machine.output("1.0.0"), machine.output("1.1.0"));
    let delta = bundle(&[(&new, Some(&old))]);
    assert_eq!(code(machine.install(&delta)), "bundle-base-missing");
    machine.install(&bundle(&[(&old, None)])).unwrap();
    machine.install(&delta).unwrap();
    assert_eq!(machine.says(), "1.1.0");
    assert!(machine.trees().contains(&new.stored.digest().file_name()));
}

#[test]
fn a_damaged_tree_is_told_and_mended_by_installing_again() {
    let machine = Machine::new();
    let output = machine.output("1.0.0");
    let whole = bundle(&[(&output, None)]);
    machine.install(&whole).unwrap();
    let file = machine.place.state.join("installed").join(output.stored.digest().file_name()).join("lib/own");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "0.9.9").unwrap();
    fs::remove_file(machine.place.prefix.join("bin/opencode")).unwrap();
    assert_eq!(verify(&machine.place).unwrap().problems.len(), 2);
    machine.install(&whole).unwrap();
    assert_eq!(verify(&machine.place).unwrap().problems, [""; 0]);
}

/// Bytes that are others, bytes that are missing, nobody's signature, a stranger's: nothing is written.
#[test]
fn what_is_damaged_or_of_a_stranger_is_refused_before_anything_is_written() {
    let machine = Machine::new();
    let whole = bundle(&[(&machine.output("1.0.0"), None)]);
    let mut flipped = whole.clone();
    let last = flipped.len() - 10;
    flipped[last] ^= 1;
    assert_eq!(code(machine.install(&flipped)), "bundle-damaged");
    assert_eq!(code(machine.install(&whole[..whole.len() - 1])), "bundle-truncated");
    let secret = |seed: u8| minisign::SecretKey::new([seed; 32], [seed; 8]).unwrap();
    let signed = |seed: u8| {
        let mut file = std::io::Cursor::new(whole.clone());
        let mut opened = bundle::Bundle::open(&mut file).unwrap();
        let (hash, header) = (opened.check().unwrap(), opened.header().clone());
        bundle::sign(&mut file, &header, &secret(seed).sign(&hash, "test").to_string()).unwrap();
        file.into_inner()
    };
    let believing = |bytes: &[u8]| {
        let keys = vec![PublicKey::Minisign(secret(1).public())];
        install::install(&Request { keys, ..machine.request(bytes) })
    };
    assert_eq!(code(believing(&whole)), "bundle-unsigned");
    assert_eq!(code(believing(&signed(2))), "signature-other-key");
    assert!(!machine.place.state.exists() && !machine.place.prefix.exists(), "something was written");
    let installed = believing(&signed(1)).unwrap();
    assert_eq!(installed.generation.record.key, Some(secret(1).public().id()));
}

#[test]
fn two_at_once_do_not_meet() {
    let machine = Machine::new();
    let whole = bundle(&[(&machine.output("1.0.0"), None)]);
    machine.install(&whole).unwrap();
    let lock = fs::File::open(machine.place.state.join("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(code(machine.install(&whole)), "install-busy");
    assert_eq!(code(rollback(&machine.place, None)), "install-busy");
    assert_eq!(code(uninstall(&machine.place, &User::default())), "install-busy");
    assert_eq!(list(&machine.place).unwrap().len(), 1);
}
