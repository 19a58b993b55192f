//! What was typed: the verbs and the options that they share. Raw flags end here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;
use crate::workplace::Workplace;

/// Makes OpenCode start and answer with no network: records what it downloads, pins every byte in
/// one lock file, replays that hermetically, and lays the result under OpenCode.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Exit status: 0 yes, 1 the answer is no, 2 usage, 3 bad input, 4 outside world, 70 bug.
Start with `opencode-cache build`; `opencode-cache lock` after changing opencode-cache.toml.";

/// Options of every verb.
#[derive(Debug, clap::Args)]
pub struct Shared {
    /// What is wanted.
    #[arg(long, global = true, value_name = "FILE", default_value = "opencode-cache.toml")]
    pub manifest: PathBuf,
    /// What it resolved to.
    #[arg(long, global = true, value_name = "FILE", default_value = "opencode.lock.json")]
    pub lock: PathBuf,
    /// Where downloads are kept, by hash [default: $XDG_CACHE_HOME/opencode-cache/vendor].
    #[arg(long, global = true, value_name = "DIR")]
    pub vendor: Option<PathBuf>,
    /// The npm registry, instead of what npm's configuration says.
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
    /// Where packages of Debian's come from, instead of the mirrors of this machine's apt: a mirror's root, or a directory that
    /// holds them.
    #[arg(long, global = true, value_name = "URL|DIR")]
    pub debian: Option<String>,
    /// Reach a host at this address, and through no proxy; may be repeated.
    #[arg(long, global = true, value_name = "HOST=ADDRESS[:PORT]", value_parser = connect_to)]
    pub connect_to: Vec<(String, SocketAddr)>,
    /// Say more on stderr; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Lock(commands::lock::Args),
    Update(commands::update::Args),
    Fetch(commands::fetch::Args),
    Build(commands::build::Args),
    Verify(commands::verify::Args),
    Inspect(commands::inspect::Args),
    Sbom(commands::sbom::Args),
    Doctor(commands::doctor::Args),
    Diff(commands::diff::Args),
    Export(commands::export::Args),
    Bundle(commands::bundle::Args),
    Install(commands::install::Args),
    Rollback(commands::rollback::Args),
    List(commands::list::Args),
    Uninstall(commands::uninstall::Args),
    Gc(commands::gc::Args),
    Key(commands::key::Args),
    Versions(commands::versions::Args),
    Completions(commands::completions::Args),
    #[command(hide = true)]
    Manual(commands::manual::Args),
    #[command(hide = true)]
    InDerivation(commands::in_derivation::Args),
}

/// A host, and where it is; the port 0 stands for the scheme's own.
fn connect_to(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("write HOST=ADDRESS:PORT")?;
    let without_port = || Some(SocketAddr::new(address.trim_matches(['[', ']']).parse().ok()?, 0));
    let address = address.parse().ok().or_else(without_port);
    Ok((host.to_ascii_lowercase(), address.ok_or("an IP address, with or without a port, after the =")?))
}

/// Everything that can be typed, for whatever is generated from it.
pub fn grammar() -> clap::Command {
    Cli::command()
}

/// Parses the command line; wrong usage ends the program with status 2.
pub fn parse() -> Cli {
    Cli::parse()
}

impl Cli {
    /// Does what was typed.
    pub fn run(self, ui: &Arc<Ui>) -> Result<ExitCode, Failure> {
        speak(self.shared.verbose);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Kind::Outside, "runtime", format!("start the runtime: {error}")))?;
        let place = Workplace::new(self.shared, ui.clone());
        let answer = runtime.block_on(async {
            match self.verb {
                Verb::Lock(args) => commands::lock::run(args, &place).await,
                Verb::Update(args) => commands::update::run(args, &place).await,
                Verb::Fetch(args) => commands::fetch::run(args, &place).await,
                Verb::Build(args) => commands::build::run(args, &place).await,
                Verb::Verify(args) => commands::verify::run(args, &place).await,
                Verb::Inspect(args) => commands::inspect::run(args, &place).await,
                Verb::Sbom(args) => commands::sbom::run(args, &place),
                Verb::Doctor(args) => commands::doctor::run(args, &place).await,
                Verb::Diff(args) => commands::diff::run(args, &place),
                Verb::Export(args) => commands::export::run(args, &place).await,
                Verb::Bundle(args) => commands::bundle::run(args, &place).await,
                Verb::Install(args) => commands::install::run(&args, &place),
                Verb::Rollback(args) => commands::rollback::run(&args, &place),
                Verb::List(args) => commands::list::run(&args, &place),
                Verb::Uninstall(args) => commands::uninstall::run(&args, &place),
                Verb::Gc(args) => commands::gc::run(&args, &place),
                Verb::Key(args) => commands::key::run(args, &place),
                Verb::Versions(args) => commands::versions::run(args, &place).await,
                Verb::Completions(args) => commands::completions::run(&args, &place),
                Verb::Manual(args) => commands::manual::run(&args, &place),
                Verb::InDerivation(args) => commands::in_derivation::run(args, &place).await,
            }
        });
        // Threads that still read a dead OpenCode's pipes are no reason to wait.
        runtime.shutdown_background();
        answer
    }
}

/// Log lines go to stderr, and only when they were asked for.
fn speak(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(format!("warn,opencode_cache={level},opencode_cache_builder={level},replay={level},opencode_cache_sandbox={level}")))
        .with_writer(std::io::stderr)
        .init();
}
