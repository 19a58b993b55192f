//! GitHub on loopback, as far as releases go: the API with its pages, marks, limits and renamed repositories, the page that downloads
//! start at, and the host that they are redirected to. After the REST API of 2022-11-28.
//!
//! Owns what it has and how it fails; where it is reached is [`Internet`](crate::internet::Internet)'s, whose answers it gives.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use lock::{Algorithm, Sri};
use serde_json::{Value, json};

use crate::internet::{Asked, Reply};

/// The API's host.
pub const API: &str = "api.github.com";
/// The host that people open, where downloads start.
pub const WEB: &str = "github.com";
/// The host that they are redirected to.
pub const FILES: &str = "release-assets.githubusercontent.com";

/// The number of the repository, which its addresses are redirected to after it was renamed.
const NUMBER: u32 = 975_734_319;

/// A file of a release.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// Its size in bytes, as it is told.
    pub size: u64,
    /// Its SHA-256 in hexadecimal digits, where it is told.
    pub sha256: Option<String>,
    /// What is downloaded.
    pub bytes: Bytes,
}

/// A release.
#[derive(Debug, Clone, Default)]
pub struct Release {
    /// Its tag.
    pub tag: String,
    /// When it was published.
    pub at: String,
    /// A draft, which only its owner sees.
    pub is_draft: bool,
    /// A prerelease.
    pub is_prerelease: bool,
    /// Its files.
    pub assets: Vec<Asset>,
}

/// What goes wrong with the next answers about a path.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An answer of this status and head.
    Refuse(u16, Vec<(&'static str, String)>),
    /// An answer that breaks off after so many bytes.
    Cut(usize),
    /// An answer that comes later.
    Slow(Duration),
}

/// What there is.
#[derive(Debug, Default)]
pub struct GitHub {
    /// `owner/name`.
    pub repository: String,
    /// What it was called before.
    pub former: Vec<String>,
    /// Its releases, the newest first.
    pub releases: Mutex<Vec<Release>>,
    /// By a part of host and path: what goes wrong, in this order.
    faults: Mutex<BTreeMap<String, Vec<Fault>>>,
    sent: AtomicU64,
}

impl Asset {
    /// A file with these bytes, whose hash is told.
    #[must_use]
    pub fn of(name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = Some(Sri::of(Algorithm::Sha256, &bytes).hex());
        Self { name: name.to_owned(), size: bytes.len() as u64, sha256, bytes }
    }
}

impl GitHub {
    /// A repository with these releases.
    #[must_use]
    pub fn new(repository: &str, releases: Vec<Release>) -> Self {
        Self { repository: repository.to_owned(), releases: Mutex::new(releases), ..Self::default() }
    }

    /// The same under another name before.
    #[must_use]
    pub fn renamed_from(mut self, former: &str) -> Self {
        self.former.push(former.to_owned());
        self
    }

    /// Has the next answers about what holds `part` in host and path fail, in this order.
    pub fn fail(&self, part: &str, faults: impl IntoIterator<Item = Fault>) {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part.to_owned(), faults.into_iter().collect());
    }

    /// Bytes that were sent so far, heads and bodies as they were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// An answer.
    pub async fn answer(&self, asked: &Asked) -> Reply {
        let fault = self.next_fault(asked);
        let mut reply = match (&fault, asked.host.as_str()) {
            (Some(Fault::Refuse(status, head)), _) => {
                head.iter().fold(Reply::new(*status, r#"{"message":"refused"}"#), |reply, (name, value)| {
                    reply.header(name, value)
                })
            }
            (_, API) => self.api(asked),
            (_, WEB) => self.page(&asked.path),
            (_, FILES) => self.file(asked),
            _ => Reply::new(404, ""),
        };
        match fault {
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::Cut(after)) => reply = reply.cut_after(after),
            _ => {}
        }
        let head: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let body = reply.cut.unwrap_or(reply.body.len());
        self.sent.fetch_add((head + body + 17) as u64, Ordering::Relaxed);
        reply
    }

    fn next_fault(&self, asked: &Asked) -> Option<Fault> {
        let about = format!("{}{}", asked.host, asked.path);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, next) = faults.iter_mut().find(|(part, next)| about.contains(*part) && !next.is_empty())?;
        Some(next.remove(0))
    }

    fn api(&self, asked: &Asked) -> Reply {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let numbered = format!("/repositories/{NUMBER}");
        let own = [format!("/repos/{}", self.repository), numbered.clone()];
        let inside =
            |prefix: &String| path.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        if let Some(rest) = own.iter().find_map(inside) {
            return self.document(asked, rest, query);
        }
        let former = self.former.iter().map(|name| format!("/repos/{name}"));
        match former.filter_map(|prefix| inside(&prefix).map(str::to_owned)).next() {
            Some(rest) => {
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                let to = format!("https://{API}{numbered}/{rest}{query}");
                Reply::new(301, json!({ "message": "Moved Permanently", "url": to }).to_string())
                    .header("location", &to)
            }
            None => not_found(),
        }
    }

    fn document(&self, asked: &Asked, path: &str, query: &str) -> Reply {
        let all = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<&Release> = all.iter().filter(|release| !release.is_draft).collect();
        let mut reply = Reply::new(200, "");
        let document = match path.strip_prefix("releases") {
            Some("") => {
                let number = |name: &str, default: usize| {
                    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                    pairs
                        .filter(|(key, _)| *key == name)
                        .find_map(|(_, value)| value.parse().ok())
                        .unwrap_or(default)
                };
                let (per, page) = (number("per_page", 30).clamp(1, 100), number("page", 1).max(1));
                if page * per < seen.len() {
                    let address = |page| {
                        format!("<https://{API}/repositories/{NUMBER}/releases?per_page={per}&page={page}>")
                    };
                    let last = seen.len().div_ceil(per);
                    let link =
                        format!("{}; rel=\"next\", {}; rel=\"last\"", address(page + 1), address(last));
                    reply = reply.header("link", &link);
                }
                let shown = seen.iter().skip((page - 1) * per).take(per);
                Some(Value::from_iter(shown.map(|release| self.described(release))))
            }
            Some("/latest") => {
                seen.iter().find(|release| !release.is_prerelease).map(|release| self.described(release))
            }
            Some(other) => other
                .strip_prefix("/tags/")
                .and_then(|tag| seen.iter().find(|release| release.tag == tag))
                .map(|release| self.described(release)),
            None => None,
        };
        document.map_or_else(not_found, |document| marked(asked, reply, &document.to_string()))
    }

    /// A release as the API writes it, with all that nobody here needs.
    fn described(&self, release: &Release) -> Value {
        let api = format!("https://{API}/repos/{}/releases", self.repository);
        let web = format!("https://{WEB}/{}/releases", self.repository);
        let assets = release.assets.iter().enumerate().map(|(number, asset)| {
            let id = 492_336_000 + number;
            json!({
                "url": format!("{api}/assets/{id}"), "id": id, "node_id": format!("RA_kwDOOihY784dW{id}"), "name": asset.name,
                "label": "", "uploader": somebody(), "content_type": "application/octet-stream", "state": "uploaded",
                "size": asset.size, "digest": asset.sha256.as_ref().map(|hex| format!("sha256:{hex}")),
                "download_count": 12_345 + number, "created_at": release.at, "updated_at": release.at,
                "browser_download_url": format!("{web}/download/{}/{}", release.tag, asset.name),
            })
        });
        json!({
            "url": format!("{api}/360858647"), "assets_url": format!("{api}/360858647/assets"),
            "upload_url": format!("{api}/360858647/assets{{?name,label}}"), "html_url": format!("{web}/tag/{}", release.tag),
            "id": 360_858_647, "author": somebody(), "node_id": "RE_kwDOOihY784VgkXX", "tag_name": release.tag,
            "target_commitish": "dev", "name": release.tag, "draft": release.is_draft, "immutable": true,
            "prerelease": release.is_prerelease, "created_at": release.at, "updated_at": release.at,
            "published_at": release.at, "assets": assets.collect::<Vec<_>>(),
            "tarball_url": format!("{api}/tarball/{}", release.tag), "zipball_url": format!("{api}/zipball/{}", release.tag),
            "body": "- Fixed a thing that somebody had reported\n".repeat(80),
        })
    }

    /// Where a download starts. A page of a renamed repository is redirected first.
    fn page(&self, path: &str) -> Reply {
        for former in &self.former {
            if let Some(rest) = path.strip_prefix(&format!("/{former}/")) {
                return Reply::new(301, "")
                    .header("location", &format!("https://{WEB}/{}/{rest}", self.repository));
            }
        }
        let inside = path.strip_prefix(&format!("/{}/releases/download/", self.repository));
        match inside.filter(|rest| self.bytes(rest).is_some()) {
            Some(rest) => {
                Reply::new(302, "").header("location", &format!("https://{FILES}/{rest}?sig=once&se=soon"))
            }
            None => Reply::new(404, "Not Found"),
        }
    }

    fn file(&self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap_or_default();
        let Some(bytes) = self.bytes(path.trim_start_matches('/')) else { return Reply::new(404, "") };
        let range = asked.headers.get("range").and_then(|range| range.to_str().ok());
        let from =
            range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        match from.filter(|from| *from > 0 && *from < bytes.len()) {
            Some(from) => Reply::new(206, bytes.slice(from..))
                .header("content-range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            None => Reply::new(200, bytes),
        }
    }

    fn bytes(&self, tag_and_name: &str) -> Option<Bytes> {
        let (tag, name) = tag_and_name.split_once('/')?;
        let all = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        let release = all.iter().find(|release| release.tag == tag)?;
        release.assets.iter().find(|asset| asset.name == name).map(|asset| asset.bytes.clone())
    }
}

fn not_found() -> Reply {
    Reply::new(404, json!({ "message": "Not Found", "status": "404" }).to_string())
}

/// A document with its mark; what has not changed is not sent, and the rest packed where that is wanted.
fn marked(asked: &Asked, reply: Reply, text: &str) -> Reply {
    let mark = format!("W/\"{}\"", Sri::of(Algorithm::Sha256, text.as_bytes()).hex());
    let field =
        |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut reply = reply
        .header("etag", &mark)
        .header("x-ratelimit-limit", "60")
        .header("x-ratelimit-remaining", "59")
        .header("x-ratelimit-reset", "4102444800")
        .header("content-type", "application/json; charset=utf-8");
    if field("if-none-match") == mark {
        reply.status = 304;
        return reply;
    }
    if !field("accept-encoding").contains("gzip") {
        reply.body = Bytes::copy_from_slice(text.as_bytes());
        return reply;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).expect("write to memory");
    reply.body = packed.finish().expect("write to memory").into();
    reply.header("content-encoding", "gzip")
}

/// Who uploaded something.
fn somebody() -> Value {
    let login = "opencode-agent[bot]";
    let api = format!("https://{API}/users/opencode-agent%5Bbot%5D");
    let parts = [
        "followers",
        "following{/other_user}",
        "gists{/gist_id}",
        "starred{/owner}{/repo}",
        "subscriptions",
        "orgs",
        "repos",
        "events{/privacy}",
        "received_events",
    ];
    let mut about = json!({
        "login": login, "id": 219_766_164, "node_id": "BOT_kgDODRlFlA", "gravatar_id": "", "type": "Bot", "site_admin": false,
        "avatar_url": "https://avatars.githubusercontent.com/in/1549082?v=4", "html_url": format!("https://{WEB}/apps/opencode-agent"),
        "url": api, "user_view_type": "public",
    });
    for part in parts {
        let name = part.split('{').next().unwrap_or(part);
        about[format!("{name}_url")] = format!("{api}/{part}").into();
    }
    about
}
