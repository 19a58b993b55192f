//! Which token is for whom. Each goes to the API that it is for, and to no other host; nothing ever shows one.

use std::collections::BTreeMap;

use replay::registry::npmrc::{Credential, Secret};
use url::Url;

/// The API of the public GitHub.
const API: &str = "https://api.github.com/";

/// The tokens that the environment holds, as GitHub's own program reads them (gh 2): `GH_TOKEN` before `GITHUB_TOKEN` for the public
/// GitHub, or for the API that `GITHUB_API_URL` names, where GitHub's runners say so; `GH_ENTERPRISE_TOKEN` before
/// `GITHUB_ENTERPRISE_TOKEN` for the host in `GH_HOST`.
pub fn credentials(env: &BTreeMap<String, String>) -> Vec<Credential> {
    let variable = |name: &str| {
        env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let own_api = variable("GITHUB_API_URL").unwrap_or_else(|| API.to_owned());
    let enterprise = variable("GH_HOST").map(|host| format!("https://{host}/api/v3/"));
    let token = |first: &str, second: &str| variable(first).or_else(|| variable(second));
    let pairs = [
        (Some(own_api), token("GH_TOKEN", "GITHUB_TOKEN")),
        (enterprise, token("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")),
    ];
    pairs.into_iter().filter_map(|(api, token)| credential(&api?, &token?)).collect()
}

fn credential(api: &str, token: &str) -> Option<Credential> {
    let url = Url::parse(api).ok().filter(|url| url.scheme() == "https")?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let prefix = format!("{}{port}{}/", url.host_str()?, url.path().trim_end_matches('/'));
    Some(Credential { prefix, header: Secret::new(format!("Bearer {token}")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Vec<String> {
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let tokens = ["a", "b", "e"];
        let show = |one: Credential| {
            let is = |token: &&str| one.header == Secret::new(format!("Bearer {token}"));
            format!("{} Bearer {}", one.prefix, tokens.into_iter().find(is).unwrap())
        };
        credentials(&env).into_iter().map(show).collect()
    }

    #[test]
    fn each_token_is_for_its_own_api() {
        assert_eq!(said(&[("GITHUB_TOKEN", "b"), ("GH_TOKEN", " a\n")]), ["api.github.com/ Bearer a"]);
        assert_eq!(said(&[("GITHUB_TOKEN", "b"), ("GH_TOKEN", "")]), ["api.github.com/ Bearer b"]);
        let runner = [("GITHUB_TOKEN", "b"), ("GITHUB_API_URL", "https://git.example/api/v3")];
        assert_eq!(said(&runner), ["git.example/api/v3/ Bearer b"]);
        let both = [("GH_TOKEN", "a"), ("GH_ENTERPRISE_TOKEN", "e"), ("GH_HOST", "git.example:8443")];
        assert_eq!(said(&both), ["api.github.com/ Bearer a", "git.example:8443/api/v3/ Bearer e"]);
        assert!(said(&[("GITHUB_TOKEN", "b"), ("GITHUB_API_URL", "http://git.example/api/v3")]).is_empty());
        assert!(said(&[("GH_ENTERPRISE_TOKEN", "e")]).is_empty());
    }

    #[test]
    fn nothing_shows_a_token() {
        let env = BTreeMap::from([("GH_TOKEN".to_owned(), "very-secret".to_owned())]);
        assert!(!format!("{:?}", credentials(&env)).contains("very-secret"));
    }
}
