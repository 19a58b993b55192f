//! Property: whatever keeps an answer from coming is told for what it is, with the host, the way and a next step, and without a secret.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use base64::Engine as _;
use replay::proxy::{Authority, Mode, Proxy};
use replay::registry::npmrc::{Layer, Settings};
use replay::registry::upstream::{Bounds, Error};
use replay::registry::{Lookup, Upstream};

use crate::support::{Fake, Reply, listener};

const SECRET: &str = "p@ss:w%rd";

/// A proxy that opens no way, answers 404 to who knows the password, and 407 to everybody else.
fn demanding() -> std::net::SocketAddr {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(&listener));
    address
}

fn serve(listener: &TcpListener) {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("user:{SECRET}"));
    let credentials = format!("basic {pair}").to_ascii_lowercase();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let known = lines.iter().any(|line| line.to_ascii_lowercase().ends_with(&credentials));
        let status = match lines.first() {
            _ if !known => "407 No\r\nproxy-authenticate: Basic",
            Some(line) if line.starts_with("CONNECT") => "403 No",
            _ => "404 No",
        };
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let _gone = stream.write_all(answer.as_bytes());
    }
}

async fn ask(npmrc: &str, env: &[(&str, String)]) -> Result<Lookup<replay::registry::Packument>, Error> {
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let settings = Settings::layered(&[Layer::parse(npmrc, &env)], &env).unwrap();
    let upstream = Upstream::bounded(&settings, Bounds::default()).unwrap();
    upstream.packument(&"a".parse().unwrap()).await
}

fn chain(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {}", error.hint().unwrap());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(" {error}");
        cause = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_credentials_is_told_from_a_host_that_does() {
    let proxy = demanding();
    let (right, wrong) = ("user:p%40ss%3Aw%25rd@", "user:hunter2@");
    for scheme in ["http", "https"] {
        let npmrc = format!("registry={scheme}://npm.example/\n//npm.example/:_authToken=hunter2");
        for credentials in ["", wrong] {
            let url = format!("http://{credentials}{proxy}");
            let env = [("HTTPS_PROXY", url.clone()), ("HTTP_PROXY", url)];
            let error = ask(&npmrc, &env).await.unwrap_err();
            assert_eq!((error.code(), error.host()), ("proxy-credentials", Some("npm.example")), "{error:?}");
            let said = chain(&error);
            assert!(said.contains(&proxy.to_string()) && !said.contains("hunter2"), "{said}");
        }
    }
    let env = [("HTTPS_PROXY", format!("http://{right}{proxy}"))];
    let error = ask("registry=https://npm.example/", &env).await.unwrap_err();
    assert_eq!(error.code(), "proxy-refused", "{error:?}");
    let said = chain(&error);
    assert!(!said.contains("p%40ss") && !said.contains(SECRET), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_here_trusts_is_told_so() {
    let host = Arc::new(Authority::new().unwrap());
    let replay = Proxy::serve(listener(), host, Mode::Replay(BTreeMap::new())).unwrap();
    let env = [("HTTPS_PROXY", replay.url())];
    let error = ask("registry=https://npm.example/", &env).await.unwrap_err();
    assert_eq!(error.code(), "upstream-certificate", "{error:?}");
    assert!(chain(&error).contains("cafile"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_and_a_host_that_nobody_knows_are_named() {
    let closed = listener().local_addr().unwrap();
    let env = [("HTTPS_PROXY", format!("http://user:hunter2@{closed}"))];
    let error = ask("registry=https://npm.example/", &env).await.unwrap_err();
    assert_eq!(error.code(), "upstream-unreachable");
    let said = chain(&error);
    assert!(said.contains(&closed.to_string()) && !said.contains("hunter2"), "{said}");
    let error = ask("registry=https://npm.invalid/", &[]).await.unwrap_err();
    assert_eq!(error.code(), "upstream-unreachable");
    assert!(error.hint().unwrap().contains("npm.invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_asked_where_it_is_said_to_be() {
    let fake = Fake::start(|_, _| Reply::new(404, ""));
    let env = BTreeMap::from([("HTTP_PROXY".to_owned(), "http://127.0.0.1:9".to_owned())]);
    let mut settings =
        Settings::layered(&[Layer::parse("registry=http://npm.example/", &env)], &env).unwrap();
    settings.connect_to.insert("npm.example".into(), fake.authority.parse().unwrap());
    let upstream = Upstream::new(&settings).unwrap();
    assert_eq!(upstream.packument(&"a".parse().unwrap()).await.unwrap(), Lookup::Absent { status: 404 });
}

#[tokio::test(flavor = "multi_thread")]
async fn special_characters_of_a_password_arrive() {
    let env = [("HTTP_PROXY", format!("http://user:p%40ss%3Aw%25rd@{}", demanding()))];
    let answer = ask("registry=http://npm.example/", &env).await;
    assert_eq!(answer.unwrap(), Lookup::Absent { status: 404 });
}

/// A SOCKS5 proxy that knows a user, and leads every name to `there`; the names that it was asked for.
fn socks(there: String) -> (std::net::SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::Read as _;
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let take = |mut stream: &std::net::TcpStream, length: usize| {
                let mut bytes = vec![0; length];
                stream.read_exact(&mut bytes).unwrap();
                bytes
            };
            let ways = take(&stream, 2)[1];
            take(&stream, ways.into());
            // With user and password (RFC 1929).
            stream.write_all(&[5, 2]).unwrap();
            let length = take(&stream, 2)[1];
            let user = take(&stream, length.into());
            let length = take(&stream, 1)[0];
            let password = take(&stream, length.into());
            assert_eq!((user, password), (b"user".to_vec(), SECRET.as_bytes().to_vec()));
            stream.write_all(&[1, 0]).unwrap();
            assert_eq!(take(&stream, 4), [5, 1, 0, 3], "a connection to a name");
            let length = take(&stream, 1)[0];
            let name = String::from_utf8(take(&stream, length.into())).unwrap();
            take(&stream, 2);
            noted.lock().unwrap().push(name);
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            let other = std::net::TcpStream::connect(&there).unwrap();
            let (mut from, mut to) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (other, stream);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socks_proxy_is_asked_for_names_and_told_who_asks() {
    let fake = Fake::start(|_, _| Reply::new(404, ""));
    let (proxy, asked) = socks(fake.authority.clone());
    let env = [("ALL_PROXY", format!("socks5h://user:p%40ss%3Aw%25rd@{proxy}"))];
    let answer = ask("registry=http://npm.example/\nnoproxy=other.example", &env).await;
    assert_eq!(answer.unwrap(), Lookup::Absent { status: 404 });
    assert_eq!(*asked.lock().unwrap(), ["npm.example"]);
}
