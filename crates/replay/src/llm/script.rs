//! What the model says, decided by the last message. Owns no wire format.

use std::time::Duration;

use serde_json::Value;

use super::{Reply, Turn};

/// What a scripted model says.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The text that it answers when no rule applies.
    pub answer: String,
    /// The text that it answers once every tool that it called has answered.
    pub done: String,
    /// When it calls a tool instead; where several rules apply, one after the other.
    pub rules: Vec<Rule>,
    /// What it says before any of these count: one to each request that offers tools (one for a title offers none).
    pub says: Vec<Saying>,
    /// The models that it lists.
    pub models: Vec<String>,
    /// How long it thinks before it says anything. An interface that is still opening its session loses what is said at once (1.14.34).
    pub thinks: Duration,
    /// How long a stream rests before its end. Real models never say everything at once, and some clients rely on that.
    pub pause: Duration,
}

/// One thing that a model says.
#[derive(Debug, Clone, PartialEq)]
pub enum Saying {
    /// A text.
    Text(String),
    /// It calls a tool.
    Call {
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Value,
    },
}

/// When to call which tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// It applies where the last user message contains this text …
    pub trigger: String,
    /// … and this tool is offered, which is called …
    pub tool: String,
    /// … with these arguments.
    pub arguments: Value,
}

impl Script {
    /// A model that always says the same.
    #[must_use]
    pub fn saying(answer: impl Into<String>) -> Self {
        Self {
            answer: answer.into(),
            done: "done".to_owned(),
            rules: Vec::new(),
            says: Vec::new(),
            models: vec!["scripted".to_owned()],
            thinks: Duration::ZERO,
            pause: Duration::ZERO,
        }
    }

    /// The same, calling `tool` with `arguments` when the last user message contains `trigger`, after the calls with that trigger
    /// that were given before.
    #[must_use]
    pub fn calling(mut self, trigger: impl Into<String>, tool: impl Into<String>, arguments: Value) -> Self {
        self.rules.push(Rule { trigger: trigger.into(), tool: tool.into(), arguments });
        self
    }

    /// The reply to a request; `offering` counts the requests before it that offered tools.
    pub(super) fn reply(&self, turn: &Turn, offering: usize) -> Reply {
        match self.says.get(offering).filter(|_| !turn.tools.is_empty()) {
            Some(Saying::Text(text)) => return Reply::Text(text.clone()),
            Some(Saying::Call { tool, arguments }) => {
                let id = format!("call_{}", turn.messages);
                return Reply::Call { id, tool: tool.clone(), arguments: arguments.clone() };
            }
            None => {}
        }
        // A request for a title repeats the user's text but offers no tools.
        let applies = |rule: &&Rule| turn.user.contains(&rule.trigger) && turn.tools.contains(&rule.tool);
        match self.rules.iter().filter(applies).nth(turn.results.len()) {
            Some(rule) => Reply::Call {
                id: format!("call_{}", turn.messages),
                tool: rule.tool.clone(),
                arguments: rule.arguments.clone(),
            },
            None if turn.results.is_empty() => Reply::Text(self.answer.clone()),
            None => Reply::Text(self.done.clone()),
        }
    }
}
