//! The commands: one file each. The match below is the whole registration.

mod auth;
mod complete;
mod completion;
mod config;
mod config_file;
mod doctor;
mod env;
mod launch;
mod models;
mod run;
mod serve;
mod trust;
mod validate;
mod version;

pub(crate) use config_file::change;
pub(crate) use trust::consider;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Arguments, Command};
use crate::context::Context;
use crate::exit::Usage;

/// Runs a command. The context may be what kept it from being made: the version is told anyway.
pub(crate) async fn run(arguments: Arguments, context: Result<Context>) -> Result<ExitCode> {
    if arguments.version {
        return version::run(context, arguments.json);
    }
    let Some(command) = arguments.command else {
        return Err(Usage("expected a command: `switchyard --help` lists them".to_owned()).into());
    };
    let context = context.map(|context| context.asking(asks_for_trust(&command)));
    match command {
        Command::Serve(arguments) => serve::run(arguments, context?).await,
        Command::Run(arguments) => run::run(arguments, &context?).await,
        Command::Models(arguments) => models::run(arguments, &context?).await,
        Command::Auth(arguments) => auth::run(arguments, &context?).await,
        Command::Config(arguments) => config::run(arguments, &context?),
        Command::Trust(arguments) => trust::run(&arguments, &context?),
        Command::Env(arguments) => env::run(&arguments, &context?),
        Command::Launch(arguments) => launch::run(arguments, context?).await,
        Command::Doctor(arguments) => doctor::run(&arguments, &context?).await,
        Command::Completion { shell } => completion::run(shell),
        Command::Complete { words } => complete::run(&words, &context?),
    }
}

/// Returns true for the commands that use a project's files for a person's work, and so ask whether they may.
fn asks_for_trust(command: &Command) -> bool {
    match command {
        Command::Serve(_) | Command::Run(_) | Command::Models(_) | Command::Launch(_) => true,
        Command::Auth(_)
        | Command::Config(_)
        | Command::Trust(_)
        | Command::Env(_)
        | Command::Doctor(_)
        | Command::Completion { .. }
        | Command::Complete { .. } => false,
    }
}
