//! Automation of the workspace: `cargo xtask COMMAND`.
//!
//! - `snapshot FILE-OR-URL`: refreshes the bundled catalog.
//! - `schema [--check]`: writes (or checks) the JSON Schema and the reference of the configuration, and the table of providers.
//! - `replay DIR`: runs recorded traffic through every decoder, translation and client face.
//!
//! The tidy checks are this package's tests: `cargo test -p xtask`.

mod providers;
mod replay;
mod schema;
mod snapshot;
#[cfg(test)]
mod tidy;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Automation of the workspace.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Refresh the bundled catalog from a models.dev file or URL.
    Snapshot {
        /// A path, or an http(s) URL.
        source: String,
    },
    /// Write the JSON Schema and the reference of the configuration, and the table of providers.
    Schema {
        /// Only check that what is committed is what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Run a folder of recorded traffic through every decoder, translation and client face.
    Replay {
        /// The folder with *.jsonl.gz files.
        folder: PathBuf,
        /// Also print the cases that are on the list of known ones.
        #[arg(long)]
        verbose: bool,
    },
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    match Arguments::parse().command {
        Command::Snapshot { source } => {
            snapshot::run(&source, &root.join("crates/sy-catalog/data"))
        }
        Command::Schema { check } => schema::run(check, root),
        Command::Replay { folder, verbose } => {
            replay::run(&folder, &root.join("xtask/replay-known.toml"), verbose)
        }
    }
}
