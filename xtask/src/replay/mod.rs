//! Runs recorded traffic through every decoder, every translation and every client face, and reports what fell short.
//!
//! `cargo xtask replay DIR` reads each `*.jsonl.gz` file of a folder; the file's name says the protocol. Each record is a request
//! with its answer (README of the recordings has the fields). Nothing is sent anywhere. What falls short must be on the
//! committed list `xtask/replay-known.toml` with a reason, else the exit code is 1.

mod answer;
mod compare;
mod question;
mod record;
mod report;

use std::path::Path;

use anyhow::{Context, Result, bail};

use record::Recording;
use report::Report;

/// Runs all recordings of a folder.
pub(crate) fn run(folder: &Path, known: &Path, verbose: bool) -> Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("expected a folder of recordings at {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.gz"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("expected *.jsonl.gz files in {}, found none", folder.display());
    }
    let mut report = Report::new(known)?;
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().replace(".jsonl.gz", "");
        let recordings = Recording::read_all(file)?;
        let Some(protocol) = record::protocol(&name) else {
            report.unknown_file(&name, recordings.len());
            continue;
        };
        for recording in &recordings {
            report.record(protocol.name());
            protocol.check(recording, &mut report);
        }
    }
    report.finish(verbose)
}
