//! Registries are complete: every protocol folder is registered, and every registration has a folder; every requirement row is listed.

use sy_protocol::REGISTRY;

use super::{none, root, sources};

/// Folders of what the protocols share.
const SHARED: [&str; 4] = ["embeddings", "frame", "gemini_schema", "tools"];

#[test]
fn every_protocol_folder_is_registered_in_order() {
    let names: Vec<&str> = REGISTRY.iter().map(|entry| entry.id.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted, "the registry is sorted by id");
    let folder = root().join("crates/sy-protocol/src");
    let folders: Vec<String> = std::fs::read_dir(&folder)
        .expect("sources")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| !SHARED.contains(&name.as_str()))
        .collect();
    let missing: Vec<String> =
        folders.iter().filter(|folder| !names.contains(&folder.as_str())).cloned().collect();
    none(&missing, "a protocol folder that nobody registered:");
    let empty: Vec<String> = names
        .iter()
        .filter(|name| !folders.iter().any(|folder| folder == *name))
        .map(|name| (*name).to_owned())
        .collect();
    none(&empty, "a registered protocol without a folder:");
}

#[test]
fn a_registered_protocol_has_the_faces_that_it_is_registered_for() {
    for entry in REGISTRY {
        assert!(entry.upstream.is_some() || entry.downstream.is_some(), "{} has no face", entry.id);
        assert!(entry.upstream.is_none_or(|face| face.id() == entry.id), "{}", entry.id);
        assert!(entry.downstream.is_none_or(|face| face.id() == entry.id), "{}", entry.id);
    }
}

#[test]
fn every_requirement_row_is_listed_and_every_tick_has_evidence() {
    let text =
        std::fs::read_to_string(root().join("docs/requirements.md")).expect("docs/requirements.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| S"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 209, "docs/requirements.md lists all requirement rows");
    let mut findings = Vec::new();
    for row in rows {
        let (id, state, evidence) = (
            row.get(1).copied().unwrap_or_default(),
            row.get(2).copied().unwrap_or_default(),
            row.get(4).copied().unwrap_or_default(),
        );
        if !["done", "part", "open"].contains(&state) {
            findings.push(format!("{id}: state {state:?}"));
        }
        if state != "open" && evidence.is_empty() {
            findings.push(format!("{id}: {state} without evidence"));
        }
    }
    none(&findings, "a requirement row that claims without showing:");
}

#[test]
fn every_variable_that_is_read_is_in_the_table() {
    let is_known =
        |name: &str| sy_config::env::VARIABLES.iter().any(|variable| variable.name == name);
    let is_name = |text: &str| {
        text.len() > 2
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let (mut findings, mut count) = (Vec::new(), 0);
    for source in sources(&["crates"]) {
        if source.is_test() || source.path.starts_with("crates/sy-testkit") {
            continue;
        }
        for (line, text) in source.code().filter(|(_, text)| !text.trim_start().starts_with("//")) {
            // The text before each quotation mark and the literal behind it.
            let parts: Vec<&str> = text.split('"').collect();
            for (before, literal) in
                parts.windows(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
            {
                let is_read = ["get(", "secret("].iter().any(|call| before.ends_with(call));
                if is_name(literal) && (is_read || literal.starts_with("SWITCHYARD_")) {
                    count += 1;
                    if !is_known(literal) {
                        findings.push(format!("{}:{line}: {literal}", source.path));
                    }
                }
            }
        }
    }
    assert!(count > 20, "the search finds what is read: {count}");
    none(&findings, "an environment variable that sy_config::env::VARIABLES does not list:");
}
