//! A delta is of one system: who has the older tree of one need not have the others', and cannot read what is told as the difference
//! from those. So outputs for several systems become as many deltas.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lock::System;
use tree::StorePath;

use super::tool::Tool;
use super::{Bundling, Error, Wrong};
use crate::contents::Contents;

/// What of one system is to be bundled.
#[derive(Default)]
struct Of {
    outputs: Vec<PathBuf>,
    tools: Vec<PathBuf>,
}

impl Bundling {
    /// Itself, or of a delta one for each system.
    pub(super) fn by_system(self) -> Result<Vec<Self>, Error> {
        let Some(since) = &self.since else { return Ok(vec![self]) };
        let mut systems: BTreeMap<System, Of> = BTreeMap::new();
        for output in &self.outputs {
            let system = Contents::read(StorePath::resolve(output)?.path())?.system;
            systems.entry(system).or_default().outputs.push(output.clone());
        }
        if systems.len() < 2 {
            return Ok(vec![self]);
        }
        if self.file.is_some() {
            return Err(Error::DeltaSystems { path: since.clone() });
        }
        for tool in &self.tools {
            let found = Tool::at(tool, &[])?.system;
            let other = || Error::Program { path: tool.clone(), wrong: Wrong::Other };
            systems.get_mut(&found).ok_or_else(other)?.tools.push(tool.clone());
        }
        let of = |Of { outputs, tools }| Self { outputs, tools, ..self.clone() };
        Ok(systems.into_values().map(of).collect())
    }
}
