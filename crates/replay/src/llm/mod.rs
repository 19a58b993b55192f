//! A scripted language model: answers chat requests by rule, at once, and records what it was asked.
//!
//! What is said is decided here, by [`Script`]; how it is said on the wire is a [`Protocol`]'s part. There are five, told apart by the
//! path that is asked: OpenAI's chat completions and responses, Anthropic's messages, Google's `generateContent`, Bedrock's `Converse`;
//! each streamed and whole. It never generates anything.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::answer;
use crate::serve::{Body, Server, Service};

mod anthropic;
mod bedrock;
mod conversation;
mod event_stream;
mod google;
mod openai;
mod responses;
mod script;

pub use script::{Rule, Saying, Script};

/// Largest request in bytes: a whole conversation with file contents.
const MAX_REQUEST: usize = 32 * 1024 * 1024;
/// Requests that are kept. A client that loops must not fill the memory; see [`LlmFacts::dropped`].
const MAX_KEPT: usize = 2000;

/// One request, as far as a script or a test cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The wire protocol: `chat-completions`, `responses`, `messages`, `generate-content` or `converse`.
    pub protocol: &'static str,
    /// The model's name.
    pub model: String,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// Names of the tools that were offered.
    pub tools: Vec<String>,
    /// The text of the last user message.
    pub user: String,
    /// The tool results after that message, in order.
    pub results: Vec<ToolResult>,
    /// How many messages the request held.
    pub messages: usize,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call that it answers.
    pub call: String,
    /// Its text.
    pub text: String,
}

/// What the model says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Text(String),
    Call { id: String, tool: String, arguments: Value },
}

/// A request as it came.
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a Value,
}

/// An answer as it goes.
pub(crate) struct Answer {
    content_type: &'static str,
    body: Vec<u8>,
    /// What of a stream ends it, after a script's pause.
    end: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type, body: body.into(), end: Vec::new() }
    }

    /// A stream, and what ends it.
    pub(crate) fn stream(
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
        end: impl Into<Vec<u8>>,
    ) -> Self {
        Self { content_type, body: body.into(), end: end.into() }
    }
}

/// The content type of an answer that is whole.
const JSON: &str = answer::JSON;
/// The content type of an answer that is streamed as server-sent events.
const EVENTS: &str = "text/event-stream";

/// One wire protocol of language models.
pub(crate) trait Protocol: Send + Sync {
    /// Whether a POST to this path is a chat request of this protocol.
    fn takes(&self, path: &str) -> bool;
    /// Reads a request; `None` where it is none.
    fn read(&self, asked: &Asked<'_>) -> Option<Turn>;
    /// Writes an answer.
    fn write(&self, asked: &Asked<'_>, turn: &Turn, reply: &Reply, number: usize) -> Answer;
}

const PROTOCOLS: &[&dyn Protocol] = &[
    &openai::ChatCompletions,
    &responses::Responses,
    &anthropic::Messages,
    &google::GenerateContent,
    &bedrock::Converse,
];

/// What happened at a [`ScriptedLlm`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmFacts {
    /// The requests, in order.
    pub turns: Vec<Turn>,
    /// Requests beyond those that are kept.
    pub dropped: usize,
    /// Requests that no protocol understands: method and path.
    pub unknown: Vec<String>,
}

/// A running scripted model. Dropping it stops it.
#[derive(Debug)]
pub struct ScriptedLlm {
    server: Server,
    desk: Arc<Desk>,
}

impl ScriptedLlm {
    /// Serves `script` at `http://<listener>/v1/`. Must be called inside a tokio runtime; the listener must be bound and listening.
    ///
    /// # Errors
    /// Where the listener cannot be used.
    pub fn serve(listener: TcpListener, script: Script) -> io::Result<Self> {
        let desk = Arc::new(Desk { script, facts: Mutex::default(), offering: AtomicUsize::new(0) });
        let server = Server::start(listener, Arc::clone(&desk))?;
        Ok(Self { server, desk })
    }

    /// The address that it serves at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The base URL for a provider's configuration, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.server.address())
    }

    /// How long nothing was asked; zero while an answer is under way.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.server.quiet()
    }

    /// What happened so far.
    #[must_use]
    pub fn facts(&self) -> LlmFacts {
        self.desk.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops, and says what happened.
    pub async fn shutdown(self) -> LlmFacts {
        self.server.shutdown().await;
        self.desk.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
struct Desk {
    script: Script,
    facts: Mutex<LlmFacts>,
    /// Requests so far that offered tools.
    offering: AtomicUsize,
}

impl Desk {
    fn note(&self, turn: Turn) -> usize {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = facts.turns.len() + facts.dropped;
        if facts.turns.len() < MAX_KEPT {
            facts.turns.push(turn);
        } else {
            facts.dropped += 1;
        }
        number
    }

    fn unknown(&self, method: &Method, path: &str) -> Response<Body> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.unknown.len() < MAX_KEPT {
            facts.unknown.push(format!("{method} {path}"));
        }
        answer::not_found()
    }
}

impl Service for Desk {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if parts.method == Method::GET && path.ends_with("/models") {
            return answer::json(StatusCode::OK, &openai::models(&self.script.models));
        }
        let protocol = PROTOCOLS.iter().find(|protocol| parts.method == Method::POST && protocol.takes(path));
        let Some(protocol) = protocol else { return self.unknown(&parts.method, path) };
        let Some(body) = answer::read(body, MAX_REQUEST).await else {
            return answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or broke off");
        };
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            return answer::error(StatusCode::BAD_REQUEST, "not JSON");
        };
        let asked = Asked { path, query: parts.uri.query().unwrap_or_default(), body: &body };
        let Some(turn) = protocol.read(&asked) else {
            return answer::error(StatusCode::BAD_REQUEST, "not a chat request");
        };
        let before = self.offering.fetch_add(usize::from(!turn.tools.is_empty()), Ordering::Relaxed);
        let reply = self.script.reply(&turn, before);
        let number = self.note(turn.clone());
        tokio::time::sleep(self.script.thinks).await;
        let answer = protocol.write(&asked, &turn, &reply, number);
        if self.script.pause.is_zero() || answer.end.is_empty() {
            return answer::bytes(StatusCode::OK, answer.content_type, [answer.body, answer.end].concat());
        }
        answer::in_two(answer.content_type, answer.body, self.script.pause, answer.end)
    }
}
