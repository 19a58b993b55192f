//! What `versions` found of OpenCode's versions, the newest first: whether a newer one would do.

use builder::currency::{Row, Verdict};

use super::parts::Section;
use super::{count, size, text};
use crate::inventory::Inventory;

const HEAD: &str = "<div class=\"scroll\"><table><thead><tr><th>Version</th><th>Offline</th><th class=\"num\">Packages</th><th class=\"num\">Size</th>\
    <th>What is wrong</th></tr></thead><tbody>\n";

pub(super) fn section(inventory: &Inventory, rows: &[Row]) -> Section {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| b.version.cmp(&a.version));
    let this = |row: &Row| row.version.to_string() == inventory.opencode;
    let mut body = String::from(HEAD);
    for row in &rows {
        let class = match row.verdict {
            Verdict::Good => "good",
            one if one.is_failure() => "bad",
            _ => "warn",
        };
        let mark = if this(row) { " <span class=\"quiet\">this one</span>" } else { "" };
        body.push_str(&format!(
            "<tr><td>{}{mark}</td><td><span class=\"tag {class}\">{}</span></td><td class=\"num\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>\n",
            text(&row.version.to_string()),
            text(row.verdict.as_str()),
            row.packages.map(|number| number.to_string()).unwrap_or_default(),
            row.bytes.map(size).unwrap_or_default(),
            text(row.reason.as_deref().unwrap_or_default())
        ));
    }
    body.push_str("</tbody></table></div>\n");
    let is_newer = |row: &&&Row| {
        row.verdict == Verdict::Good && inventory.opencode.parse().is_ok_and(|own| row.version > own)
    };
    let newer = rows.iter().filter(is_newer).count();
    let told = match newer {
        0 => "None that is newer than this one is known to work.".to_owned(),
        _ => format!("{} newer and known to work.", count(newer, "version is", "versions are")),
    };
    let note =
        format!("Locked, built and run with no network, each by itself, with what was wanted then. {told}");
    Section { id: "versions", title: "Versions", note, body, wide: false }
}
