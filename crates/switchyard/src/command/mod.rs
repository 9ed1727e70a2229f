//! The commands: one file each. The match below is the whole registration.

mod auth;
mod completion;
mod config;
mod doctor;
mod env;
mod models;
mod run;
mod serve;

pub(crate) use config::set_value;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Command;
use crate::context::Context;

/// Runs a command.
pub(crate) async fn run(command: Command, context: Context) -> Result<ExitCode> {
    match command {
        Command::Serve(arguments) => serve::run(arguments, context).await,
        Command::Run(arguments) => run::run(arguments, &context).await,
        Command::Models(arguments) => models::run(arguments, &context).await,
        Command::Auth(arguments) => auth::run(arguments, &context).await,
        Command::Config(arguments) => config::run(arguments, &context),
        Command::Env(arguments) => env::run(&arguments, &context),
        Command::Doctor(arguments) => doctor::run(&arguments, &context).await,
        Command::Completion { shell } => Ok(completion::run(shell)),
    }
}
