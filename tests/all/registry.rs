//! Law 8: the user's registry is the only one that is asked, and no address of any stands in the
//! repository or in a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use builder::registry::Sought;
use lock::Lock;
use replay::registry::{BasePath, Origin, RecordRegistry, Sight};
use replay::vendor::Vendor;
use sandbox::{Attempt, Bind, Sandbox, Spec};
use testkit::cli::{Place, program, succeed};
use testkit::site::{Site, pinned};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("lock_and_fetch_ask_the_mirror_and_nobody_else", lock_and_fetch_ask_the_mirror_and_nobody_else),
    case("no_file_names_a_registry", no_file_names_a_registry),
];

/// HOME of whoever locks: empty, so that no configuration of the tests' own user counts.
const HOME: &str = "/home/user";
/// The longest that one verb may take on two busy cores.
const LIMIT: Duration = Duration::from_secs(300);
/// The most that is kept of what a verb says, in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// The mirror's path: a word that no package has in its name.
const BASE: &str = "company-mirror-of-law-eight";

/// The CLI has loopback only, and whatever tries to get further is counted.
fn lock_and_fetch_ask_the_mirror_and_nobody_else() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (user, company) = (Site::empty(), Site::provided());
    fs::remove_file(user.path("opencode.lock.json")).unwrap();
    let mut sandbox = open(&user);
    let base: BasePath = BASE.parse().unwrap();
    let mirror = RecordRegistry::serve(
        sandbox.take_listeners().remove(0),
        Origin::new(runtime.block_on(own_registry()), Vendor::at(company.vendor())),
        BTreeMap::from([(base.clone(), Sight::default())]),
    )
    .unwrap();
    let url = mirror.url(&base);

    run(&sandbox, &user, &url, "lock");
    let text = user.read("opencode.lock.json").unwrap();
    let lock = Lock::parse(&text).unwrap();
    let address = mirror.address();
    for part in [address.to_string(), address.port().to_string(), "127.0.0.1".into(), BASE.into()] {
        assert!(
            !text.contains(&format!("{part}/")) && !text.contains(&format!(":{part}")),
            "{part} in the lock"
        );
    }
    assert!(!text.contains(BASE));
    // This mirror drops signatures, as many do.
    let pinned = lock.npm_pins().len();
    assert_eq!(lock.signature_counts(), BTreeMap::from([("unsigned".to_owned(), pinned)]));

    let _there = fs::remove_dir_all(user.vendor());
    run(&sandbox, &user, &url, "fetch");
    let vendor = Vendor::at(user.vendor());
    assert!(lock.packages.values().all(|package| vendor.get(&package.integrity).is_some()));
    assert!(lock.systems.values().all(|artifact| vendor.get(&artifact.integrity).is_some()));

    let left = sandbox
        .attempts()
        .into_iter()
        .filter(|attempt| attempt.leaves() && !is_dummy_key(attempt) && !is_catalogue(attempt));
    assert_eq!(left.collect::<Vec<_>>(), [], "something else than the mirror was asked");
    let facts = runtime.block_on(mirror.shutdown());
    assert!(facts.failures.is_empty(), "{:?}", facts.failures);
    let asked = &facts.bases[&base];
    assert!(lock.packages.keys().all(|id| asked.packuments.contains_key(&id.name)));
    assert!(lock.packages.keys().all(|id| asked.tarballs.contains_key(id)));
}

/// Models are counted with a dummy for every key, by an OpenCode in a sandbox of its own: a
/// provider that asks its own service for its models then (1.18.18: one of 184) asks a name server
/// that is not there. It is told by the name being none of a registry.
fn is_dummy_key(attempt: &Attempt) -> bool {
    let registries = hosts_of_bun();
    let is_registry = |name: &str| registries.iter().any(|registry| name.contains(registry.as_str()));
    attempt.program == "opencode" && attempt.dns_name.as_deref().is_some_and(|name| !is_registry(name))
}

/// The catalogue of models is no package: it is asked for at its own host.
fn is_catalogue(attempt: &Attempt) -> bool {
    let version = "1.18.18".parse().unwrap();
    let address: url::Url = builder::opencode::catalogue_address(&version).parse().unwrap();
    attempt.dns_name.as_deref() == address.host_str()
}

fn open(site: &Site) -> Sandbox {
    let mut spec = Spec::new(HOME);
    spec.binds.push(Bind::writable(site.path(""), site.path("")));
    spec.tcp_listeners = 1;
    let mut sandbox = Sandbox::start(&spec).unwrap();
    // A name server that is not there: a question fails at once, and is counted all the same.
    drop(sandbox.take_dns());
    sandbox
}

fn run(sandbox: &Sandbox, site: &Site, registry: &str, verb: &str) {
    let vendor = site.vendor();
    let words = [site.cli(), "--vendor".as_ref(), vendor.as_path(), verb.as_ref()];
    let command = sandbox::Command::new(words, site.path(""))
        .env("HOME", HOME)
        .env("PATH", "/usr/bin:/bin")
        .env("npm_config_registry", registry);
    let output = sandbox.run(&command, LIMIT, MAX_OUTPUT).unwrap();
    assert!(output.exit.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The registry of whoever runs the tests.
async fn own_registry() -> replay::registry::Upstream {
    let sought = Sought::here(None, Place::get().repository.clone());
    sought.find().await.unwrap().upstream
}

/// What npm and the bun in OpenCode would ask when nobody told them otherwise, without saying it
/// here: both are asked.
fn no_file_names_a_registry() {
    let (Some(npm), Some(git)) = (program("npm"), program("git")) else { return };
    let place = Place::get();
    let home = place.directory("registry-");
    let said = succeed(
        Command::new(npm)
            .args(["config", "get", "registry", "--userconfig", "no-user", "--globalconfig", "no-global"])
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(home.path()),
    );
    let of_npm: url::Url = said.parse().unwrap();
    let mut hosts = BTreeSet::from([of_npm.host_str().unwrap().to_owned()]);
    hosts.extend(hosts_of_bun());
    assert!(hosts.iter().all(|host| host.contains('.')), "{hosts:?}");

    let listed = succeed(Command::new(git).args(["ls-files", "-z"]).current_dir(&place.repository));
    let files: Vec<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
    assert!(files.contains(&"opencode.lock.json"), "{files:?}");
    for name in files {
        // A file that was removed and not yet committed so.
        let Ok(bytes) = fs::read(place.repository.join(name)) else { continue };
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        for host in &hosts {
            assert!(!text.contains(host.as_str()), "{name} names {host}");
        }
    }
}

/// What the bun in the locked OpenCode would ask, where nothing else names a registry.
fn hosts_of_bun() -> Vec<String> {
    let repository = &Place::get().repository;
    let lock = Lock::parse(&fs::read_to_string(repository.join("opencode.lock.json")).unwrap()).unwrap();
    let sought = Sought {
        // No npm is found on this PATH.
        env: BTreeMap::from([("PATH".to_owned(), "/nonexistent".to_owned())]),
        opencode: Some((Vendor::at(pinned()), Some(lock))),
        ..Sought::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime.block_on(sought.find()).unwrap();
    found.upstream.hosts().collect()
}
