//! What any text is to the reader of integrities: refused, or a hash that reads back as itself and that a second reader finds too.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use lock::{Algorithm, Sri};

fuzz_target!(|text: &str| {
    match text.parse::<Sri>() {
        Ok(sri) => check(&sri, text),
        Err(error) => {
            assert_eq!(error.code(), "integrity-invalid");
            assert!(error.to_string().chars().count() < 300);
        }
    }
});

fn check(sri: &Sri, text: &str) {
    let canonical = sri.to_string();
    assert_eq!(canonical.parse::<Sri>().as_ref(), Ok(sri));
    assert_eq!(sri.digest().len(), sri.algorithm().digest_length());
    assert_eq!(sri.hex().len(), 2 * sri.digest().len());
    // Order, repetition and what is weaker change nothing.
    assert_eq!(format!("{text} {canonical}").parse::<Sri>().as_ref(), Ok(sri));
    assert_eq!(format!("sha1-AA== {text}").parse::<Sri>().as_ref(), Ok(sri));
    // The first of the strongest.
    let strongest =
        [Algorithm::Sha512, Algorithm::Sha384, Algorithm::Sha256].into_iter().find_map(|algorithm| {
            let prefix = format!("{algorithm}-");
            text.split_ascii_whitespace().find_map(|word| {
                let encoded = word.strip_prefix(&prefix)?;
                Some((algorithm, encoded.split('?').next().unwrap_or_default()))
            })
        });
    let (algorithm, encoded) = strongest.expect("one that can pin");
    assert_eq!((sri.algorithm(), sri.digest()), (algorithm, &STANDARD.decode(encoded).expect("base64")[..]));
}
