//! Releases as GitHub's REST API tells of them (version 2022-11-28): the latest, that of a tag, and all of them page by page. Owns its
//! documents, what it means by a refusal, and which credentials it gets; knows nothing of OpenCode.

mod credentials;
mod document;
mod limit;

use std::time::Duration;

use lock::Repository;
use replay::registry::Upstream;
use replay::registry::upstream::{self, Document};
use url::Url;

pub use credentials::credentials;
pub use document::{Asset, Release};
pub use limit::Limit;

/// The form that is asked for.
const ACCEPT: &str = "application/vnd.github+json";
/// Largest document of one release, in bytes: each of OpenCode's some sixty assets takes 2 kB.
const MAX_RELEASE: u64 = 4 * 1024 * 1024;
/// Largest page of releases, in bytes.
const MAX_PAGE: u64 = 32 * 1024 * 1024;
/// Releases on a page. A page of a hundred would be 10 MB, for a release that is nearly always the first.
const PER_PAGE: u32 = 10;
/// Pages that are read at most.
const MAX_PAGES: u32 = 10;
/// The longest that is waited until more may be asked. Whoever waits for an hour's end should know what for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Why GitHub did not tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer.
    #[error("ask GitHub about {what}")]
    Upstream {
        /// The release or list.
        what: String,
        /// The cause.
        source: upstream::Error,
    },
    /// There is no such repository or release, or who asks may not see it.
    #[error("ask GitHub about {what}: it is not there, or not for who asks (status {status})")]
    Absent {
        /// The release or list.
        what: String,
        /// The status.
        status: u16,
    },
    /// Who asks may not.
    #[error("ask GitHub about {what}: {} (status {status})", if *status == 401 { "the token is not good" } else { "who asks may not know" })]
    Forbidden {
        /// The release or list.
        what: String,
        /// The status.
        status: u16,
    },
    /// Too much was asked.
    #[error("ask GitHub about {what}: {limit}")]
    Limited {
        /// The release or list.
        what: String,
        /// Until when.
        limit: Limit,
        /// Whether it knew who asks.
        is_known: bool,
    },
    /// The answer is no release.
    #[error("ask GitHub about {what}: its answer is not what its API documents")]
    Malformed {
        /// The release or list.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Upstream { source, .. } => source.code(),
            Self::Absent { .. } => "github-absent",
            Self::Forbidden { .. } => "github-forbidden",
            Self::Limited { .. } => "github-rate-limit",
            Self::Malformed { .. } => "github-malformed",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Upstream { source, .. } => return source.hint(),
            Self::Absent { .. } => {
                "look at `repository` and the version; a private repository wants a token in GITHUB_TOKEN"
                    .into()
            }
            Self::Forbidden { .. } => {
                "look whether GITHUB_TOKEN or GH_TOKEN is still good, or ask the repository's owner".into()
            }
            Self::Limited { is_known: true, .. } => {
                "try again then; another token has a limit of its own".into()
            }
            Self::Limited { .. } => {
                "try again then, or put a token into GITHUB_TOKEN: it may ask eighty times as often".into()
            }
            Self::Malformed { .. } => "does a proxy's or login page answer in GitHub's place?".into(),
        })
    }
}

/// A repository's releases.
#[derive(Debug, Clone)]
pub struct GitHub {
    upstream: Upstream,
    repository: Repository,
}

/// Pages of releases, the newest first.
#[derive(Debug)]
pub struct Pages<'a> {
    github: &'a GitHub,
    next: Option<Url>,
    read: u32,
}

impl GitHub {
    /// The releases of `repository`.
    pub fn new(upstream: Upstream, repository: Repository) -> Self {
        Self { upstream, repository }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The release that its owner calls the latest: never a draft or a prerelease.
    pub async fn latest(&self) -> Result<Release, Error> {
        self.release("releases/latest", "the latest release").await
    }

    /// The release of a tag.
    pub async fn tagged(&self, tag: &str) -> Result<Release, Error> {
        self.release(&format!("releases/tags/{tag}"), tag).await
    }

    /// All releases.
    pub fn pages(&self) -> Pages<'_> {
        let next = self.address(&format!("releases?per_page={PER_PAGE}")).ok();
        Pages { github: self, next, read: 0 }
    }

    async fn release(&self, path: &str, what: &str) -> Result<Release, Error> {
        let what = format!("{what} of {}", self.repository);
        let document = self.ask(&self.address(path)?, MAX_RELEASE, &what).await?;
        document::release(&document.body).map_err(|source| Error::Malformed { what, source })
    }

    fn address(&self, path: &str) -> Result<Url, Error> {
        let text = format!("{}/{path}", self.repository.document());
        // A repository is a word that addresses can be made of.
        Url::parse(&text).map_err(|_| Error::Absent { what: text, status: 404 })
    }

    /// Asks; where too much was asked and that is over soon, once more.
    async fn ask(&self, url: &Url, most: u64, what: &str) -> Result<Document, Error> {
        let mut may_wait = true;
        loop {
            let answer = self.upstream.ask_api(url, ACCEPT, most).await;
            let document = answer.map_err(|source| Error::Upstream { what: what.into(), source })?;
            if document.status == 200 {
                return Ok(document);
            }
            let Some(limit) = Limit::of(&document) else {
                let (what, status) = (what.to_owned(), document.status);
                return Err(match status {
                    401 | 403 => Error::Forbidden { what, status },
                    _ => Error::Absent { what, status },
                });
            };
            match limit.wait().filter(|wait| *wait <= MAX_WAIT && may_wait) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    let is_known = self.upstream.knows_api(url);
                    return Err(Error::Limited { what: what.into(), limit, is_known });
                }
            }
            may_wait = false;
        }
    }
}

impl Pages<'_> {
    /// The next page; nothing at the end, and after as many pages as are read at most.
    pub async fn next(&mut self) -> Result<Option<Vec<Release>>, Error> {
        let Some(url) = self.next.take().filter(|_| self.read < MAX_PAGES) else { return Ok(None) };
        let what = format!("the releases of {}", self.github.repository);
        let document = self.github.ask(&url, MAX_PAGE, &what).await?;
        self.read += 1;
        let link = document.header("link").and_then(document::next_link);
        // Only the same host is believed about where its own list goes on.
        self.next = link.and_then(|link| url.join(link).ok()).filter(|next| next.origin() == url.origin());
        let releases = document::releases(&document.body);
        releases.map(Some).map_err(|source| Error::Malformed { what, source })
    }
}
