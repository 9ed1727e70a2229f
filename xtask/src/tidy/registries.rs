//! Registries are complete: every protocol folder is registered, and every registration has a folder; every requirement row is listed.

use sy_protocol::REGISTRY;

use super::{none, root};

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
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "frame" && name != "embeddings"))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let missing: Vec<String> = folders.iter().filter(|folder| !names.contains(&folder.as_str())).cloned().collect();
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
    let text = std::fs::read_to_string(root().join("docs/requirements.md")).expect("docs/requirements.md");
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
