//! The reference page of the configuration, made of the schema and the table of variables.
//!
//! Written to `docs/reference/config.md` by `cargo xtask schema`; a test keeps the two equal. It adds prose only for what
//! belongs to no single key: layers, merging, references.

use std::fmt::Write;

use serde_json::Value;

use crate::env::VARIABLES;
use crate::restart::needs_restart;
use crate::schema::{properties, schema};
use crate::schema_words::{branches, kinds, range};

/// The part of the page that belongs to no single key.
const INTRODUCTION: &str = include_str!("page.md");

/// Returns the reference page as Markdown.
pub fn reference_page() -> String {
    let schema = schema();
    let mut page = String::from(INTRODUCTION);
    page.push_str(
        "\n## Keys\n\n| key | type | default | limits | what it does |\n|---|---|---|---|---|\n",
    );
    add_rows(&mut page, &schema, &schema, "");
    page.push_str("\n## Environment variables\n\n");
    page.push_str("An empty variable counts as unset. Besides these, the variables that hold providers' keys are read (as the catalog\n");
    page.push_str("or `provider.<id>.env` names them) and those that `{env:NAME}` and `${NAME}` refer to.\n\n");
    page.push_str("| variable | what it does |\n|---|---|\n");
    for variable in VARIABLES {
        add_line(&mut page, &format!("| `{}` | {} |", variable.name, cell(variable.effect)));
    }
    page
}

fn add_rows(page: &mut String, root: &Value, schema: &Value, prefix: &str) {
    for (name, property) in properties(root, schema).into_iter().flatten() {
        let is_second_spelling = property.get("deprecated").is_some();
        if is_second_spelling {
            continue;
        }
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let mut effect =
            property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        if needs_restart(&key) {
            effect.push_str(" **Takes effect at the next start.**");
        }

        let (kind, limits) = (type_words(root, property), limit_words(root, property));
        let default = property.get("default").filter(|default| !default.is_object());
        let default = default.map_or_else(String::new, |default| format!("`{default}`"));
        add_line(
            page,
            &format!("| `{key}` | {} | {default} | {limits} | {} |", cell(&kind), cell(&effect)),
        );
        add_rows(page, root, property, &key);
        if let Some(entry) = entry_schema(root, property) {
            add_rows(page, root, entry, &format!("{key}.{}", entry_name(name)));
        }
    }
}

fn add_line(page: &mut String, line: &str) {
    // Writing to a text cannot fail.
    writeln!(page, "{line}").ok();
}

/// Returns the schema of a map's entries, when they are objects of ours.
fn entry_schema<'s>(root: &'s Value, property: &'s Value) -> Option<&'s Value> {
    let map =
        branches(root, property).into_iter().find(|branch| branch.get("properties").is_none())?;
    map.get("additionalProperties").filter(|entry| properties(root, entry).is_some())
}

fn entry_name(map: &str) -> &'static str {
    match map {
        "provider" => "<id>",
        "models" => "<model>",
        _ => "<name>",
    }
}

fn type_words(root: &Value, property: &Value) -> String {
    let one = |branch: &Value| -> String {
        if let Some(constant) = branch.get("const") {
            return format!("`{constant}`");
        }
        let entry = branch
            .get("additionalProperties")
            .filter(|entry| entry.is_object() && branch.get("properties").is_none());
        match (kinds(branch).next(), entry) {
            (Some("object"), Some(entry)) => format!("map of {}", type_words(root, entry)),
            (Some("array"), _) => branch
                .get("items")
                .map_or("list".to_owned(), |items| format!("list of {}", type_words(root, items))),
            (Some(kind), _) => kind.to_owned(),
            (None, _) => "any".to_owned(),
        }
    };
    branches(root, property).into_iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn limit_words(root: &Value, property: &Value) -> String {
    let one = |branch: &Value| -> Option<String> {
        if let Some(items) = branch.get("items") {
            let size = branch.get("minItems").map(|_| "not empty".to_owned());
            return size.or_else(|| Some(limit_words(root, items)));
        }
        if let Some(words) = branch.get("enum").and_then(Value::as_array) {
            let words: Vec<String> =
                words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return Some(words.join(", "));
        }
        let is_bounded = branch.get("maximum").is_some()
            || branch.get("minimum").and_then(Value::as_f64).is_some_and(|least| least > 0.0);
        if is_bounded || kinds(branch).any(|kind| kind == "number") {
            return Some(range(branch).trim().to_owned());
        }
        branch.get("minLength").map(|_| "not empty".to_owned())
    };
    branches(root, property)
        .into_iter()
        .filter_map(one)
        .filter(|limit| !limit.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
