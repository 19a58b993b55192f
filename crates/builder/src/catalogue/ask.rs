//! Having OpenCode fetch its catalogue behind the recorder: what it wrote into its cache is the catalogue, and what it asked for is
//! where that comes from. No address of it stands here: OpenCode knows its own.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use lock::{Catalogue, Version};
use replay::proxy::{Exchange, ProxyFacts, ProxyFailure};
use replay::registry::npmrc::Settings;
use replay::registry::upstream::Bounds;
use replay::vendor::Vendor;

use super::{MAX_BYTES, fault};
use crate::downloads::Outlet;
use crate::opencode;
use crate::progress::{Event, Progress};
use crate::stage::{self, Stage};

/// How long OpenCode may take: its start on a busy machine, and an answer. It gives its request up after ten seconds (1.14.34 to
/// 1.18.33).
const TIME: Duration = Duration::from_secs(60);
/// How long the host is waited for, who is asked twice: a person waits too, and OpenCode's own catalogue serves as well.
const PATIENCE: Bounds =
    Bounds { connect: Duration::from_secs(4), idle: Duration::from_secs(4), total: Duration::from_secs(9) };
const TRIES: u32 = 2;
/// After how long a silence the person is told.
const SILENCE: Duration = Duration::from_secs(2);
/// How often is looked whether somebody is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The catalogue; its bytes are in the vendor directory.
    Pinned(Catalogue),
    /// None, and why: OpenCode's own serves.
    Snapshot {
        /// Who answered what, or did not.
        why: String,
    },
}

/// Asks, with the binary at `binary`. That there is no catalogue is an answer; an error is that OpenCode cannot be run.
pub async fn ask(
    binary: &Path,
    version: &Version,
    settings: &Settings,
    vendor: &Vendor,
    progress: &dyn Progress,
) -> Result<Found, stage::Error> {
    let mut stage = Stage::open(binary, version, 1).await?;
    let outlet = Outlet::record_briefly(&mut stage, settings, vendor, PATIENCE, TRIES)?;
    // 1.14 and 1.15 look for ripgrep at every start, and would fetch it: any file there will do.
    stage.sandbox().write(format!("{}/bin/rg", stage::CACHE_DIR), b"")?;
    let mut env = stage.environment();
    env.extend(opencode::quiet_environment().into_iter().filter(|(name, _)| name != opencode::NO_CATALOGUE));
    env.push(("npm_config_offline".into(), "true".into()));
    env.extend(opencode::alone_environment(version));
    env.extend_from_slice(outlet.environment());
    // Left to itself, OpenCode asks again where it got no answer.
    let seen = outlet.observer();
    let in_vain = move || failure(&seen()).is_some();
    let run = stage.run_until(&["models", "--refresh"], &env, in_vain, TIME);
    let ran = tokio::select! {
        ran = run => ran,
        never = tell_of_silence(&outlet, progress) => match never {},
    };
    // What it printed says nothing: offline it lists its own models and is content.
    ran?;
    let sandbox = stage.sandbox().clone();
    let read = tokio::task::spawn_blocking(move || sandbox.read(opencode::CATALOGUE_FILE, MAX_BYTES));
    let written = read.await.map_err(|_| stage::Error::Worker)?;
    let facts = outlet.close().await;
    Ok(match written {
        Ok(bytes) => judge(bytes.into(), &facts, vendor).await,
        Err(_) => Found::Snapshot { why: why(&facts) },
    })
}

/// Tells once where a question stays without an answer for long.
async fn tell_of_silence(outlet: &Outlet, progress: &dyn Progress) -> Infallible {
    let mut waiting = Duration::ZERO;
    while waiting < SILENCE {
        tokio::time::sleep(LOOK).await;
        waiting = if outlet.is_waiting() { waiting + LOOK } else { Duration::ZERO };
    }
    let most = PATIENCE.connect.as_secs() * u64::from(TRIES);
    progress.event(Event::Note(&format!(
        "no answer yet from the host of the catalogue of models; it is waited for some {most} s"
    )));
    std::future::pending().await
}

async fn judge(bytes: Bytes, facts: &ProxyFacts, vendor: &Vendor) -> Found {
    // Also one that led elsewhere: OpenCode followed it, or nothing would have been written.
    let exchange = asked(facts).find(|exchange| exchange.status < 400);
    let Some(exchange) = exchange else { return Found::Snapshot { why: why(facts) } };
    let host = exchange.url.host_str().unwrap_or_default();
    if let Some(fault) = fault(&bytes) {
        return Found::Snapshot { why: format!("{host} {fault}") };
    }
    let Ok(url) = exchange.url.as_str().parse() else {
        return Found::Snapshot { why: format!("the address at {host} cannot be pinned") };
    };
    // Put again, because an encoded answer was stored as it came.
    match vendor.put(bytes).await {
        Ok(stored) => Found::Pinned(Catalogue { integrity: stored.integrity, size: stored.size, url }),
        Err(error) => Found::Snapshot { why: error.to_string() },
    }
}

/// The questions for it: the only ones of their path that OpenCode asks.
fn asked(facts: &ProxyFacts) -> impl Iterator<Item = &Exchange> {
    let is_it = |exchange: &&Exchange| exchange.url.path().ends_with(opencode::CATALOGUE_PATH);
    facts.exchanges.iter().filter(is_it)
}

/// Why there is none.
fn why(facts: &ProxyFacts) -> String {
    if let Some(exchange) = asked(facts).last() {
        return format!("{} answered {}", exchange.url.host_str().unwrap_or_default(), exchange.status);
    }
    match failure(facts) {
        Some(failure) => crate::error::chain(&*failure.error),
        None => "OpenCode got no answer in time".to_owned(),
    }
}

/// The question for it that the world failed to answer.
fn failure(facts: &ProxyFacts) -> Option<&ProxyFailure> {
    facts.failures.iter().find(|failure| failure.url.path().ends_with(opencode::CATALOGUE_PATH))
}
