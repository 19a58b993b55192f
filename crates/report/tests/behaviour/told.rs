//! What is told of an output is what lies there: every byte belongs to something, whatever is taken away, put there or altered is
//! noticed by an SBOM, and a bundle tells the same as the output that is in it.

use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bundle::{Draft, Listing, Packing, Part, Role, Sha256};
use lock::LicenceKind;
use report::check::{Change, check};
use report::{Inventory, Kind, Source, collect, cyclonedx, licences, papers, spdx};
use serde_json::json;

use crate::support::{NAME, Output, TREE};

impl Output {
    /// The changes that an SBOM of what was there notices now, in both forms.
    fn noticed(&self, before: &Inventory) -> Vec<(Change, String)> {
        let now = self.told();
        let [a, b] = [cyclonedx::render(before), spdx::render(before)].map(|text| {
            let file = self.0.path().join("sbom.json");
            fs::write(&file, text).unwrap();
            check(&file, &now).unwrap().into_iter().map(|one| (one.what, one.component)).collect::<Vec<_>>()
        });
        assert_eq!(a, b);
        a
    }
}

fn component<'i>(inventory: &'i Inventory, label: &str) -> &'i report::Component {
    inventory.components.iter().find(|one| one.label() == label).unwrap()
}

#[test]
fn packages_have_their_terms_places_and_needs() {
    let told = Output::new().told();
    let a = component(&told, "a@1.0.0");
    assert_eq!((a.purl.as_deref(), a.licence.spdx()), (Some("pkg:npm/a@1.0.0"), Some("MIT")));
    assert_eq!(a.needs.iter().collect::<Vec<_>>(), ["pkg:npm/b@2.0.0"]);
    assert_eq!(a.exercises.iter().collect::<Vec<_>>(), ["plugin:a"]);
    let scopes: Vec<_> =
        told.exercises["plugin:a"].scopes.iter().map(|(scope, number)| (scope.as_str(), *number)).collect();
    assert_eq!(scopes, [("", 3), ("@s", 1)]);
    assert_eq!(component(&told, "ripgrep@1.18.0").from.as_deref(), Some("npm registry for @vscode"));
    assert_eq!(component(&told, "b@2.0.0").licence.to_string(), "MIT OR ISC");
    assert_eq!(component(&told, "b@1.0.0").licence.kind(), LicenceKind::Missing);
    assert_eq!(component(&told, "ripgrep@1.18.0").kind, Kind::Program);
    assert!(told.needs.contains("pkg:npm/a@1.0.0") && !told.needs.contains("pkg:npm/b@2.0.0"));
    let bytes: u64 = told.components.iter().map(report::Component::bytes).sum();
    assert_eq!(bytes, told.bytes, "every byte belongs to one component");
    let summary = licences::summary(&told);
    assert_eq!(summary.unclear.len(), 2, "{summary:?}");
}

#[test]
fn whatever_is_done_to_the_bytes_is_noticed() {
    let output = Output::new();
    let before = output.told();
    assert_eq!(output.noticed(&before), []);
    output.put("lib/opencode/bin/opencode", "another");
    assert_eq!(output.noticed(&before), [(Change::Altered, "opencode@1.18.33".into())]);
    output.put("lib/opencode/bin/opencode", "the binary");
    output.put("lib/opencode/more.mjs", "put beside");
    assert_eq!(output.noticed(&before), [(Change::Altered, "opencode-cache".into())]);
    fs::remove_file(output.path().join("lib/opencode/more.mjs")).unwrap();
    fs::remove_dir_all(output.path().join(TREE).join("node_modules/a/node_modules/b")).unwrap();
    assert_eq!(output.noticed(&before), [(Change::Missing, "b@2.0.0".into())]);
    let output = Output::new();
    output.put(&format!("{TREE}/node_modules/a/index.js"), "y");
    assert_eq!(output.noticed(&before), [(Change::Altered, "a@1.0.0".into())]);
    output.package("node_modules/d", json!({"name": "d", "version": "1.0.0"}));
    assert!(output.noticed(&before).contains(&(Change::Added, "d@1.0.0".into())));
    output.package("node_modules/b", json!({"name": "b", "version": "1.0.0", "license": "GPL-3.0-only"}));
    assert!(output.noticed(&before).contains(&(Change::Licence, "b@1.0.0".into())));
}

#[test]
fn two_runs_in_two_places_give_the_same_text() {
    let (one, other) = (Output::new().told(), Output::new().told());
    assert_eq!(cyclonedx::render(&one), cyclonedx::render(&other));
    assert_eq!(spdx::render(&one), spdx::render(&other));
}

#[test]
fn a_foreign_sbom_is_refused() {
    let output = Output::new();
    let file = output.0.path().join("x.json");
    for text in [
        "",
        "[]",
        "{}",
        r#"{"bomFormat":"CycloneDX","components":[{"name":"a"}]}"#,
        r#"{"spdxVersion":"SPDX-2.3"}"#,
    ] {
        fs::write(&file, text).unwrap();
        let error = check(&file, &output.told()).unwrap_err();
        assert_eq!((error.code(), error.is_input()), ("sbom-malformed", true), "{text}");
    }
}

#[test]
fn texts_of_licences_are_there_once() {
    let output = Output::new();
    let source = Source::read(&output.path(), None).unwrap();
    let papers = papers(&collect(&source, None).unwrap(), &source);
    let index = String::from_utf8(papers["licences/INDEX.tsv"].clone()).unwrap();
    let file = format!("{}.txt", &Sha256::of(b"MIT, the text").to_string()[..32]);
    assert!(
        index.contains(&format!("a@1.0.0\tMIT\t{file}\n"))
            && index.contains(&format!("b@1.0.0\tnone declared\t{file}\n"))
    );
    assert!(index.contains("b@2.0.0\tMIT OR ISC\t-\n"));
    assert_eq!(papers.len(), 5, "{:?}", papers.keys());
}

struct Files(PathBuf);

impl bundle::write::Contents for Files {
    fn open(&self, _: usize, path: &lock::RelPath) -> tree::Result<Box<dyn Read + '_>> {
        Ok(Box::new(tree::scan::open_file(&self.0.join(path.as_str()))?))
    }
}

fn bundled(output: &Path, into: &Path) {
    let listing = Listing::of(&tree::scan(output).unwrap()).unwrap();
    let text = listing.to_text();
    let part = Part {
        system: lock::System::X86_64Linux,
        role: Role::Output,
        digest: NAME[..32].parse().unwrap(),
        listing: Sha256::of(text.as_bytes()),
        listing_size: text.len() as u64,
        size: listing.size(),
        base: None,
        facts: Default::default(),
    };
    let packing = Packing { level: 1, threads: NonZeroUsize::MIN };
    let mut file = fs::File::create(into).unwrap();
    bundle::write(&mut file, &Draft::full(vec![part], vec![listing]), &Files(output.into()), b"", packing)
        .unwrap();
}

#[test]
fn a_bundle_tells_what_its_output_tells() {
    let output = Output::new();
    let file = output.0.path().join("x.bundle");
    bundled(&output.path(), &file);
    let source = Source::read(&file, None).unwrap();
    let told = collect(&source, None).unwrap();
    assert_eq!(cyclonedx::render(&told), cyclonedx::render(&output.told()));
    let of_output = Source::read(&output.path(), None).unwrap();
    assert_eq!(papers(&told, &source), papers(&output.told(), &of_output));
    let (inside, outside) =
        (report::inspection(&source, &file).unwrap(), builder::inspect::run(&output.path()).unwrap());
    assert_eq!((inside.parts, inside.contents), (outside.parts, outside.contents));
    assert!(Source::is_bundle(&file) && !Source::is_bundle(&output.path().join("manifest.json")));
    let error = Source::read(&file, Some(lock::System::Aarch64Linux)).unwrap_err();
    assert_eq!(error.code(), "report-system");
    // Cut in two, it is the same.
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let parts = ["x.bundle.001", "x.bundle.002"].map(|name| output.0.path().join(name));
    fs::write(&parts[0], first).unwrap();
    fs::write(&parts[1], second).unwrap();
    let joined = collect(&Source::read(&parts[0], None).unwrap(), None).unwrap();
    assert_eq!(cyclonedx::render(&joined), cyclonedx::render(&told));
    fs::write(&file, "no bundle").unwrap();
    assert_eq!(Source::read(&file, None).unwrap_err().code(), "report-bundle");
}
