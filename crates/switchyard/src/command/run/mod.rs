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
use serde_json::{Value, json};
use sy_server::{Asked, Attempted};
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
    tell_start(&asked, arguments.format())?;

    let outcome = print(asked.events, arguments.format()).await;
    if arguments.format() == RunFormat::Default
        && output::is_watched()
        && let Some(record) = local.take_record()
    {
        output::dim(&format!("{}\n", summary::of(&record)));
    }
    outcome
}

/// Says who answers, where that is not what was asked for, and what was left out; a program gets it as an event.
fn tell_start(asked: &Asked, format: RunFormat) -> Result<()> {
    let Asked { provider, model, dropped, failed_before, events: _ } = asked;
    if format == RunFormat::Json {
        let failed: Vec<Value> = failed_before.iter().map(failed_as_json).collect();
        let start = json!({"type": "start", "provider": provider, "model": model, "dropped": dropped, "failed_before": failed});
        return Ok(output::line(&start.to_string())?);
    }

    let is_other = |failed: &&Attempted| *failed.provider != **provider || *failed.model != **model;
    let others: Vec<Attempted> = failed_before.iter().filter(is_other).cloned().collect();
    if let Some(words) = sy_server::failed_words(&others) {
        output::note(&format!("{words}; {provider}/{model} answers"));
    }
    if !dropped.is_empty() {
        output::warning(&format!(
            "{provider} was not asked for everything as it was: {}",
            dropped.join(", ")
        ));
    }
    Ok(())
}

fn failed_as_json(failed: &Attempted) -> Value {
    let Attempted { provider, model, kind, message, rests: _ } = failed;
    json!({"provider": &**provider, "model": &**model, "code": kind.name(), "message": message})
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
