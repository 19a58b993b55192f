//! What a client of an npm registry asks, as a value. Owns the URL shapes of the protocol, in both directions.

use hyper::Method;
use percent_encoding::percent_decode_str;

use lock::{PackageId, PackageName, Version};

/// Longest path that is looked at, in bytes. Nobody sends a longer one; it bounds the work on a foreign string.
const MAX_PATH: usize = 4096;

/// A question of npm's or bun's below a base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /name`: everything about a package.
    Packument(PackageName),
    /// `GET /name/version` or `/name/tag`: one version.
    Version(PackageName, String),
    /// `GET /name/-/base-version.tgz`: a package's bytes.
    Tarball(PackageId),
    /// `POST …/advisories/bulk` or `…/audits/quick`: what is known to be insecure. Any quick answer is harmless.
    Audit,
    /// Anything else.
    Unknown,
}

impl Route {
    /// Parses the method and the path below the base path (`/name`, …; no query).
    pub(crate) fn parse(method: &Method, path: &str) -> Self {
        Self::recognise(method, path).unwrap_or(Self::Unknown)
    }

    fn recognise(method: &Method, path: &str) -> Option<Self> {
        if path.len() > MAX_PATH {
            return None;
        }
        if method == Method::POST {
            let audit = [
                "/-/npm/v1/security/advisories/bulk",
                "/-/npm/v1/security/audits/quick",
                "/-/npm/v1/security/audits",
            ];
            return audit.contains(&path).then_some(Self::Audit);
        }
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let mut segments = Vec::new();
        for segment in path.strip_prefix('/')?.split('/') {
            segments.push(percent_decode_str(segment).decode_utf8().ok()?);
        }
        let joined = match segments.first()?.as_ref() {
            // `@scope/name` as two segments becomes the one that npm and bun send: `@scope%2fname`.
            scope if scope.starts_with('@') && !scope.contains('/') => {
                Some(format!("{scope}/{}", segments.get(1)?))
            }
            _ => None,
        };
        let (name, rest) = match &joined {
            Some(name) => (name.as_str(), segments.get(2..)?),
            None => (segments.first()?.as_ref(), segments.get(1..)?),
        };
        let name: PackageName = name.parse().ok()?;
        match rest {
            [] => Some(Self::Packument(name)),
            [wanted] if wanted != "-" && !wanted.is_empty() => Some(Self::Version(name, wanted.to_string())),
            [dash, file] if dash == "-" => {
                let version: Version = file
                    .strip_suffix(".tgz")?
                    .strip_prefix(name.base_name())?
                    .strip_prefix('-')?
                    .parse()
                    .ok()?;
                Some(Self::Tarball(PackageId { name, version }))
            }
            _ => None,
        }
    }
}

/// Splits a request's path into its base path's text and the rest, which starts with a slash.
pub(crate) fn split_base(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    let slash = path.find('/')?;
    Some((&path[..slash], &path[slash..]))
}

/// The conventional path of a package's tarball below a registry, without a leading slash.
pub(crate) fn tarball_path(name: &PackageName, version: &Version) -> String {
    format!("{name}/-/{}-{version}.tgz", name.base_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Route {
        Route::parse(&Method::GET, path)
    }

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    #[test]
    fn every_spelling_of_a_scoped_name_is_the_same_question() {
        for path in ["/@s/n", "/@s%2fn", "/@s%2Fn", "/%40s%2fn"] {
            assert_eq!(get(path), Route::Packument(name("@s/n")), "{path}");
        }
        assert_eq!(get("/n"), Route::Packument(name("n")));
    }

    #[test]
    fn tarballs_and_versions_are_told_apart() {
        let id = PackageId { name: name("@s/n-x"), version: "1.0.0-rc.1".parse().unwrap() };
        assert_eq!(get("/@s/n-x/-/n-x-1.0.0-rc.1.tgz"), Route::Tarball(id.clone()));
        assert_eq!(get(&format!("/{}", tarball_path(&id.name, &id.version))), Route::Tarball(id.clone()));
        assert_eq!(get("/@s%2fn-x/-/n-x-1.0.0-rc.1.tgz"), Route::Tarball(id));
        assert_eq!(get("/n/latest"), Route::Version(name("n"), "latest".to_owned()));
        assert_eq!(get("/@s/n/1.0.0"), Route::Version(name("@s/n"), "1.0.0".to_owned()));
    }

    #[test]
    fn what_is_no_question_of_npm_is_unknown() {
        let long = format!("/{}", "a".repeat(5000));
        for path in [
            "",
            "/",
            "//",
            "/@s",
            "/@s/",
            "/..",
            "/%2e%2e/etc",
            "/n/-",
            "/n/-/other-1.0.0.tgz",
            "/n/-/n-1.tgz",
            "/n/%ff",
            "/-/ping",
            &long,
        ] {
            assert_eq!(get(path), Route::Unknown, "{path}");
        }
        assert_eq!(Route::parse(&Method::PUT, "/n"), Route::Unknown);
        assert_eq!(Route::parse(&Method::POST, "/-/npm/v1/security/advisories/bulk"), Route::Audit);
    }

    #[test]
    fn a_base_is_the_first_segment() {
        assert_eq!(split_base("/b/@s/n"), Some(("b", "/@s/n")));
        assert_eq!(split_base("/b/"), Some(("b", "/")));
        assert_eq!(split_base("/b"), None);
    }
}
