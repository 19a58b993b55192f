//! A registry on loopback that signs what it has, with keys made for a test, and is as wrong as the test wants it.
//!
//! It answers documents of packages and of versions, and how large tarballs are; of tarballs it has none.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lock::{Lock, PackageId};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// What stands before the coordinates in the DER form of a public key of P-256, in base64.
const DER_START: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// Where documents of attestations are, as at npm's.
const ATTESTATIONS: &str = "-/npm/v1/attestations/";

/// Size of every tarball, in bytes.
const SIZE: u64 = 1000;

/// A key pair made for this test.
pub struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// One version as the registry has it.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its integrity.
    pub integrity: String,
    /// Its signatures: key and text.
    pub signatures: Vec<(String, String)>,
    /// When it was published.
    pub time: Option<String>,
    /// Why it should not be used.
    pub deprecated: Option<String>,
    /// The document of its attestations.
    pub attestations: Option<Value>,
    /// Where that is said to be; where it is, if nothing else is said.
    pub attested_at: Option<String>,
}

/// The registry. It answers as long as the test runs.
pub struct SigningRegistry {
    url: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    url: String,
    published: BTreeMap<PackageId, Published>,
    asked: Vec<String>,
}

impl Signer {
    /// A new one.
    ///
    /// # Panics
    /// Where the system has no randomness.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("make a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random);
        Self { pair: pair.expect("read a key"), random }
    }

    /// The public key, as registries publish theirs.
    ///
    /// # Panics
    /// Never: the start is well-formed.
    #[must_use]
    pub fn key(&self) -> String {
        let mut der = STANDARD.decode(DER_START).expect("read the start of a key");
        der.extend(self.pair.public_key().as_ref().iter().skip(1));
        STANDARD.encode(der)
    }

    /// What the registry calls it.
    ///
    /// # Panics
    /// Never: the key is well-formed.
    #[must_use]
    pub fn id(&self) -> String {
        self.key().parse::<lock::PublicKey>().expect("read the key").fingerprint().to_string()
    }

    /// A signature over a text, with the key's name.
    ///
    /// # Panics
    /// Where the system has no randomness.
    #[must_use]
    pub fn sign(&self, text: &str) -> (String, String) {
        let signature = self.pair.sign(&self.random, text.as_bytes()).expect("sign");
        (self.id(), STANDARD.encode(signature))
    }

    /// What a manifest says so that it vouches for `packages`, until the end of a day where one is named.
    #[must_use]
    pub fn trusted(&self, packages: &[String], until: Option<&str>) -> String {
        let until = until.map(|day| format!("until = \"{day}\"\n")).unwrap_or_default();
        format!("[[trust.keys]]\nkey = \"{}\"\npackages = {packages:?}\n{until}", self.key())
    }
}

impl SigningRegistry {
    /// One that has what a lock pins of npm packages, all of it signed by `signer` and published on the same day.
    ///
    /// # Panics
    /// Where loopback cannot be listened on.
    #[must_use]
    pub fn of(lock: &Lock, signer: &Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        let url = format!("http://{}/", listener.local_addr().expect("ask for the own address"));
        let inner = Arc::new(Mutex::new(Inner { url: url.clone(), ..Inner::default() }));
        let served = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&served);
                std::thread::spawn(move || answer(&stream, &inner));
            }
        });
        let registry = Self { url, inner };
        for (id, integrity) in lock.npm_pins() {
            registry.publish(&id, &integrity.to_string(), signer);
        }
        registry
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Publishes a version with a good signature.
    pub fn publish(&self, id: &PackageId, integrity: &str, signer: &Signer) {
        let published = Published {
            integrity: integrity.to_owned(),
            signatures: vec![signer.sign(&format!("{id}:{integrity}"))],
            time: Some("2026-01-31T12:00:00.000Z".to_owned()),
            deprecated: None,
            attestations: None,
            attested_at: None,
        };
        self.lock().published.insert(id.clone(), published);
    }

    /// Changes what is said of every version.
    pub fn change(&self, change: impl Fn(&PackageId, &mut Published)) {
        self.lock().published.iter_mut().for_each(|(id, published)| change(id, published));
    }

    /// Takes a version away.
    pub fn take_away(&self, id: &PackageId) {
        self.lock().published.remove(id);
    }

    /// What has been asked since the last time.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().asked)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn document(&self, id: &PackageId, url: &str) -> Value {
        let signatures: Vec<Value> =
            self.signatures.iter().map(|(key, text)| json!({"keyid": key, "sig": text})).collect();
        let mut document = json!({
            "name": id.name.as_str(),
            "version": id.version.to_string(),
            "dist": {"integrity": self.integrity, "signatures": signatures},
        });
        if self.attestations.is_some() {
            let own = format!("{url}{ATTESTATIONS}{id}");
            document["dist"]["attestations"] = json!({"url": self.attested_at.as_ref().unwrap_or(&own)});
        }
        if let Some(text) = &self.deprecated {
            document["deprecated"] = json!(text);
        }
        document
    }
}

impl Inner {
    fn body(&self, path: &str) -> Option<Value> {
        let path = path.trim_start_matches('/').replace("%2F", "/").replace("%2f", "/");
        let of_name = |name: &str| {
            let name = name.to_owned();
            self.published.iter().filter(move |(id, _)| id.name.as_str() == name)
        };
        if let Some(id) = path.strip_prefix(ATTESTATIONS) {
            return self.published.get(&id.parse().ok()?)?.attestations.clone();
        }
        if let Some((name, version)) = path.rsplit_once('/')
            && let Some((id, found)) = of_name(name).find(|(id, _)| id.version.to_string() == version)
        {
            return Some(found.document(id, &self.url));
        }
        let versions: serde_json::Map<_, _> = of_name(&path)
            .map(|(id, found)| (id.version.to_string(), found.document(id, &self.url)))
            .collect();
        let times = of_name(&path)
            .filter_map(|(id, found)| Some((id.version.to_string(), json!(found.time.as_ref()?))));
        let times: serde_json::Map<_, _> = times.collect();
        (!versions.is_empty())
            .then(|| json!({"name": path, "dist-tags": {}, "versions": versions, "time": times}))
    }
}

/// One request and one answer; what goes wrong with it is the client's to tell.
fn answer(stream: &TcpStream, inner: &Mutex<Inner>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = lines.next() else { return };
    lines.for_each(drop);
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = {
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked.push(format!("{method} {path}"));
        inner.body(path).map(|body| body.to_string())
    };
    let mut stream = stream;
    let _gone = if path.contains("/-/") && method == "HEAD" {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {SIZE}\r\n\r\n")
    } else {
        let (status, body) = body.map_or((404, "{}".to_owned()), |body| (200, body));
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
}
