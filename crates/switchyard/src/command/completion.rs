//! `completion`: a script that completes our commands in a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::Arguments;
use crate::output;

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "switchyard", &mut script);
    output::part(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
