//! What registry the pinned OpenCode itself would ask: it holds a bun, which knows one. The bun is
//! run where nothing can be reached, and the name that it looks up is the answer.

use std::path::Path;
use std::time::Duration;

use sandbox::Spec;
use url::Url;

use crate::names::NameServer;
use crate::stage::{self, Stage};

/// How long bun may try. It gives up within a second when a name does not exist.
const TIME: Duration = Duration::from_secs(20);

/// The registry of the bun in the binary at `opencode`; `None` where it does not say.
pub async fn registry(opencode: &Path) -> Option<Url> {
    let mut spec = Spec::new(stage::HOME);
    spec.binds.push(sandbox::Bind::read_only(opencode, stage::BINARY));
    let mut stage = Stage::open_spec(spec).await.ok()?;
    let names = NameServer::start(&mut stage)?;
    let mut env = stage.environment();
    env.push(("BUN_BE_BUN".into(), "1".into()));
    // A package whose name cannot be anybody's: bun asks its registry about it and nothing else.
    let command = stage.command(stage::BINARY, &["add", "opencode-cache-asks-for-a-registry"], &env);
    let sandbox = stage.sandbox().clone();
    // It fails, as it must without a network.
    let _failed = tokio::task::spawn_blocking(move || sandbox.run(&command, TIME, 64 * 1024)).await;
    let (name, _) = names.asked().into_iter().next()?;
    Url::parse(&format!("https://{name}/")).ok()
}
