//! Either our server answers on its port, or the port is free.

use tokio::net::TcpListener;

use super::{Finding, NOT_CHECKED};
use crate::context::Context;
use crate::own_server;

/// Looks for the server that runs, else at the configured port: either our server answers on it, or it is free.
pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Ok(loaded) = context.load() else {
        return vec![Finding::Remark(NOT_CHECKED.to_owned())];
    };

    if let Some(running) = sy_server::running(&context.inputs.paths) {
        let text = format!("the server runs at {} (process {})", running.url, running.pid);
        return vec![Finding::Good(text)];
    }
    let (host, port) = (loaded.config.server.host.as_str(), loaded.config.server.port);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if port == 0 {
        return vec![Finding::Good("the server takes a free port at each start".to_owned())];
    }
    let error = match TcpListener::bind((host, port)).await {
        Ok(_) => {
            return vec![Finding::Good(format!(
                "port {port} of {host} is free: `switchyard serve` starts the server"
            ))];
        }
        Err(error) => error,
    };
    if error.kind() != std::io::ErrorKind::AddrInUse {
        let next = "correct it: `switchyard config set server.host 127.0.0.1` and `switchyard config set server.port 8080`";
        return vec![Finding::Bad {
            what: format!("cannot listen on port {port} of {host}: {error}"),
            next: Some(next.to_owned()),
        }];
    }
    // What listens on all addresses is reached by this machine's own.
    let address = if host == "0.0.0.0" || host == "::" { "127.0.0.1" } else { host };
    if own_server::is_ours(address, port).await {
        return vec![Finding::Good(format!("the server answers on port {port} of {host}"))];
    }
    let next =
        "stop it, or choose another port: `switchyard config set server.port PORT`".to_owned();
    vec![Finding::Bad {
        what: format!("another program has port {port} of {host}"),
        next: Some(next),
    }]
}
