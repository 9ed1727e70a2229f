//! Every module says what it is; no name says nothing; lengths are shown, not enforced.

use super::{none, sources};

#[test]
fn every_module_begins_with_its_doc() {
    let findings: Vec<String> = sources(&["crates", "xtask/src"])
        .iter()
        .filter(|source| {
            let first = source.text.lines().next().unwrap_or_default();
            !(first.starts_with("//! ") && first.len() > 12)
        })
        .map(|source| source.path.clone())
        .collect();
    none(&findings, "a module without a first line that says what it is:");
}

#[test]
fn no_name_says_nothing() {
    const EMPTY: [&str; 7] = ["core", "common", "util", "utils", "helper", "helpers", "manager"];
    let findings: Vec<String> = sources(&["crates", "xtask/src"])
        .iter()
        .filter(|source| {
            let mut words = source.path.split(['/', '_', '-', '.']);
            words.any(|word| EMPTY.contains(&word))
        })
        .map(|source| source.path.clone())
        .collect();
    none(&findings, "a file whose name says nothing about its content:");
}

#[test]
fn no_marker_of_unfinished_work() {
    // Put together so that this file does not find itself.
    let markers = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
    ];
    let mut findings = Vec::new();
    for source in sources(&["crates", "xtask/src"]) {
        for (line, text) in source.code() {
            if markers.iter().any(|marker| text.contains(marker)) {
                findings.push(format!("{}:{line}: {}", source.path, text.trim()));
            }
        }
    }
    none(&findings, "unfinished work in the tree:");
}
