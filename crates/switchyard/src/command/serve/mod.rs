//! `serve`: runs the server until it is told to stop.
//!
//! What it says at start is in `welcome`, how it says it in `notes`. Once the log is there, even a failure is a line of it.

mod notes;
mod welcome;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use sy_config::{Environment, Log, LogFormat};
use sy_server::observe::tracing::Form;
use sy_server::{App, ServeError, Served};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Serve;
use crate::context::{Context, is_coloured};
use crate::exit::{self, Fault};
use crate::local_servers;
use notes::Notes;

/// How long the end may take beyond the time that running requests get.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the server. SIGINT and SIGTERM stop it once running requests are done; a second one stops it at once.
pub(crate) async fn run(arguments: Serve, mut context: Context) -> Result<ExitCode> {
    if let Some(host) = &arguments.host {
        context.overlay("server", "host", Value::from(host.as_str()));
    }
    if let Some(port) = arguments.port {
        context.overlay("server", "port", Value::from(port));
    }

    let loaded = match context.load_for_server() {
        Ok(loaded) => loaded,
        Err(error) if context.wants_json_log() => {
            return Ok(log_failure(&error, &context.inputs.environment));
        }
        Err(error) => return Err(error),
    };
    let log = loaded.0.config.log.clone();
    let is_coloured = is_coloured(&context.inputs.environment);
    let _last_lines = sy_server::observe::tracing::install_gathered(&log, is_coloured)
        .map_err(anyhow::Error::msg)?;

    let form = Form::of(log.format);
    match serve(&arguments, &context, loaded, form).await {
        Err(error) if form != Form::Screen => Ok(exit::log(&error)),
        outcome => outcome,
    }
}

/// Tells why there is no server as a line of a log, though no configuration says which.
fn log_failure(error: &anyhow::Error, environment: &Environment) -> ExitCode {
    let log = Log { format: LogFormat::Json, ..Log::default() };
    // A log that cannot be set up leaves the failure to be told as ever.
    sy_server::observe::tracing::install(&log, is_coloured(environment)).ok();
    exit::log(error)
}

async fn serve(
    arguments: &Serve,
    context: &Context,
    (loaded, notices): (sy_config::Loaded, Vec<String>),
    form: Form,
) -> Result<ExitCode> {
    let notes = Notes::start(form)?;
    for notice in notices {
        notes.warn(notice);
    }

    let mut composed = context.compose(loaded.clone());
    composed.unauthenticated = arguments.dangerously_unauthenticated;
    let mut signals = Signals::new()?;
    let served = match sy_server::serve(sy_server::compose(composed)?) {
        Err(ServeError::InUse(address)) => return Err(in_use(address).await.into()),
        served => served?,
    };
    welcome::tell(&served, &loaded, &context.inputs, &notes);
    if arguments.dangerously_unauthenticated {
        notes.warn("authentication is off: every program on this machine can use your credentials");
    }
    run_until_told(served, &mut signals, &context.inputs.environment, &notes).await
}

async fn run_until_told(
    served: Served,
    signals: &mut Signals,
    environment: &Environment,
    notes: &Notes,
) -> Result<ExitCode> {
    let app = served.app().clone();
    let own_port = served.address().port();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let impatient = async {
        signals.next().await;
        notes.note("stopping when running requests are done; a second signal stops at once");
        // The receiver is gone only when the server has ended by itself.
        stop.send(()).ok();
        // Whatever holds the end up, it comes.
        tokio::time::timeout(longest_end(&app), signals.next()).await.ok();
    };
    let hints = async {
        if notes.form != Form::Json {
            let found = local_servers::find_beside(environment, Some(own_port)).await;
            welcome::tell_found(&found, &app.config(), notes);
        }
        std::future::pending::<()>().await
    };

    let serving = served.run(async {
        stopped.await.ok();
    });
    tokio::select! {
        outcome = serving => outcome.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        () = impatient => Ok(ExitCode::from(exit::INTERRUPTED)),
        () = hints => Ok(ExitCode::SUCCESS),
    }
}

fn longest_end(app: &App) -> Duration {
    Duration::from_secs(app.config().server.shutdown_seconds) + PATIENCE
}

/// Says who has the port, where that can be found out, and which one is free.
async fn in_use(address: SocketAddr) -> Fault {
    let port = address.port();
    let who = sy_catalog::who_answers(port).await;
    let free = (port.saturating_add(10)..=u16::MAX)
        .take(100)
        .find(|port| TcpListener::bind((address.ip(), *port)).is_ok())
        .unwrap_or_default();
    let other =
        format!("choose another port: `switchyard serve --port {free}`, or SWITCHYARD_PORT={free}");

    let (what, help) = match who.as_deref() {
        Some("switchyard") => (
            "the port is in use by a switchyard server that runs already".to_owned(),
            format!("`eval \"$(switchyard env)\"` points clients at it; or {other}"),
        ),
        Some(name) => (format!("the port is in use by {name}"), other),
        None => ("the port is in use by another program".to_owned(), other),
    };
    Fault { what: format!("cannot listen on {address}: {what}"), help }
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
