//! What a test can hold of the house: layers, fences, docs, registries, secrets.
//!
//! Each check reads the sources as text and names file and line. A rule that must be bent is changed here, in the open.

mod docs;
mod fences;
mod guides;
mod layers;
mod registries;

use std::path::{Path, PathBuf};

/// A Rust source file of the workspace.
pub(crate) struct Source {
    /// The path from the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Returns true for tests, benches, fuzz targets and build-time tools, which may do what the product may not.
    pub(crate) fn is_test(&self) -> bool {
        ["/tests/", "/benches/", "/examples/", "fuzz/"].iter().any(|part| self.path.contains(part))
            || self.path.ends_with("tests.rs")
    }

    /// Returns the lines (from 1) before the file's own tests.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let code = self.text.get(..end).unwrap_or_default();
        code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads every Rust file below the given folders of the workspace.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut sources);
    }
    assert!(!sources.is_empty(), "no sources found below {folders:?}");
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir()
            && path.file_name().is_none_or(|name| name != "target" && name != "node_modules")
        {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name =
                path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            sources.push(Source {
                path: name,
                text: std::fs::read_to_string(&path).unwrap_or_default(),
            });
        }
    }
}

/// Fails with a list when there is anything on it.
#[track_caller]
pub(crate) fn none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}\n  {}", findings.join("\n  "));
}
