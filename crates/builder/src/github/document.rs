//! GitHub's documents, reduced to what is wanted of them.

use lock::{Instant, Sri};
use serde::Deserialize;

/// Releases in one document, and assets of one release, that are looked at. GitHub allows a hundred and a thousand.
const MOST: usize = 1000;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its tag.
    pub tag: String,
    /// When it was published.
    pub at: Option<Instant>,
    /// Whether it is a draft or a prerelease.
    pub is_preliminary: bool,
    /// Its files, those only that are there as a whole.
    pub assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash, where GitHub states one: it does of what was uploaded since June 2025.
    pub digest: Option<Sri>,
}

#[derive(Deserialize)]
struct ForeignRelease {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    #[serde(default)]
    published_at: Option<String>,
    #[serde(default)]
    assets: Vec<ForeignAsset>,
}

#[derive(Deserialize)]
struct ForeignAsset {
    name: String,
    size: u64,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

/// One release.
pub(super) fn release(text: &[u8]) -> Result<Release, serde_json::Error> {
    serde_json::from_slice(text).map(reduced)
}

/// A list of them.
pub(super) fn releases(text: &[u8]) -> Result<Vec<Release>, serde_json::Error> {
    let foreign: Vec<ForeignRelease> = serde_json::from_slice(text)?;
    Ok(foreign.into_iter().take(MOST).map(reduced).collect())
}

fn reduced(foreign: ForeignRelease) -> Release {
    // One whose upload is under way or broke off has no bytes.
    let is_there = |asset: &ForeignAsset| asset.state.as_deref().is_none_or(|state| state == "uploaded");
    let assets = foreign.assets.into_iter().filter(is_there).take(MOST).map(|asset| Asset {
        digest: asset.digest.as_deref().and_then(digest),
        name: asset.name,
        size: asset.size,
    });
    Release {
        tag: foreign.tag_name,
        at: foreign.published_at.and_then(|text| text.parse().ok()),
        is_preliminary: foreign.draft || foreign.prerelease,
        assets: assets.collect(),
    }
}

/// `sha256:` and hexadecimal digits. Another algorithm is as if there were none: the bytes are hashed then.
fn digest(text: &str) -> Option<Sri> {
    Sri::from_sha256_hex(text.split_once(':').filter(|(algorithm, _)| *algorithm == "sha256")?.1)
}

/// Where a list goes on, as a `Link` field says it (RFC 8288).
pub(super) fn next_link(field: &str) -> Option<&str> {
    field.split(',').find_map(|link| {
        let mut parts = link.split(';').map(str::trim);
        let address = parts.next()?.strip_prefix('<')?.strip_suffix('>')?;
        parts.any(|part| part == "rel=\"next\"" || part == "rel=next").then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_release_is_read_whatever_else_it_says() {
        let hex = "b72014b8b53427fdb5a628d2433569ee7ccd289bd5c4490636064b24791c1305";
        let document = json!({
            "url": "https://api.example/1", "tag_name": "v1.18.8", "draft": false, "prerelease": true, "body": "…",
            "published_at": "2026-07-26T12:00:00Z",
            "assets": [
                { "name": "a", "size": 5, "state": "uploaded", "digest": format!("sha256:{hex}"), "uploader": {} },
                { "name": "b", "size": 6, "state": "uploaded", "digest": null },
                { "name": "c", "size": 7, "state": "starter", "digest": null },
                { "name": "d", "size": 8, "digest": "md5:00" },
            ],
        });
        let release = release(document.to_string().as_bytes()).unwrap();
        assert!(release.is_preliminary && release.at.is_some());
        let assets: Vec<_> = release.assets.iter().map(|asset| (asset.name.as_str(), asset.size)).collect();
        assert_eq!(assets, [("a", 5), ("b", 6), ("d", 8)]);
        assert_eq!(release.assets[0].digest.as_ref().unwrap().hex(), hex);
        assert!(release.assets[1].digest.is_none() && release.assets[2].digest.is_none());
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for bad in ["", "[]", "{}", "{\"tag_name\":1}", "{\"tag_name\":\"v1\",\"assets\":{}}", "<html>"] {
            assert!(release(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(releases(b"{\"message\":\"Not Found\"}").is_err());
    }

    #[test]
    fn digests_are_whole() {
        for bad in ["sha256:", "sha256:00", "sha256:zz", "sha1:da39a3ee", "b7"] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_goes_on_where_it_says() {
        let field =
            "<https://api.example/r?page=1>; rel=\"prev\", <https://api.example/r?page=3>; rel=\"next\"";
        assert_eq!(next_link(field), Some("https://api.example/r?page=3"));
        assert_eq!(next_link("<https://api.example/r?page=3>; rel=\"last\""), None);
        assert_eq!(next_link("nonsense"), None);
    }
}
