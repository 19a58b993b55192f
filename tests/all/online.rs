//! The online profile: everything that was captured is there, nothing is waited for, and OpenCode adds what was not captured,
//! beside it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use replay::llm::Script;
use serde_json::{Value, json};
use testkit::cli::succeed;
use testkit::desk::{self, Desk, Found, Outside};
use testkit::site::Site;

use crate::{Case, waiting};

/// The module's cases.
pub const CASES: &[Case] = &[waiting(
    "what_was_not_captured_is_added_beside_what_was",
    what_was_not_captured_is_added_beside_what_was,
)];

/// A plugin that nobody captured.
const LATE: &str = "opencode-cache-late";
/// What it does, so that one sees that it was loaded.
const LATE_SOURCE: &str = "\
import fs from \"node:fs\"
export const Late = async () => {
  fs.writeFileSync(`${process.env.HOME}/late`, \"loaded\")
  return {}
}
";
/// The longest that a start may take: no step over a minute, on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_secs(180);
/// The longest line of a request, in bytes.
const MAX_LINE: u64 = 16 * 1024;

/// The output is laid, the registry answers on loopback, and everything else is silent: the worst that a network can be.
fn what_was_not_captured_is_added_beside_what_was() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap().replace("\nprofile = \"offline\"\n", "\n");
    site.write("opencode-cache.toml", &manifest).unwrap();
    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = fs::canonicalize(site.path("result")).unwrap();
    let contents: Value =
        serde_json::from_str(&fs::read_to_string(output.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(contents["profile"], "online", "the default");

    let desk = Desk::new(Outside::Silent, Script::saying("the answer"), &[&output]);
    let registry = serve(desk.take_listener().unwrap(), &site);
    let project = desk.directory("project/.opencode");
    let project = project.parent().unwrap();
    let program = output.join("bin/opencode");
    let run = |registry: &str| {
        let arguments = ["run", "-m", desk::MODEL, "hello"];
        let command = desk.command(&program, &arguments, project).env("npm_config_registry", registry);
        let ran = desk.run(&command, LIMIT);
        assert!(ran.stdout.contains("the answer"), "{ran:?}");
        ran.elapsed
    };

    // With nothing but what was captured, and a registry that is as silent as all else: nobody waits for long.
    desk.configure("@ai-sdk/fireworks", &["opencode-pty"]);
    let silent = run("http://registry.example/");
    // One more plugin than was captured.
    desk.configure("@ai-sdk/fireworks", &["opencode-pty", LATE]);
    let installing = run(&registry);
    let home = desk.home();
    assert!(home.contains_key("late"), "{LATE} was not loaded: {home:?}");
    let placed = |name: &str| home.get(&format!(".cache-nix/opencode/packages/{name}"));
    assert_eq!(placed(&format!("{LATE}@latest")), Some(&Found::Directory));
    for name in ["opencode-pty@latest", "@ai-sdk/fireworks"] {
        let link = Found::Link(output.join("cache/packages").join(name));
        assert_eq!(placed(name), Some(&link), "what was laid stays");
    }
    // What was added stays too, without anybody to ask.
    let again = run("http://registry.example/");
    assert!(desk.home().contains_key("late"));
    let times = format!("silent {silent:?}, installing {installing:?}, again {again:?}");

    // Nobody but the catalogue's host and the registry was asked, and the output is what it was.
    let strangers: Vec<_> =
        desk.sandbox().attempts().into_iter().filter(|attempt| attempt.leaves()).collect();
    let allowed = |name: &str| name.ends_with("models.opencode.ai") || name == "registry.example";
    let is_allowed = |attempt: &sandbox::Attempt| attempt.dns_name.as_deref().is_some_and(allowed);
    assert!(strangers.iter().all(is_allowed), "{strangers:#?}");
    drop(desk);
    verify(&site, &times);
}

/// `verify` says so as well: an online output is run in the offline profile, and once as it is.
fn verify(site: &Site, times: &str) {
    let said = site.run(&["verify", "--json", "--network", "none"]).unwrap().succeeds();
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["attempts"], json!([]), "{times}: {report:#}");
    let checks = report["checks"].as_array().unwrap();
    let steps = |profile: &str| -> Vec<_> {
        checks.iter().filter(|check| check["profile"] == profile).map(|check| &check["name"]).collect()
    };
    assert_eq!(steps("offline"), ["models", "run", "serve", "acp", "tui", "hour"], "{report:#}");
    assert_eq!(steps("online"), ["run", "tui", "hour"], "{report:#}");
    let hosts = report["hosts"].as_array().unwrap();
    let times_asked = |step: &str, host: &str| -> u64 {
        let found = hosts.iter().filter(|host_| host_["exercise"] == step && host_["to"] == host);
        found.map(|host| host["count"].as_u64().unwrap()).sum()
    };
    // At the start and after an hour: the hourly timer did fire.
    let (once, with_hour) =
        (times_asked("run", "models.opencode.ai"), times_asked("hour", "models.opencode.ai"));
    assert!(once > 0 && with_hour > once, "{once} and {with_hour}: {report:#}");
}

/// A registry of one package; its address.
fn serve(listener: TcpListener, site: &Site) -> String {
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let package = json!({ "name": LATE, "version": "1.0.0", "type": "module", "main": "index.js" });
    site.write("late/package/package.json", &package.to_string()).unwrap();
    site.write("late/package/index.js", LATE_SOURCE).unwrap();
    let archive = site.path("late.tgz");
    succeed(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(site.path("late")).arg("package"));
    let bytes = fs::read(&archive).unwrap();
    let mut version = package;
    version["dist"] = json!({ "tarball": format!("{url}{LATE}/-/{LATE}-1.0.0.tgz") });
    let document =
        json!({ "name": LATE, "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": version } });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (bytes, document) = (bytes.clone(), document.to_string());
            // A client that has gone has what it wanted.
            std::thread::spawn(move || answer(stream, &document, &bytes).is_ok());
        }
    });
    url
}

fn answer(stream: TcpStream, document: &str, archive: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.by_ref().take(MAX_LINE).read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut header = String::new();
    while reader.by_ref().take(MAX_LINE).read_line(&mut header)? > 2 {
        header.clear();
    }
    let (status, kind, body) = match Path::new(&path) {
        path if path.extension().is_some_and(|end| end == "tgz") => {
            ("200 OK", "application/octet-stream", archive)
        }
        path if path == Path::new("/").join(LATE) => ("200 OK", "application/json", document.as_bytes()),
        _ => ("404 Not Found", "application/json", b"{}".as_slice()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (&stream).write_all(&[head.as_bytes(), body].concat())
}
