//! An arrow between crates may only go to a lower row: the table of ARCHITECTURE.md, exactly.

use super::{none, root};

/// Which crates of ours each crate may depend on.
const TABLE: &[(&str, &[&str])] = &[
    ("sy-types", &[]),
    ("sy-config", &["sy-types"]),
    ("sy-protocol", &["sy-types"]),
    ("sy-catalog", &["sy-types", "sy-config"]),
    ("sy-credentials", &["sy-types", "sy-config"]),
    ("sy-access", &["sy-types", "sy-config"]),
    ("sy-router", &["sy-types", "sy-config", "sy-protocol", "sy-catalog", "sy-credentials"]),
    (
        "sy-server",
        &[
            "sy-types",
            "sy-config",
            "sy-protocol",
            "sy-catalog",
            "sy-credentials",
            "sy-access",
            "sy-router",
        ],
    ),
    ("switchyard", &["sy-types", "sy-config", "sy-catalog", "sy-credentials", "sy-server"]),
    ("sy-testkit", &["sy-types", "sy-protocol"]),
];

#[test]
fn crates_depend_only_downhill() {
    let mut findings = Vec::new();
    for (name, allowed) in TABLE {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml"))
            .expect(name);
        let parsed: toml::Table = manifest.parse().expect(name);
        for dependency in parsed
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|table| table.keys())
        {
            if (dependency.starts_with("sy-") || dependency == "switchyard")
                && !allowed.contains(&dependency.as_str())
            {
                findings.push(format!("{name} -> {dependency}"));
            }
        }
        if parsed.get("lints").and_then(|lints| lints.get("workspace"))
            != Some(&toml::Value::Boolean(true))
        {
            findings.push(format!("{name} does not take the workspace's lints"));
        }
    }
    none(&findings, "an arrow that the layer table does not have:");
}

#[test]
fn every_crate_is_in_the_table() {
    let folders = std::fs::read_dir(root().join("crates")).expect("crates");
    let findings: Vec<String> = folders
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| TABLE.iter().all(|(known, _)| known != name))
        .collect();
    none(&findings, "a crate that the layer table does not know:");
}

#[test]
fn the_pure_crates_have_no_runtime() {
    let mut findings = Vec::new();
    for name in ["sy-types", "sy-protocol"] {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml"))
            .expect(name);
        let parsed: toml::Table = manifest.parse().expect(name);
        let dependencies = parsed.get("dependencies").and_then(toml::Value::as_table);
        for banned in ["tokio", "reqwest", "hyper", "axum", "sqlx"] {
            if dependencies.is_some_and(|table| table.contains_key(banned)) {
                findings.push(format!("{name} -> {banned}"));
            }
        }
    }
    none(&findings, "sy-types and sy-protocol do no I/O:");
}
