//! From [`Lock`] to its canonical text. Owns the layout: which facts stand on a line of their own, in which order.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use serde_json::Value;

use crate::command::{Command, Reply};
use crate::lockfile::{
    Artifact, ArtifactSource, Catalogue, Download, EVERY_OTHER, Exercise, ExerciseKind, Known, Lock,
    NOT_ASKED, Package, PackageManifest, Reach, VERSION,
};
use crate::{DebianPackage, Signature};

pub(super) fn render(lock: &Lock) -> String {
    let mut page = Page::default();
    page.object(|page| {
        page.field("version", VERSION);
        page.text("opencode", &lock.opencode);
        page.map("systems", &lock.systems, artifact);
        page.map("exercises", &lock.exercises, exercise);
        page.map("packages", &lock.packages, package);
        page.map("known", &lock.known, known);
        page.map("downloads", &lock.downloads, download);
        match &lock.catalogue {
            None => page.field("catalogue", "null"),
            Some(catalogue) => page.record("catalogue", |page| read_catalogue(page, catalogue)),
        }
        page.record("models", |page| {
            for (provider, count) in &lock.models {
                page.field(provider, count);
            }
        });
        if !lock.programs.is_empty() {
            page.record("programs", |page| {
                for (program, artifacts) in &lock.programs {
                    page.map(program, artifacts, artifact);
                }
            });
        }
        if !lock.variants.is_empty() {
            page.record("variants", |page| {
                for (variant, artifacts) in &lock.variants {
                    page.map(variant, artifacts, artifact);
                }
            });
        }
        if !lock.libraries.is_empty() {
            page.record("libraries", |page| {
                for (system, packages) in &lock.libraries {
                    page.map(system.as_str(), packages, debian_package);
                }
            });
        }
        if !lock.pins.is_empty() {
            page.record("pins", |page| lock.pins.iter().for_each(|(name, version)| page.text(name, version)));
        }
        if let Some(before) = &lock.before {
            page.text("before", before);
        }
        if !lock.providers.is_empty() {
            page.record("providers", |page| {
                for (id, sdks) in &lock.providers {
                    page.field(id, Value::from_iter(sdks.iter().map(String::as_str)));
                }
            });
        }
        if !lock.signatures.is_empty() {
            page.record("signatures", |page| signatures(page, lock));
        }
        if !lock.attestations.is_empty() {
            page.record("attestations", |page| {
                lock.attestations.iter().for_each(|(id, attestation)| page.text(id, attestation));
            });
        }
    });
    page.text.push('\n');
    page.text
}

/// What most have stands once, so that a registry that signs everything or nothing costs one line.
fn signatures(page: &mut Page, lock: &Lock) {
    let mut counts: BTreeMap<&Signature, usize> = BTreeMap::new();
    for state in lock.signatures.values() {
        *counts.entry(state).or_default() += 1;
    }
    // Of equally many the last in order, so that the choice is a function of the lock.
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(state, _)| state);
    if let Some(most) = most {
        page.text(EVERY_OTHER, most);
    }
    for id in lock.npm_pins().keys() {
        match lock.signatures.get(id) {
            None => page.text(id, NOT_ASKED),
            state if state == most => {}
            Some(state) => page.text(id, state),
        }
    }
}

fn artifact(page: &mut Page, artifact: &Artifact) {
    page.text("source", artifact.source.as_str());
    match &artifact.source {
        ArtifactSource::Npm { package, version } => {
            page.text("package", package);
            page.text("version", version);
        }
        ArtifactSource::Github { repository, asset, version } => {
            page.text("repository", repository);
            page.text("asset", asset);
            page.text("version", version);
        }
        ArtifactSource::Url { url } => page.text("url", url),
    }
    page.text("integrity", &artifact.integrity);
    page.field("size", artifact.size);
    page.text("archive", artifact.archive.as_str());
    page.text("binary", &artifact.binary);
}

fn exercise(page: &mut Page, exercise: &Exercise) {
    page.text("kind", exercise.kind.as_str());
    match &exercise.kind {
        ExerciseKind::ConfigDir { dependencies } => page.texts("dependencies", dependencies),
        ExerciseKind::Plugin { spec }
        | ExerciseKind::Provider { spec }
        | ExerciseKind::Executable { spec } => page.text("spec", spec),
        ExerciseKind::Command(wanted) => command(page, wanted),
        ExerciseKind::LanguageServer { server } => page.text("server", server),
        ExerciseKind::Grammars { languages } => page.list("languages", languages),
        ExerciseKind::SharedTree { specs, patched } => {
            page.list("specs", specs);
            page.texts("patched", patched);
        }
    }
    page.record("tags", |page| {
        for (name, tags) in &exercise.tags {
            let tags: serde_json::Map<String, Value> =
                tags.iter().map(|(tag, version)| (tag.clone(), Value::String(version.to_string()))).collect();
            page.field(name, Value::Object(tags));
        }
    });
    page.list("absent", &exercise.absent);
    page.list("packages", &exercise.packages);
    if !exercise.fills.is_empty() {
        page.list("fills", &exercise.fills);
    }
    if let Some(proof) = exercise.proof {
        page.text("proof", proof.as_str());
    }
}

/// What is left out is empty, so that most commands are a list of arguments.
fn command(page: &mut Page, command: &Command) {
    page.list("run", &command.run);
    if !command.env.is_empty() {
        page.texts("env", &command.env);
    }
    if !command.replies.is_empty() {
        page.key("replies");
        page.enclosed('[', ']', |page| {
            for reply in &command.replies {
                page.line();
                match reply {
                    Reply::Text(text) => page.quoted(text),
                    Reply::Call { tool, arguments } => {
                        page.plain(serde_json::json!({ "tool": tool, "arguments": arguments }));
                    }
                }
            }
        });
    }
    if !command.files.is_empty() {
        page.texts("files", &command.files);
    }
}

fn debian_package(page: &mut Page, package: &DebianPackage) {
    page.text("version", &package.version);
    page.text("path", &package.path);
    page.text("integrity", &package.integrity);
    page.field("size", package.size);
}

fn package(page: &mut Page, package: &Package) {
    page.text("integrity", &package.integrity);
    page.field("size", package.size);
    if let Reach::Only(systems) = &package.reach {
        let systems = systems.iter().map(|system| Value::String(system.to_string())).collect();
        page.field("systems", Value::Array(systems));
    }
    manifest(page, &package.manifest);
}

fn known(page: &mut Page, known: &Known) {
    if let Some(integrity) = &known.integrity {
        page.text("integrity", integrity);
    }
    manifest(page, &known.manifest);
}

fn manifest(page: &mut Page, manifest: &PackageManifest) {
    page.record("manifest", |page| {
        for (field, value) in manifest.fields() {
            page.field(field, value);
        }
    });
}

fn download(page: &mut Page, download: &Download) {
    match download {
        Download::File { integrity, size, headers } => {
            page.field("status", 200);
            page.text("integrity", integrity);
            page.field("size", size);
            page.texts("headers", headers);
        }
        Download::Text { text, headers } => {
            page.field("status", 200);
            page.text("text", text);
            page.texts("headers", headers);
        }
        Download::Redirect { status, location } => {
            page.field("status", status);
            page.text("location", location);
        }
        Download::Absent { status } => page.field("status", status),
    }
}

fn read_catalogue(page: &mut Page, catalogue: &Catalogue) {
    page.text("integrity", &catalogue.integrity);
    page.field("size", catalogue.size);
    page.text("url", &catalogue.url);
}

/// JSON text in the making: knows the depth, and whether a comma is due.
#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
    /// Whether the innermost object or list holds something already.
    begun: bool,
}

impl Page {
    /// Begins the next entry of the innermost object or list, on a line of its own.
    fn line(&mut self) {
        self.text.push_str(if self.begun { ",\n" } else { "\n" });
        self.begun = true;
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }

    fn key(&mut self, key: impl Display) {
        self.line();
        self.quoted(key);
        self.text.push_str(": ");
    }

    fn quoted(&mut self, text: impl Display) {
        self.plain(Value::String(text.to_string()));
    }

    fn plain(&mut self, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}");
    }

    fn enclosed(&mut self, open: char, close: char, content: impl FnOnce(&mut Self)) {
        self.text.push(open);
        self.depth += 1;
        let outer = std::mem::replace(&mut self.begun, false);
        content(self);
        self.depth -= 1;
        if std::mem::replace(&mut self.begun, outer) {
            self.text.push('\n');
            for _ in 0..self.depth {
                self.text.push_str("  ");
            }
        }
        self.text.push(close);
    }

    fn object(&mut self, content: impl FnOnce(&mut Self)) {
        self.enclosed('{', '}', content);
    }

    /// A key and a value that displays as compact JSON.
    fn field(&mut self, key: impl Display, value: impl Display) {
        self.key(key);
        self.plain(value);
    }

    /// A key and a string.
    fn text(&mut self, key: impl Display, text: impl Display) {
        self.key(key);
        self.quoted(text);
    }

    /// A key and an object.
    fn record(&mut self, key: impl Display, content: impl FnOnce(&mut Self)) {
        self.key(key);
        self.object(content);
    }

    /// A key and an object of objects.
    fn map<'a, K: Display + 'a, V: 'a>(
        &mut self,
        key: &str,
        entries: impl IntoIterator<Item = (&'a K, &'a V)>,
        content: impl Fn(&mut Self, &V),
    ) {
        self.record(key, |page| {
            for (key, value) in entries {
                page.record(key, |page| content(page, value));
            }
        });
    }

    /// A key and an object of strings, one a line.
    fn texts<'a, K: Display + 'a>(
        &mut self,
        key: &str,
        entries: impl IntoIterator<Item = (&'a K, &'a String)>,
    ) {
        self.record(key, |page| {
            for (key, text) in entries {
                page.text(key, text);
            }
        });
    }

    /// A key and a list of strings, one a line.
    fn list<T: Display>(&mut self, key: &str, items: impl IntoIterator<Item = T>) {
        self.key(key);
        self.enclosed('[', ']', |page| {
            for item in items {
                page.line();
                page.quoted(item);
            }
        });
    }
}
