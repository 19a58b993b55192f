//! What any text is to the reader of `opencode-cache.toml`: refused at a place that exists, or a manifest that comments do not change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lock::Manifest;

fuzz_target!(|text: &str| {
    match Manifest::parse(text) {
        Ok(manifest) => {
            // Behind a byte order mark, which is one at the beginning only.
            let (mark, rest) = text.split_at(if text.starts_with('\u{feff}') { 3 } else { 0 });
            let commented = format!("{mark}# a comment\n\n{rest}\n# another\n");
            assert_eq!(Manifest::parse(&commented).as_ref(), Ok(&manifest));
            assert!(manifest.systems.as_ref().is_none_or(|systems| !systems.is_empty()));
        }
        Err(error) => {
            opencode_cache_fuzz::check_position(text, error.at);
            assert!(!error.code().is_empty());
            assert!(error.hint().is_none_or(|hint| !hint.is_empty()));
            assert!(!error.to_string().is_empty());
        }
    }
});
