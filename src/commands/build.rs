//! `build`: vendor → output, linked as `result`.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::{Build, Restore};
use lock::System;
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::workplace::Workplace;

/// The wrapper, as `build.rs` compiled it for this machine.
const WRAPPER: &[u8] = shipped::WRAPPER;

/// The restore plugin, which belongs to the wrapper.
const RESTORE: Restore = Restore {
    plugin: include_str!("../../crates/wrapper/assets/restore.mjs"),
    modules: include_str!("../../crates/wrapper/assets/modules.mjs"),
    config: include_str!("../../crates/wrapper/assets/restore.json"),
    directory: include_str!("../../crates/wrapper/assets/restore.d/opencode.json"),
};

/// Replay the lock with nothing but loopback and put together an OpenCode that needs no network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fetch nothing: what is missing is an error.
    #[arg(long)]
    offline: bool,
    /// The link to the output.
    #[arg(long, short, value_name = "LINK", default_value = "result")]
    out: PathBuf,
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
    builder::catalogue::provide(&lock, place.lock_path(), &place.vendor()?)
        .await
        .map_err(builder::Error::from)?;
    let system = System::host().ok_or_else(|| {
        Failure::new(Kind::Outside, "system-unsupported", "build: OpenCode is not released for this machine")
    })?;
    let build = Build {
        system,
        profile: wishes.manifest.profile,
        vendor: place.vendor()?,
        state: place.state()?,
        link: args.out.clone(),
        rules: env!("OPENCODE_CACHE_SOURCES"),
        wrapper: WRAPPER,
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
    if args.json {
        place.ui().json(&json!({ "output": built.path, "link": args.out, "was_there": built.was_there }));
        return Ok(ExitCode::SUCCESS);
    }
    place.ui().data(&built.path.display().to_string());
    let link = args.out.display();
    place.ui().talk(&format!(
        "OpenCode {} is ready: {link}/bin/opencode\n\
         next: put {link}/bin on your PATH, or try `opencode-cache verify {link}`",
        build.lock.opencode
    ));
    Ok(ExitCode::SUCCESS)
}
