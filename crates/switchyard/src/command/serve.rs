//! `serve`: runs the server until it is told to stop.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Serve;
use crate::context::Context;
use crate::{exit, output};

/// Runs the server. SIGINT and SIGTERM stop it once running requests are done; a second one stops it at once.
pub(crate) async fn run(arguments: Serve, mut context: Context) -> Result<ExitCode> {
    if let Some(host) = arguments.host {
        context.overlay("server", "host", Value::from(host));
    }
    if let Some(port) = arguments.port {
        context.overlay("server", "port", Value::from(port));
    }
    let (mut composed, _last_lines) = context.composed_server()?;
    composed.unauthenticated = arguments.dangerously_unauthenticated;
    for notice in &composed.live.current().notices {
        output::warning(&notice.to_string());
    }
    let mut signals = Signals::new()?;
    let served = sy_server::serve(sy_server::compose(composed)?)?;
    output::note(&format!("switchyard listens on http://{}", served.address()));
    if arguments.dangerously_unauthenticated {
        output::warning(
            "nobody is asked for a token: every program on this machine can use your credentials",
        );
    } else {
        let url = served.url();
        output::note(&format!(
            "point the clients of another shell at it: eval \"$(switchyard env --url {url})\""
        ));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let impatient = async {
        signals.next().await;
        output::note("stopping when running requests are done; a second signal stops at once");
        // The receiver is gone only when the server has ended by itself.
        stop.send(()).ok();
        signals.next().await;
    };
    let serving = served.run(async {
        stopped.await.ok();
    });
    tokio::select! {
        outcome = serving => outcome.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        () = impatient => Ok(ExitCode::from(exit::INTERRUPTED)),
    }
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
