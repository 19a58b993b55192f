//! What changed, as a table for each thing that can change.

use lock::{About, Diff, Row};

use super::parts::Section;
use super::{count, size, text};

/// Kinds that say the same again in other words, or that nobody decides by: told last.
const LAST: [About; 4] = [About::Known, About::Size, About::Lock, About::Output];

pub(super) fn section(since: &str, diff: &Diff) -> Section {
    let note = match diff.is_empty() {
        true => format!("Nothing, since {}.", text(since)),
        false => format!("Since {}. {}.", text(since), told(diff)),
    };
    let mut body = String::new();
    let mut kinds: Vec<About> = diff.rows.iter().map(|row| row.about).collect();
    kinds.dedup();
    kinds.sort_by_key(|kind| (LAST.contains(kind), *kind));
    for kind in kinds {
        let rows: Vec<&Row> = diff.rows.iter().filter(|row| row.about == kind).collect();
        body.push_str(&format!(
            "<h3>{} <span class=\"version\">{}</span></h3>\n<table class=\"rows\"><colgroup><col class=\"sign\"><col class=\"first\"><col><col class=\"last\"></colgroup><thead class=\"sr\"><tr><th>How</th><th>What</th><th>From and to</th><th>Size</th></tr></thead><tbody>\n",
            heading(kind),
            rows.len()
        ));
        rows.iter().for_each(|row| body.push_str(&line(row)));
        body.push_str("</tbody></table>\n");
    }
    Section { id: "changes", title: "Changes", note, body, wide: false }
}

fn told(diff: &Diff) -> String {
    let of =
        |sign: char| diff.rows.iter().filter(|row| row.about == About::Package && row.sign() == sign).count();
    format!("{} new, {} changed, {} gone", count(of('+'), "package", "packages"), of('~'), of('-'))
}

fn heading(kind: About) -> &'static str {
    match kind {
        About::Opencode => "OpenCode",
        About::Package => "Packages",
        About::Known => "Packages of other systems",
        About::Exercise => "Exercises",
        About::Download => "Downloads",
        About::Host => "Hosts",
        About::Signature | About::Signatures => "Signatures",
        About::Attestation | About::Attested => "Attestations",
        About::Artifact => "Release artifacts",
        About::Program => "Programs",
        About::Models => "Models",
        About::Catalogue => "Catalogue",
        About::Proof => "SDK trials",
        About::Size => "Sizes",
        other => other.as_str(),
    }
}

fn line(row: &Row) -> String {
    let (class, sign, word) = match row.sign() {
        '+' => ("good", "+", "added"),
        '-' => ("bad", "−", "removed"),
        _ => ("warn", "~", "changed"),
    };
    let told = match (&row.from, &row.to) {
        (Some(from), Some(to)) if from == to => {
            format!("{} <span class=\"quiet\">other content</span>", text(to))
        }
        (Some(from), Some(to)) => format!("<span class=\"quiet\">{}</span> → {}", text(from), text(to)),
        (from, to) => text(to.as_ref().or(from.as_ref()).map(String::as_str).unwrap_or_default()),
    };
    let growth = match row.bytes {
        None | Some(0) => String::new(),
        Some(bytes) if bytes < 0 => format!("−{}", size(bytes.unsigned_abs())),
        Some(bytes) => format!("+{}", size(bytes.unsigned_abs())),
    };
    format!(
        "<tr><td class=\"sign {class}\">{sign}<span class=\"sr\"> {word}</span></td><td>{}</td><td>{told}</td><td class=\"num\">{growth}</td></tr>\n",
        text(&row.name)
    )
}
