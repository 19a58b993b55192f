//! As much of GitHub's programming interface as the bot uses, on loopback: pull requests of one repository, which lies on disk as a
//! bare one. It answers as the real one does, refuses what that refuses, and can be told to answer something else first.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

use super::place::git;

/// The repository's name, and the only token that it knows.
pub const REPOSITORY: &str = "someone/something";
pub const TOKEN: &str = "ghs_0123456789abcdefTESTONLY";

/// One answer that is given in place of the right one.
pub struct Instead {
    /// Of the request: `"PUT /pulls/1/merge"`, with what comes after the repository.
    pub to: &'static str,
    pub status: u16,
    pub headers: &'static str,
    pub body: Value,
    /// Whether the request is carried out all the same, and its answer lost.
    pub is_done: bool,
}

#[derive(Default)]
struct State {
    repository: PathBuf,
    pulls: Vec<Value>,
    instead: VecDeque<Instead>,
    requests: Vec<String>,
    has_drafts: bool,
}

/// The server; it ends with the tests.
#[derive(Clone)]
pub struct GitHub {
    state: Arc<Mutex<State>>,
    address: String,
}

impl GitHub {
    /// Serves for a bare repository.
    pub fn new(repository: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = State { repository: repository.to_owned(), has_drafts: true, ..State::default() };
        let github = Self { state: Arc::new(Mutex::new(state)), address };
        let server = github.clone();
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| server.serve(stream)));
        github
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next request of that kind is answered so.
    pub fn instead(&self, to: &'static str, status: u16, headers: &'static str, message: &str) {
        let body = json!({"message": message});
        self.state().instead.push_back(Instead { to, status, headers, body, is_done: false });
    }

    /// The next request of that kind is carried out, and answered so.
    pub fn lost(&self, to: &'static str, status: u16) {
        self.state().instead.push_back(Instead { to, status, headers: "", body: Value::Null, is_done: true });
    }

    /// As for a private repository of a free plan.
    pub fn without_drafts(&self) {
        self.state().has_drafts = false;
    }

    /// The pull requests, open and closed.
    pub fn pulls(&self) -> Vec<Value> {
        self.state().pulls.clone()
    }

    /// What was asked, in order: method and path.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            let found = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
        let (status, headers, answer) =
            match header("authorization").as_deref() == Some(&format!("Bearer {TOKEN}")) {
                true => self.answer(&request, &serde_json::from_slice(&body).unwrap_or_default()),
                false => (401, "", json!({"message": "Bad credentials"})),
            };
        let answer = answer.to_string();
        let mut text =
            format!("HTTP/1.1 {status} .\r\nconnection: close\r\ncontent-length: {}\r\n", answer.len());
        write!(text, "{headers}\r\n{answer}").unwrap();
        (&stream).write_all(text.as_bytes()).unwrap();
    }

    fn answer(&self, request: &str, body: &Value) -> (u16, &'static str, Value) {
        let mut state = self.state();
        let short = request.replace(&format!("/repos/{REPOSITORY}"), "");
        state.requests.push(short.clone());
        let at = state.instead.iter().position(|instead| short.starts_with(instead.to));
        let instead = at.and_then(|at| state.instead.remove(at));
        match instead {
            Some(instead) => {
                if instead.is_done {
                    state.carry_out(&short, body);
                }
                (instead.status, instead.headers, instead.body)
            }
            None => {
                let (status, answer) = state.carry_out(&short, body);
                (status, "", answer)
            }
        }
    }
}

impl State {
    fn carry_out(&mut self, request: &str, body: &Value) -> (u16, Value) {
        let (method, path) = request.split_once(' ').unwrap();
        match (method, path.split('?').next().unwrap()) {
            ("GET", "/pulls") => {
                let wanted = "/pulls?state=open&base=main&head=someone:opencode-cache/refresh";
                assert_eq!(path, wanted, "the list is of everything else too");
                let open: Vec<&Value> = self.pulls.iter().filter(|pull| pull["state"] == "open").collect();
                (200, json!(open))
            }
            ("POST", "/pulls") => self.open(body),
            ("POST", "/graphql") => self.change_draft(body),
            ("GET", "/git/ref/heads/main") => (200, json!({"object": {"sha": self.head_of("main")}})),
            ("DELETE", "/git/refs/heads/opencode-cache/refresh") => {
                git(&self.repository, &["update-ref", "-d", "refs/heads/opencode-cache/refresh"]);
                (204, Value::Null)
            }
            (_, path) => {
                let number = path.trim_start_matches("/pulls/").trim_end_matches("/merge").parse().ok();
                let Some(at) = self.pulls.iter().position(|pull| pull["number"].as_u64() == number) else {
                    return (404, json!({"message": "Not Found"}));
                };
                if path.ends_with("/merge") { self.merge(at, body) } else { self.change(at, body) }
            }
        }
    }

    fn head_of(&self, branch: &str) -> String {
        git(&self.repository, &["rev-parse", &format!("refs/heads/{branch}")])
    }

    fn open(&mut self, body: &Value) -> (u16, Value) {
        let refused =
            |message: &str| (422, json!({"message": "Validation Failed", "errors": [{"message": message}]}));
        if self.pulls.iter().any(|pull| pull["state"] == "open") {
            return refused("A pull request already exists for someone:opencode-cache/refresh.");
        }
        if body["draft"] == true && !self.has_drafts {
            return refused("Draft pull requests are not supported in this repository.");
        }
        if body["body"].as_str().unwrap().chars().count() > 65_536 {
            return refused("body is too long (maximum is 65536 characters)");
        }
        assert_eq!((&body["head"], &body["base"]), (&json!("opencode-cache/refresh"), &json!("main")));
        let number = self.pulls.len() + 1;
        let pull = json!({
            "number": number, "node_id": format!("PR_{number}"), "state": "open", "merged": false,
            "title": body["title"], "body": body["body"], "draft": body["draft"],
        });
        self.pulls.push(pull.clone());
        (201, pull)
    }

    fn change(&mut self, at: usize, body: &Value) -> (u16, Value) {
        for name in ["title", "body"] {
            self.pulls[at][name] = body[name].clone();
        }
        (200, self.pulls[at].clone())
    }

    fn change_draft(&mut self, body: &Value) -> (u16, Value) {
        let query = body["query"].as_str().unwrap();
        let Some(pull) = self.pulls.iter_mut().find(|pull| pull["node_id"] == body["variables"]["node"])
        else {
            return (200, json!({"errors": [{"message": "no such node"}]}));
        };
        if !self.has_drafts {
            return (200, json!({"errors": [{"message": "Draft pull requests are not supported"}]}));
        }
        pull["draft"] = json!(query.contains("convertPullRequestToDraft"));
        assert_ne!(pull["draft"] == true, query.contains("markPullRequestReadyForReview"));
        (200, json!({"data": {}}))
    }

    /// As «squash» does it: one commit on top of the base.
    fn merge(&mut self, at: usize, body: &Value) -> (u16, Value) {
        let head = self.head_of("opencode-cache/refresh");
        if self.pulls[at]["draft"] == true {
            return (405, json!({"message": "Pull Request is still a draft"}));
        }
        if body["sha"] != head.as_str() {
            return (409, json!({"message": "Head branch was modified. Review and try the merge again."}));
        }
        assert_eq!(body["merge_method"], "squash");
        let title = body["commit_title"].as_str().unwrap();
        let tree = format!("{head}^{{tree}}");
        let commit = git(&self.repository, &["commit-tree", &tree, "-p", "refs/heads/main", "-m", title]);
        git(&self.repository, &["update-ref", "refs/heads/main", &commit]);
        self.pulls[at]["state"] = json!("closed");
        self.pulls[at]["merged"] = json!(true);
        (200, json!({"merged": true, "sha": commit}))
    }
}
