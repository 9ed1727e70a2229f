//! `completion`: a script that completes our commands in a shell.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Arguments;
use crate::output;

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "switchyard", &mut script);
    output::text_part(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}
