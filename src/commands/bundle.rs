//! `bundle`: outputs → one file for a machine without a network.

use std::path::PathBuf;
use std::process::ExitCode;

use builder::bundles::{self, Bundled, Bundling};
use serde_json::json;

use crate::commands::papers;
use crate::failure::Failure;
use crate::manual;
use crate::ui;
use crate::workplace::Workplace;

/// Write outputs as one file for a machine without a network: the same bytes from the same outputs, each of them hashed.
///
/// `tar --zstd -xf` unpacks it too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Outputs of `build`, or links to them; one for each system.
    #[arg(value_name = "OUTPUT", default_value = "result")]
    outputs: Vec<PathBuf>,
    /// Where to write it [default: opencode-VERSION-SYSTEM.bundle].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How hard zstd tries, 1 to 19.
    #[arg(long, value_name = "N", default_value_t = bundles::LEVEL, value_parser = clap::value_parser!(i32).range(1..=i64::from(bundles::MAX_LEVEL)))]
    level: i32,
    /// Take this program along: the unpacked archive of a release of opencode-cache, static; may be repeated, one for each
    /// system [default: the running one, where it is such a one].
    #[arg(long, value_name = "DIR")]
    tool: Vec<PathBuf>,
    /// Take no program along: the other machine has an opencode-cache.
    #[arg(long, conflicts_with = "tool")]
    no_tool: bool,
    /// Tell nothing of what is in it: no SBOMs, licences' texts and page go along.
    #[arg(long)]
    no_papers: bool,
    /// Only what differs from this bundle or output, which the other machine has installed; a file for each system.
    #[arg(long, value_name = "OLD")]
    since: Option<PathBuf>,
    /// Sign with this key, of minisign's or of Nix's; may be repeated.
    #[arg(long, value_name = "KEYFILE")]
    sign: Vec<PathBuf>,
    /// Sign beside the file, as FILE.minisig, and not in it: `minisign -Vm FILE` looks there.
    #[arg(long, requires = "sign")]
    detached: bool,
    /// Cut it into files of this size, FILE.001 and so on: bytes, or a number with k, M or G (powers of 1000).
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    split: Option<u64>,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// A number of bytes. Powers of 1000, as media are sold: 2G is below what a signed number of 32 bits counts, 2 GiB is not.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
    let unit = units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "a size such as 650M or 2G is wanted".to_owned())
}

/// Runs the verb.
pub async fn run(args: Args, place: &Workplace) -> Result<ExitCode, Failure> {
    let own = || bundles::own_tool().into_iter().collect();
    let tools = if args.no_tool || !args.tool.is_empty() { args.tool } else { own() };
    let bundling = Bundling {
        outputs: args.outputs,
        file: args.output,
        level: args.level,
        tools,
        manual: manual::files(),
        papers: (!args.no_papers).then(|| papers::of_bundle(place)),
        keys: args.sign,
        detached: args.detached,
        split: args.split,
        since: args.since,
        stores: place.stores()?,
        progress: place.progress(),
    };
    let all = bundling.run().await.map_err(builder::Error::from)?;
    if args.json {
        let mut all = all.iter().map(as_json).collect::<Result<Vec<_>, _>>()?;
        // One file is one object; a list of them only where there are several.
        let one = if all.len() == 1 { all.pop() } else { None };
        place.ui().json(&one.unwrap_or(serde_json::Value::Array(all)));
    } else {
        for bundled in &all {
            let files: Vec<_> = bundled.files.iter().map(|file| file.display().to_string()).collect();
            place.ui().data(&files.join("\n"));
            place.ui().talk(&told(bundled));
        }
    }
    if !args.no_papers && !all.iter().all(|bundled| papers::are_of(place, &bundled.parts)) {
        place.ui().talk(&format!(
            "note: {} is not the lock of what was bundled: its SBOMs say nothing of archives' hashes, signatures and hosts (name it with --lock)",
            place.lock_path().display()
        ));
    }
    let lacking: Vec<_> = all.iter().flat_map(lacking).collect();
    if !lacking.is_empty() && !args.no_tool {
        place.ui().talk(&format!(
            "!!! NO PROGRAM GOES ALONG FOR {}: whoever installs it needs an opencode-cache. `--tool DIR` takes one from a release.",
            lacking.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Systems for which there is no program in it; a delta's machines have one.
fn lacking(bundled: &Bundled) -> Vec<String> {
    let of = |role| bundled.parts.iter().filter(move |part| part.role == role);
    let outputs = of(bundles::Role::Output).filter(|part| part.base.is_none());
    let without = outputs.filter(|part| !of(bundles::Role::Tool).any(|tool| tool.system == part.system));
    without.map(|part| part.system.to_string()).collect()
}

fn as_json(bundled: &Bundled) -> Result<serde_json::Value, Failure> {
    Ok(json!({
        "files": bundled.files, "bytes": bundled.size, "digest": bundled.digest.to_string(),
        "parts": ui::to_json(&bundled.parts)?, "program": bundled.is_program, "signature": bundled.signature,
        "signed": bundled.signed.iter().map(|key| key.to_string().trim_end().to_owned()).collect::<Vec<_>>(),
    }))
}

fn told(bundled: &Bundled) -> String {
    let row = |part: &bundles::Part| {
        let version = part.facts.get("opencode").map(|version| format!("OpenCode {version}"));
        let base = part.base.as_ref().map(|base| format!("as what differs from {}", base.digest));
        let facts: Vec<_> = version.into_iter().chain(base).collect();
        vec![part.system.to_string(), part.role.to_string(), ui::size(part.size), facts.join(", ")]
    };
    let mut text = ui::table(&bundled.parts.iter().map(row).collect::<Vec<_>>());
    text.push_str(&format!("{} in the file, digest {}\n", ui::size(bundled.size), bundled.digest));
    for key in &bundled.signed {
        text.push_str(&format!("signed by {}\n", key.name()));
    }
    let name = bundled.file.file_name().unwrap_or_default().display();
    let install =
        if bundled.is_program { format!("./{name}") } else { format!("opencode-cache install {name}") };
    text + &format!(
        "next: `opencode-cache verify {}` looks at it again; there: `{install}`",
        bundled.file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_media_are_sold() {
        assert_eq!(bytes("650M"), Ok(650_000_000));
        assert!(bytes("2G").is_ok_and(|bytes| bytes < 1 << 31));
        assert_eq!(bytes("4096"), Ok(4096));
        for wrong in ["", "0", "G", "-1", "1 G", "2g", "99999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
