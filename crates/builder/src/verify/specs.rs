//! What OpenCode is configured with while it is verified: one provider for each SDK, all of them
//! the scripted model, and the plugins.

use lock::Spec;
use serde_json::{Value, json};

use crate::config::Wanted;
use crate::contents::Contents;
use crate::exercise;

/// The specs that OpenCode is configured with.
pub struct Specs {
    /// One provider for each; never empty.
    pub providers: Vec<Spec>,
    /// Those that were captured, and ask a service of their own whatever they are told: nothing is said through them.
    pub silent: Vec<Spec>,
    plugins: Vec<Value>,
}

impl Specs {
    /// What was captured, and what the user's configurations name beside it.
    pub fn new(contents: &Contents, wanted: &Wanted) -> Self {
        let mut providers = contents.specs("provider");
        providers.extend(wanted.providers.iter().cloned());
        let silent = contents.loading_only();
        providers.retain(|spec| !silent.contains(spec));
        // Built into every version of era C.
        if providers.is_empty() {
            providers.extend("@ai-sdk/openai-compatible".parse());
        }
        providers.sort();
        providers.dedup();
        let mut plugins: Vec<Value> =
            contents.specs("plugin").iter().map(|spec| json!(spec.as_str())).collect();
        plugins.extend(wanted.plugins.iter().map(|spec| json!(spec.as_str())));
        plugins.extend(wanted.local_plugins.iter().map(|path| json!(format!("file://{path}"))));
        plugins.dedup();
        Self { providers, silent, plugins }
    }

    /// The configuration, with the scripted model at `llm`.
    pub fn config(&self, llm: &str) -> Value {
        let mut providers = serde_json::Map::new();
        for (number, spec) in self.providers.iter().enumerate() {
            let mut one = exercise::provider(spec, llm);
            providers.insert(self.id(number), one["provider"][exercise::PROVIDER].take());
        }
        // What asks for no model by name, the agent protocol, gets this one; titles likewise.
        let model = self.model(0);
        json!({ "provider": providers, "plugin": self.plugins, "model": model, "small_model": model })
    }

    /// The provider's id for an SDK.
    pub fn id(&self, number: usize) -> String {
        format!("{}-{number}", exercise::PROVIDER)
    }

    /// Its model, as `-m` takes it.
    pub fn model(&self, number: usize) -> String {
        format!("{}/{}", self.id(number), exercise::MODEL)
    }
}
