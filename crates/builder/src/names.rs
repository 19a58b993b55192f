//! The sandbox's name server: knows no name, or whatever it is told to say, and remembers which ones it was asked for.

use replay::dns::{DnsResponder, Policy};

use crate::stage::Stage;

/// A running name server. Dropping it stops it.
pub struct NameServer {
    responder: DnsResponder,
}

impl NameServer {
    /// Answers on the stage's name server socket that no name exists. `None` where the stage has
    /// no such socket: then nothing answers, and every question fails at once.
    pub fn start(stage: &mut Stage) -> Option<Self> {
        Self::start_as(stage, Policy::NxDomain)
    }

    /// The same with another answer.
    pub fn start_as(stage: &mut Stage, policy: Policy) -> Option<Self> {
        let socket = stage.take_dns()?;
        DnsResponder::serve(socket, None, policy).ok().map(|responder| Self { responder })
    }

    /// The names that were asked for so far, each with how often.
    pub fn asked(&self) -> Vec<(String, u64)> {
        let mut asked: Vec<(String, u64)> = Vec::new();
        for question in self.responder.facts().questions {
            let name = question.name.trim_end_matches('.').to_owned();
            match asked.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += question.count,
                None => asked.push((name, question.count)),
            }
        }
        asked
    }
}
