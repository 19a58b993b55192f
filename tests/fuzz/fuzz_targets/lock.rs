//! What any text is to the reader of `opencode.lock.json`: refused at a place that exists, or a lock that has one text, which reads back
//! as the same lock.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lock::{Lock, diff};

fuzz_target!(|text: &str| {
    match Lock::parse(text) {
        Ok(lock) => check(&lock),
        Err(error) => {
            opencode_cache_fuzz::check_position(text, error.at);
            assert!(!error.code().is_empty());
            assert!(error.hint().is_none_or(|hint| !hint.is_empty()));
            assert!(!error.to_string().is_empty());
        }
    }
});

fn check(lock: &Lock) {
    let rendered = lock.render();
    let again = Lock::parse(&rendered).unwrap_or_else(|error| panic!("{error}\n{rendered}"));
    assert_eq!(&again, lock);
    assert_eq!(again.render(), rendered);
    assert!(rendered.ends_with("}\n") && !rendered.contains('\r'));
    // Nothing in it is superfluous, and it differs in nothing from itself.
    let mut retained = lock.clone();
    retained.retain_referenced();
    assert_eq!(&retained, lock);
    assert!(diff(lock, &again).is_empty());
    for (name, exercise) in &lock.exercises {
        assert_eq!(lock.exercise_packages(name).count(), exercise.packages.len());
    }
    for system in lock.systems.keys() {
        assert!(lock.pinned_for(*system).all(|(id, _)| lock.pin(id).is_some()));
    }
}
