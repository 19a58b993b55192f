//! From packages in a directory to libraries in an output, with packages that `dpkg-deb` made.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lock::{Lock, System};
use replay::registry::Upstream;
use replay::registry::npmrc::Settings;
use replay::vendor::Vendor;

use super::{Place, place, resolve};
use crate::{Silent, fetch, layout};

/// A package with these files.
fn package(directory: &Path, control: &str, files: &[(&str, &str)]) {
    let root = tempfile::tempdir().unwrap();
    let name = control.split(' ').next().unwrap();
    let depends = control.strip_prefix(name).unwrap().trim();
    let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
    let source = if name == "libc6" { "glibc" } else { "gcc-12" };
    let text = format!(
        "Package: {name}\nSource: {source}\nVersion: 1:12-1\nArchitecture: amd64\nMaintainer: A <a@b.example>\n{depends}Description: a\n"
    );
    for (path, content) in files.iter().copied().chain([("DEBIAN/control", text.as_str())]) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, content).unwrap(),
        }
    }
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "-Znone", "--build"]).arg(root.path());
    let made = command.arg(directory.join(format!("{name}.deb"))).output();
    assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
}

fn packages(directory: &Path) {
    let lib = |name: &str| format!("lib/x86_64-linux-gnu/{name}");
    let names = [
        "ld-linux-x86-64.so.2",
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "libBrokenLocale.so.1",
    ];
    let own = names.map(lib);
    let mut files: Vec<(&str, &str)> = own.iter().map(|path| (path.as_str(), "a library")).collect();
    files.push(("lib64/ld-linux-x86-64.so.2", "-> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
    files.push(("usr/share/doc/libc6/copyright", "of glibc"));
    package(directory, "libc6 libgcc-s1", &files);
    package(directory, "gcc-12-base", &[("usr/share/doc/gcc-12-base/copyright", "of gcc")]);
    package(
        directory,
        "libgcc-s1 gcc-12-base (= 1), libc6",
        &[(&lib("libgcc_s.so.1"), "gcc"), ("usr/share/doc/libgcc-s1", "-> gcc-12-base")],
    );
    let plus = [
        ("usr/lib/x86_64-linux-gnu/libstdc++.so.6", "-> libstdc++.so.6.0.30"),
        ("usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", "c++"),
    ];
    package(directory, "libstdc++6 gcc-12-base (= 1)", &plus);
}

fn upstream() -> Upstream {
    let mut settings = Settings::layered(&[], &std::collections::BTreeMap::new()).unwrap();
    settings.registry = Some("http://127.0.0.1:9/".parse().unwrap());
    Upstream::new(&settings).unwrap()
}

#[tokio::test]
async fn packages_in_a_directory_become_libraries_of_an_output() {
    let directory = tempfile::tempdir().unwrap();
    let debs = directory.path().join("debs");
    fs::create_dir(&debs).unwrap();
    packages(&debs);
    let from = Place::Directory(debs.clone());
    let systems = BTreeSet::from([System::X86_64Linux, System::X86_64Darwin]);
    let found = resolve(&systems, Some(&from)).await.unwrap();
    let names: Vec<&str> = found[&System::X86_64Linux].keys().map(lock::DebianName::as_str).collect();
    assert_eq!(names, ["gcc-12-base", "libc6", "libgcc-s1", "libstdc++6"]);
    assert_eq!(found.len(), 1);
    let both = BTreeSet::from([System::Aarch64Linux]);
    assert_eq!(resolve(&both, Some(&from)).await.unwrap_err().code(), "debian-no-package");

    let mut lock = Lock::parse(include_str!("../../../../fixtures/lock/era-c/lock.json")).unwrap();
    lock.libraries = found;
    let pins = fetch::pins(&lock, &BTreeSet::from([System::X86_64Linux])).unwrap();
    let mut pins: Vec<_> =
        pins.into_iter().filter(|pin| matches!(pin.source, fetch::Origin::Debian(_))).collect();
    assert_eq!(pins.len(), 4);
    let vendor = Vendor::at(directory.path().join("vendor"));
    let upstream = upstream().with_mirror(Some(debs.display().to_string()));
    // Not by these names: a directory is flat, or a mirror's copy.
    let progress: Arc<dyn crate::Progress> = Arc::new(Silent);
    let error = fetch::fetch(&vendor, &upstream, &pins, &progress).await.unwrap_err();
    assert_eq!(error.code(), "debian-not-there");
    let pool = |pin: &fetch::Pin| debs.join(pin.source.to_string());
    for (pin, package) in pins.iter().zip(by_hash(&debs, &pins)) {
        fs::create_dir_all(pool(pin).parent().unwrap()).unwrap();
        fs::rename(package, pool(pin)).unwrap();
    }
    fetch::fetch(&vendor, &upstream, &pins, &progress).await.unwrap();

    let output = directory.path().join("output");
    place(&output, &lock, System::X86_64Linux, &vendor).unwrap();
    let libc = output.join(layout::LIBC);
    let mut names: Vec<String> =
        fs::read_dir(&libc).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "doc",
            "ld-linux-x86-64.so.2",
            "libc.so.6",
            "libdl.so.2",
            "libgcc_s.so.1",
            "libm.so.6",
            "libpthread.so.0",
            "libstdc++.so.6"
        ]
    );
    assert_eq!(fs::read_to_string(libc.join("libstdc++.so.6")).unwrap(), "c++");
    assert_eq!(fs::read_to_string(libc.join("doc/gcc-12-base/copyright")).unwrap(), "of gcc");
    let mode = |name: &str| fs::metadata(libc.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ld-linux-x86-64.so.2"), mode("libc.so.6")), (0o555, 0o444));

    // Other bytes under the same name.
    let pin = pins.swap_remove(0);
    fs::remove_file(vendor.path_of(&pin.integrity)).unwrap();
    fs::write(pool(&pin), "x").unwrap();
    let error = fetch::fetch(&vendor, &upstream, &[pin], &progress).await.unwrap_err();
    assert_eq!(error.code(), "debian-wrong-hash");
}

/// The file of each pin.
fn by_hash(directory: &Path, pins: &[fetch::Pin]) -> Vec<std::path::PathBuf> {
    let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is = |pin: &fetch::Pin, path: &Path| {
        path.is_file() && lock::Sri::of(pin.integrity.algorithm(), &fs::read(path).unwrap()) == pin.integrity
    };
    pins.iter().map(|pin| files.iter().find(|path| is(pin, path)).unwrap().clone()).collect()
}
