//! Tools in namespaces, as other protocols know them and back.
//!
//! Codex declares the tools of each MCP server in a namespace, and two servers may have a tool of
//! one name. Other protocols have one flat list: a tool keeps its name where that is unique, else
//! the namespace is put in front. The decoder of requests and the encoder of answers read the same
//! declarations, so that both come to the same names without a table between them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::response::{array, text};

/// One declared tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// The group in which it was declared.
    pub(super) namespace: Option<String>,
    /// Its name there.
    pub(super) name: String,
    /// Whether its input is free text.
    pub(super) custom: bool,
}

/// The tools of a request by the names under which other protocols know them.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    by_flat_name: HashMap<String, Declared>,
    flat_names: HashMap<(Option<String>, String), String>,
}

impl Namespaces {
    /// Reads lists of declarations: the request's own and those that came later in its input.
    pub(super) fn of(lists: &[&[Value]]) -> Self {
        let mut declared: Vec<Declared> = Vec::new();
        for item in lists.iter().copied().flatten() {
            match text(item, "type").as_deref() {
                Some("namespace") => {
                    let group = text(item, "name").unwrap_or_default();
                    let inner = array(item, "tools").iter();
                    declared.extend(inner.filter_map(|inner| read(inner, Some(&group))));
                }
                _ => declared.extend(read(item, None)),
            }
        }

        let mut uses: HashMap<String, HashSet<Option<String>>> = HashMap::new();
        for tool in &declared {
            uses.entry(tool.name.clone()).or_default().insert(tool.namespace.clone());
        }
        // Tools outside first: their names stay whatever else is declared.
        declared.sort_by_key(|tool| tool.namespace.is_some());

        let mut names = Self::default();
        let is_shared = |name: &str| uses.get(name).is_some_and(|groups| groups.len() > 1);
        for tool in declared {
            let key = (tool.namespace.clone(), tool.name.clone());
            if names.flat_names.contains_key(&key) {
                continue;
            }
            let mut flat = match &tool.namespace {
                Some(group) if is_shared(&tool.name) => qualified(group, &tool.name),
                _ => tool.name.clone(),
            };
            // A qualified name may be another tool's plain one.
            while names.by_flat_name.contains_key(&flat)
                || (flat != tool.name && uses.contains_key(&flat))
            {
                flat.push('_');
            }
            names.flat_names.insert(key, flat.clone());
            names.by_flat_name.insert(flat, tool);
        }
        names
    }

    /// Returns the name under which other protocols know a tool that a call, a result or a choice
    /// speaks of.
    pub(super) fn flat_name(&self, namespace: Option<&str>, name: &str) -> String {
        let key = (namespace.map(str::to_owned), name.to_owned());
        if let Some(flat) = self.flat_names.get(&key) {
            return flat.clone();
        }
        match namespace {
            // Its tool is not declared any more; another one's name must not be taken for it.
            Some(group) if self.by_flat_name.contains_key(name) => qualified(group, name),
            Some(_) => name.to_owned(),
            // Clients that leave the namespace out mean the tool whose name it is.
            None => {
                let mut inside: Vec<&str> = self
                    .flat_names
                    .iter()
                    .filter(|((group, inner), _)| group.is_some() && inner == name)
                    .map(|(_, flat)| flat.as_str())
                    .collect();
                inside.sort_unstable();
                inside.first().map_or_else(|| name.to_owned(), |flat| (*flat).to_owned())
            }
        }
    }

    /// Returns the declaration of the tool that other protocols know under this name.
    pub(super) fn declared(&self, flat: &str) -> Option<&Declared> {
        self.by_flat_name.get(flat)
    }
}

fn read(item: &Value, namespace: Option<&str>) -> Option<Declared> {
    let custom = match text(item, "type")?.as_str() {
        "function" => false,
        "custom" => true,
        _ => return None,
    };
    Some(Declared { namespace: namespace.map(str::to_owned), name: text(item, "name")?, custom })
}

fn qualified(namespace: &str, name: &str) -> String {
    match namespace.ends_with('_') {
        true => format!("{namespace}{name}"),
        false => format!("{namespace}__{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Namespaces;

    fn group(name: &str, tools: &[&str]) -> Value {
        let tools = tools.iter().map(|tool| json!({"type": "function", "name": tool}));
        json!({"type": "namespace", "name": name, "tools": tools.collect::<Vec<_>>()})
    }

    #[test]
    fn shared_names_are_qualified_and_others_stay() {
        let list = [
            group("mcp__git__", &["search", "log"]),
            group("web", &["search", "open"]),
            json!({"type": "custom", "name": "open"}),
        ];
        let names = Namespaces::of(&[&list]);
        for (group, name, flat) in [
            (Some("mcp__git__"), "search", "mcp__git__search"),
            (Some("web"), "search", "web__search"),
            (Some("mcp__git__"), "log", "log"),
            (Some("web"), "open", "web__open"),
            (None, "open", "open"),
        ] {
            assert_eq!(names.flat_name(group, name), flat);
            let declared = names.declared(flat).expect("it was declared");
            assert_eq!((declared.namespace.as_deref(), declared.name.as_str()), (group, name));
        }
        assert!(names.declared("open").is_some_and(|tool| tool.custom));
    }

    #[test]
    fn calls_of_tools_that_are_gone_do_not_become_anothers() {
        let names = Namespaces::of(&[&[group("a", &["run"])]]);
        assert_eq!(names.flat_name(Some("b"), "run"), "b__run");
        assert_eq!(names.flat_name(Some("b"), "walk"), "walk");
        assert_eq!(names.flat_name(None, "run"), "run");
    }
}
