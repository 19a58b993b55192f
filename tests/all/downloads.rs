//! What OpenCode downloads over https that is no npm package: recorded through a proxy of the company's that opens TLS with a CA of
//! its own, pinned by hash, and answered from the lock ever after.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use replay::proxy::{Authority, Mode, Proxy, ProxyFacts, Recorded, RecordedBody};
use testkit::cli::{Place, told};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case("recorded_pinned_and_replayed", recorded_pinned_and_replayed)];

/// A command, in a project with a plugin that tells somebody that it was started, and ends everything where it is not told no.
const MORE: &str = r#"
[exercises.refresh]
run = ["models", "--refresh"]

[exercises.refresh.files]
"opencode.json" = '{ "plugin": ["./telling.mjs"] }'
"telling.mjs" = """
export const Telling = async () => {
  const told = await fetch("https://telemetry.example/started", { method: "POST", body: "hello" })
  if (told.status !== 502) process.exit(7)
  return {}
}
"""
"#;
const POST: &str = "POST https://telemetry.example/started";

/// Where OpenCode 1.18 asks for its catalogue.
const CATALOGUE: &str = "https://models.opencode.ai/api.json";
/// What stands in for it.
const BODY: &str = r#"{"stand-in":{"id":"stand-in","name":"Stand-in","env":[],"models":{}}}"#;

fn recorded_pinned_and_replayed() {
    let place = Place::get();
    let desk = place.directory("downloads-");
    let manifest = fs::read_to_string(place.repository.join("opencode-cache.toml")).unwrap();
    fs::write(desk.path().join("opencode-cache.toml"), manifest + MORE).unwrap();
    fs::copy(place.repository.join("opencode.lock.json"), desk.path().join("opencode.lock.json")).unwrap();

    let facts = behind_a_company_proxy(desk.path(), |command| {
        let output = command.arg("lock").output().unwrap();
        let said = told(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("{POST} was not sent while recording")), "{said}");
    });
    assert_eq!(facts.unrecorded, [], "nothing else was asked for, and nothing sent");
    assert_eq!(facts.refused, [], "nothing else was asked for, and nothing sent");
    let lock = fs::read_to_string(desk.path().join("opencode.lock.json")).unwrap();
    let parsed = lock::Lock::parse(&lock).unwrap();
    let pinned = lock::Sri::of(lock::Algorithm::Sha512, BODY.as_bytes());
    match &parsed.downloads[&CATALOGUE.parse().unwrap()] {
        lock::Download::File { integrity, size, .. } => {
            assert_eq!((integrity, *size), (&pinned, BODY.len() as u64));
        }
        other => panic!("{other:?}"),
    }

    // Without any network: the proxy of the build answers what was pinned, and what was not sent as it did then.
    let output = here(desk.path()).args(["build", "--offline"]).output().unwrap();
    let said = told(&output);
    assert!(output.status.success() && said.contains(&format!("{POST} was not sent")), "{said}");

    // A question that the lock does not answer is an error that names it.
    let without = lock::Lock { downloads: BTreeMap::new(), ..parsed };
    fs::write(desk.path().join("opencode.lock.json"), without.render()).unwrap();
    let output = here(desk.path()).args(["build", "--offline"]).output().unwrap();
    let said = told(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("error[replay-unrecorded]") && said.contains(CATALOGUE), "{said}");
}

/// The command line in a directory, with a registry that nobody answers at: nothing may need one.
fn here(directory: &Path) -> Command {
    let place = Place::get();
    let mut command = place.command(["--registry", "http://127.0.0.1:9/"]);
    command.current_dir(directory).env("XDG_STATE_HOME", directory.join("state"));
    command
}

fn behind_a_company_proxy(directory: &Path, work: impl FnOnce(&mut Command)) -> ProxyFacts {
    let body = directory.join("catalogue");
    fs::write(&body, BODY).unwrap();
    let answer = Recorded {
        status: 200,
        headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
        body: Some(RecordedBody::File(body, BODY.len() as u64)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let authority = Arc::new(Authority::new().unwrap());
    let certificate = directory.join("company.pem");
    fs::write(&certificate, authority.ca_pem()).unwrap();
    let answers = BTreeMap::from([(CATALOGUE.parse().unwrap(), answer)]);
    let proxy =
        Proxy::serve(TcpListener::bind("127.0.0.1:0").unwrap(), authority, Mode::Replay(answers)).unwrap();
    let mut command = here(directory);
    command.env("HTTPS_PROXY", proxy.url()).env("NODE_EXTRA_CA_CERTS", &certificate);
    work(&mut command);
    runtime.block_on(proxy.shutdown())
}
