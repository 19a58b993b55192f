//! Language servers that OpenCode gets as releases: what the latest one is stands in the lock, the archive is pinned by hash, and
//! what was in it starts without a network. The hosts are stand-ins on loopback, at their real names and with their redirects; the
//! servers are a program of ours.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lock::{Download, Lock};
use replay::llm::Script;
use replay::vendor::Vendor;
use serde_json::json;
use testkit::desk::{Desk, Outside};
use testkit::internet::{Asked, Internet, Reply};
use testkit::releases::{server, tar_gz, zip};
use testkit::site::{self, Ran, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("released_servers_are_pinned_and_start_offline", released_servers_are_pinned_and_start_offline),
    case("what_keeps_a_server_from_being_had_is_told", what_keeps_a_server_from_being_had_is_told),
];

const API: &str = "api.github.com";
const FILES: &str = "github.com";
/// Where the files really lie: addresses that hold for a few minutes.
const STORE: &str = "release-assets.githubusercontent.com";
const HOSTS: [&str; 4] = [API, FILES, STORE, "models.opencode.ai"];
/// Host and path of what OpenCode asks first.
const CLANGD: &str = "/repos/clangd/clangd/releases/latest";
const LUA: &str = "/repos/LuaLS/lua-language-server/releases/latest";

/// The longest that a start with a server may take: 10 s when the machine is idle.
const LIMIT: Duration = Duration::from_secs(120);

/// GitHub, as far as it is asked.
#[derive(Default)]
struct GitHub {
    /// How often it was asked, which its answers say.
    asked: AtomicUsize,
    /// The status that the API answers instead, where it is not 200.
    refusing: Mutex<Option<u16>>,
    /// What the latest release of clangd is called.
    tag: Mutex<String>,
}

impl GitHub {
    fn answer(&self, asked: &Asked) -> Reply {
        let times = self.asked.fetch_add(1, Ordering::Relaxed);
        let refused = *self.refusing.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = self.tag.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let path = asked.path.split('?').next().unwrap_or_default();
        match (asked.host.as_str(), path) {
            (API, _) if refused.is_some() => Reply::new(refused.unwrap_or(403), "{}"),
            (API, CLANGD) => {
                let names = ["windows", "mac", "linux"].map(|system| format!("clangd-{system}-{tag}.zip"));
                release("clangd/clangd", &tag, &names, times)
            }
            (API, LUA) => {
                let names = ["darwin-arm64", "linux-arm64", "linux-x64"]
                    .map(|of| format!("lua-language-server-3.15-{of}.tar.gz"));
                release("LuaLS/lua-language-server", "3.15", &names, times)
            }
            // Signed anew whenever it is asked.
            (FILES, path) => {
                Reply::new(302, "").header("location", &format!("https://{STORE}{path}?signature={times}"))
            }
            (STORE, path) if path.ends_with(&format!("clangd-linux-{tag}.zip")) => {
                let program = format!("clangd_{tag}/bin/clangd");
                Reply::new(200, zip(&[("LICENSE.TXT", b"free\n"), (&program, server())]))
            }
            (STORE, path) if path.ends_with("-linux-x64.tar.gz") || path.ends_with("-linux-arm64.tar.gz") => {
                Reply::new(200, tar_gz(&[("bin/lua-language-server", server()), ("main.lua", b"\n")]))
            }
            _ => Reply::new(404, ""),
        }
    }
}

fn release(repository: &str, tag: &str, names: &[String], times: usize) -> Reply {
    let assets = names.iter().map(|name| {
        let address = format!("https://{FILES}/{repository}/releases/download/{tag}/{name}");
        json!({ "name": name, "browser_download_url": address, "download_count": times })
    });
    let body = json!({ "tag_name": tag, "name": tag, "id": 1, "assets": assets.collect::<Vec<_>>(), "body": "notes" });
    Reply::new(200, body.to_string()).header("content-type", "application/json").header("etag", "\"1\"")
}

fn internet() -> (Arc<GitHub>, Internet) {
    let hub = Arc::new(GitHub { tag: Mutex::new("21.1".into()), ..GitHub::default() });
    let answering = Arc::clone(&hub);
    let answer = move |asked: Asked| {
        let reply = answering.answer(&asked);
        Box::pin(async move { reply }) as _
    };
    (hub, Internet::start("", &[], Arc::new(answer)))
}

/// A site that wants these servers and nothing else that would have to be recorded.
fn wanting(internet: &Internet, servers: &str) -> Site {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    let wanted = kept.collect::<Vec<_>>().join("\n") + &format!("\nlanguage_servers = [{servers}]\n");
    site.write("opencode-cache.toml", &wanted).unwrap();
    internet.write_certificate(&site.path("ca.pem"));
    site
}

fn run(site: &Site, internet: &Internet, verb: &str, path: Option<&Path>) -> Ran {
    let elsewhere: Vec<String> = HOSTS.iter().map(|host| format!("{host}={}", internet.hosts())).collect();
    let mut arguments = vec![verb];
    for one in &elsewhere {
        arguments.extend(["--connect-to", one]);
    }
    let mut command = site.command(&arguments);
    command.env("NODE_EXTRA_CA_CERTS", site.path("ca.pem"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    site::run(command).unwrap()
}

fn released_servers_are_pinned_and_start_offline() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let (hub, internet) = internet();
    let site = wanting(&internet, "\"clangd\", \"lua-ls\"");
    run(&site, &internet, "lock", None).succeeds();

    // What the latest one is: in the lock, without what moves by itself and what is another system's.
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let Download::Text { text, headers } =
        &lock.downloads[&format!("https://{API}{CLANGD}").parse().unwrap()]
    else {
        panic!("{:?}", lock.downloads)
    };
    assert_eq!(
        text,
        "{\"name\":\"21.1\",\"tag_name\":\"21.1\",\"assets\":[{\"browser_download_url\":\
         \"https://github.com/clangd/clangd/releases/download/21.1/clangd-linux-21.1.zip\",\
         \"name\":\"clangd-linux-21.1.zip\"}]}"
    );
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["content-type"]);
    let fills = |name: &str| {
        let exercise = &lock.exercises[&format!("language-server:{name}").parse().unwrap()];
        exercise.fills.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(fills("clangd"), ["cache/bin/LICENSE.TXT", "cache/bin/clangd_21.1"]);
    assert_eq!(fills("lua-ls"), ["cache/bin/lua-language-server-x64-linux"]);

    // Somebody else, later: there is a newer one, and the addresses that held when it was locked do not any more.
    *hub.tag.lock().unwrap() = "22.0".into();
    let files = lock.downloads.values().filter_map(|download| match download {
        Download::File { integrity, .. } => Some(Vendor::at(site.vendor()).path_of(integrity)),
        _ => None,
    });
    let mut archives: Vec<_> = files.filter(|file| file.exists()).collect();
    assert_eq!(archives.len(), 2, "{:?}", lock.downloads);
    let zip_of_clangd = archives.remove(usize::from(!fs::read(&archives[0]).unwrap().starts_with(b"PK")));
    fs::remove_file(&archives[0]).unwrap();
    let before = internet.asked().len();
    run(&site, &internet, "fetch", None).succeeds();
    let hosts: Vec<String> = internet.asked()[before..].iter().map(|asked| asked.host.clone()).collect();
    assert_eq!(hosts, [FILES, STORE], "asked at its first address, and nobody what the latest is");
    assert!(zip_of_clangd.exists());

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let output = fs::canonicalize(site.path("result")).unwrap();
    let desk = Desk::new(Outside::Refused, Script::saying("nothing"), &[&output]);
    let clangd = diagnose(&desk, &output, "x.c");
    assert!(clangd.contains("started with --background-index --clang-tidy"), "{clangd}");
    let lua = diagnose(&desk, &output, "x.lua");
    assert!(lua.contains("--logpath=/home/user/.cache/lua-language-server/log"), "{lua}");
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// What OpenCode says of a file, on a machine with nothing on PATH.
fn diagnose(desk: &Desk, output: &Path, file: &str) -> String {
    desk.write(".config/opencode/opencode.json", r#"{"lsp": true}"#);
    desk.write(&format!("project/{file}"), "x\n");
    let arguments = ["debug", "lsp", "diagnostics", file];
    let command = desk.command(&output.join("bin/opencode"), &arguments, Path::new("/home/user/project"));
    let ran = desk.run(&command.env("PATH", "/nothing/here"), LIMIT);
    ran.stdout + &ran.stderr
}

fn what_keeps_a_server_from_being_had_is_told() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let (hub, internet) = internet();
    let site = wanting(&internet, "\"clangd\"");

    let nothing = site.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let ran = run(&site, &internet, "lock", Some(&nothing));
    ran.fails_with_next_step(4, "language-server-unpacker");
    assert!(ran.stderr.contains("unzip"), "{}", ran.stderr);

    *hub.refusing.lock().unwrap() = Some(403);
    let ran = run(&site, &internet, "lock", None);
    ran.fails_with_next_step(4, "download-refused");
    assert!(ran.stderr.contains(API) && ran.stderr.contains("403"), "{}", ran.stderr);
}
