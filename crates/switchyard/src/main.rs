//! The binary: parse, run, exit code.
//!
//! Everything it does is in `command`; this file knows only how a process begins and ends, and what it is started with.

mod cli;
mod clients;
mod command;
mod context;
mod exit;
mod local_servers;
mod output;
mod own_server;
mod picker;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use mimalloc::MiMalloc;
use sy_config::Environment;

use crate::cli::Arguments;
use crate::context::Context;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    forbid_core_dumps();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(
                &anyhow::Error::new(error).context("cannot start the runtime"),
                false,
            );
        }
    };
    let all = Environment::read();
    let environment = without_own_token(&all);
    let was_prepared = environment.is_some();
    let outcome = runtime.block_on(async {
        let directory = std::env::current_dir().context("the working directory cannot be read");
        let environment = environment.unwrap_or(all);
        let context =
            directory.and_then(|directory| Context::new(&arguments.global, environment, directory));
        command::run(arguments, context).await
    });
    // A blocking prompt or a file watcher must not hold the exit back.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => exit::report(&error, was_prepared),
    }
}

/// Keeps keys out of the file that the system writes when a process crashes. A system that refuses is left as it is.
fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};

        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none).ok();
    }
}

/// Returns the environment without what `switchyard env` put into it, if it did: our own token in `ANTHROPIC_API_KEY` is
/// not a key of Anthropic's and must not be sent there.
fn without_own_token(all: &Environment) -> Option<Environment> {
    let token = all.get(clients::CLIENT_TOKEN)?;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Some(Environment::of(
        variables.filter(|(name, value)| value != token || name == "SWITCHYARD_TOKEN"),
    ))
}
