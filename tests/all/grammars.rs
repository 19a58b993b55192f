//! Grammars that the manifest asks for: the terminal interface downloads them while recording, an output holds their bytes, and code
//! is drawn in colours without a network. The grammar is npm's, of the same version; its hosts are stand-ins.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use builder::registry::Sought;
use builder::screen::Screen;
use lock::{Algorithm, Download, Lock, Sri};
use replay::llm::Script;
use replay::proxy::{Authority, Mode, Proxy, Recorded, RecordedBody};
use replay::registry::Origin;
use replay::vendor::Vendor;
use testkit::cli::{Place, succeed};
use testkit::desk::{Desk, Outside};
use testkit::site::{self, Site};

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] =
    &[case("asked_for_pinned_and_drawn_in_colours", asked_for_pinned_and_drawn_in_colours)];

/// Where OpenCode 1.18.18 looks for the grammar of Python: a redirect, as it really is.
const GRAMMAR: &str =
    "https://github.com/tree-sitter/tree-sitter-python/releases/download/v0.23.6/tree-sitter-python.wasm";
/// Where it leads today.
const TODAY: &str = "https://release-assets.example/today?signature=x";
/// Its queries, of branches: what is to be in which colour, redirected too, and what is a variable where.
const COLOURS: &str =
    "https://github.com/tree-sitter/tree-sitter-python/raw/refs/heads/master/queries/highlights.scm";
const RAW: &str =
    "https://raw.example/tree-sitter/tree-sitter-python/refs/heads/master/queries/highlights.scm";
const LOCALS: &str = "https://raw.githubusercontent.com/nvim-treesitter/nvim-treesitter/refs/heads/master/queries/python/locals.scm";
/// The same grammar as a package.
const PACKAGE: (&str, &str) = ("tree-sitter-python", "0.23.6");

/// What the model says, and the line of it that is looked at.
const CODE: &str = "def answer_py(): return \"python\" # 42";
/// The longest that drawing may take. An idle machine needs ten seconds.
const LIMIT: Duration = Duration::from_secs(240);

fn asked_for_pinned_and_drawn_in_colours() {
    let site = Site::provided();
    let manifest = site.read("opencode-cache.toml").unwrap();
    let kept = manifest.lines().filter(|line| !line.starts_with("providers") && !line.starts_with("plugins"));
    let wanted = kept.collect::<Vec<_>>().join("\n") + "\ngrammars = [\"python\"]\n";
    site.write("opencode-cache.toml", &wanted).unwrap();
    let package = unpacked(&site);
    let (wasm, query) = (package.join("tree-sitter-python.wasm"), package.join("queries/highlights.scm"));

    let leads = |to: &str| Recorded {
        status: 302,
        headers: BTreeMap::from([("location".into(), to.into())]),
        body: None,
    };
    let holds = |body: RecordedBody| Recorded { status: 200, headers: BTreeMap::new(), body: Some(body) };
    let file = |path: &Path| holds(RecordedBody::File(path.into(), path.metadata().unwrap().len()));
    lock_behind_a_proxy(
        &site,
        BTreeMap::from([
            (GRAMMAR, leads(TODAY)),
            (TODAY, file(&wasm)),
            (COLOURS, leads(RAW)),
            (RAW, file(&query)),
            (LOCALS, holds(RecordedBody::Text("; nothing\n".into()))),
        ]),
    );

    let lock = Lock::parse(&site.read("opencode.lock.json").unwrap()).unwrap();
    let bytes = fs::read(&wasm).unwrap();
    let pinned = Sri::of(Algorithm::Sha512, &bytes);
    match &lock.downloads[&TODAY.parse().unwrap()] {
        Download::File { integrity, .. } => assert_eq!(integrity, &pinned),
        other => panic!("{other:?}"),
    }
    // What comes from a branch will be another thing tomorrow.
    match &lock.downloads[&RAW.parse().unwrap()] {
        Download::Text { text, .. } => assert_eq!(*text, fs::read_to_string(&query).unwrap()),
        other => panic!("{other:?}"),
    }

    site.run(&["build", "--offline"]).unwrap().succeeds();
    let directory = site.path("result/lib/opencode/tree-sitter");
    let table = fs::read_to_string(directory.join("grammars.mjs")).unwrap();
    let line = table.lines().find(|line| line.contains(GRAMMAR)).unwrap();
    let name = line.split('"').nth(3).unwrap();
    assert_eq!(fs::read(directory.join(name)).unwrap(), bytes);

    let output = fs::canonicalize(site.path("result")).unwrap();
    let desk = Desk::new(
        Outside::Refused,
        Script::saying(format!("```python\n{CODE}\n```\n\nthe end\n")),
        &[&output],
    );
    let colours = colours(&desk, &output.join("bin/opencode"));
    assert!(colours > 1, "python is drawn in {colours} colours");
    assert_eq!(desk.attempts(), [""; 0], "attempts to leave");
}

/// The package, from the registry of whoever runs the tests.
fn unpacked(site: &Site) -> PathBuf {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let archive = runtime.block_on(async {
        let own = Sought::here(None, Place::get().repository.clone()).find().await.unwrap().upstream;
        let name: lock::PackageName = PACKAGE.0.parse().unwrap();
        let origin = Origin::new(own, Vendor::at(site.path("package-vendor")));
        origin.tarball(&name.at(PACKAGE.1.parse().unwrap())).await.unwrap().found().unwrap().path
    });
    succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(site.path("")));
    site.path("package")
}

/// In how many colours the interface draws the code, at most, until it is more than one.
fn colours(desk: &Desk, program: &Path) -> usize {
    desk.configure("@ai-sdk/openai-compatible", &[]);
    let project = desk.directory("project");
    let command = desk.command(program, &["-m", "scripted/scripted", "--prompt", "hello"], &project);
    let command = command
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        .input(sandbox::Input::Terminal { columns: 120, rows: 100 });
    let mut child = desk.sandbox().spawn(&command).unwrap();
    let mut terminal = child.terminal.take().unwrap();
    let screen = Arc::new(Mutex::new(Screen::new(120, 100)));
    let drawn = Arc::clone(&screen);
    std::thread::spawn(move || {
        let mut some = [0; 16 * 1024];
        while let Ok(read @ 1..) = terminal.read(&mut some) {
            drawn.lock().unwrap().draw(&some[..read]);
        }
    });
    let start = Instant::now();
    let mut most = 0;
    while most < 2 && start.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(100));
        let colours = screen.lock().unwrap().colours_of(CODE);
        most = most.max(colours.map_or(0, |colours| colours.len()));
    }
    child.kill().unwrap();
    most
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
