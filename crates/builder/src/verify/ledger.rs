//! What was asked of the name server, told apart by the step that was under way.

use std::collections::BTreeMap;

use crate::names::NameServer;

/// The names that were asked for, by step.
pub struct Ledger {
    names: Option<NameServer>,
    told: BTreeMap<String, u64>,
    /// Step, and the names that were new in it, each with how often.
    pub found: Vec<(&'static str, Vec<(String, u64)>)>,
}

impl Ledger {
    pub fn new(names: Option<NameServer>) -> Self {
        Self { names, told: BTreeMap::new(), found: Vec::new() }
    }

    /// Notes what is new since the last time under the step that just ended.
    pub fn close(&mut self, step: &'static str) {
        let mut fresh = Vec::new();
        for (name, count) in self.names.as_ref().map(NameServer::asked).unwrap_or_default() {
            let told = self.told.insert(name.clone(), count).unwrap_or(0);
            if count > told {
                fresh.push((name, count - told));
            }
        }
        self.found.push((step, fresh));
    }
}
