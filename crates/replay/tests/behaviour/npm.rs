//! Property: the real npm installs from a replay as from a registry, and a replay of a recording gives the same tree and lock file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use replay::registry::{
    Answer, BasePath, Origin, Question, RecordRegistry, RegistryView, ReplayRegistry, Sight, TarballFile,
    VersionView,
};
use replay::vendor::Vendor;
use serde_json::{Value, json};

use crate::support::{Fake, Reply, base, id, listener, sri, tarball, upstream};

#[expect(clippy::print_stdout, reason = "a test that tested nothing says so loudly")]
/// `npm install` of `wanted` into `project` from the registry at `url`; `None` where there is no npm (an error in CI).
async fn npm_install(project: &Path, url: String, wanted: &'static [&'static str]) -> Option<Output> {
    let project = project.to_owned();
    let run = move || {
        std::fs::create_dir_all(&project).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-fund", "--no-update-notifier", "--fetch-retries=0"])
            .args(wanted)
            .current_dir(&project)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &project)
            .env("npm_config_cache", project.join("npm-cache"))
            .env("npm_config_registry", url)
            .env("npm_config_omit_lockfile_registry_resolved", "true")
            .output()
    };
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "npm is needed in CI");
            println!("NOT TESTED: there is no npm on PATH");
            None
        }
        Err(error) => panic!("npm: {error}"),
    }
}

const PACKAGES: &[(&str, &str)] = &[
    ("top", "1.2.3"),
    ("@scope/inner", "2.0.0"),
    ("leaf", "1.0.0"),
    ("leaf", "1.1.0"),
    ("leaf", "2.0.0-rc.1"),
];

fn fields(name: &str) -> Value {
    match name {
        "top" => json!({
            "dependencies": {"@scope/inner": "^2.0.0", "leaf": "^1.0.0"},
            "optionalDependencies": {"never-published": "^1"},
            "bin": {"top": "index.js"}, "license": "MIT",
        }),
        "@scope/inner" => json!({"dependencies": {"leaf": "~1.0.0"}, "license": "ISC"}),
        _ => json!({"license": "0BSD"}),
    }
}

fn tags(name: &str) -> Value {
    match name {
        "top" => json!({"latest": "1.2.3"}),
        "@scope/inner" => json!({"latest": "2.0.0"}),
        _ => json!({"latest": "1.1.0", "next": "2.0.0-rc.1"}),
    }
}

/// The view of the package set, with the tarballs written into `vendor`.
async fn view(vendor: &Vendor) -> RegistryView {
    let mut view = RegistryView {
        absent: BTreeSet::from(["never-published".parse().unwrap()]),
        ..RegistryView::default()
    };
    for (name, version) in PACKAGES {
        let stored = vendor.put(tarball(name, version, &fields(name))).await.unwrap();
        let of_tags =
            |(tag, version): (&String, &Value)| (tag.clone(), version.as_str().unwrap().parse().unwrap());
        let package = view.packages.entry(name.parse().unwrap()).or_default();
        package.tags = tags(name).as_object().unwrap().iter().map(of_tags).collect();
        package.versions.insert(
            version.parse().unwrap(),
            VersionView {
                manifest: fields(name),
                integrity: Some(stored.integrity),
                tarball: Some(TarballFile { path: stored.path, size: stored.size }),
            },
        );
    }
    view
}

fn installed(project: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tree = crate::support::contents(&project.join("node_modules"));
    tree.insert("package-lock.json".to_owned(), std::fs::read(project.join("package-lock.json")).unwrap());
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_installs_from_a_replay() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path().join("vendor"));
    let views = BTreeMap::from([(base("one"), view(&vendor).await), (base("two"), RegistryView::default())]);
    let registry = ReplayRegistry::serve(listener(), views).unwrap();
    let project = directory.path().join("project");
    let Some(output) = npm_install(&project, registry.url(&base("one")), &["top"]).await else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let facts = registry.shutdown().await;
    let tree = installed(&project);
    assert!(tree["leaf/index.js"].starts_with(b"module.exports = \"leaf@1.1.0\""));
    assert!(tree["@scope/inner/node_modules/leaf/index.js"].starts_with(b"module.exports = \"leaf@1.0.0\""));
    let lock: Value = serde_json::from_slice(&tree["package-lock.json"]).unwrap();
    assert_eq!(lock["packages"]["node_modules/top"]["license"], "MIT");
    let asked = &facts.bases[&base("one")];
    let names: Vec<_> = asked.packuments.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["@scope/inner", "leaf", "top"]);
    assert_eq!(asked.absent.iter().map(ToString::to_string).collect::<Vec<_>>(), ["never-published"]);
    let tarballs: Vec<_> = asked.tarballs.iter().map(ToString::to_string).collect();
    assert_eq!(tarballs, ["@scope/inner@2.0.0", "leaf@1.0.0", "leaf@1.1.0", "top@1.2.3"]);
    assert_eq!(facts.unrecorded, []);
    assert_eq!(facts.bases[&base("two")], replay::registry::BaseFacts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_was_never_recorded_fails_the_install_at_once_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path().join("vendor"));
    let mut view = view(&vendor).await;
    view.packages.remove(&"@scope/inner".parse().unwrap());
    let registry = ReplayRegistry::serve(listener(), BTreeMap::from([(base("one"), view)])).unwrap();
    let Some(output) =
        npm_install(&directory.path().join("project"), registry.url(&base("one")), &["top"]).await
    else {
        return;
    };
    assert!(!output.status.success());
    let facts = registry.shutdown().await;
    let question =
        Question { base: "one".to_owned(), method: "GET".to_owned(), path: "/@scope%2finner".to_owned() };
    assert_eq!(facts.unrecorded, [question]);
}

/// A registry of the package set as npm's own looks, tarballs below another path.
fn fake() -> Fake {
    let socket = listener();
    let authority = socket.local_addr().unwrap().to_string();
    Fake::on(socket, move |seen, _| {
        for (name, version) in PACKAGES {
            if seen.path == format!("/files/{name}-{version}.tgz") {
                return Reply::new(200, tarball(name, version, &fields(name)));
            }
        }
        let name = seen.path.trim_start_matches('/').replace("%2F", "/").replace("%2f", "/");
        let mut versions = json!({});
        for (_, version) in PACKAGES.iter().filter(|(found, _)| *found == name) {
            let mut document = fields(&name);
            document["name"] = json!(name);
            document["version"] = json!(version);
            document["readme"] = json!("long");
            let integrity = sri(&tarball(&name, version, &fields(&name))).to_string();
            document["dist"] = json!({"tarball": format!("http://{authority}/files/{name}-{version}.tgz"), "integrity": integrity});
            versions[version] = document;
        }
        if versions == json!({}) {
            return Reply::new(404, r#"{"error":"not found"}"#);
        }
        Reply::new(200, json!({"name": name, "dist-tags": tags(&name), "versions": versions}).to_string())
    })
}

/// What a lock would keep of a recording: the resolved versions only.
fn replayed(facts: &replay::registry::RecordFacts, at: &BasePath, vendor: &Vendor) -> RegistryView {
    let record = &facts.bases[at];
    let mut view = RegistryView::default();
    for (name, answer) in &record.packuments {
        match answer {
            Answer::Found(packument) => {
                let mut package = packument.view();
                package.versions.retain(|version, _| record.tarballs.contains_key(&name.at(version.clone())));
                view.packages.insert(name.clone(), package);
            }
            Answer::Absent { .. } => drop(view.absent.insert(name.clone())),
        }
    }
    for (id, tarball) in &record.tarballs {
        let path = vendor.get(&tarball.integrity).unwrap();
        let version = view.packages.get_mut(&id.name).unwrap().versions.get_mut(&id.version).unwrap();
        version.tarball = Some(TarballFile { path, size: tarball.size });
    }
    view
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_recording_installs_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let vendor = Vendor::at(directory.path().join("vendor"));
    let fake = fake();
    let origin = Origin::new(upstream(&format!("registry={}", fake.url())), vendor.clone());
    let bases = BTreeMap::from([(base("one"), Sight::default()), (base("two"), Sight::default())]);
    let registry = RecordRegistry::serve(listener(), origin, bases).unwrap();
    for name in ["one", "two"] {
        let project = directory.path().join(name).join("project");
        let Some(output) = npm_install(&project, registry.url(&base(name)), &["top", "leaf@next"]).await
        else {
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let facts = registry.shutdown().await;
    assert!(facts.failures.is_empty() && facts.unknown.is_empty(), "{facts:?}");
    assert_eq!(facts.bases[&base("one")].tarballs.len(), 5);
    assert_eq!(
        facts.bases[&base("one")].packuments[&"never-published".parse().unwrap()],
        Answer::Absent { status: 404 }
    );
    // Both bases asked, upstream was asked once.
    for path in ["/top", "/leaf", "/@scope%2Finner", "/never-published", "/files/top-1.2.3.tgz"] {
        assert_eq!(fake.count(path), 1, "{path}");
    }
    let views = BTreeMap::from([(base("other"), replayed(&facts, &base("one"), &vendor))]);
    let registry = ReplayRegistry::serve(listener(), views).unwrap();
    let project = directory.path().join("three").join("project");
    let Some(output) = npm_install(&project, registry.url(&base("other")), &["top", "leaf@next"]).await
    else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(registry.shutdown().await.unrecorded, []);
    let recorded = directory.path().join("one").join("project");
    assert_eq!(installed(&recorded), installed(&project));
    assert_eq!(
        vendor.verify(&facts.bases[&base("one")].tarballs[&id("top", "1.2.3")].integrity).await.unwrap(),
        facts.bases[&base("one")].tarballs[&id("top", "1.2.3")].size
    );
}
