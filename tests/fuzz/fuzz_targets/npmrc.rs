//! What any texts are to the reader of `.npmrc` files. However a project's or a user's file looks, a token that stands in another file
//! goes to the host and below the path that it was written for, and nowhere else; and nothing shows a secret.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use opencode_cache_fuzz::registry::credential::for_address;
use opencode_cache_fuzz::registry::npmrc::{Layer, Settings};
use url::Url;

/// What stands in the user's own file.
const OWN: &str = "//own.example/npm/:_authToken=OWN-4f1c\n//own.example:8443/:_authToken=OWN-8443\n";

/// Addresses that come close.
const OTHERS: [&str; 12] = [
    "https://own.example/",
    "https://own.example/npmx/a",
    "https://own.example:81/npm/",
    "https://evil.example/npm/",
    "https://evil.example/own.example/npm/",
    "https://own.example.evil.example/npm/",
    "https://own.example@evil.example/npm/",
    "https://evil.example/?//own.example/npm/",
    "https://evil.example/#//own.example/npm/",
    "https://evil.example/x/../own.example/npm/",
    "http://wn.example/npm/",
    "https://xown.example/npm/",
];

fuzz_target!(|text: &str| {
    let (project, user) = text.split_once('\0').unwrap_or((text, ""));
    let env: BTreeMap<String, String> =
        [("TOKEN", "FROM-ENV-77"), ("HOST", "from-env.example"), ("EMPTY", "")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
    let layers = [Layer::parse(project, &env), Layer::parse(user, &env), Layer::parse(OWN, &env)];
    let Ok(settings) = Settings::layered(&layers, &env) else { return };
    assert_eq!(settings, Settings::layered(&layers, &env).expect("read before"));
    check_shapes(&settings);
    check_own(&settings, text);
    // Secrets are where they belong, and not in what a log would show; a text may put one into an address itself.
    if !text.contains("OWN-") {
        assert!(!format!("{settings:?} {layers:?}").contains("OWN-"));
    }
    if !text.contains("${TOKEN}") && !text.contains("FROM-ENV-77") {
        assert!(!format!("{settings:?}").contains("FROM-ENV-77"));
    }
    // Lines behind a section, and comments, count for nothing.
    let longer =
        format!("{project}\n; //evil.example/:_authToken=x\n[section]\n//evil.example/:_authToken=x");
    let layers = [Layer::parse(&longer, &env), Layer::parse(user, &env), Layer::parse(OWN, &env)];
    assert_eq!(settings, Settings::layered(&layers, &env).expect("the same"));
});

/// The prefix of what is sent to an address is that address's own, up to a whole component.
fn check_shapes(settings: &Settings) {
    for url in settings.registry.iter().chain(settings.scopes.values()) {
        assert!(
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.path().ends_with('/')
        );
        assert!(url.query().is_none() && url.fragment().is_none());
    }
    let targets = OTHERS.iter().filter_map(|text| Url::parse(text).ok());
    for url in targets.chain(settings.registry.clone()) {
        let Some((credential, _)) = for_address(settings, &url) else { continue };
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let (of_host, path) = credential.prefix.split_once('/').expect("a slash");
        assert_eq!(of_host, host, "{} for {url}", credential.prefix);
        let path = format!("/{path}");
        assert!(path.ends_with('/'));
        assert!(url.path().starts_with(&path) || format!("{}/", url.path()) == path, "{path} for {url}");
    }
}

/// The user's own token, wherever the other texts do not hold it themselves.
fn check_own(settings: &Settings, text: &str) {
    if text.contains("OWN-") {
        return;
    }
    for other in OTHERS {
        let url = Url::parse(other).expect("an address");
        let sent = for_address(settings, &url).map(|(_, header)| header);
        assert!(sent.is_none_or(|header| !header.contains("OWN-")), "{other}");
    }
    if let Some(registry) = &settings.registry
        && registry.host_str() != Some("own.example")
    {
        let sent = for_address(settings, registry).map(|(_, header)| header);
        assert!(sent.is_none_or(|header| !header.contains("OWN-")), "{registry}");
    }
}
