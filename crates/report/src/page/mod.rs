//! The page: one file that asks nothing of anybody. What people read at once is in it as HTML; the map and the table are drawn from
//! data by the scripts beside this file. Its policy allows these scripts and this style, by hash, and nothing else: no request can leave,
//! and nothing that a package says of itself can run.

mod changes;
mod data;
mod origins;
mod parts;
mod proof;
mod versions;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use builder::currency::Row;
use lock::Diff;
use sha2::{Digest as _, Sha256};

use crate::inventory::{Inventory, Kind};

pub use origins::Hosts;
pub use proof::Proof;

const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 3] = [include_str!("core.js"), include_str!("map.js"), include_str!("table.js")];

/// What there is to tell beside what is inside.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// What changed, and since what.
    pub changes: Option<(&'a str, &'a Diff)>,
    /// What `verify` found.
    pub proof: Option<&'a Proof>,
    /// Which registries npm's configuration names here.
    pub hosts: Option<&'a Hosts>,
    /// What `versions` found.
    pub versions: &'a [Row],
}

impl Page<'_> {
    /// The page as text.
    pub fn render(&self, inventory: &Inventory) -> String {
        let script = SCRIPTS.concat();
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
            hash(&script),
            hash(STYLE)
        );
        let title = format!("OpenCode {} for {}: what is inside", inventory.opencode, inventory.system);
        let mut sections =
            vec![parts::inside(inventory, self.changes.is_some()), parts::packages(self.changes.is_some())];
        sections.extend(self.changes.map(|(since, diff)| changes::section(since, diff)));
        sections.push(origins::section(inventory, self.hosts));
        sections.push(parts::licences(inventory));
        sections.extend(self.proof.map(|proof| proof.section(inventory)));
        sections.extend((!self.versions.is_empty()).then(|| versions::section(inventory, self.versions)));
        let links: String = sections
            .iter()
            .map(|section| format!("<li><a href=\"#{}\">{}</a></li>", section.id, section.title))
            .collect();
        let body: String = sections.iter().map(parts::Section::render).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\" content=\"opencode-cache {version}\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#packages\">To the packages</a>\n<div class=\"wrap\">\n{head}</div>\n\
             <nav aria-label=\"Sections\"><ul class=\"wrap\">{links}</ul></nav>\n<main class=\"wrap\">\n{body}</main>\n{foot}\
             <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n",
            version = env!("CARGO_PKG_VERSION"),
            title = text(&title),
            head = parts::head(inventory, self.changes.map(|(_, diff)| diff), self.proof),
            foot = parts::foot(inventory),
            data = data::json(inventory, self.changes.map(|(_, diff)| diff)),
        )
    }
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// A text as it may stand in HTML, between tags and in quoted attributes.
pub(crate) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Turns the direction of what follows: a name must not be able to look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            one if one.is_control() => escaped.push(' '),
            one => escaped.push(one),
        }
    }
    escaped
}

/// A number of bytes for a person, as the command line says it.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, "");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A number of things.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What the places of a component are grouped by: its exercise, else what it is.
pub(crate) fn group(
    kind: Kind,
    exercises: &std::collections::BTreeMap<String, crate::inventory::Exercise>,
    path: &str,
) -> String {
    let within = exercises.iter().filter(|(_, exercise)| {
        path.strip_prefix(exercise.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match within.max_by_key(|(_, exercise)| exercise.path.len()) {
        Some((name, _)) => name.clone(),
        None => match kind {
            Kind::Opencode => "OpenCode".into(),
            Kind::Launcher => "launcher".into(),
            Kind::Program => "programs".into(),
            Kind::Library => "libraries".into(),
            Kind::Catalogue => "catalogue".into(),
            Kind::Files | Kind::Package => "others".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_stays_markup() {
        assert_eq!(text("<a href='x'>&\"\u{202e}\n"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd} ");
    }

    #[test]
    fn scripts_end_no_element() {
        // What stands in them would end the element that holds them.
        for script in SCRIPTS {
            assert!(!script.contains("</") && !script.contains("<!--"));
        }
        assert!(!STYLE.contains("</"));
    }
}
