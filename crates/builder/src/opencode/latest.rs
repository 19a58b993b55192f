//! Documents that change by themselves, so that nobody could download the same again: what the latest release of a language server is
//! (downloads are counted in it), which is shown and locked reduced to what OpenCode reads of it, and the queries of grammars, which
//! come from branches (1.14.34, 1.18.18, 1.18.33).

use serde_json::{Map, Value, json};
use url::Url;

/// Of a release and of each of its files on one host, of a release and its builds on the other: the host, what its addresses
/// look like, which fields are read of the whole, where the list is, and which fields are read of each item.
const DOCUMENTS: [Document; 2] = [
    Document {
        host: "api.github.com",
        start: "/repos/",
        end: "/releases/latest",
        fields: &["name", "tag_name"],
        list: "assets",
        of_each: &["browser_download_url", "name"],
    },
    Document {
        host: "api.releases.hashicorp.com",
        start: "/v1/releases/",
        end: "/latest",
        fields: &["version"],
        list: "builds",
        of_each: &["arch", "os", "url"],
    },
];

/// What every wanted item says somewhere: OpenCode is only run on Linux here.
const SYSTEM: &str = "linux";

struct Document {
    host: &'static str,
    start: &'static str,
    end: &'static str,
    fields: &'static [&'static str],
    list: &'static str,
    of_each: &'static [&'static str],
}

/// How the addresses of a grammar's queries end, and the largest that is kept as text, in bytes: the largest ones are a quarter of it.
const QUERY: &str = ".scm";
const MAX_QUERY: usize = 256 * 1024;

/// What OpenCode reads of what `url` answered; `None` where that is no such document.
pub fn reduced(url: &Url, body: &[u8]) -> Option<String> {
    if url.path().ends_with(QUERY) && body.len() <= MAX_QUERY {
        return std::str::from_utf8(body).ok().map(str::to_owned);
    }
    let is_it = |document: &&Document| {
        url.host_str() == Some(document.host)
            && url.path().starts_with(document.start)
            && url.path().ends_with(document.end)
    };
    let document = DOCUMENTS.iter().find(is_it)?;
    let whole: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let items = whole.get(document.list)?.as_array()?;
    let items: Vec<Value> = items
        .iter()
        .map(|item| Value::Object(fields(item.as_object(), document.of_each)))
        .filter(|item| item.to_string().contains(SYSTEM))
        .collect();
    let mut kept = fields(Some(&whole), document.fields);
    kept.insert(document.list.to_owned(), json!(items));
    Some(Value::Object(kept).to_string())
}

fn fields(from: Option<&Map<String, Value>>, names: &[&str]) -> Map<String, Value> {
    let one = |name: &&str| Some(((*name).to_owned(), from?.get(*name)?.clone()));
    names.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_by_itself_and_what_is_for_others_is_left_out() {
        let reduced = |url: &str, body: Value| reduced(&url.parse().unwrap(), body.to_string().as_bytes());
        let release = json!({
            "id": 7, "tag_name": "v1", "name": "One", "body": "notes",
            "assets": [
                { "name": "a-linux.zip", "browser_download_url": "https://x.example/a-linux.zip", "download_count": 9 },
                { "name": "a-macos.zip", "browser_download_url": "https://x.example/a-macos.zip" },
            ],
        });
        let latest = "https://api.github.com/repos/a/b/releases/latest";
        assert_eq!(
            reduced(latest, release.clone()).unwrap(),
            r#"{"name":"One","tag_name":"v1","assets":[{"browser_download_url":"https://x.example/a-linux.zip","name":"a-linux.zip"}]}"#
        );
        assert_eq!(reduced("https://api.github.com/repos/a/b/releases", release.clone()), None);
        assert_eq!(reduced("https://elsewhere.example/repos/a/b/releases/latest", release), None);
        assert_eq!(reduced(latest, json!({ "message": "not found" })), None);
        assert_eq!(reduced(latest, json!("text")), None);
        assert_eq!(reduced("https://x.example/raw/master/a.scm", json!("text")).unwrap(), "\"text\"");
    }
}
