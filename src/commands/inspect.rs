//! `inspect`: what is in an output, how big, and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use builder::Beside;
use builder::currency::Row;
use builder::difference::Side;
use builder::inspect::{self, Inspection};

use lock::{Diff, System};
use report::licences::{self, Summary};
use report::{Hosts, Page, Proof, Source};

use super::inspect_plan;
use crate::failure::{Failure, Kind};
use crate::ui;
use crate::workplace::Workplace;

/// Say what is in an output or a bundle: digest, sizes by part, packages by exercise. With --plan, what becomes of
/// everything that the manifest and configurations ask for; exit 1 when some of that is not captured.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output, a link to it, or a bundle.
    #[arg(default_value = "result")]
    output: PathBuf,
    /// Look at manifest, configurations and lock instead: what is built in, what was captured, what not.
    #[arg(long, conflicts_with = "output")]
    plan: bool,
    /// A configuration beside those of the manifest; may be repeated.
    #[arg(long, value_name = "FILE", requires = "plan")]
    config: Vec<PathBuf>,
    /// A provider beside those of the manifest; may be repeated.
    #[arg(long, value_name = "ID", requires = "plan")]
    provider: Vec<lock::Spec>,
    /// Write a page to look at here: what is inside, by size, licence, signature, and what brought it. It loads nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "json"])]
    html: Option<PathBuf>,
    /// With --html: what changed since this lock, output or bundle.
    #[arg(long, value_name = "OLD", requires = "html")]
    against: Option<PathBuf>,
    /// With --html: what `verify --proof FILE` (or `verify --json`) said of this output.
    #[arg(long, value_name = "FILE", requires = "html")]
    proof: Option<PathBuf>,
    /// With --html: the rows that `versions --results` keeps, for a table of which versions of OpenCode work.
    #[arg(long, value_name = "ROWS", requires = "html")]
    versions: Option<PathBuf>,
    /// With --html: name the registries of this machine's npm configuration, which no lock does.
    #[arg(long, requires = "html")]
    hosts: bool,
    /// Of a bundle for several systems: the one that is meant [default: this machine's].
    #[arg(long, value_name = "SYSTEM", conflicts_with = "plan")]
    system: Option<System>,
    /// Of a delta: the older bundle or output that it was made against, where no store of ours has it.
    #[arg(long, value_name = "OLD", conflicts_with = "plan")]
    since: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    if args.plan {
        let beside = Beside { configs: args.config, providers: args.provider };
        return inspect_plan::run(&beside, args.json, place);
    }
    if let Some(page) = &args.html {
        return write_page(page, &args, place).await;
    }
    let (source, inspection) = match Source::is_bundle(&args.output) {
        true => {
            let source = super::sbom::source(&args.output, args.system, args.since.as_deref(), place)?;
            let inspection = report::inspection(&source, &args.output)?;
            (source, inspection)
        }
        false => {
            let inspection = inspect::run(&args.output)?;
            (Source::read(&args.output, None)?, inspection)
        }
    };
    let licences = licences::summary(&report::collect(&source, None)?);
    if args.json {
        let mut value = ui::to_json(&inspection)?;
        value["licences"] = ui::to_json(&licences)?;
        place.ui().json(&value);
    } else {
        place.ui().data(&render(&inspection, &licences));
    }
    Ok(ExitCode::SUCCESS)
}

/// The page, and where it lies now.
async fn write_page(page: &Path, args: &Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let (source, inventory) =
        super::sbom::inventory(&args.output, args.system, args.since.as_deref(), place)?;
    let changes = args.against.as_ref().map(|old| since(old, &source, args, place)).transpose()?;
    let proof = args.proof.as_ref().map(|path| Proof::read(path, &inventory)).transpose()?;
    let name = args.against.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    let hosts = if args.hosts { Some(hosts(place).await?) } else { None };
    let rows = args.versions.as_ref().map(|path| rows(path)).transpose()?.unwrap_or_default();
    let told = Page {
        changes: name.as_deref().zip(changes.as_ref()),
        proof: proof.as_ref(),
        hosts: hosts.as_ref(),
        versions: &rows,
    };
    report::write(page, &told.render(&inventory))?;
    place.ui().talk(&format!("{}: open it in a browser", page.display()));
    Ok(ExitCode::SUCCESS)
}

/// What `versions` kept.
fn rows(path: &Path) -> Result<Vec<Row>, Failure> {
    let rows: Vec<_> = super::versions::known(path)?.into_values().collect();
    if rows.is_empty() {
        let message = format!("read {}: it has no row of `versions`", path.display());
        return Err(Failure::new(Kind::Input, "results-none", message)
            .hint("name a file that `opencode-cache versions --results FILE` wrote"));
    }
    Ok(rows)
}

/// The registries that npm's configuration names here.
async fn hosts(place: &Workplace) -> Result<Hosts, Failure> {
    let registry = place.registry().await?;
    let mut hosts = BTreeMap::from([(String::new(), registry.upstream.default_host())]);
    for scope in registry.settings.scopes.keys() {
        // Any name of a scope's shows which registry has it.
        if let Ok(name) = format!("@{scope}/any").parse() {
            hosts.insert(format!("@{scope}"), registry.upstream.host(&name));
        }
    }
    Ok(Hosts(hosts))
}

/// What changed since `old`: since a lock to the one in use, since an output to this one.
fn since(old: &Path, source: &Source, args: &Args, place: &Workplace) -> Result<Diff, Failure> {
    let before = super::sbom::side(old, args.system, place)?;
    let now = match before {
        Side::Lock(_) => Side::read(place.lock_path())?,
        Side::Output(_) => Side::Output(Box::new(report::inspection(source, &args.output)?)),
    };
    before.diff(&now).ok_or_else(|| {
        let message = format!(
            "compare {} with {}: one is a lock and the other an output",
            old.display(),
            args.output.display()
        );
        Failure::new(Kind::Input, "diff-unlike", message).hint("name a lock, an output, or a bundle")
    })
}

fn render(inspection: &Inspection, licences: &Summary) -> String {
    let Inspection { path, digest, contents, parts } = inspection;
    let mut text = format!("{}\n", path.display());
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let mut head = vec![line("digest", digest.clone())];
    head.push(line("opencode", contents.opencode.to_string()));
    head.push(line("system", contents.system.to_string()));
    head.push(line("profile", contents.profile.clone()));
    head.push(line("lock", contents.lock.clone()));
    head.push(line("catalogue", catalogue(contents)));
    head.extend((!contents.signatures.is_empty()).then(|| line("signatures", signatures(contents))));
    head.extend(
        contents
            .attested
            .map(|number| line("attested", format!("{number} packages, by whom they were built"))),
    );
    head.push(line("licences", declared(licences)));
    text.push_str(&ui::table(&head));
    text.push_str("\nsizes\n");
    let sizes: Vec<_> =
        parts.iter().map(|(part, bytes)| vec![format!("  {part}"), ui::size(*bytes)]).collect();
    text.push_str(&ui::table(&sizes));
    for (name, tree) in &contents.exercises {
        let count = tree.packages.len();
        text.push_str(&format!("\n{name}: {} in {count} packages, {}\n", ui::size(tree.bytes), tree.path));
        if let Some(patched) = &tree.patched {
            text.push_str(&format!(
                "  package.json says {patched:?}, which is what OpenCode compares with\n"
            ));
        }
        for package in &tree.packages {
            text.push_str(&format!("  {}\n", package.id));
        }
    }
    for (name, program) in &contents.programs {
        text.push_str(&format!(
            "\n{name}: {}, {}\n  {}\n",
            ui::size(program.bytes),
            program.path,
            program.from
        ));
    }
    text
}

/// The most frequent licences, and how many components are to be looked at.
fn declared(licences: &Summary) -> String {
    const TOLD: usize = 6;
    let mut words: Vec<String> =
        licences.declared.iter().take(TOLD).map(|(licence, number)| format!("{number} {licence}")).collect();
    let more = licences.declared.len().saturating_sub(TOLD);
    words.extend((more > 0).then(|| format!("{more} others")));
    let unclear = match licences.unclear.len() {
        0 => String::new(),
        number => format!("; {number} without an SPDX licence (--json names them)"),
    };
    format!("{}{unclear}", words.join(", "))
}

fn signatures(contents: &builder::Contents) -> String {
    let states = contents.signatures.iter().map(|(state, number)| format!("{number} {state}"));
    states.collect::<Vec<_>>().join(", ")
}

fn catalogue(contents: &builder::Contents) -> String {
    let Some(catalogue) = &contents.catalogue else { return "the one inside OpenCode".to_owned() };
    let age = catalogue.newest.as_ref().map(|date| format!(", its newest model is of {date}"));
    format!("from {}{}", catalogue.url, age.unwrap_or_default())
}
