//! `serve`: runs the server until it is told to stop.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cli::Serve;
use crate::context::Context;
use crate::output;

/// Runs the server. SIGINT and SIGTERM stop it; a second one stops it at once.
pub(crate) async fn run(arguments: Serve, mut context: Context) -> Result<ExitCode> {
    if let Some(host) = arguments.host {
        context.overlay("server", "host", Value::from(host));
    }
    if let Some(port) = arguments.port {
        context.overlay("server", "port", Value::from(port));
    }
    let composed = context.composed(arguments.dangerously_unauthenticated)?;
    let loaded = composed.live.current();
    sy_server::observe::tracing::install(&loaded.config.log).map_err(anyhow::Error::msg)?;
    for notice in &loaded.notices {
        output::warning(&notice.to_string());
    }
    let served = sy_server::serve(sy_server::compose(composed)?)?;
    if arguments.dangerously_unauthenticated {
        output::warning("nobody is asked for a token: every program on this machine can use your credentials");
    }
    output::note(&format!("switchyard listens on http://{}", served.address()));
    served.run(stop_signal()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Completes at the first SIGINT or SIGTERM; the second one ends the process the hard way.
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
