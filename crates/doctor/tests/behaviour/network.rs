//! Proxies without their passwords, loopback, authorities; and the catalogue's age.

use crate::stage::Stage;

#[test]
fn a_proxy_is_told_without_its_password() {
    let mut stage = Stage::new();
    assert_eq!(stage.codes("network"), ["proxy-none proxy"]);
    stage.set("https_proxy", "http://user:secret@proxy.example:3128");
    assert_eq!(stage.codes("network"), ["proxy https_proxy", "loopback-added NO_PROXY"]);
    assert!(stage.findings("network")[0].text.ends_with("http://proxy.example:3128"));
    stage.set("NO_PROXY", "corp.example, localhost,127.0.0.1,::1");
    assert_eq!(stage.codes("network")[1], "loopback-direct NO_PROXY");
    stage.set("no_proxy", "");
    assert_eq!(stage.codes("network")[1], "loopback-added NO_PROXY");
    stage.set("no_proxy", "*");
    assert_eq!(stage.codes("network")[1], "loopback-direct NO_PROXY");
}

#[test]
fn authorities() {
    let mut stage = Stage::new();
    stage.set("NODE_EXTRA_CA_CERTS", stage.path("gone.pem"));
    stage.set("SSL_CERT_FILE", stage.write("empty.pem", ""));
    stage.set("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    assert_eq!(
        stage.codes("network")[1..],
        [
            "authority-unusable NODE_EXTRA_CA_CERTS",
            "authority-unusable SSL_CERT_FILE",
            "tls-unchecked NODE_TLS_REJECT_UNAUTHORIZED",
        ]
    );
    let file = stage.write("one.pem", "-----BEGIN CERTIFICATE-----\n");
    stage.set("SSL_CERT_FILE", file);
    assert_eq!(stage.codes("network")[2], "authority SSL_CERT_FILE");
}

#[test]
fn the_catalogue_that_is_used() {
    let mut stage = Stage::new();
    // The binary's own.
    assert_eq!(stage.codes("catalogue")[0], "catalogue-old the one in the OpenCode binary");
    assert!(stage.findings("catalogue")[0].text.contains("2020-01-02"));
    // One that OpenCode fetched.
    stage.write("home/.cache-nix/opencode/models.json", r#"{ "m": { "release_date" : "9999-01-01" } }"#);
    assert_eq!(stage.codes("catalogue")[0], "catalogue ~/home/.cache-nix/opencode/models.json");
    // One that the user names.
    stage.set("OPENCODE_MODELS_PATH", stage.write("models.json", "{}"));
    assert_eq!(stage.codes("catalogue")[0], "catalogue-undated ~/models.json");
    stage.write("models.json", "{");
    assert_eq!(stage.codes("catalogue")[0], "catalogue-unreadable ~/models.json");
    assert_eq!(stage.codes("catalogue")[1], "catalogue-still catalogue");
    stage.set("OPENCODE_DISABLE_MODELS_FETCH", "");
    assert_eq!(stage.codes("catalogue")[1], "catalogue-fetched catalogue");
}
