//! `launch`: starts an AI client with everything that it needs to talk to the server.
//!
//! The server that runs is used; where none does, one runs in this process for as long as the client does. Nothing
//! permanent is written: what the client needs stands in its variables and arguments, never the token in an argument.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;
use sy_server::Served;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Launch;
use crate::clients::{CLIENTS, Client, ClientSettings, Connection, SDKS, connect};
use crate::context::Context;
use crate::{exit, output, own_server};

/// Starts the client and returns its exit code.
pub(crate) async fn run(arguments: Launch, context: Context) -> Result<ExitCode> {
    let local = sy_server::local(context.composed()?)?;
    let models = connect::models(&local, arguments.model.as_deref())?.ok_or_else(|| {
        anyhow!("no provider is connected: connect one with `switchyard auth login`")
    })?;
    drop(local);

    let server = match arguments.url {
        Some(url) => Server::elsewhere(url.trim_end_matches('/').to_owned(), &context)?,
        None => Server::find_or_start(context).await?,
    };
    let connection = Connection { base: server.base, token: server.token, models: Some(models) };
    let client = start(&arguments.client, arguments.arguments, &connection);
    match server.own {
        Some(own) => own.while_running(client).await,
        None => client.await,
    }
}

/// Starts the program and waits for it.
async fn start(program: &str, own: Vec<OsString>, connection: &Connection) -> Result<ExitCode> {
    let client = Client::named(program);
    let settings = client.map_or(SDKS, |client| client.settings)(connection);
    let mut command = Command::new(program);
    apply(&settings, &mut command);
    command.args(own);

    // They are for the client, which gets them from the terminal as well.
    let _interrupts = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let _quits = signal(SignalKind::quit()).context("cannot listen for SIGQUIT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;

    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_installed(program, client),
        _ => anyhow!("cannot start {program}: {error}"),
    })?;
    let status = tokio::select! {
        status = child.wait() => status.with_context(|| format!("cannot wait for {program}"))?,
        _ = terminate.recv() => {
            child.kill().await.with_context(|| format!("cannot stop {program}"))?;
            return Ok(ExitCode::from(exit::INTERRUPTED));
        }
    };
    // A program that a signal ended has no code; shells say the same of it.
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::from(exit::INTERRUPTED), ExitCode::from))
}

fn apply(settings: &ClientSettings, command: &mut Command) {
    for name in settings.unset.iter().chain(settings.alone.unset) {
        command.env_remove(name);
    }
    command.envs(settings.variables.iter().chain(&settings.alone.variables).cloned());
    command.args(&settings.arguments);
}

fn not_installed(program: &str, client: Option<&Client>) -> anyhow::Error {
    match client {
        Some(client) => anyhow!(
            "{} is not installed, or `{program}` is not on the PATH: install it with `{}`",
            client.title,
            client.install
        ),
        None => {
            let known = CLIENTS.map(|client| client.program).join(", ");
            anyhow!(
                "there is no program `{program}` on the PATH; clients with settings of their own: {known}"
            )
        }
    }
}

/// The server that the client talks to.
struct Server {
    base: String,
    token: String,
    /// Where it runs in this process.
    own: Option<Own>,
}

/// A server in this process.
struct Own {
    served: Served,
    /// Holds its token while it runs.
    _state: tempfile::TempDir,
}

impl Server {
    fn elsewhere(base: String, context: &Context) -> Result<Self> {
        let token = sy_server::current_token(&context.inputs.paths, &context.inputs.environment)
            .context("the server's token cannot be read")?
            .ok_or_else(|| anyhow!("there is no token for {base}: set SWITCHYARD_TOKEN"))?;
        Ok(Self { base, token, own: None })
    }

    async fn find_or_start(context: Context) -> Result<Self> {
        let base = connect::address(&context)?;
        if answers(&base).await {
            return Self::elsewhere(base, &context);
        }
        output::note("no server runs: one runs until the client ends");
        Self::start(context)
    }

    /// Starts a server on a free port of loopback with a token of its own.
    fn start(mut context: Context) -> Result<Self> {
        let state = tempfile::tempdir().context("cannot make a temporary folder")?;
        context.inputs.paths.state = state.path().to_owned();
        context.overlay("server", "host", Value::from("127.0.0.1"));
        context.overlay("server", "port", Value::from(0));

        let served = sy_server::serve(sy_server::compose(context.composed()?)?)?;
        let token = sy_server::current_token(&context.inputs.paths, &context.inputs.environment)
            .context("the server's token cannot be read")?
            .ok_or_else(|| anyhow!("the server made no token"))?;
        let base = served.url();

        Ok(Self { base, token, own: Some(Own { served, _state: state }) })
    }
}

impl Own {
    /// Serves until the work is done.
    async fn while_running(self, work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let work = async {
            let outcome = work.await;
            // The receiver is gone only when the server has ended by itself.
            stop.send(()).ok();
            outcome
        };
        let serving = self.served.run(async {
            stopped.await.ok();
        });

        let (outcome, served) = tokio::join!(work, serving);
        if let Err(error) = served {
            output::warning(&error.to_string());
        }
        outcome
    }
}

/// Returns true when our server answers at a URL of this machine.
async fn answers(base: &str) -> bool {
    let address = base.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':'));
    let Some((host, port)) = address else { return false };
    let Ok(port) = port.parse() else { return false };
    own_server::is_ours(host.trim_matches(['[', ']']), port).await
}
