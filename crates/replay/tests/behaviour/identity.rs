//! Property: a host that wants to know by certificate who asks is shown the one that is for it, and no other host is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use replay::registry::npmrc::{Settings, Sources};
use replay::registry::{Lookup, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// An authority for hosts and for those who ask.
struct Company {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    root: CertificateDer<'static>,
}

impl Company {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, root) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, root }
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A host that answers 404 to who it lets in, and notes how many certificates it was shown.
    fn host(&self, name: &str, is_demanding: bool) -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = if is_demanding { verifier } else { verifier.allow_unauthenticated() };
        let (certificate, key) = self.sign(name);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = crate::support::listener();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&shown);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who is not let in is the client's to tell.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                noted.lock().unwrap().push(stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len));
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let answer = "HTTP/1.1 404 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                let _gone = stream.write_all(answer.as_bytes()).await;
                let _gone = stream.shutdown().await;
            }
        });
        (address, shown)
    }
}

fn load(home: &Path, npmrc: &str, hosts: &[(&str, SocketAddr)]) -> Settings {
    std::fs::write(home.join(".npmrc"), npmrc).unwrap();
    let env = BTreeMap::new();
    let sources = Sources { env: &env, project: Some(home), home: Some(home), global: None };
    let mut settings = Settings::load(&sources).unwrap();
    settings.connect_to = hosts.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_to_its_own_host_only() {
    let company = Company::new();
    let (strict, shown_to_strict) = company.host("strict.example", true);
    let (curious, shown_to_curious) = company.host("curious.example", false);
    let hosts = [("strict.example", strict), ("curious.example", curious)];
    let home = tempfile::tempdir().unwrap();
    let (certificate, key) = company.sign("me");
    std::fs::write(home.path().join("me.crt"), certificate.pem()).unwrap();
    std::fs::write(home.path().join("me.key"), key.serialize_pem()).unwrap();
    std::fs::write(home.path().join("ca.pem"), &company.pem).unwrap();
    let base =
        "cafile=ca.pem\n@curious:registry=https://curious.example/\nregistry=https://strict.example/\n";
    let files = format!("{base}//strict.example/:certfile=me.crt\n//strict.example/:keyfile=me.key\n");
    let inline = |text: &str| text.replace('\n', "\\n");
    let inline =
        format!("{base}cert=\"{}\"\nkey=\"{}\"\n", inline(&certificate.pem()), inline(&key.serialize_pem()));
    let secret = key.serialize_pem().lines().nth(1).unwrap().to_owned();
    for npmrc in [files, inline] {
        let settings = load(home.path(), &npmrc, &hosts);
        let upstream = Upstream::new(&settings).unwrap();
        assert!(!format!("{settings:?} {upstream:?}").contains(&secret), "a key is shown");
        for name in ["a", "@curious/a"] {
            let answer = upstream.packument(&name.parse().unwrap()).await.unwrap();
            assert_eq!(answer, Lookup::Absent { status: 404 });
        }
    }
    assert_eq!(*shown_to_strict.lock().unwrap(), [1, 1]);
    assert_eq!(*shown_to_curious.lock().unwrap(), [0, 0]);

    // Without one, and with somebody else's.
    let nothing = load(home.path(), base, &hosts);
    let (other, key) = Company::new().sign("me");
    std::fs::write(home.path().join("me.crt"), other.pem()).unwrap();
    std::fs::write(home.path().join("me.key"), key.serialize_pem()).unwrap();
    let files = "//strict.example/:certfile=me.crt\n//strict.example/:keyfile=me.key\n";
    let wrong = load(home.path(), &format!("{base}{files}"), &hosts);
    for settings in [nothing, wrong] {
        let error = Upstream::new(&settings).unwrap().packument(&"a".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.code(), "upstream-client-certificate", "{error:?}");
        assert!(error.hint().unwrap().contains("//strict.example/:certfile="), "{:?}", error.hint());
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let home = tempfile::tempdir().unwrap();
    let npmrc = "//a.example/:certfile=me.crt\n//a.example/:keyfile=me.key\n";
    std::fs::write(home.path().join(".npmrc"), npmrc).unwrap();
    let env = BTreeMap::new();
    let sources = Sources { env: &env, project: Some(home.path()), home: None, global: None };
    let error = Settings::load(&sources).unwrap_err();
    assert!(error.code() == "npmrc-read" && error.to_string().contains("me.crt"), "{error}");
}
