//! What a user wrote wrongly is told with file, line and column, and status 3; what was typed
//! wrongly, with status 2.

use testkit::site::Site;

use crate::{Case, case};

/// The module's cases.
pub const CASES: &[Case] = &[
    case("a_malformed_file_is_told_with_line_and_column", a_malformed_file_is_told),
    case("wrong_usage_is_status_2", wrong_usage),
    case("a_missing_lock_is_told_with_the_next_step", a_missing_lock_is_told),
];

/// A file with a mistake in it.
struct Mistake {
    file: &'static str,
    text: &'static str,
    /// The manifest that leads to the file, where it is not the manifest or the lock itself.
    manifest: Option<&'static str>,
    arguments: &'static [&'static str],
    code: &'static str,
    /// Line and column as they are told.
    place: &'static str,
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        file: "opencode.lock.json",
        text: "{\n  \"version\": 1,\n  oops\n}\n",
        manifest: None,
        arguments: &["build", "--offline"],
        code: "lock-syntax",
        place: "3:3",
    },
    Mistake {
        file: "opencode.lock.json",
        text: "{\n  \"version\": \"one\"\n}\n",
        manifest: None,
        arguments: &["fetch"],
        code: "lock-value",
        place: "2:14",
    },
    Mistake {
        file: "opencode-cache.toml",
        text: "systems = [\"x86_64-linux\"]\nproviders = [\n  \"a\"\n  \"b\"\n]\n",
        manifest: None,
        arguments: &["lock"],
        code: "manifest-syntax",
        place: "4:3",
    },
    Mistake {
        file: "opencode-cache.toml",
        text: "\nplugin = [\"opencode-pty\"]\n",
        manifest: None,
        arguments: &["build", "--offline"],
        code: "manifest-unknown-key",
        place: "2:1",
    },
    Mistake {
        file: "mine/opencode.json",
        text: "{\n  // mine\n  \"plugin\": [\n}\n",
        manifest: Some("config = [\"mine/opencode.json\"]\n"),
        arguments: &["lock"],
        code: "config-syntax",
        place: "4:1",
    },
    Mistake {
        file: "mine/opencode.json",
        text: "{\n  \"plugin\": [\"git+ssh://host/x\"]\n}\n",
        manifest: Some("config = [\"mine/opencode.json\"]\n"),
        arguments: &["lock", "--check"],
        code: "config-spec",
        place: "2:14",
    },
    Mistake {
        file: "mine/package.json",
        text: "{\n  \"dependencies\": {\n    \"ms\": \"2.1.3\",\n  }\n}\n",
        manifest: Some("config_dirs = [\"mine\"]\n"),
        arguments: &["lock"],
        code: "package-json-invalid",
        place: "line 4 column 3",
    },
];

fn a_malformed_file_is_told() {
    for mistake in MISTAKES {
        let site = Site::empty();
        if let Some(manifest) = mistake.manifest {
            site.write("opencode-cache.toml", manifest).unwrap();
        }
        site.write(mistake.file, mistake.text).unwrap();
        let ran = site.run(mistake.arguments).unwrap();
        ran.fails(3, mistake.code);
        assert!(ran.stderr.contains(mistake.file), "no {} in: {}", mistake.file, ran.stderr);
        assert!(ran.stderr.contains(mistake.place), "no {} in: {}", mistake.place, ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(!site.path("result").exists());
        // What cannot be read is the user's, and stays.
        assert_eq!(site.read(mistake.file).unwrap(), mistake.text);
    }
}

fn wrong_usage() {
    let site = Site::empty();
    for arguments in [
        &["build", "--no-such-flag"][..],
        &["fetch", "--system", "pdp11-unix"],
        &["brew"],
        &[],
        &["lock", "x"],
    ] {
        let ran = site.run(arguments).unwrap();
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

fn a_missing_lock_is_told() {
    let site = Site::empty();
    std::fs::remove_file(site.path("opencode.lock.json")).unwrap();
    for verb in ["build", "fetch"] {
        site.run(&[verb]).unwrap().fails_with_next_step(3, "lock-missing");
    }
    let ran = site.run(&["lock", "--check"]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
}
