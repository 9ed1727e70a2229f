//! Checks a layer against the schema and names every mismatch with its place.
//!
//! Called for each layer before the layers are merged, so that each problem points into the file that causes it. The rules
//! come from the schema that the types give; what one key says about another is checked after the merge.

use serde_json::Value;

use crate::key_home::home_of;
use crate::key_path::KeyPath;
use crate::node::{Kind, Member, Node};
use crate::opencode::{KEYS_WITHOUT_FEATURE, OPTIONS_WITHOUT_FEATURE};
use crate::report::Report;
use crate::schema_words::{accepts_kind, accepts_scalar, branches, describe};
use crate::secrecy::is_secret;

/// How alike two names must be, from 0 to 1, for one to be proposed for the other.
const ALIKE: f64 = 0.6;
/// The longest name that is compared with known ones, in bytes.
const LONGEST_SLIP: usize = 64;
/// Keys of a provider that are sometimes written into its `options`, where they would become fields of requests.
const ABOVE_OPTIONS: [&str; 4] = ["npm", "env", "whitelist", "blacklist"];

/// Checks layers against a schema.
pub(crate) struct Checker<'a> {
    schema: &'a Value,
    report: &'a mut Report,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(schema: &'a Value, report: &'a mut Report) -> Self {
        Self { schema, report }
    }

    /// Checks a whole layer.
    pub(crate) fn check_root(&mut self, root: &Node) {
        if matches!(root.kind, Kind::Object(_)) {
            self.check(self.schema, root, &KeyPath::default());
        } else {
            let got = got(root, false);
            self.report.problem(
                root.place,
                format!("expected the configuration to be an object, got {got}"),
                None,
            );
        }
    }

    fn check(&mut self, schema: &'a Value, node: &Node, path: &KeyPath) {
        let fitting: Vec<&Value> = branches(self.schema, schema)
            .into_iter()
            .filter(|branch| accepts_kind(branch, node))
            .collect();
        match (&node.kind, fitting.first()) {
            (_, None) => self.report_mismatch(schema, node, path),
            (Kind::Object(members), Some(branch)) => self.check_object(branch, node, members, path),
            (Kind::Array(items), Some(branch)) => self.check_array(branch, node, items, path),
            (_, Some(_)) => {
                if !fitting.iter().any(|branch| accepts_scalar(branch, node)) {
                    self.report_mismatch(schema, node, path);
                }
            }
        }
    }

    fn check_object(&mut self, schema: &'a Value, node: &Node, members: &[Member], path: &KeyPath) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let further = schema.get("additionalProperties");
        for member in members {
            let path = path.child(&member.name);
            // A null removes what lower layers say, so it fits every key that exists.
            let is_null = matches!(member.value.kind, Kind::Null);
            let known = properties.and_then(|properties| properties.get(&member.name));
            match (known, further) {
                (Some(_), _) if is_null => {}
                (Some(schema), _) => self.check(schema, &member.value, &path),
                (None, Some(Value::Bool(false))) => self.report_unknown(schema, member, &path),
                (None, _) if self.reports_option(schema, member, &path) => {}
                (None, Some(schema)) if schema.is_object() && !is_null => {
                    self.check(schema, &member.value, &path)
                }
                (None, _) => {}
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.iter().any(|member| member.name == name) {
                self.report.problem(
                    node.place,
                    format!("`{path}`: expected the key `{name}`"),
                    None,
                );
            }
        }
    }

    fn check_array(&mut self, schema: &'a Value, node: &Node, items: &[Node], path: &KeyPath) {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            self.report_mismatch(schema, node, path);
        }
        if let Some(schema) = schema.get("items") {
            items.iter().for_each(|item| self.check(schema, item, path));
        }
    }

    fn report_mismatch(&mut self, schema: &Value, node: &Node, path: &KeyPath) {
        let expected = describe(self.schema, schema);
        let got = got(node, is_secret(path));
        let is_reference = matches!(&node.kind, Kind::Text(text) if text.has_reference());
        let help = is_reference.then(|| "a reference always gives a string".to_owned());
        self.report.problem(node.place, format!("`{path}`: expected {expected}, got {got}"), help);
    }

    fn report_unknown(&mut self, schema: &Value, member: &Member, path: &KeyPath) {
        if self.report.is_full() {
            self.report.problem(member.place, "unknown key", None);
            return;
        }
        let known: Vec<&str> = property_names(schema).collect();
        let is_opencodes =
            path.names().len() == 1 && KEYS_WITHOUT_FEATURE.contains(&member.name.as_str());
        let (message, help) = if is_opencodes {
            let help = "it is a setting of OpenCode's that has no effect here; it may stay in an opencode.json";
            (format!("unknown key `{path}`"), help.to_owned())
        } else if let Some(home) = home_of(self.schema, path) {
            (format!("unknown key `{path}`"), format!("it belongs in `{home}`"))
        } else {
            let message = match nearest(&known, &member.name) {
                Some(name) => format!("unknown key `{path}`, did you mean `{name}`?"),
                None => format!("unknown key `{path}`"),
            };
            (message, format!("known keys here: {}", known.join(", ")))
        };
        self.report.problem(member.place, message, Some(help));
    }

    /// Reports a provider option that would be sent as a body option although it is surely not meant so. Returns false
    /// for every other key.
    fn reports_option(&mut self, schema: &Value, member: &Member, path: &KeyPath) -> bool {
        if !matches!(path.parts().as_slice(), ["provider", _, "options", _]) {
            return false;
        }
        if OPTIONS_WITHOUT_FEATURE.contains(&member.name.as_str()) {
            let help = "remove it; it would have no effect".to_owned();
            self.report.problem(member.place, format!("unknown key `{path}`"), Some(help));
            return true;
        }
        if ABOVE_OPTIONS.contains(&member.name.as_str()) {
            let parts = path.parts();
            let above = parts.get(..2).unwrap_or_default().iter();
            let home = above.fold(KeyPath::default(), |path, name| path.child(name));
            let help = format!("it belongs in `{}`", home.child(&member.name));
            self.report.problem(member.place, format!("unknown key `{path}`"), Some(help));
            return true;
        }
        let Some(meant) = property_names(schema).find(|known| is_slip(known, &member.name)) else {
            return false;
        };
        let help = "further keys are sent to the provider as body options; a name this near to a setting is refused"
            .to_owned();
        self.report.problem(
            member.place,
            format!("unknown key `{path}`, did you mean `{meant}`?"),
            Some(help),
        );
        true
    }
}

fn property_names(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "$schema")
}

/// Returns the known name that a name is most likely a slip of.
pub(crate) fn nearest<'k>(known: &[&'k str], name: &str) -> Option<&'k str> {
    // No slip is this long, and comparing takes time by the product of the lengths.
    if name.len() > LONGEST_SLIP {
        return None;
    }
    let score =
        |candidate: &str| strsim::normalized_damerau_levenshtein(&plain(candidate), &plain(name));
    let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) >= ALIKE).then_some(best)
}

/// Returns true when a name differs from a known one by its letter case, its separators or one letter.
fn is_slip(known: &str, name: &str) -> bool {
    if name.len() > LONGEST_SLIP {
        return false;
    }
    plain(known) == plain(name) || (name.len() > 4 && strsim::damerau_levenshtein(known, name) <= 1)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// Returns what came, in words. Texts are never repeated: one of them may be a key in the wrong place.
fn got(node: &Node, is_secret: bool) -> String {
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(number) if !is_secret => number.to_string(),
        Kind::Number(_) => "a number".to_owned(),
        Kind::Text(text) if text.written.is_empty() => "an empty string".to_owned(),
        Kind::Text(_) => "a string".to_owned(),
        Kind::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Kind::Array(_) => "a list".to_owned(),
        Kind::Object(_) => "an object".to_owned(),
    }
}
