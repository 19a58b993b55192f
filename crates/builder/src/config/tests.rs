use super::*;

fn variables(name: &str) -> Option<String> {
    (name == "SECRET").then(|| "sesame\"".to_owned())
}

fn config(text: &str) -> Result<Config, Error> {
    Config::parse(Path::new("opencode.json"), Path::new(""), text, &variables)
}

fn wanted(text: &str) -> Result<Wanted, String> {
    config(text).and_then(|config| config.wanted()).map_err(|error| error.to_string())
}

fn names<T: ToString>(names: &BTreeSet<T>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn comments_and_trailing_commas_are_jsonc() {
    let wanted = wanted(
        r#"{
          // mine
          "provider": { "fw": { "npm": "@ai-sdk/fireworks", "options": {}, }, "a": {} },
          /* and */ "plugin": ["opencode-pty", ["@x/y@1.2.3", {"k": 1}], "./mine.ts", "file:///p.js",],
        }"#,
    )
    .unwrap();
    assert_eq!(names(&wanted.providers), ["@ai-sdk/fireworks"]);
    assert_eq!(names(&wanted.plugins), ["@x/y@1.2.3", "opencode-pty"]);
    assert_eq!(wanted.local_plugins, ["./mine.ts", "file:///p.js"]);
    assert_eq!(names(&wanted.ids), ["a"]);
}

#[test]
fn an_empty_file_wants_nothing() {
    assert_eq!(wanted("").unwrap(), Wanted::default());
    assert_eq!(wanted("\u{feff}{}").unwrap(), Wanted::default());
    // OpenCode refuses these (1.18.33).
    for text in [" \n", "// nothing", "[]", "null", "{'model': 'a/b'}", "{model: \"a/b\"}"] {
        assert!(config(text).is_err(), "{text}");
    }
}

#[test]
fn providers_are_named_in_many_places() {
    let text = r##"{
      "model": "groq/llama", "small_model": "own/small",
      "agent": { "plan": { "model": "xai/grok" }, "off": { "model": "mistral/x" } },
      "command": { "c": { "model": "openrouter/a/b" } },
      "enabled_providers": ["groq", "own", "xai", "openrouter", "cerebras", "vertex"],
      "provider": {
        "own": { "npm": "own-sdk@1.0.0", "models": { "small": {}, "other": { "provider": { "npm": "@x/y" } } } },
        "bare": { "models": { "m": {} } },
        "vertex": { "npm": "@ai-sdk/google-vertex/anthropic" },
        "file": { "npm": "file:///sdk/index.mjs" }
      }
    }"##;
    let wanted = wanted(text).unwrap();
    assert_eq!(names(&wanted.ids), ["cerebras", "groq", "openrouter", "xai"]);
    assert_eq!(names(&wanted.providers), ["@x/y", "own-sdk@1.0.0"]);
    assert_eq!(names(&wanted.built_in), ["@ai-sdk/google-vertex/anthropic"]);
    assert_eq!(names(&wanted.defined), ["bare", "file", "own", "vertex"]);
    let disabled =
        config(r#"{"model":"a/b","disabled_providers":["a"],"provider":{"a":{"npm":"x"}}}"#).unwrap();
    assert!(disabled.wanted().unwrap().ids.is_empty() && disabled.wanted().unwrap().providers.is_empty());
}

#[test]
fn what_is_put_in_is_seen_by_nobody() {
    let text = r#"{
      "provider": { "own": { "npm": "{env:SECRET}", "options": { "apiKey": "Bearer {env:SECRET}" } } },
      "plugin": ["{env:SECRET}@1"], "model": "{env:SECRET}/x", "small_model": "groq/{env:SECRET}", "{env:NO}": 1
    }"#
    .replace("{env:SECRET}", "{env:QUIET}");
    let quiet = |name: &str| (name == "QUIET").then(|| "sesame".to_owned());
    let config = Config::parse(Path::new("o"), Path::new(""), &text, &quiet).unwrap();
    assert!(!format!("{config:?} {} {:?}", config.value(), config.wanted().unwrap()).contains("sesame"));
    assert_eq!(config.value()["provider"]["own"]["options"]["apiKey"], "Bearer {env:QUIET}");
    let wanted = config.wanted().unwrap();
    assert_eq!(names(&wanted.ids), ["groq"]);
    assert!(wanted.providers.is_empty() && wanted.plugins.is_empty());

    // One that breaks the text is told by its place.
    let error = self::config("{\n  \"a\": \"{env:SECRET}\"\n}").unwrap_err().to_string();
    assert!(error.starts_with("parse opencode.json:2:") && !error.contains("sesame"), "{error}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize, before: &str| before.to_owned() + &"[".repeat(depth) + &"]".repeat(depth);
    let reason = |text: String| config(&text).unwrap_err().to_string();
    assert!(reason(nested(128, "")).ends_with("must be an object"));
    assert_eq!(reason(nested(129, "")), "parse opencode.json:1:129: nested more than 128 deep");
    // Neither a quote in a comment nor a bracket in one hides anything.
    assert_eq!(
        reason(nested(129, "// \"\n/* ' ] */")),
        "parse opencode.json:2:138: nested more than 128 deep"
    );
    assert_eq!(reason("[/*]*/".repeat(1 << 18)), "parse opencode.json:1:769: nested more than 128 deep");
    // What only looks like nesting does not count.
    let flat = format!("{{ \"a\": \"\\\"{0}\", /* {0} */ \"b\": \"{0}\" }} // {0}", "[".repeat(1000));
    assert!(config(&flat).is_ok());
}

#[test]
fn errors_say_line_and_column() {
    let at = |text: &str| wanted(text).unwrap_err();
    assert_eq!(at("{\n  \"plugin\": [\n}"), "parse opencode.json:3:1: Unexpected close brace");
    assert_eq!(
        at("{\n  \"plugin\": 3\n}"),
        "read opencode.json:2:13: plugin must be a list of npm specs, or of [spec, options] pairs"
    );
    assert!(at("{\"provider\": {\"x\": {\"npm\": 1}}}").contains("1:28: provider.x.npm must be a string"));
    assert!(
        at("{\n  // {file:gone}\n \"a\": \"{file:gone}\"}")
            .starts_with("read opencode.json:3:8: {file:gone} (gone): it cannot be read: No such file")
    );
}

#[test]
fn what_no_registry_has_is_refused_by_kind() {
    for (spec, reason) in [
        ("git+ssh://git@host/x", "\"git+ssh://host/x\" cannot be pinned: it is a git repository"),
        ("user/repository", "it is a git repository"),
        (
            "https://h/x.tgz?token=sesame",
            "\"https://h/x.tgz\" cannot be pinned: it is the address of an archive",
        ),
        ("a@npm:b@1", "it is an alias"),
        ("file:../x", "it is a path in a form that OpenCode hands to npm"),
        ("~/x", "it is a path in a form that OpenCode hands to npm"),
        ("a b", "names no package"),
    ] {
        let error = config(&format!("{{\"plugin\": [\n \"{spec}\"]}}")).unwrap().wanted().unwrap_err();
        assert_eq!(error.code(), "config-spec");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(
            error.to_string().contains("opencode.json:2:2: plugin: ") && error.hint().is_some(),
            "{error}"
        );
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
    // OpenCode passes over what it has built in.
    assert_eq!(wanted(r#"{"plugin": ["opencode-copilot-auth@0.0.9"]}"#).unwrap(), Wanted::default());
}

#[test]
fn the_syntax_is_opencodes() {
    // `opencode debug config` refuses these, with CommaExpected and the like (1.14.34, 1.18.33).
    let refused = [
        r#"{"username":"a" "share":"manual"}"#,
        r#"{"username":"a" /* , */ "share":"manual"}"#,
        "{\"username\":\"a\" // ,\n \"share\":\"manual\"}",
        r#"{"plugin":["./a" "./b"]}"#,
        r#"{"username":"a",,"share":"manual"}"#,
        r#"{"plugin":["./a",,"./b"]}"#,
        r#"{,"username":"a"}"#,
        r#"{"username":"a"} x"#,
        r#"{"username":"a"} {}"#,
        r#"{"username":"a"},"#,
        r#"{"username" "a"}"#,
        r#"{"plugin":[,]}"#,
        r#"{"username":01}"#,
        r#"{"username":+1}"#,
        r#"{"username":0x10}"#,
        r#"{"autoupdate":1.}"#,
        r#"{"autoupdate":.5}"#,
        r#"{"autoupdate":1e}"#,
        r#"{"autoupdate":-}"#,
        r#"{"autoupdate":nulls}"#,
        r#"{"username":"a\q"}"#,
        r#"{"username":"\u12"}"#,
        "{\"username\":\"a\tb\"}",
        r#"{"username":"a"#,
    ];
    let accepted: Vec<&str> = refused.into_iter().filter(|text| config(text).is_ok()).collect();
    assert_eq!(accepted, [""; 0]);
    for text in [r#"{"username":"a",}"#, r#"{"plugin":["./a",/*x*/]}"#, r#"{"plugin":["./a"/*x*/,"./b"]}"#] {
        assert!(config(text).is_ok(), "{text}");
    }
    let place = wanted("{\n  \"a\": 1 // one\n  \"b\": 2\n}").unwrap_err();
    assert_eq!(place, "parse opencode.json:3:3: Expected a comma");
}
