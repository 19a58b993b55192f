//! `inspect`: what is in an output, how big, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::Beside;
use builder::inspect::{self, Inspection};

use super::inspect_plan;
use crate::failure::Failure;
use crate::ui;
use crate::workplace::Workplace;

/// Say what is in an output: digest, sizes by part, packages by exercise. With --plan, what becomes of
/// everything that the manifest and configurations ask for; exit 1 when some of that is not captured.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The output or a link to it.
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
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    if args.plan {
        let beside = Beside { configs: args.config, providers: args.provider };
        return inspect_plan::run(&beside, args.json, place);
    }
    let inspection = inspect::run(&args.output)?;
    if args.json {
        place.ui().json(&ui::to_json(&inspection)?);
    } else {
        place.ui().data(&render(&inspection));
    }
    Ok(ExitCode::SUCCESS)
}

fn render(inspection: &Inspection) -> String {
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
    text.push_str(&ui::table(&head));
    text.push_str("\nsizes\n");
    let sizes: Vec<_> =
        parts.iter().map(|(part, bytes)| vec![format!("  {part}"), ui::size(*bytes)]).collect();
    text.push_str(&ui::table(&sizes));
    for (name, tree) in &contents.exercises {
        let count = tree.packages.len();
        text.push_str(&format!("\n{name}: {} in {count} packages, {}\n", ui::size(tree.bytes), tree.path));
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

fn signatures(contents: &builder::Contents) -> String {
    let states = contents.signatures.iter().map(|(state, number)| format!("{number} {state}"));
    states.collect::<Vec<_>>().join(", ")
}

fn catalogue(contents: &builder::Contents) -> String {
    let Some(catalogue) = &contents.catalogue else { return "the one inside OpenCode".to_owned() };
    let age = catalogue.newest.as_ref().map(|date| format!(", its newest model is of {date}"));
    format!("from {}{}", catalogue.url, age.unwrap_or_default())
}
