//! The committed documents equal what the types give.

use std::path::Path;

use serde_json::{Value, json};
use sy_config::{SCHEMA_PATH, reference_page, schema, schema_text};

#[track_caller]
fn check_is_fresh(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/{name} is stale; refresh it with `cargo xtask schema`"
    );
}

#[test]
fn the_committed_schema_is_fresh() {
    check_is_fresh("config.schema.json", &schema_text());
}

#[test]
fn the_committed_reference_page_is_fresh() {
    check_is_fresh("config.md", &reference_page());
}

#[test]
fn the_schema_says_where_it_is_served() {
    let schema = schema();
    assert_eq!(
        (&schema["$id"], SCHEMA_PATH),
        (&json!("/schema/config.json"), "/schema/config.json")
    );
    assert_eq!(schema["properties"]["$schema"]["type"], json!("string"));
}

#[test]
fn every_key_has_a_description() {
    #[track_caller]
    fn check(schema: &Value, path: &str) {
        let Value::Object(map) = schema else { return };
        if let Some(Value::Object(properties)) = map.get("properties") {
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{path}/{name}");
            }
        }
        for (name, part) in map {
            check(part, &format!("{path}/{name}"));
        }
    }
    check(&schema(), "");
}

#[test]
fn the_page_names_every_kind_of_key() {
    let page = reference_page();
    for row in [
        "| `provider.<id>.options.timeout` | integer or `false` |  | from 1000 to 300000 |",
        "| `retry.maxRetries` | integer | `3` | from 0 to 10 |",
        "| `alias` | map of string or list of string |",
        "| `SWITCHYARD_HOME` |",
    ] {
        assert!(page.contains(row), "{row}");
    }
}
