//! What OpenCode was made to do, what each of that brought, and from where.

use std::collections::BTreeMap;

use super::parts::Section;
use super::{count, size, text};
use crate::inventory::{Exercise, Inventory, Kind};

/// Which hosts npm's configuration names on the machine that draws the page: scope (`@acme`; empty for all others) → host. No lock has
/// them, and no page that goes along with a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(pub BTreeMap<String, String>);

impl Hosts {
    fn of(&self, scope: &str) -> Option<&str> {
        self.0.get(scope).or_else(|| self.0.get("")).map(String::as_str)
    }
}

const HEAD: &str = "<h3>Exercises</h3>\n<div class=\"scroll\"><table><thead><tr><th>What OpenCode was made to do</th><th>Asked for</th><th>From</th><th>SDK trial</th>\
    <th class=\"num\">Packages</th><th class=\"num\">Size</th></tr></thead><tbody>\n";

/// What brought it, and which hosts were asked.
pub(super) fn section(inventory: &Inventory, hosts: Option<&Hosts>) -> Section {
    let mut body = String::from(HEAD);
    for (name, exercise) in &inventory.exercises {
        let proof = match exercise.proof.as_deref() {
            Some("answered") => "<span class=\"tag good\">answered</span>",
            Some("loads") => "<span class=\"tag warn\">loads only</span>",
            _ => "",
        };
        body.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{proof}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n",
            text(name),
            text(exercise.spec.as_deref().unwrap_or_default()),
            from(exercise, hosts),
            exercise.packages,
            size(exercise.bytes)
        ));
    }
    body.push_str("</tbody></table></div>\n<h3>Hosts</h3>\n<ul class=\"wall\">");
    for (host, uses) in registries(inventory, hosts).into_iter().chain(asked(inventory)) {
        body.push_str(&format!("<li>{}<br><span class=\"quiet\">{}</span></li>", text(&host), text(&uses)));
    }
    body.push_str("</ul>\n");
    let known = match (hosts.is_some(), inventory.with_lock) {
        (_, false) => " Without the lock the hosts of downloads are not known.",
        (true, _) => " Registries are those that npm's configuration names where this page was drawn.",
        (false, _) => "",
    };
    let note = format!(
        "What OpenCode did while it was watched, and whom it asked. None of it is asked again.{known}"
    );
    Section { id: "origins", title: "Origins", note, body, wide: false }
}

/// Who was asked for what an exercise brought, as HTML.
fn from(exercise: &Exercise, hosts: Option<&Hosts>) -> String {
    if exercise.scopes.is_empty() {
        return if exercise.packages == 0 { "downloads" } else { "" }.to_owned();
    }
    let mut groups: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for (scope, number) in &exercise.scopes {
        let host = hosts.and_then(|hosts| hosts.of(scope)).unwrap_or("npm registry");
        groups.entry(host.to_owned()).or_default().push((scope, *number));
    }
    let told = groups.iter().map(|(host, scopes)| {
        let scopes = scopes.iter().map(|(scope, number)| match scope.is_empty() {
            true => format!("{number} without a scope"),
            false => format!("{number} of {}", text(scope)),
        });
        let scopes = scopes.collect::<Vec<_>>().join(", ");
        format!("{}<br><span class=\"quiet\">{scopes}</span>", text(host))
    });
    told.collect::<Vec<_>>().join("<br>")
}

/// The registries, and what each has.
fn registries(inventory: &Inventory, hosts: Option<&Hosts>) -> Vec<(String, String)> {
    let Some(hosts) = hosts else {
        let told = "packages; which one is npm's configuration to say, and no matter: bytes are pinned";
        return vec![("the npm registry in use".to_owned(), told.to_owned())];
    };
    let mut scopes: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for package in inventory.components.iter().filter(|one| one.kind == Kind::Package) {
        let scope = package.name.split_once('/').map_or("", |(scope, _)| scope);
        if let Some(host) = hosts.of(scope) {
            *scopes.entry(host).or_default().entry(scope).or_default() += 1;
        }
    }
    let told = scopes.into_iter().map(|(host, scopes)| {
        let number = scopes.values().sum();
        let named = scopes.keys().filter(|scope| hosts.0.contains_key(**scope) && !scope.is_empty());
        let named: Vec<&str> = named.copied().collect();
        let own = if named.is_empty() { String::new() } else { format!(", set for {}", named.join(", ")) };
        (host.to_owned(), format!("{}{own}", count(number, "package", "packages")))
    });
    told.collect()
}

/// The other hosts that a lock names.
fn asked(inventory: &Inventory) -> impl Iterator<Item = (String, String)> {
    inventory.hosts.iter().map(|(host, uses)| {
        let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
        (host.clone(), uses.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise(scopes: &[(&str, usize)]) -> Exercise {
        let scopes: BTreeMap<_, _> =
            scopes.iter().map(|(scope, number)| ((*scope).to_owned(), *number)).collect();
        let packages = scopes.values().sum();
        Exercise { path: String::new(), spec: None, proof: None, bytes: 0, packages, scopes }
    }

    #[test]
    fn a_scope_is_told_with_the_registry_that_has_it() {
        let one = exercise(&[("", 3), ("@acme", 2), ("@b", 1)]);
        let told = from(&one, None);
        assert_eq!(
            told,
            "npm registry<br><span class=\"quiet\">3 without a scope, 2 of @acme, 1 of @b</span>"
        );
        let hosts = [("", "all.example"), ("@acme", "own.example")];
        let hosts = Hosts(hosts.map(|(scope, host)| (scope.to_owned(), host.to_owned())).into());
        let told = from(&one, Some(&hosts));
        assert!(
            told.starts_with("all.example<br><span class=\"quiet\">3 without a scope, 1 of @b<"),
            "{told}"
        );
        assert!(told.ends_with("<br>own.example<br><span class=\"quiet\">2 of @acme</span>"), "{told}");
        assert_eq!(from(&exercise(&[]), None), "downloads");
    }
}
