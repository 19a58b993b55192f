//! What needs what: as Node.js looks for packages, from the directory of whoever asks upwards.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Where the packages lie, and which component each is.
pub(crate) struct Places<'a> {
    /// Directory of a package → id of its component.
    pub(crate) ids: BTreeMap<&'a str, &'a str>,
}

impl Places<'_> {
    /// The ids of what the package in `directory` asks for and finds. What is optional and not there is no need.
    pub(crate) fn needs(&self, directory: &str, package: &Value) -> BTreeSet<String> {
        let fields = ["dependencies", "optionalDependencies", "peerDependencies"];
        let names =
            fields.iter().filter_map(|field| package.get(field)?.as_object()).flat_map(|names| names.keys());
        names.filter_map(|name| self.find(directory, name)).map(str::to_owned).collect()
    }

    fn find(&self, directory: &str, name: &str) -> Option<&str> {
        let mut at = directory;
        loop {
            let candidate = if at.is_empty() {
                format!("node_modules/{name}")
            } else {
                format!("{at}/node_modules/{name}")
            };
            if let Some(id) = self.ids.get(candidate.as_str()) {
                return Some(id);
            }
            at = at.rsplit_once('/').map_or("", |(above, _)| above);
            if at.is_empty() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nearest_one_is_found() {
        let ids = [
            ("t/node_modules/a", "a1"),
            ("t/node_modules/b", "b1"),
            ("t/node_modules/a/node_modules/b", "b2"),
            ("u/node_modules/c", "c"),
        ];
        let places = Places { ids: ids.into() };
        let package = json!({"dependencies": {"b": "*"}, "optionalDependencies": {"gone": "1"}, "peerDependencies": {"c": "*"}});
        let needs = |directory: &str| places.needs(directory, &package).into_iter().collect::<Vec<_>>();
        assert_eq!(needs("t/node_modules/a"), ["b2"]);
        assert_eq!(needs("t/node_modules/a/node_modules/b"), ["b2"]);
        assert_eq!(needs("t"), ["b1"]);
        assert_eq!(needs("u"), ["c"]);
    }
}
