//! The binary: parse, run, exit code.
//!
//! Everything it does is in `command`; this file knows only how a process begins and ends.

mod cli;
mod command;
mod context;
mod exit;
mod local_servers;
mod output;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::Arguments;
use crate::context::Context;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(async {
        let context = Context::new(&arguments.global)?;
        command::run(arguments.command, context).await
    });
    // A blocking prompt or a file watcher must not hold the exit back.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
