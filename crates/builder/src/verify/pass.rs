//! One pass: every step with one kind of network and in one profile, in a sandbox of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lock::Profile;
use tokio::sync::Semaphore;

use super::attempts::{self, Attempt};
use super::inside::{Inside, REGISTRY};
use super::ledger::Ledger;
use super::models::Known;
use super::outside::Outside;
use super::{Check, Error, Finding, acp, models, once, serve, tui};
use crate::config::Wanted;
use crate::contents::Contents;
use crate::progress::{Progress, timed};
use crate::{opencode, stage};

/// What is done in one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    pub outside: Outside,
    pub profile: Profile,
    /// Whether an hour passes in it.
    pub hour: bool,
}

/// What all passes share.
pub struct Shared {
    pub output: PathBuf,
    pub contents: Contents,
    pub wanted: Wanted,
    /// Hosts that may be asked.
    pub allowed: Vec<String>,
    pub progress: Arc<dyn Progress>,
    /// How many steps run at once.
    pub permits: Semaphore,
    pub known: Known,
}

/// What was seen.
pub struct Seen {
    pub checks: Vec<Check>,
    pub attempts: Vec<Attempt>,
    pub apart: Vec<Attempt>,
    pub hosts: Vec<Attempt>,
}

/// Every step, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Models,
    Run,
    Serve,
    Acp,
    Tui,
    Hour,
}

impl Step {
    const ALL: [Self; 6] = [Self::Models, Self::Run, Self::Serve, Self::Acp, Self::Tui, Self::Hour];

    const fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Run => "run",
            Self::Serve => "serve",
            Self::Acp => "acp",
            Self::Tui => "tui",
            Self::Hour => "hour",
        }
    }

    async fn check(self, inside: &Inside<'_>, known: &Known) -> Result<Finding, Error> {
        match self {
            Self::Models => models::check(inside, known).await,
            Self::Run => once::check(inside).await,
            Self::Serve => serve::check(inside).await,
            Self::Acp => acp::check(inside).await,
            Self::Tui => tui::check(inside).await,
            Self::Hour => serve::hour(inside).await,
        }
    }
}

impl Pass {
    fn steps(self) -> impl Iterator<Item = Step> {
        // In the online profile only the hosts are new: a command, the interface, which is alone in looking for updates, and a
        // server through its hour ask for all that there is.
        let of_profile = move |step: &Step| match self.profile {
            Profile::Offline => true,
            Profile::Online => matches!(step, Step::Run | Step::Tui | Step::Hour),
        };
        let all = Step::ALL.into_iter().filter(of_profile);
        all.filter(move |step| self.hour || *step != Step::Hour)
    }

    /// Runs everything. `Err` only where nothing can be run; what OpenCode does wrong is in a check.
    pub async fn run(self, shared: &Shared) -> Result<Seen, Error> {
        let Shared { output, contents, wanted, .. } = shared;
        let (inside, names) = Inside::open(output, contents, wanted, self.profile, self.outside).await?;
        let sandbox = inside.stage.sandbox();
        let mut ledger = Ledger::new(names);
        let mut done = Vec::new();
        for step in self.steps() {
            let _permit = shared.permits.acquire().await.map_err(|_| Error::Worker)?;
            let name = step.name();
            sandbox.label(name);
            let start = Instant::now();
            let what = match self.profile {
                Profile::Offline => format!("verify {name}, network {}", self.outside),
                Profile::Online => format!("verify {name}, online profile"),
            };
            let finding = timed(&*shared.progress, &what, step.check(&inside, &shared.known)).await?;
            let took = start.elapsed();
            // What a step leaves behind must not speak in the next one.
            sandbox.kill_all().map_err(stage::Error::from)?;
            ledger.close(name);
            done.push((name, finding, took));
        }
        let mut all = attempts::counted(sandbox.attempts(), self.outside);
        for (step, asked) in ledger.found {
            attempts::add_names(&mut all, step, self.outside, asked);
        }
        if self.outside == Outside::Dropped {
            all = attempts::without_second_halves(all);
        }
        // With a dummy for every key some providers ask their own service for its models: that is the
        // key's doing, and a user without the key never sees it.
        let is_own = |attempt: &Attempt| {
            let known = shared.known.get();
            let keyed =
                attempt.exercise == "models" && known.is_some_and(|known| known.hosts.contains(&attempt.to));
            keyed || shared.allowed.contains(&attempt.to)
        };
        let (apart, all): (Vec<_>, Vec<_>) = all.into_iter().partition(is_own);
        let catalogue = url::Url::parse(opencode::catalogue_address(&contents.opencode)).ok();
        let catalogue = catalogue.as_ref().and_then(url::Url::host_str);
        let is_allowed = |host: &str| host == REGISTRY || Some(host) == catalogue;
        let may = |attempt: &Attempt| self.profile == Profile::Online && is_allowed(&attempt.to);
        let (hosts, attempts): (Vec<_>, Vec<_>) = all.into_iter().partition(may);
        let checks = done.into_iter().map(|(name, finding, took)| self.check(name, finding, took, &attempts));
        Ok(Seen { checks: checks.collect(), attempts, apart, hosts })
    }

    fn check(self, name: &str, finding: Finding, took: Duration, attempts: &[Attempt]) -> Check {
        let of_step = attempts.iter().filter(|attempt| attempt.exercise == name);
        Check {
            name: name.into(),
            profile: Some(self.profile.as_str()),
            network: Some(self.outside),
            seconds: super::tenths(took),
            attempts: of_step.map(|attempt| attempt.count).sum(),
            summary: finding.summary,
            problems: finding.problems,
        }
    }
}
