//! `build`: vendor → output, linked as `result`.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::{Build, Restore};
use lock::System;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::workplace::Workplace;

/// The restore plugin, which belongs to the wrapper.
pub const RESTORE: Restore = Restore {
    plugin: include_str!("../../crates/wrapper/assets/restore.mjs"),
    modules: include_str!("../../crates/wrapper/assets/modules.mjs"),
    commands: include_str!("../../crates/wrapper/assets/commands.mjs"),
    config: include_str!("../../crates/wrapper/assets/restore.json"),
    directory: include_str!("../../crates/wrapper/assets/restore.d/opencode.json"),
};

/// Replay the lock with nothing but loopback and put together an OpenCode that needs no network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fetch nothing: what is missing is an error.
    #[arg(long)]
    offline: bool,
    /// The link to the output [default: `result`, and for another system `result-SYSTEM`].
    #[arg(long, short, value_name = "LINK")]
    out: Option<PathBuf>,
    /// The Linux system to build for: OpenCode runs here, and installs what it would there [default: this machine's].
    #[arg(long, value_name = "SYSTEM")]
    system: Option<System>,
    /// Tell nothing of what is in it: no SBOMs, licences' texts and page beside it, as LINK-papers.
    #[arg(long)]
    no_papers: bool,
    /// Print where the output lies as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let wishes = place.wishes(&builder::Beside::default())?;
    let (lock, lock_text) = place.lock()?;
    // It may have more: what was named when it was written, and is in no manifest.
    if let Some(reason) = wishes.lacking_from(&lock).first() {
        return Err(Failure::new(
            Kind::Input,
            "lock-outdated",
            format!("build {}: {reason}", place.lock_path().display()),
        )
        .hint("run `opencode-cache lock`"));
    }
    builder::licences::check(&wishes.manifest.licences, &lock).map_err(builder::Error::from)?;
    builder::catalogue::provide(&lock, place.lock_path(), &place.vendor()?)
        .await
        .map_err(builder::Error::from)?;
    let host = System::host().ok_or_else(|| {
        Failure::new(Kind::Outside, "system-unsupported", "build: OpenCode is not released for this machine")
    })?;
    let system = args.system.unwrap_or(host);
    let is_foreign = system != host;
    let out = args.out.unwrap_or_else(|| match is_foreign {
        true => format!("result-{system}").into(),
        false => "result".into(),
    });
    let build = Build {
        system,
        profile: wishes.manifest.profile,
        vendor: place.vendor()?,
        state: place.state()?,
        link: out.clone(),
        rules: env!("OPENCODE_CACHE_SOURCES"),
        wrapper: wrapper(system)?,
        restore: RESTORE,
        progress: place.progress(),
        lock,
        lock_text,
    };
    let built = match build.finished()? {
        Some(built) => built,
        None => {
            let upstream = if args.offline || build.is_provided().await? {
                None
            } else {
                Some(place.registry().await?.upstream)
            };
            build.run(upstream.as_ref()).await.map_err(|error| place.explain(error, &build.lock))?
        }
    };
    let papers = (!args.no_papers)
        .then(|| report::beside::lay(&built.path, &out, (&build.lock, &build.lock_text)))
        .transpose()?;
    if args.json {
        place.ui().json(&json!({
            "output": built.path, "link": out, "system": system.as_str(), "was_there": built.was_there, "papers": papers,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    place.ui().data(&built.path.display().to_string());
    let link = out.display();
    let next = match is_foreign {
        true => {
            format!("take it to {system}; here `opencode-cache verify {link}` can look at its bytes only")
        }
        false => format!("put {link}/bin on your PATH, or try `opencode-cache verify {link}`"),
    };
    place.ui().talk(&format!("OpenCode {} is ready: {link}/bin/opencode", build.lock.opencode));
    if let Some(papers) = papers {
        place.ui().talk(&format!(
            "what is in it: {}/{}/inside.html",
            papers.display(),
            report::papers::DIRECTORY
        ));
    }
    place.ui().talk(&format!("next: {next}"));
    Ok(ExitCode::SUCCESS)
}

/// The wrapper for a system, as `crates/shipped` compiled it.
pub fn wrapper(system: System) -> Result<&'static [u8], Failure> {
    let (bytes, target) = match system {
        System::Aarch64Linux => (shipped::AARCH64, "aarch64-unknown-linux-gnu"),
        System::X86_64Linux => (shipped::X86_64, "x86_64-unknown-linux-gnu"),
        System::Aarch64Darwin | System::X86_64Darwin => {
            let message = format!("build for {system}: the wrapper is a Linux program");
            return Err(Failure::new(Kind::Input, "system-not-linux", message)
                .hint("name a Linux system; a lock may pin others too"));
        }
    };
    if bytes.is_empty() {
        let message =
            format!("build for {system}: this opencode-cache was compiled without the wrapper for it");
        let hint = format!("run `rustup target add {target}`, and compile opencode-cache again");
        return Err(Failure::new(Kind::Outside, "wrapper-missing", message).hint(hint));
    }
    Ok(bytes)
}
