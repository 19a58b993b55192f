//! How `update` tells what moved: columns for a terminal, Markdown for a pull request, JSON for a script. No line holds an address, and
//! every name stands in backticks in Markdown, where a bare `@name` would call somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use builder::update::{Bytes, Catalogue, Changed, Direct, Locked, Moved, Published, Summary};
use lock::{System, Version};

use crate::failure::Failure;
use crate::ui::{self, size};

/// A form of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// Markdown, for a pull request.
    Md,
    /// JSON.
    Json,
}

/// The summary as it was asked for.
pub fn told(summary: &Summary, json: bool, format: Format) -> Result<String, Failure> {
    Ok(match format {
        _ if json => format!("{:#}", ui::to_json(summary)?),
        Format::Json => format!("{:#}", ui::to_json(summary)?),
        Format::Table => table(summary),
        Format::Md => markdown(summary),
    })
}

/// For a terminal.
fn table(summary: &Summary) -> String {
    let mut rows = vec![cells("OpenCode", "", &change(&summary.opencode), "")];
    for direct in &summary.direct {
        let note = direct.proof.map(lock::Proof::as_str).unwrap_or_default();
        rows.push(cells(direct.kind.as_str(), &direct.spec, &versions(direct), note));
    }
    rows.extend(summary.frozen.iter().map(|name| cells("frozen", name, "", "")));
    rows.extend(summary.before.iter().map(|day| cells("as of", "", &day.to_string(), "")));
    if let Some(locked) = &summary.locked {
        rows.push(cells("packages", "", &change(&locked.pinned), &counts(locked)));
        for (what, list) in [("moved", &locked.moved), ("new", &locked.new), ("lost", &locked.lost)] {
            rows.extend(
                list.iter().map(|moved| cells(what, moved.name.as_str(), &moved_versions(moved), "")),
            );
        }
        rows.extend(
            locked.other_bytes.iter().map(|id| cells("OTHER BYTES", id, "", "the same version as before")),
        );
        rows.extend(
            locked
                .new_scripts
                .iter()
                .map(|name| cells("scripts", name, "", "of installation, which are not run")),
        );
        rows.extend(locked.new_hosts.iter().map(|host| cells("new host", host, "", "")));
        rows.extend(locked.lost_hosts.iter().map(|host| cells("lost host", host, "", "")));
        rows.extend(locked.sizes.iter().map(|(system, bytes)| {
            let (all, growth) = bytes_told(&bytes.all);
            cells("size", system.as_str(), &all, &growth)
        }));
        rows.push(cells(
            "models",
            "",
            &change(&locked.models),
            &format!("of {} providers", change(&locked.providers)),
        ));
    }
    let mut text = ui::table(&rows);
    for (versions, one) in passed_over(&summary.passed_over) {
        let _infallible = writeln!(text, "{versions}: {}", one.why());
    }
    for (what, systems) in [("new", &summary.new_systems), ("lost", &summary.lost_systems)] {
        for system in systems {
            let _infallible = writeln!(text, "{what} system: {system}");
        }
    }
    for reason in &summary.outdated {
        let _infallible = writeln!(text, "{reason}");
    }
    let end = match (summary.moves, &summary.locked, &summary.written[..]) {
        (false, ..) => "nothing newer can be used".to_owned(),
        (true, None, _) => "nothing was written; `opencode-cache update` does it".to_owned(),
        (true, Some(_), written) => format!("written: {}", written.join(", ")),
    };
    text + &end
}

fn cells(what: &str, name: &str, change: &str, note: &str) -> Vec<String> {
    [what, name, change, note].map(str::to_owned).into()
}

/// For a pull request.
pub fn markdown(summary: &Summary) -> String {
    let mut text = format!("## {}\n\n", title(summary));
    text.push_str("| | | from | to | |\n|---|---|---|---|---|\n");
    let _infallible = writeln!(
        text,
        "| OpenCode | | {} | {} | |",
        summary.opencode.from,
        bold(&summary.opencode.from, &summary.opencode.to)
    );
    for direct in &summary.direct {
        text.push_str(&direct_row(direct, summary));
    }
    text.push('\n');
    if let Some(day) = summary.before {
        let _infallible = writeln!(
            text,
            "Packages are resolved as of the end of {day} (UTC), by the registry's own times.\n"
        );
    }
    if !summary.frozen.is_empty() {
        let _infallible = writeln!(text, "Frozen, by hand: {}.\n", codes(&summary.frozen));
    }
    match &summary.locked {
        Some(locked) => text.push_str(&locked_told(locked, summary)),
        None if summary.moves => {
            for (what, systems) in [("New", &summary.new_systems), ("Lost", &summary.lost_systems)] {
                for system in systems {
                    let _infallible = writeln!(text, "{what} system: `{system}`.\n");
                }
            }
            text.push_str("Nothing was written: this is what metadata says would move.\n\n");
        }
        None => {}
    }
    if !summary.passed_over.is_empty() {
        text.push_str("Newer, and not usable yet:\n\n");
        for (versions, one) in passed_over(&summary.passed_over) {
            let _infallible = writeln!(text, "- {versions}: {}", why(one));
        }
        text.push('\n');
    }
    if !summary.outdated.is_empty() {
        text.push_str("The lock was not what the manifest wants:\n\n");
        for reason in &summary.outdated {
            let _infallible = writeln!(text, "- {}", code(reason));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn title(summary: &Summary) -> String {
    let Changed { from, to } = &summary.opencode;
    let moved = summary.direct.iter().filter(|direct| direct.moves()).count();
    match (summary.moves, from == to) {
        (false, _) => format!("OpenCode {from}: nothing newer can be used"),
        (true, false) => format!("OpenCode {from} → {to}"),
        (true, true) => format!("OpenCode {from}: {moved} plugins and SDKs move"),
    }
}

fn direct_row(direct: &Direct, summary: &Summary) -> String {
    let none = || "–".to_owned();
    let from = direct.from.as_ref().map_or_else(none, Version::to_string);
    let to = match (&direct.from, &direct.to) {
        (_, None) => none(),
        (Some(from), Some(to)) => bold(from, to),
        (None, Some(to)) => format!("**{to}**"),
    };
    // Before a recording the proof is that of the old version.
    let proof = direct.proof.filter(|_| summary.locked.is_some()).map(proof_told).unwrap_or_default();
    format!("| {} | {} | {from} | {to} | {proof} |\n", direct.kind.as_str(), code(&direct.spec))
}

fn proof_told(proof: lock::Proof) -> &'static str {
    match proof.as_str() {
        "answered" => "called a tool and answered",
        _ => "loads; its protocol cannot be scripted",
    }
}

fn locked_told(locked: &Locked, summary: &Summary) -> String {
    let mut text =
        String::from("| to be fetched for | from | to | | of which OpenCode |\n|---|---|---|---|---|\n");
    for (system, bytes) in &locked.sizes {
        text.push_str(&size_row(*system, bytes));
    }
    let Changed { from, to } = &locked.pinned;
    let _infallible = writeln!(text, "\n{to} packages are pinned, {from} were: {}.\n", counts(locked));
    for line in notable(locked, summary) {
        let _infallible = writeln!(text, "- {line}");
    }
    let all = [("", &locked.moved), ("new", &locked.new), ("lost", &locked.lost)];
    let number: usize = all.iter().map(|(_, list)| list.len()).sum();
    if number > 0 {
        let _infallible = write!(
            text,
            "\n<details><summary>All {number} packages that are not as they were</summary>\n\n| | package | from | to |\n|---|---|---|---|\n"
        );
        for (what, list) in all {
            for moved in list {
                let (from, to) = (joined(&moved.from), joined(&moved.to));
                let _infallible =
                    writeln!(text, "| {what} | {} | {from} | {to} |", code(moved.name.as_str()));
            }
        }
        text.push_str("\n</details>\n");
    }
    text.push('\n');
    text
}

fn size_row(system: System, bytes: &Bytes) -> String {
    let side = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), size);
    let Changed { from, to } = bytes.all;
    let (_, growth) = bytes_told(&bytes.all);
    format!("| {system} | {} | {} | {growth} | {} |\n", side(from), side(to), bytes_told(&bytes.opencode).0)
}

/// What a maintainer looks at before merging, good or bad, one line each.
fn notable(locked: &Locked, summary: &Summary) -> Vec<String> {
    let list = |what: &str, none: &str, items: &[String]| match items {
        [] => format!("{none}."),
        items => format!("**{what}:** {}.", codes(items)),
    };
    let named = |list: &[Moved], version: fn(&Moved) -> &Vec<Version>| -> Vec<String> {
        let word = |moved: &Moved| {
            version(moved).iter().map(|version| format!("{}@{version}", moved.name)).collect::<Vec<_>>()
        };
        list.iter().flat_map(word).collect()
    };
    let systems = |systems: &BTreeSet<System>| systems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut lines = Vec::new();
    for (what, changed) in [("New systems", &summary.new_systems), ("Lost systems", &summary.lost_systems)] {
        lines.extend((!changed.is_empty()).then(|| list(what, "", &systems(changed))));
    }
    lines.extend([
        list("New packages", "No new packages", &named(&locked.new, |moved| &moved.to)),
        list("Lost packages", "No lost packages", &named(&locked.lost, |moved| &moved.from)),
    ]);
    if !locked.other_bytes.is_empty() {
        lines.push(format!(
            "**Other bytes under the same version, which nobody publishes by accident:** {}.",
            codes(&locked.other_bytes)
        ));
    }
    if !locked.new_scripts.is_empty() {
        lines.push(list(
            "New packages with scripts of installation, which are not run",
            "",
            &locked.new_scripts,
        ));
    }
    lines.push(list("New hosts to download from", "No new hosts to download from", &locked.new_hosts));
    if !locked.lost_hosts.is_empty() {
        lines.push(format!("Hosts that are not asked any more: {}.", codes(&locked.lost_hosts)));
    }
    for proven in &locked.proofs {
        let line = match (proven.proof.from, proven.proof.to) {
            (_, None) => format!(
                "**SDK {} did not answer the scripted model** and is taken because somebody named it",
                code(&proven.spec)
            ),
            (from, Some("answered")) if from != Some("answered") => format!(
                "SDK {} answers the scripted model, which it was not seen to do before",
                code(&proven.spec)
            ),
            (_, Some("answered")) => format!(
                "SDK {} called a tool and answered through the scripted model, as before",
                code(&proven.spec)
            ),
            (Some("answered"), Some(_)) => format!(
                "**SDK {} loads, and does not answer the scripted model any more**",
                code(&proven.spec)
            ),
            (_, Some(_)) => format!("SDK {} loads; its protocol cannot be scripted", code(&proven.spec)),
        };
        lines.push(format!("{line}."));
    }
    for (name, state) in &locked.signatures_changed {
        lines.push(format!("**The signature of {} is not as it was:** {}.", code(name), arrow(state)));
    }
    for (name, by) in &locked.builders_changed {
        let [from, to] = [&by.from, &by.to].map(|by| by.as_deref().map_or_else(|| "nobody".to_owned(), code));
        lines.push(format!(
            "**Others than before are attested to have built {}:** {from} → {to}.",
            code(name)
        ));
    }
    if locked.attested.from + locked.attested.to > 0 {
        lines.push(format!("Packages of which it is attested who built them: {}.", arrow(&locked.attested)));
    }
    lines.push(format!("Signatures of packages: {}.", states(&locked.signatures.to)));
    let models = match locked.catalogue {
        Catalogue::Opencode => "The catalogue of models is the one inside OpenCode",
        Catalogue::Same => "The catalogue of models is the same",
        Catalogue::New => "The catalogue of models is a newer one",
    };
    lines.push(format!(
        "{models}: {} models of {} providers.",
        arrow(&locked.models),
        arrow(&locked.providers)
    ));
    lines
}

/// Versions that lack the same, one behind the other, as one.
fn passed_over(all: &[Published]) -> Vec<(String, &Published)> {
    let alike = |a: &Published, b: &Published| {
        a.missing == b.missing && (a.is_young == b.is_young || !a.missing.is_empty())
    };
    let told = |run: &[Published]| match run {
        [.., _, oldest] => format!("{} to {} ({} versions)", oldest.version, run[0].version, run.len()),
        _ => run[0].version.to_string(),
    };
    all.chunk_by(alike).map(|run| (told(run), &run[0])).collect()
}

/// `41 unsigned, 3 verified …`
fn states(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(state, number)| format!("{number} {state}")).collect::<Vec<_>>().join(", ")
}

fn why(one: &Published) -> String {
    match &one.missing[..] {
        [] => one.why(),
        missing => format!("{} not published", codes(missing)),
    }
}

fn counts(locked: &Locked) -> String {
    format!("{} moved, {} new, {} lost", locked.moved.len(), locked.new.len(), locked.lost.len())
}

fn versions(direct: &Direct) -> String {
    match (&direct.from, &direct.to) {
        (Some(from), Some(to)) if from == to => format!("{from} (stays)"),
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (None, Some(to)) => format!("new: {to}"),
        (Some(from), None) => format!("gone: {from}"),
        (None, None) => String::new(),
    }
}

fn moved_versions(moved: &Moved) -> String {
    match (&moved.from[..], &moved.to[..]) {
        ([], to) => joined(to),
        (from, []) => joined(from),
        (from, to) => format!("{} -> {}", joined(from), joined(to)),
    }
}

fn joined(versions: &[Version]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn change<T: PartialEq + std::fmt::Display>(changed: &Changed<T>) -> String {
    match changed.from == changed.to {
        true => changed.to.to_string(),
        false => format!("{} -> {}", changed.from, changed.to),
    }
}

fn arrow<T: PartialEq + std::fmt::Display>(changed: &Changed<T>) -> String {
    change(changed).replace("->", "→")
}

/// The sizes, and by how much they differ.
fn bytes_told(bytes: &Changed<Option<u64>>) -> (String, String) {
    match (bytes.from, bytes.to) {
        (Some(from), Some(to)) if from == to => (size(to), String::new()),
        (Some(from), Some(to)) => {
            let sign = if to > from { '+' } else { '-' };
            (format!("{} → {}", size(from), size(to)), format!("{sign}{}", size(to.abs_diff(from))))
        }
        (None, Some(to)) => (size(to), "new".into()),
        (Some(from), None) => (size(from), "gone".into()),
        (None, None) => (String::new(), String::new()),
    }
}

fn bold(from: &Version, to: &Version) -> String {
    if from == to { to.to_string() } else { format!("**{to}**") }
}

/// As code, which nothing in it can end, and no cell either.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '\n', '\r'], "'").replace('|', "\\|"))
}

fn codes(texts: &[String]) -> String {
    texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_lack_the_same_are_one_line() {
        let one = |version: &str, missing: &str| Published {
            version: version.parse().unwrap(),
            at: None,
            missing: vec![missing.to_owned()],
            is_young: false,
        };
        let all =
            [one("1.4.0", "a"), one("1.3.0", "b"), one("1.2.0", "b"), one("1.1.0", "b"), one("1.0.0", "a")];
        let told: Vec<String> = passed_over(&all).into_iter().map(|(versions, _)| versions).collect();
        assert_eq!(told, ["1.4.0", "1.1.0 to 1.3.0 (3 versions)", "1.0.0"]);
    }

    #[test]
    fn nothing_gets_out_of_code() {
        assert_eq!(code("a`b|c\nd"), "`a'b\\|c'd`");
    }
}
