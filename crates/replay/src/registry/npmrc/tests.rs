use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The settings of files, strongest first, under an environment.
fn settings(files: &[&str], pairs: &[(&str, &str)]) -> Result<Settings, Error> {
    let env = env(pairs);
    let mut layers = vec![Layer::environment(&env)];
    layers.extend(files.iter().map(|text| Layer::parse(text, &env)));
    Settings::layered(&layers, &env)
}

fn header<'a>(settings: &'a Settings, prefix: &str) -> Option<&'a str> {
    settings
        .credentials
        .iter()
        .find(|credential| credential.prefix == prefix)
        .map(|credential| credential.header.reveal())
}

#[test]
fn the_environment_wins_over_the_project_over_the_user() {
    let files = [
        "registry=http://project.invalid\n",
        "registry=http://user.invalid/\n@s:registry=http://scope.invalid/x\n",
    ];
    let from_files = settings(&files, &[]).unwrap();
    assert_eq!(from_files.registry.unwrap().as_str(), "http://project.invalid/");
    assert_eq!(from_files.scopes["s"].as_str(), "http://scope.invalid/x/");
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
        let from_env = settings(&files, &[(name, "http://env.invalid/r")]).unwrap();
        assert_eq!(from_env.registry.unwrap().as_str(), "http://env.invalid/r/");
    }
    let scoped = settings(&files, &[("npm_config_@s:registry", "http://env.invalid/")]).unwrap();
    assert_eq!(scoped.scopes["s"].as_str(), "http://env.invalid/");
    assert_eq!(settings(&[""], &[]).unwrap().registry, None);
}

#[test]
fn the_last_line_of_a_file_wins_and_comments_and_sections_do_not_count() {
    let text = "\u{feff}; c\n# c\nregistry = http://a.invalid/\nregistry = \"http://b.invalid/\" \nbare\n[section]\nregistry=http://c.invalid/\n";
    assert_eq!(settings(&[text], &[]).unwrap().registry.unwrap().as_str(), "http://b.invalid/");
    let commented = settings(&["registry=http://a.invalid/ ; mine\n"], &[]).unwrap();
    assert_eq!(commented.registry.unwrap().as_str(), "http://a.invalid/");
}

#[test]
fn variables_are_expanded_as_npm_does() {
    let env = env(&[("TOKEN", "t"), ("EMPTY", "")]);
    for (text, expanded) in [
        ("${TOKEN}", "t"),
        ("a${TOKEN}b${TOKEN}", "atbt"),
        ("${EMPTY}", ""),
        ("${UNSET}", "${UNSET}"),
        ("${UNSET?}", ""),
        ("${TOKEN?}", "t"),
        ("\\${TOKEN}", "${TOKEN}"),
        ("\\\\${TOKEN}", "\\t"),
        ("${", "${"),
        ("${}", "${}"),
        ("$TOKEN", "$TOKEN"),
    ] {
        assert_eq!(ini::expand(text, &env), expanded, "{text}");
    }
}

#[test]
fn credentials_belong_to_their_host_and_path() {
    let text = "registry=http://r.invalid:4873/npm/\n//a.invalid/:_authToken=${TOKEN}\n//b.invalid/p:_auth=dTpw\n\
                //c.invalid/:username=u\n//c.invalid/:_password=cA==\n_authToken=old\n//d.invalid/:username=only\n//a.invalid/:email=x\n";
    let settings = settings(&[text], &[("TOKEN", "secret")]).unwrap();
    assert_eq!(header(&settings, "a.invalid/"), Some("Bearer secret"));
    assert_eq!(header(&settings, "b.invalid/p/"), Some("Basic dTpw"));
    assert_eq!(header(&settings, "c.invalid/"), Some("Basic dTpw"));
    assert_eq!(header(&settings, "r.invalid:4873/npm/"), Some("Bearer old"));
    assert_eq!(settings.credentials.len(), 4);
}

#[test]
fn no_secret_is_ever_shown() {
    let text =
        "registry=http://r.invalid/\n//r.invalid/:_authToken=hunter2\nproxy=http://u:hunter2@p.invalid/\n";
    let shown = settings(&[text], &[]).unwrap();
    let upstream = crate::registry::Upstream::new(&shown).unwrap();
    let layer = Layer::parse(text, &BTreeMap::new());
    for text in [format!("{shown:?}"), format!("{layer:?}"), format!("{upstream:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let error = settings(&["registry=hunter2"], &[]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn malformed_values_name_their_key() {
    for text in ["registry=ftp://a.invalid/", "registry=nonsense", "registry=http://"] {
        let error = settings(&[text], &[]).unwrap_err();
        assert!(matches!(&error, Error::Address { key } if key == "registry"), "{text}: {error}");
    }
    let error = settings(&["//a.invalid/:username=u\n//a.invalid/:_password=%%"], &[]).unwrap_err();
    assert!(matches!(&error, Error::Credential { key } if key == "//a.invalid/:_password"), "{error}");
    let error = settings(&["//a.invalid/:_authToken=\"a\\nb\""], &[]).unwrap_err();
    assert_eq!(error.code(), "npmrc-credential");
}

#[test]
fn proxies_come_from_npm_first_and_from_the_environment_else() {
    let proxies = |text: &str, pairs: &[(&str, &str)]| {
        let found = settings(&[text], pairs).unwrap().proxies;
        (found.http.map(|p| p.0), found.https.map(|p| p.0), found.none_for)
    };
    let some = |text: &str| Some(text.to_owned());
    let env = [("HTTP_PROXY", "http://h"), ("https_proxy", "http://s"), ("NO_PROXY", "a, b,,c")];
    assert_eq!(
        proxies("", &env),
        (some("http://h/"), some("http://s/"), vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    );
    assert_eq!(
        proxies("proxy=http://n\nnoproxy=x", &env),
        (some("http://n/"), some("http://n/"), vec!["x".to_owned()])
    );
    assert_eq!(proxies("https-proxy=http://n", &[]), (None, some("http://n/"), vec![]));
    assert_eq!(proxies("https-proxy=n:3128", &[]), (None, some("http://n:3128/"), vec![]));
    for text in ["https-proxy=http://", "proxy=http://"] {
        assert_eq!(settings(&[text], &[]).unwrap_err().code(), "npmrc-address", "{text}");
    }
    assert_eq!(proxies("proxy=null", &[]), (None, None, vec![]));
}

#[test]
fn certificates_are_gathered() {
    let text = "strict-ssl=false\ncafile=certs/a.pem\nca[]=\"-----BEGIN CERTIFICATE-----\\nx\"\nca[]=\"-----BEGIN CERTIFICATE-----\\ny\"\n";
    let settings = settings(&[text], &[("NODE_EXTRA_CA_CERTS", "/b.pem")]).unwrap();
    assert!(!settings.strict_ssl);
    assert_eq!(settings.certificates, ["-----BEGIN CERTIFICATE-----\nx", "-----BEGIN CERTIFICATE-----\ny"]);
    assert_eq!(settings.certificate_files, [PathBuf::from("certs/a.pem"), PathBuf::from("/b.pem")]);
}

#[test]
fn files_are_read_from_where_npm_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["project", "home", "prefix/etc"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    std::fs::write(at("project/.npmrc"), "@p:registry=http://p.invalid/\ncafile=ca.pem\n").unwrap();
    std::fs::write(at("project/ca.pem"), "the certificate").unwrap();
    std::fs::write(at("home/.npmrc"), "registry=http://home.invalid/\n").unwrap();
    std::fs::write(at("other"), "registry=http://other.invalid/\n").unwrap();
    std::fs::write(
        at("prefix/etc/npmrc"),
        "@g:registry=http://g.invalid/\nregistry=http://global.invalid/\n",
    )
    .unwrap();
    let (project, home) = (at("project"), at("home"));
    let load = |pairs: &[(&str, &str)]| {
        let env = env(pairs);
        Settings::load(&Sources { env: &env, project: Some(&project), home: Some(&home), global: None })
            .unwrap()
    };
    let prefix = at("prefix");
    let found = load(&[("npm_config_prefix", prefix.to_str().unwrap())]);
    assert_eq!(found.registry.unwrap().as_str(), "http://home.invalid/");
    assert_eq!(found.scopes.keys().collect::<Vec<_>>(), ["g", "p"]);
    assert_eq!(found.certificates, ["the certificate"]);
    let other = load(&[("npm_config_userconfig", at("other").to_str().unwrap())]);
    assert_eq!(other.registry.unwrap().as_str(), "http://other.invalid/");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".npmrc"), vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let env = BTreeMap::new();
    let error =
        Settings::load(&Sources { env: &env, project: None, home: Some(directory.path()), global: None })
            .unwrap_err();
    assert_eq!(error.code(), "npmrc-too-large");
}

#[test]
fn all_proxy_is_what_is_left_for_both_schemes() {
    let proxies = |pairs: &[(&str, &str)], npmrc: &str| {
        let Proxies { http, https, .. } = settings(&[npmrc], pairs).unwrap().proxies;
        [http, https].map(|proxy| proxy.map(|proxy| proxy.reveal().to_owned()))
    };
    let text = |text: &str| Some(text.to_owned());
    for name in ["ALL_PROXY", "all_proxy"] {
        let all = (name, "socks5h://u:p@all.invalid:1080");
        let socks = text("socks5h://u:p@all.invalid:1080");
        assert_eq!(proxies(&[all], ""), [socks.clone(), socks.clone()]);
        let secure = ("https_proxy", "http://s.invalid");
        assert_eq!(proxies(&[all, secure], ""), [socks, text("http://s.invalid/")]);
        assert_eq!(
            proxies(&[all], "proxy=http://p.invalid\n"),
            [text("http://p.invalid/"), text("http://p.invalid/")]
        );
    }
    let error = settings(&[""], &[("ALL_PROXY", "quic://hunter2@x.invalid")]).unwrap_err();
    assert_eq!(error.code(), "proxy-scheme");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_certificate_of_ours_is_for_its_host() {
    let text = "registry=https://r.invalid/npm/\n//a.invalid/:certfile=a.crt\n//a.invalid/:keyfile=/k/a.key\n\
                //b.invalid/:certfile=b.crt\ncert=\"CERT\\nX\"\nkey=\"hunter2\\nY\"\n";
    let settings = settings(&[text], &[]).unwrap();
    let files: Vec<_> = settings.identity_files.iter().map(|files| files.prefix.as_str()).collect();
    assert_eq!(files, ["a.invalid/"]);
    assert_eq!(settings.identity_files[0].key, Path::new("/k/a.key"));
    assert_eq!(settings.identities.len(), 1);
    assert_eq!(settings.identities[0].prefix, "r.invalid/npm/");
    assert_eq!(settings.identities[0].pem.reveal(), "CERT\nX\nhunter2\nY\n");
    assert!(!format!("{settings:?}").contains("hunter2"));
}
