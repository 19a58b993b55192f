//! The parts of the page that are text.

use std::collections::BTreeMap;

use lock::{Diff, LicenceKind};

use super::proof::Proof;
use super::{count, data, group, size, text};
use crate::inventory::{Inventory, Kind};
use crate::licences as terms;

/// One section.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it is about, as HTML.
    pub(super) note: String,
    /// The thing itself, as HTML.
    pub(super) body: String,
    /// Whether it wants all of the width.
    pub(super) wide: bool,
}

impl Section {
    pub(super) fn render(&self) -> String {
        let Self { id, title, note, body, wide } = self;
        let class = if *wide { " class=\"wide\"" } else { "" };
        format!(
            "<section id=\"{id}\"{class} aria-labelledby=\"{id}-title\">\n<div class=\"side\"><h2 id=\"{id}-title\">{title}</h2><p>{note}</p></div>\n<div>\n{body}</div>\n</section>\n"
        )
    }
}

/// The title, and what one wants to know first.
pub(super) fn head(inventory: &Inventory, diff: Option<&Diff>, proof: Option<&Proof>) -> String {
    let packages = inventory.components.iter().filter(|one| one.kind == Kind::Package).count();
    let mut figures = vec![figure("Altogether", &size(inventory.bytes), "", &without_opencode(inventory))];
    let exercises = count(inventory.exercises.len(), "exercise", "exercises");
    figures.push(figure("npm packages", &packages.to_string(), "", &format!("brought by {exercises}")));
    figures.push(signatures(inventory));
    let unclear = terms::summary(inventory).unclear.len();
    let (class, told) = match unclear {
        0 => ("good", "every component declares an SPDX licence"),
        _ => ("warn", "components to look at: no SPDX licence"),
    };
    let word = if unclear == 0 { "Clear".to_owned() } else { unclear.to_string() };
    figures.push(figure("Licences", &word, class, told));
    if let Some(proof) = proof {
        let (class, word) =
            if proof.is_good() { ("good", "all right") } else { ("bad", "not as it should be") };
        let told = format!("{}: {word}", count(proof.checks(), "check", "checks"));
        figures.push(figure("Attempts to leave", &proof.attempts().to_string(), class, &told));
    } else if let Some(diff) = diff {
        figures.push(figure("Changes", &diff.rows.len().to_string(), "", "against what was named"));
    }
    format!(
        "<div class=\"bar\"><span><b>opencode-cache</b> · what is inside</span>{THEME}</div>\n\
         <h1>OpenCode <span>{}</span></h1>\n\
         <p class=\"lede\">For {}, with everything that it would otherwise download while it runs. Told from the bytes themselves{}.</p>\n\
         <dl class=\"figures\">{}</dl>\n",
        text(&inventory.opencode),
        text(&inventory.system),
        if inventory.with_lock { " and the lock that they were built from" } else { "; no lock was at hand" },
        figures.concat(),
    )
}

const THEME: &str = "<fieldset class=\"theme\"><legend class=\"sr\">Colours</legend>\
    <label><input type=\"radio\" name=\"theme\" value=\"auto\" checked>Auto</label>\
    <label><input type=\"radio\" name=\"theme\" value=\"light\">Light</label>\
    <label><input type=\"radio\" name=\"theme\" value=\"dark\">Dark</label></fieldset>";

fn figure(name: &str, value: &str, class: &str, told: &str) -> String {
    format!(
        "<div><dt>{name}</dt><dd class=\"{class}\">{}<small>{}</small></dd></div>",
        text(value),
        text(told)
    )
}

fn without_opencode(inventory: &Inventory) -> String {
    let own = inventory.components.iter().filter(|one| one.kind == Kind::Opencode);
    let bytes: u64 = own.map(crate::Component::bytes).sum();
    format!("of which OpenCode itself has {}", size(bytes))
}

fn signatures(inventory: &Inventory) -> String {
    let states: Vec<&str> = inventory.components.iter().filter_map(|one| one.signature.as_deref()).collect();
    if states.is_empty() {
        return figure("Signatures", "Not known", "", "they are told by the lock");
    }
    let good = states.iter().filter(|state| state.starts_with("verified")).count();
    let attested = inventory.components.iter().filter(|one| one.attested.is_some()).count();
    let built = match attested {
        0 => String::new(),
        number => format!("; of {number} it is attested who built them"),
    };
    let class = if good == states.len() { "good" } else { "warn" };
    figure(
        "Signatures",
        &format!("{good} of {}", states.len()),
        class,
        &format!("verified with a trusted key{built}"),
    )
}

/// The strip and the map.
pub(super) fn inside(inventory: &Inventory, changes: bool) -> Section {
    let groups = data::groups(inventory);
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    for one in &inventory.components {
        for place in &one.places {
            *bytes.entry(group(one.kind, &inventory.exercises, &place.path)).or_default() += place.bytes;
        }
    }
    let of = |name: &String| bytes.get(name).copied().unwrap_or_default();
    let key: String = groups
        .iter()
        .enumerate()
        .map(|(number, name)| {
            format!("<li><i class=\"c{}\"></i><b>{}</b> {}</li>", number % 8, text(name), size(of(name)))
        })
        .collect();
    let change = if changes { choice("change", "Change", false) } else { String::new() };
    let body = format!(
        "<svg class=\"strip\" viewBox=\"0 0 1000 12\" preserveAspectRatio=\"none\" width=\"100%\" height=\"22\" role=\"img\" aria-label=\"All of it by size; the list below says the same\">{}</svg>\n\
         <ul class=\"key\">{key}</ul>\n\
         <div class=\"tools\"><fieldset class=\"choice\"><legend>Colour by</legend>{}{}{}{change}</fieldset><span class=\"grow\"></span>\
         <label><input type=\"checkbox\" id=\"whole\"> with OpenCode itself</label>\
         <button type=\"button\" class=\"plain\" id=\"out\" hidden>Back to all of it</button></div>\n\
         <div class=\"map\" id=\"map\" role=\"group\" aria-label=\"Map of what is inside, by size. Arrow keys move, Enter opens, Escape goes back. The table of packages says the same.\"></div>\n\
         <ul class=\"key\" id=\"legend\"></ul>\n<p class=\"say\" id=\"say\" aria-live=\"off\">Every area is as large as what it stands for.</p>\n\
         <noscript><p>The map and the table are drawn by a script of this page; <code>opencode-cache sbom</code> tells the same.</p></noscript>\n",
        strip(&groups, of),
        choice("kind", "What brought it", true),
        choice("licence", "Licence", false),
        choice("signature", "Signature", false),
    );
    let note = format!(
        "{} in {}.",
        count(inventory.components.len(), "component", "components"),
        size(inventory.bytes)
    );
    Section { id: "inside", title: "Inside", note, body, wide: true }
}

/// Parts of a whole, side by side.
fn strip(groups: &[String], of: impl Fn(&String) -> u64) -> String {
    let all: u64 = groups.iter().map(&of).sum::<u64>().max(1);
    let mut at = 0.0;
    let mut parts = String::new();
    for (number, name) in groups.iter().enumerate() {
        let width = of(name) as f64 * 1000.0 / all as f64;
        parts.push_str(&format!(
            "<rect x=\"{at:.2}\" y=\"0\" width=\"{:.2}\" height=\"12\" fill=\"var(--t{})\"><title>{} {}</title></rect>",
            (width - 1.5).max(0.6),
            number % 8,
            text(name),
            size(of(name))
        ));
        at += width;
    }
    parts
}

fn choice(value: &str, word: &str, checked: bool) -> String {
    let checked = if checked { " checked" } else { "" };
    format!("<label><input type=\"radio\" name=\"colour\" value=\"{value}\"{checked}>{word}</label>")
}

/// The table, to be filled.
pub(super) fn packages(changes: bool) -> Section {
    let select = |id: &str, word: &str| {
        format!("<label>{word}<select id=\"{id}\"><option value=\"\">any</option></select></label>")
    };
    let column = |key: &str, word: &str, class: &str, sorted: &str| {
        format!(
            "<th scope=\"col\"{class}{sorted}><button type=\"button\" data-key=\"{key}\">{word}</button></th>"
        )
    };
    let body = format!(
        "<form class=\"filters\" role=\"search\"><label class=\"grow\">Search by name, version, licence or exercise<input type=\"search\" id=\"search\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"press / to search\"></label>{}{}{}{}<button type=\"reset\" class=\"plain\" id=\"reset\" hidden>Show all</button></form>\n\
         <p class=\"count\" id=\"count\" role=\"status\"></p>\n\
         <table class=\"packages\" id=\"table\" aria-labelledby=\"packages-title\"><colgroup><col class=\"name\"><col class=\"licence\"><col class=\"signature\"><col class=\"by\"><col class=\"size\"></colgroup>\
         <thead><tr>{}{}{}{}{}</tr></thead><tbody id=\"rows\"></tbody></table>\n<div id=\"end\"></div>\n",
        select("licence", "Licence"),
        select("signature", "Signature"),
        select("exercise", "Brought by"),
        if changes { select("change", "Change") } else { String::new() },
        column("n", "Name", "", ""),
        column("l", "Licence", "", ""),
        column("s", "Signature", "", ""),
        column("e", "Brought by", "", ""),
        column("b", "Size", " class=\"num\"", " aria-sort=\"descending\""),
    );
    let note = "Each opens: where it lies, its hash, what needs it.".to_owned();
    Section { id: "packages", title: "Packages", note, body, wide: true }
}

/// Terms.
pub(super) fn licences(inventory: &Inventory) -> Section {
    let summary = terms::summary(inventory);
    let most = summary.declared.first().map_or(1, |(_, number)| *number).max(1);
    let unclear: Vec<&str> = summary.unclear.iter().map(|(_, licence)| licence.as_str()).collect();
    let mut body = String::from(
        "<table class=\"bars\"><thead class=\"sr\"><tr><th>Licence</th><th>Share</th><th>Components</th></tr></thead><tbody>\n",
    );
    for (licence, number) in &summary.declared {
        let class = if unclear.contains(&licence.as_str()) { " class=\"unclear\"" } else { "" };
        let colour = if class.is_empty() { "var(--t1)" } else { "var(--warn)" };
        body.push_str(&format!(
            "<tr{class}><td><button type=\"button\" data-licence=\"{0}\" title=\"Show these\">{0}</button></td><td class=\"track\"><svg width=\"100%\" height=\"11\" aria-hidden=\"true\"><rect width=\"{1:.1}%\" height=\"11\" fill=\"{colour}\"/></svg></td><td class=\"num\">{number}</td></tr>\n",
            text(licence),
            *number as f64 * 100.0 / most as f64
        ));
    }
    body.push_str("</tbody></table>\n");
    if !summary.unclear.is_empty() {
        body.push_str("<h3>To look at</h3>\n<ul class=\"wall\">");
        for (label, licence) in &summary.unclear {
            body.push_str(&format!(
                "<li>{}<br><span class=\"quiet\">{}</span></li>",
                text(label),
                text(licence)
            ));
        }
        body.push_str("</ul>\n");
    }
    let kinds = inventory
        .components
        .iter()
        .filter(|one| one.licence.kind() == LicenceKind::Spdx && one.kind == Kind::Package);
    let note = format!(
        "As packages declare them: {} with an SPDX expression.",
        count(kinds.count(), "package", "packages")
    );
    Section { id: "licences", title: "Licences", note, body, wide: false }
}

/// How to come to the same.
pub(super) fn foot(inventory: &Inventory) -> String {
    format!(
        "<div class=\"foot\"><footer class=\"wrap\"><dl><dt>Output</dt><dd><code>{}</code></dd><dt>Lock</dt><dd><code>{}</code></dd><dt>Profile</dt><dd>{}</dd></dl>\
         <p>Made by <code>opencode-cache inspect --html</code>, version {}. The same bytes give the same page, to the last byte; it loads nothing and asks nobody. \
         For programs: <code>opencode-cache sbom</code>.</p></footer></div>\n",
        text(&inventory.digest),
        text(&inventory.lock),
        text(&inventory.profile),
        env!("CARGO_PKG_VERSION"),
    )
}
