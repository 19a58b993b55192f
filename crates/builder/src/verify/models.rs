//! `models`: are as many models listed as when the lock was made?

use std::collections::BTreeMap;

use tokio::sync::OnceCell;

use super::inside::Inside;
use super::{Error, Finding};
use crate::count::{self, Catalogue};

/// What OpenCode's catalogue says of its providers: the same with every network, and so asked once.
pub type Known = OnceCell<Catalogue>;

/// Lists the models of every provider.
pub async fn check(inside: &Inside<'_>, known: &Known) -> Result<Finding, Error> {
    let env = inside.environment();
    let catalogue = match known.get_or_try_init(|| catalogue(inside, &env)).await {
        Ok(catalogue) => catalogue,
        Err(error) => return Ok(Finding::failed("not counted", &error)),
    };
    let counts = match count::list(&inside.stage, &inside.program, &env, catalogue).await {
        Ok(counts) => counts,
        Err(error) => return Ok(Finding::failed("not counted", &error)),
    };
    let total: u32 = counts.values().sum();
    let summary = format!("{total} models of {} providers", counts.len());
    Ok(Finding { summary, problems: fewer(&inside.contents.models, &counts) })
}

async fn catalogue(inside: &Inside<'_>, env: &[(String, String)]) -> Result<Catalogue, count::Error> {
    let server = inside.stage.serve(&inside.program, env).await?;
    let catalogue = count::catalogue(&server, &inside.contents.opencode).await;
    server.stop().await?;
    catalogue
}

/// Providers that list fewer models than the lock recorded.
fn fewer(recorded: &BTreeMap<String, u32>, found: &BTreeMap<String, u32>) -> Vec<String> {
    let lacking = recorded.iter().filter_map(|(provider, recorded)| {
        let found = found.get(provider).copied().unwrap_or(0);
        (found < *recorded).then(|| format!("{provider}: {found} models instead of {recorded}"))
    });
    lacking.collect()
}
