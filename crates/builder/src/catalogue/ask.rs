//! Having OpenCode fetch its catalogue behind the recorder: what it wrote into its cache is the catalogue, and what it asked for is
//! where that comes from. No address of it stands here: OpenCode knows its own.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use lock::Catalogue;
use replay::proxy::{Exchange, ProxyFacts};
use replay::registry::npmrc::Settings;
use replay::vendor::Vendor;

use super::{MAX_BYTES, fault};
use crate::downloads::Outlet;
use crate::opencode;
use crate::stage::{self, Stage};

/// How long OpenCode may take. It gives its request up after ten seconds (1.14.34 to 1.18.33); the rest is its start on a busy machine.
const TIME: Duration = Duration::from_secs(60);
/// How much of what it prints is kept, in bytes.
const MAX_MESSAGES: usize = 64 * 1024;

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
pub async fn ask(binary: &Path, settings: &Settings, vendor: &Vendor) -> Result<Found, stage::Error> {
    let mut stage = Stage::open(binary, 1).await?;
    let outlet = Outlet::record(&mut stage, settings, vendor)?;
    // 1.14 and 1.15 look for ripgrep at every start, and would fetch it: any file there will do.
    stage.sandbox().write(format!("{}/bin/rg", stage::CACHE_DIR), b"")?;
    let mut env = stage.environment();
    env.extend(opencode::quiet_environment().into_iter().filter(|(name, _)| name != opencode::NO_CATALOGUE));
    env.push(("npm_config_offline".into(), "true".into()));
    env.extend_from_slice(outlet.environment());
    let command = stage.command(stage::BINARY, &["models", "--refresh"], &env);
    let sandbox = stage.sandbox().clone();
    let ran = tokio::task::spawn_blocking(move || {
        let ran = sandbox.run(&command, TIME, MAX_MESSAGES);
        (ran, sandbox.read(opencode::CATALOGUE_FILE, MAX_BYTES))
    });
    let (ran, written) = ran.await.map_err(|_| stage::Error::Worker)?;
    let facts = outlet.close().await;
    // What it printed and how it ended says nothing: offline it lists its own models and is content.
    if let Err(error) = ran {
        tracing::debug!(%error, "opencode models --refresh");
    }
    Ok(match written {
        Ok(bytes) => judge(bytes.into(), &facts, vendor).await,
        Err(_) => Found::Snapshot { why: why(&facts) },
    })
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
    match facts.failures.iter().find(|failure| failure.url.path().ends_with(opencode::CATALOGUE_PATH)) {
        Some(failure) => crate::error::chain(&*failure.error),
        None => "OpenCode got no answer in time".to_owned(),
    }
}
