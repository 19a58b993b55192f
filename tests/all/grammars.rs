//! Grammars that the manifest asks for: the terminal interface downloads them while recording, and an output holds their bytes.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use lock::{Algorithm, Download, Lock, Sri};
use replay::proxy::{Authority, Mode, Proxy, Recorded, RecordedBody};
use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("asked_for_pinned_and_held", asked_for_pinned_and_held)];

/// Where OpenCode 1.18.18 looks for the grammar of Python: a redirect, as it really is.
const GRAMMAR: &str =
    "https://github.com/tree-sitter/tree-sitter-python/releases/download/v0.23.6/tree-sitter-python.wasm";
/// Where it leads today.
const TODAY: &str = "https://release-assets.example/today?signature=x";
/// What stands in for it. The worker asks for queries only where it can load a grammar.
const BYTES: &str = "a stand-in for a grammar";

fn asked_for_pinned_and_held() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    let wanted = kept.collect::<Vec<_>>().join("\n") + "\ngrammars = [\"python\"]\n";
    site.write("opencode-cache.toml", &wanted).unwrap();
    site.write("grammar", BYTES).unwrap();

    let redirect =
        Recorded { status: 302, headers: BTreeMap::from([("location".into(), TODAY.into())]), body: None };
    let body = Some(RecordedBody::File(site.path("grammar"), BYTES.len() as u64));
    let file = Recorded { status: 200, headers: BTreeMap::new(), body };
    lock_behind_a_proxy(&site, BTreeMap::from([(GRAMMAR, redirect), (TODAY, file)]));

    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let pinned = Sri::of(Algorithm::Sha512, BYTES.as_bytes());
    match &lock.downloads[&TODAY.parse().unwrap()] {
        Download::File { integrity, .. } => assert_eq!(integrity, &pinned),
        other => panic!("{other:?}"),
    }

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let directory = site.path("result/lib/opencode/tree-sitter");
    let table = fs::read_to_string(directory.join("grammars.mjs")).unwrap();
    let line = table.lines().find(|line| line.contains(GRAMMAR)).unwrap();
    let name = line.split('"').nth(3).unwrap();
    assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), BYTES);
}

/// Locks where the world is behind a proxy that opens TLS with an authority of its own, and consists of `answers`.
pub fn lock_behind_a_proxy(site: &Site, answers: BTreeMap<&str, Recorded>) {
    let answers = answers.into_iter().map(|(address, answer)| (address.parse().unwrap(), answer)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let authority = Arc::new(Authority::new().unwrap());
    site.write("company.pem", authority.ca_pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::serve(listener, authority, Mode::Replay(answers)).unwrap();
    let mut command = site.command(&["lock"]);
    command.env("HTTPS_PROXY", proxy.url()).env("NODE_EXTRA_CA_CERTS", site.path("company.pem"));
    site::run(command).unwrap().succeeds();
    runtime.block_on(proxy.shutdown());
}
