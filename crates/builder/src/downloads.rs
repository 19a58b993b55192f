//! Whatever OpenCode downloads over https that is no npm package: recorded once through a proxy
//! with a throw-away certificate authority, answered from the lock ever after.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use lock::{Download, HttpsUrl, Lock, Sri, Version};
use replay::proxy::{Authority, Exchange, Forward, Mode, Proxy, ProxyFacts, Recorded, RecordedBody};
use replay::registry::npmrc::Settings;
use replay::registry::upstream::Bounds;
use replay::vendor::Vendor;
use url::Url;

use crate::opencode::{self, latest};
use crate::stage::{self, Stage};

/// Where OpenCode finds the throw-away authority's certificate, inside. Outside of what is captured.
const CERTIFICATE: &str = "/tmp/opencode-cache-ca.pem";

/// The status that the recorder answers where a host cannot be reached, and that is recorded then.
pub const UNREACHABLE: u16 = 502;

/// A proxy that one exercise goes through.
pub struct Outlet {
    proxy: Proxy,
    variables: Vec<(String, String)>,
}

impl Outlet {
    /// Opens a recording one: the world is reached as packages are, through npm's proxies and with its
    /// certificates.
    pub fn record(stage: &mut Stage, settings: &Settings, vendor: &Vendor) -> Result<Self, String> {
        // A request that may change something out there is nobody's to send in our name.
        let posts = std::collections::BTreeSet::new();
        let forward = Forward::new(settings, vendor.clone(), posts)
            .map_err(|error| error.to_string())?
            .reducing(latest::reduced);
        Self::open(stage, Mode::Record(Box::new(forward)))
    }

    /// Opens a recording one that waits for nobody longer than `bounds`, and asks so many times.
    pub fn record_briefly(
        stage: &mut Stage,
        settings: &Settings,
        vendor: &Vendor,
        bounds: Bounds,
        tries: u32,
    ) -> Result<Self, String> {
        let posts = std::collections::BTreeSet::new();
        let forward =
            Forward::bounded(settings, vendor.clone(), posts, bounds).map_err(|error| error.to_string())?;
        Self::open(stage, Mode::Record(Box::new(forward.trying(tries))))
    }

    /// Opens a replaying one, which answers what the lock has.
    pub fn replay(stage: &mut Stage, lock: &Lock, vendor: &Vendor) -> Result<Self, String> {
        Self::open(stage, Mode::Replay(answers(lock, vendor)))
    }

    fn open(stage: &mut Stage, mode: Mode) -> Result<Self, String> {
        let listener: TcpListener = stage.take_listener().ok_or("no listener is left")?;
        let authority = Arc::new(Authority::new().map_err(|error| error.to_string())?);
        let certificate = authority.ca_pem().to_owned();
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let proxy = Proxy::serve(listener, authority, mode).map_err(|error| error.to_string())?;
        stage.sandbox().write(CERTIFICATE, certificate.as_bytes()).map_err(|error| error.to_string())?;
        let inside = stage.sandbox().inside(CERTIFICATE).display().to_string();
        // OpenCode's fetch, bun and npm honour these (1.0.61 to 1.18.33).
        let variables = vec![
            ("HTTPS_PROXY".into(), format!("http://{address}")),
            ("NO_PROXY".into(), "127.0.0.1,localhost,::1".into()),
            ("NODE_EXTRA_CA_CERTS".into(), inside),
        ];
        Ok(Self { proxy, variables })
    }

    /// The variables that make OpenCode use it.
    pub fn environment(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Whether it refused to send something for OpenCode that may change something out there.
    pub fn refused(&self) -> bool {
        !self.proxy.facts().refused.is_empty()
    }

    /// What went through so far, for somebody who looks from time to time.
    pub fn observer(&self) -> impl Fn() -> ProxyFacts + Send + Sync + 'static {
        self.proxy.observer()
    }

    /// Whether a question has no answer yet.
    pub fn is_waiting(&self) -> bool {
        self.proxy.quiet().is_zero()
    }

    /// Closes it, and says what went through.
    pub async fn close(self) -> ProxyFacts {
        self.proxy.shutdown().await
    }
}

/// Takes out what OpenCode asks for whatever it was told, and whatever it is made to do: its catalogue, in versions that cannot be kept
/// from it. How that is pinned is another's business.
pub fn without_catalogue(mut facts: ProxyFacts, version: &Version) -> ProxyFacts {
    if opencode::minds_no_catalogue(version) {
        return facts;
    }
    let address = opencode::catalogue_address(version);
    facts.exchanges.retain(|exchange| exchange.url.as_str() != address);
    facts.failures.retain(|failure| failure.url.as_str() != address);
    facts.unrecorded.retain(|attempt| attempt.url != address);
    facts
}

/// What a lock writes down of what went through, and what a person should know of it.
pub fn recorded(facts: &ProxyFacts) -> (BTreeMap<HttpsUrl, Download>, Vec<String>) {
    let mut downloads = BTreeMap::new();
    let mut notes = Vec::new();
    for exchange in facts.exchanges.iter().filter(|exchange| exchange.method == "GET") {
        if let Ok(url) = exchange.url.as_str().parse::<HttpsUrl>() {
            downloads.insert(url, download(exchange));
        }
    }
    for failure in &facts.failures {
        let note = format!("{} was not reached while recording: {}", host(&failure.url), failure.error);
        if !notes.contains(&note) {
            notes.push(note);
        }
        if let Ok(url) = failure.url.as_str().parse::<HttpsUrl>() {
            downloads.insert(url, Download::Absent { status: UNREACHABLE });
        }
    }
    for refused in &facts.refused {
        notes.push(format!("{} {} was not sent while recording", refused.method, refused.url));
    }
    // A redirect that was not followed leads nowhere in a replay either.
    let targets: Vec<HttpsUrl> = downloads
        .values()
        .filter_map(|download| match download {
            Download::Redirect { location, .. } => Some(location.clone()),
            _ => None,
        })
        .collect();
    for target in targets {
        downloads.entry(target).or_insert(Download::Absent { status: UNREACHABLE });
    }
    (downloads, notes)
}

fn download(exchange: &Exchange) -> Download {
    let location =
        exchange.headers.get("location").and_then(|to| exchange.url.join(to).ok()?.as_str().parse().ok());
    if let Some(text) = exchange.shown.clone() {
        return Download::Text { text, headers: exchange.headers.clone() };
    }
    match (exchange.status, location) {
        (200, _) => Download::File {
            integrity: exchange.integrity.clone(),
            size: exchange.size,
            headers: exchange.headers.clone(),
        },
        (status @ 300..=399, Some(location)) => Download::Redirect { status, location },
        (status @ 400..=599, _) => Download::Absent { status },
        // Anything else (204, 206, a redirect to http) cannot be replayed as it was.
        _ => Download::Absent { status: UNREACHABLE },
    }
}

/// How many redirects are followed to a pinned file, as many as a client does.
const REDIRECTS: usize = 20;

/// What a lock has of an address in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'l> {
    /// A file of this hash.
    File(&'l Sri),
    /// This text.
    Text(&'l str),
}

/// What a lock has of what an address leads to.
pub fn body<'l>(lock: &'l Lock, url: &HttpsUrl) -> Option<Body<'l>> {
    let mut download = lock.downloads.get(url)?;
    for _ in 0..REDIRECTS {
        match download {
            Download::File { integrity, .. } => return Some(Body::File(integrity)),
            Download::Text { text, .. } => return Some(Body::Text(text)),
            Download::Redirect { location, .. } => download = lock.downloads.get(location)?,
            Download::Absent { .. } => return None,
        }
    }
    None
}

/// What a lock pins for an address: the file that it leads to.
pub fn pinned<'l>(lock: &'l Lock, url: &HttpsUrl) -> Option<&'l Sri> {
    match body(lock, url)? {
        Body::File(integrity) => Some(integrity),
        Body::Text(_) => None,
    }
}

/// What a replaying proxy answers.
fn answers(lock: &Lock, vendor: &Vendor) -> BTreeMap<Url, Recorded> {
    let answers = lock.downloads.iter().filter_map(|(url, download)| {
        let recorded = match download {
            Download::File { integrity, size, headers } => Recorded {
                status: 200,
                headers: headers.clone(),
                body: Some(RecordedBody::File(vendor.path_of(integrity), *size)),
            },
            Download::Text { text, headers } => Recorded {
                status: 200,
                headers: headers.clone(),
                body: Some(RecordedBody::Text(text.clone())),
            },
            Download::Redirect { status, location } => Recorded {
                status: *status,
                headers: BTreeMap::from([("location".into(), location.to_string())]),
                body: None,
            },
            Download::Absent { status } => Recorded { status: *status, headers: BTreeMap::new(), body: None },
        };
        Some((Url::parse(url.as_str()).ok()?, recorded))
    });
    answers.collect()
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

impl From<String> for stage::Error {
    fn from(reason: String) -> Self {
        Self::Outlet { reason }
    }
}
