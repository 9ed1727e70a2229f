//! `run`: asks a model once and prints its answer. Needs no running server.
//!
//! `prompt` makes the request, `printer` writes the answer. Interrupting it ends the process, which closes the connection
//! and so cancels the provider's work.

mod input;
mod printer;
mod prompt;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::json;
use sy_types::Failure;
use sy_types::chat::StreamEvent;

use crate::cli::{Run, RunFormat};
use crate::context::Context;
use crate::output;
use printer::Printer;

/// Runs the command.
pub(crate) async fn run(arguments: Run, context: &Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed()?)?;
    let request = prompt::request(&arguments)?;
    let waiting = output::progress("waiting for the model");
    let asked = local.ask(request, arguments.fallback).await;
    drop(waiting);
    let asked = match asked {
        Ok(asked) => asked,
        Err(failure) => return Err(told(failure, arguments.format())),
    };
    if arguments.format() == RunFormat::Json {
        let start = json!({"type": "start", "provider": asked.provider, "model": asked.model, "dropped": asked.dropped});
        output::line(&start.to_string())?;
    } else if !asked.dropped.is_empty() {
        output::warning(&format!(
            "{} was not asked for everything as it was: {}",
            asked.provider,
            asked.dropped.join(", ")
        ));
    }
    let outcome = print(asked.events, arguments.format()).await;
    if arguments.format() == RunFormat::Default
        && output::is_watched()
        && let Some(record) = local.take_record()
    {
        output::dim(&format!("{}\n", summary::of(&record)));
    }
    outcome
}

/// Prints the answer as it comes.
async fn print(
    mut events: BoxStream<'static, Result<StreamEvent, Failure>>,
    format: RunFormat,
) -> Result<ExitCode> {
    let mut printer = Printer::new(format);
    while let Some(event) = events.next().await {
        let failure = match event {
            Ok(StreamEvent::Failed(failure)) | Err(failure) => failure,
            Ok(event) => {
                printer.print(&event)?;
                continue;
            }
        };
        printer.end_line()?;
        return Err(told(failure, format));
    }
    printer.end_line()?;
    Ok(ExitCode::SUCCESS)
}

/// Tells a program that reads events of a failure; people are told by the caller.
fn told(failure: Failure, format: RunFormat) -> anyhow::Error {
    if format == RunFormat::Json {
        let event = json!({"type": "error", "code": failure.kind.name(), "status": failure.status, "message": failure.message});
        if let Err(unwritten) = output::line(&event.to_string()) {
            return unwritten.into();
        }
    }
    failure.into()
}
