//! Behind a firewall: a private mirror that wants a token, with tarballs at odd addresses on another host, under a private authority,
//! behind a proxy that wants a password. All of it is on loopback; the names are nobody's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use builder::registry::Sought;
use lock::Lock;
use replay::registry::npmrc::Settings;
use replay::registry::{BasePath, Lookup, Origin, RecordRegistry, Sight, Upstream};
use replay::vendor::Vendor;
use testkit::cli::Place;
use testkit::internet::{Asked, Internet, Reply};
use testkit::site::{self, Ran, Site, pinned};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[case(
    "lock_fetch_and_build_work_and_tell_nobody_a_secret",
    lock_fetch_and_build_work_and_tell_nobody_a_secret,
)];

const TOKEN: &str = "token-that-nobody-is-told";
const FORBIDDEN: &str = "token-of-somebody-else";
/// `reader:password-of-the-scope`, as npm writes it.
const BASIC: &str = "cmVhZGVyOnBhc3N3b3JkLW9mLXRoZS1zY29wZQ==";
/// The proxy's user and password, and the same in an address.
const CREDENTIALS: &str = "worker:p@ss/word:of%proxy";
const IN_ADDRESS: &str = "worker:p%40ss%2Fword%3Aof%25proxy";
/// What nobody may be told.
const SECRETS: [&str; 6] =
    [TOKEN, BASIC, "password-of-the-scope", "p@ss/word", "p%40ss", "d29ya2VyOnBAc3Mvd29yZDpvZiVwcm94eQ"];
/// The catalogue, at its real name.
const CATALOGUE: &str = "models.opencode.ai";

/// What is wrong with the mirror.
const HONEST: u8 = 0;
const LYING: u8 = 1;
const CUTTING: u8 = 2;

/// The company: its mirror speaks plain HTTP inside, and only the gate in front of it is ever asked.
struct Company {
    inside: Upstream,
    base: String,
    mood: AtomicU8,
    /// Requests with a credential that is for somebody else, or without the one that is for them.
    leaks: Mutex<Vec<String>>,
}

impl Company {
    async fn answer(self: Arc<Self>, asked: Asked) -> Reply {
        let credential = asked.authorization.as_deref();
        let bearer = format!("Bearer {TOKEN}");
        let basic = format!("Basic {BASIC}");
        let path = asked.path.strip_prefix("/repo/").unwrap_or(&asked.path).to_owned();
        match asked.host.as_str() {
            "npm.corp.example" if credential == Some(&format!("Bearer {FORBIDDEN}")) => Reply::new(403, ""),
            "npm.corp.example" if credential != Some(&bearer) => Reply::new(401, ""),
            "scoped.corp.example" if credential != Some(&basic) => Reply::new(401, ""),
            "files.corp.example" | "cdn.corp.example" | CATALOGUE if credential.is_some() => {
                self.leaks.lock().unwrap().push(format!("{} {}", asked.host, asked.path));
                Reply::new(400, "")
            }
            // Its tarballs are at another host's odd addresses, and its own conventional ones lead nowhere.
            "npm.corp.example" if path.contains("/-/") => Reply::new(404, ""),
            "npm.corp.example" => self.document(&path, "https://files.corp.example/blob?of=").await,
            // Its tarballs are where they should be, and that leads away.
            "scoped.corp.example" if path.contains("/-/") => {
                Reply::new(302, "").header("location", &format!("https://cdn.corp.example/{path}"))
            }
            "scoped.corp.example" => self.document(&path, "https://scoped.corp.example/repo/").await,
            "files.corp.example" => self.tarball(path.trim_start_matches("/blob?of=")).await,
            "cdn.corp.example" => self.tarball(path.trim_start_matches('/')).await,
            CATALOGUE => Reply::new(200, crate::catalogue::stand_in()),
            _ => Reply::new(404, ""),
        }
    }

    /// What the mirror says, with every tarball elsewhere.
    async fn document(&self, path: &str, tarballs: &str) -> Reply {
        let reply = self.get(path).await;
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        Reply { body: text.replace(&self.base, tarballs).into(), ..reply }
    }

    async fn tarball(&self, path: &str) -> Reply {
        let reply = self.get(path).await;
        let mut bytes = reply.body.to_vec();
        match self.mood.load(Ordering::Relaxed) {
            LYING => bytes.iter_mut().for_each(|byte| *byte = !*byte),
            CUTTING => bytes.truncate(bytes.len() / 2),
            _ => {}
        }
        Reply { body: bytes.into(), ..reply }
    }

    async fn get(&self, path: &str) -> Reply {
        let url = format!("{}{path}", self.base).parse().unwrap();
        let mut download = match self.inside.download(&url, 0).await.unwrap() {
            Lookup::Found(download) => download,
            Lookup::Absent { status } => return Reply::new(status, ""),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = download.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        Reply::new(200, bytes)
    }
}

fn lock_fetch_and_build_work_and_tell_nobody_a_secret() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let base: BasePath = "mirror".parse().unwrap();
    let own = runtime.block_on(Sought::here(None, Place::get().repository.clone()).find()).unwrap().upstream;
    let mirror = RecordRegistry::serve(
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        Origin::new(own, Vendor::at(pinned())),
        BTreeMap::from([(base.clone(), Sight::default())]),
    )
    .unwrap();
    let url = mirror.url(&base);
    let mut settings = Settings::layered(&[], &BTreeMap::new()).unwrap();
    settings.registry = Some(url.parse().unwrap());
    let company = Arc::new(Company {
        inside: Upstream::new(&settings).unwrap(),
        base: url,
        mood: AtomicU8::new(HONEST),
        leaks: Mutex::default(),
    });
    let answering = Arc::clone(&company);
    let internet = Internet::demanding(
        CREDENTIALS,
        &[CATALOGUE],
        Some("npm.corp.example"),
        Arc::new(move |asked| Box::pin(Arc::clone(&answering).answer(asked))),
    );
    let site = user(&internet);

    errors(&site, &internet);
    let watch = Watch::start();
    let (lock, fetch, build) =
        (run(&site, &["lock", "-vv"]), run_anew(&site, &["fetch", "-vv"]), run(&site, &["build", "-vv"]));
    let seen = watch.stop();
    let logged = [&lock, &fetch].map(|ran| ran.stderr.clone());
    for ran in [lock, fetch, build] {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        ran.succeeds();
        assert_tells_nothing("what was said", said.as_bytes());
    }
    let way = format!("through the proxy {}", internet.proxy());
    assert!(logged.iter().all(|said| said.contains(&way)), "-vv says who is asked, and how: {logged:?}");
    assert_eq!(seen, [""; 0], "secrets in the list of processes, or in what OpenCode was told");
    assert_eq!(*company.leaks.lock().unwrap(), [""; 0], "credentials went to hosts that they are not for");
    assert_eq!(internet.shown(), ["npm.corp.example"], "a certificate of the user's is for its host");
    let key = internet.secret();
    assert!(logged.iter().all(|said| !said.contains(&key)), "a key was told");
    let text = site.read("opencode.lock.json").unwrap();
    assert!(!text.contains(&key) && !text.contains("corp.example"), "a lock names no registry");
    let catalogue = Lock::parse(&text).unwrap().catalogue;
    assert!(catalogue.is_some(), "what is no package goes the same way");
    let hosts: BTreeSet<String> = internet.asked().into_iter().map(|asked| asked.host).collect();
    let all = ["npm", "scoped", "files", "cdn"].map(|host| format!("{host}.corp.example"));
    assert!(all.iter().all(|host| hosts.contains(host)), "{hosts:?}");
    files_tell_nothing(&site.path(""));

    doctor(&site, &internet);
    lies(&site, &company);
}

/// A site whose `.npmrc` says everything that there is to say.
fn user(internet: &Internet) -> Site {
    let site = Site::provided();
    fs::remove_file(site.path("opencode.lock.json")).unwrap();
    let manifest = "opencode = \"1.18.18\"\nsystems = [\"x86_64-linux\"]\nprofile = \"offline\"\nripgrep = \"none\"\n\
                    providers = [\"@ai-sdk/fireworks\"]\n";
    site.write("opencode-cache.toml", manifest).unwrap();
    internet.write_certificate(&site.path("ca.pem"));
    internet.write_identity(&site.path("me.crt"), &site.path("me.key"));
    let npmrc = format!(
        "registry=https://npm.corp.example/repo\n@ai-sdk:registry=https://scoped.corp.example/repo/\n\
         //npm.corp.example/repo/:_authToken=${{CORP_TOKEN}}\n//scoped.corp.example/repo/:_auth=\"{BASIC}\"\n\
         https-proxy=http://${{CORP_PROXY}}@{}/\nnoproxy=10.0.0.0/8,other.example\ncafile={}\n\
         //npm.corp.example/repo/:certfile=me.crt\n//npm.corp.example/repo/:keyfile=${{CORP_KEY}}\n",
        internet.proxy(),
        site.path("ca.pem").display()
    );
    site.write("home/.npmrc", &npmrc).unwrap();
    site
}

fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command(arguments);
    command.env_remove("npm_config_registry").env("CORP_TOKEN", TOKEN).env("CORP_PROXY", IN_ADDRESS);
    command.env("CORP_KEY", site.path("me.key"));
    command
}

fn run(site: &Site, arguments: &[&str]) -> Ran {
    site::run(command(site, arguments)).unwrap()
}

/// As [`run`], with nothing in the vendor directory.
fn run_anew(site: &Site, arguments: &[&str]) -> Ran {
    fs::remove_dir_all(site.vendor()).unwrap();
    run(site, arguments)
}

/// What is missing or wrong is told for what it is, before anything is done.
fn errors(site: &Site, internet: &Internet) {
    let lock = |name: &str, value: &str| {
        let mut command = command(site, &["lock", "-vv"]);
        command.env(name, value);
        let ran = site::run(command).unwrap();
        assert_tells_nothing("what was said", ran.stderr.as_bytes());
        ran
    };
    let expect = |ran: Ran, code: &str, words: &[&str]| {
        ran.fails_with_next_step(4, code);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
    };
    let proxy = internet.proxy().to_string();
    expect(lock("CORP_TOKEN", ""), "registry-forbidden", &["npm.corp.example", "401", "_authToken"]);
    expect(lock("CORP_TOKEN", FORBIDDEN), "registry-forbidden", &["npm.corp.example", "403", "owner"]);
    expect(lock("CORP_PROXY", "worker:wrong"), "proxy-credentials", &[&proxy, "407", "HTTPS_PROXY"]);
    let without = site.path("without.npmrc");
    let lines = site.read("home/.npmrc").unwrap();
    let lines: Vec<&str> =
        lines.lines().filter(|line| !line.contains("file=me") && !line.contains("CORP_KEY")).collect();
    fs::write(&without, lines.join("\n")).unwrap();
    expect(
        lock("npm_config_userconfig", without.to_str().unwrap()),
        "upstream-client-certificate",
        &["npm.corp.example", ":certfile="],
    );
    fs::remove_file(&without).unwrap();
    expect(
        lock("npm_config_cafile", "/nowhere.pem"),
        "upstream-certificate",
        &["npm.corp.example", "cafile"],
    );
    expect(
        lock("npm_config_registry", "https://else.where.test/"),
        "proxy-refused",
        &["else.where.test", &proxy],
    );
    assert!(!site.path("opencode.lock.json").exists());
}

/// The doctor says what is reached through what, asks only when told to, and tells no secret either.
fn doctor(site: &Site, internet: &Internet) {
    let before = internet.tunnels().len();
    let ran = run(site, &["doctor"]);
    assert!(!ran.stdout.contains("reach\n"), "{}", ran.stdout);
    assert_eq!(internet.tunnels().len(), before, "nobody is asked without --network");

    let proxy = format!("through the proxy {}", internet.proxy());
    let said = run(site, &["doctor", "--network"]).stdout;
    let line = |subject: &str, said: &str| {
        let found = said.lines().find(|line| line.contains(&format!(" {subject}: "))).map(str::to_owned);
        found.unwrap_or_else(|| panic!("no {subject} in {said}"))
    };
    for subject in ["packages", "packages of @ai-sdk", "the catalogue of models"] {
        let line = line(subject, &said);
        assert!(line.starts_with("ok ") && line.contains("answers 200") && line.contains(&proxy), "{line}");
    }
    assert!(line("authorities", &said).contains("ca.pem"), "{said}");

    let mut wrong = command(site, &["doctor", "--network"]);
    wrong.env("CORP_PROXY", "worker:wrong");
    let ran = site::run(wrong).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(line("packages", &ran.stdout).contains("[proxy-credentials]"), "{}", ran.stdout);
    assert_tells_nothing("what the doctor said", format!("{said}{}", ran.stdout).as_bytes());
}

/// What is not what it should be is told, and never kept.
fn lies(site: &Site, company: &Company) {
    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let (id, package) = lock.packages.iter().min_by_key(|(_, package)| package.size).unwrap();
    let file = Vendor::at(site.vendor()).path_of(&package.integrity);
    for (mood, code) in [(LYING, "fetch-wrong-hash"), (CUTTING, "fetch-wrong-size")] {
        let _gone = fs::remove_file(&file);
        company.mood.store(mood, Ordering::Relaxed);
        let ran = run(site, &["fetch"]);
        ran.fails_with_next_step(4, code);
        assert!(
            ran.stderr.contains(&id.to_string()) && ran.stderr.contains("corp.example"),
            "{}",
            ran.stderr
        );
        assert!(!file.exists());
    }
    company.mood.store(HONEST, Ordering::Relaxed);
    run(site, &["fetch"]).succeeds();
}

#[track_caller]
fn assert_tells_nothing(what: &str, bytes: &[u8]) {
    let told =
        SECRETS.iter().find(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert_eq!(told, None, "in {what}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]));
}

/// Nothing that was written holds a secret, but for what the user wrote.
fn files_tell_nothing(root: &Path) {
    const MOST: u64 = 8 << 20;
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        let is_small = entry.file_type().is_file() && entry.metadata().unwrap().len() < MOST;
        if is_small && entry.file_name() != ".npmrc" {
            assert_tells_nothing(&entry.path().display().to_string(), &fs::read(entry.path()).unwrap());
        }
    }
}

/// Looks at every process's command line, and at the environment of every OpenCode, until it is stopped.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Watch {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                seen.extend(look());
                std::thread::sleep(Duration::from_millis(100));
            }
            assert!(seen.remove("OpenCode"), "no OpenCode was ever seen: nothing was looked at");
            seen.into_iter().collect()
        });
        Self { stop, thread }
    }

    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look() -> Vec<String> {
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Each of them may have ended by now.
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let is_opencode = read("comm").starts_with(b"opencode\n");
        if is_opencode {
            seen.push("OpenCode".to_owned());
        }
        for name in ["cmdline", "environ"].into_iter().take(1 + usize::from(is_opencode)) {
            let text = String::from_utf8_lossy(&read(name)).into_owned();
            if SECRETS.iter().any(|secret| text.contains(secret)) {
                seen.push(format!("{name}: {text}"));
            }
        }
    }
    seen
}
