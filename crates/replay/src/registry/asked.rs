//! What of a request's headers matters to a registry.

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HOST};

use super::base_path::BasePath;
use super::render::{self, Place};

pub(super) struct Asked {
    /// Host and port as the client wrote them.
    pub(super) authority: Option<String>,
    /// The content type that the client accepts.
    pub(super) content_type: &'static str,
}

impl Asked {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        // A host that could break out of a URL or of JSON is not repeated to anybody.
        let sane = |host: &&str| {
            host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        };
        Self {
            authority: header(HOST).filter(sane).map(str::to_owned),
            content_type: render::content_type(header(ACCEPT)),
        }
    }

    /// Where the client shall find tarballs: where it found us.
    pub(super) fn place<'a>(&'a self, authority: &'a str, base: &'a BasePath) -> Place<'a> {
        Place { authority: self.authority.as_deref().unwrap_or(authority), base }
    }
}
