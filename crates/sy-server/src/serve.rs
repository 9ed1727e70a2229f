//! Binds, runs, drains.
//!
//! Called by the binary with the composed parts. Stopping has three steps: no new connections, running requests get
//! `server.shutdown_seconds` to finish, then what still waits is refused and open streams are ended with an error event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use sy_config::Paths;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::compose::Composition;
use crate::connections::Connections;
use crate::failure::shutting_down;
use crate::running::Announcement;

/// How long requests and streams get to send why they end once the draining time is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another program listens there.
    #[error(
        "cannot listen on {0}: the port is in use: stop the other program, or choose another port with --port or \
         SWITCHYARD_PORT"
    )]
    InUse(SocketAddr),
    /// The address cannot be understood or bound.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The listener failed while running.
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
}

/// A server that is bound but does not run yet.
pub struct Served {
    app: App,
    watch: crate::compose::Background,
    listener: TcpListener,
    address: SocketAddr,
    /// Lets commands find it from the moment on that its address can be told.
    announcement: Option<Announcement>,
}

/// Reads the host of the configuration as an address.
///
/// # Errors
/// [`ServeError::Bind`] when the name has no address.
pub(crate) fn resolve_host(host: &str) -> Result<IpAddr, ServeError> {
    let failed = |reason: String| ServeError::Bind { address: host.to_owned(), reason };
    let mut found =
        (host.trim_start_matches('[').trim_end_matches(']'), 0).to_socket_addrs().map_err(
            |error| failed(format!("expected an IP address or localhost in server.host: {error}")),
        )?;
    found
        .next()
        .map(|address| address.ip())
        .ok_or_else(|| failed("the name has no address".to_owned()))
}

/// Binds the configured address.
///
/// # Errors
/// [`ServeError::InUse`] when another program has the port, [`ServeError::Bind`] with what to do for other reasons.
pub fn serve(composition: Composition) -> Result<Served, ServeError> {
    let Composition { app, background: watch, bind, paths } = composition;
    let port = app.config().server.port;
    let wanted = SocketAddr::new(bind, port);
    let listener = TcpListener::bind(wanted).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => return ServeError::InUse(wanted),
            std::io::ErrorKind::PermissionDenied => format!(
                "not allowed: choose a port above 1023 with --port or SWITCHYARD_PORT ({error})"
            ),
            _ => error.to_string(),
        };
        ServeError::Bind { address: wanted.to_string(), reason }
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let announcement = announce(&paths, address);
    Ok(Served { app, watch, listener, address, announcement })
}

impl Served {
    /// Returns the address that was bound: with port 0, the one that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where clients on this machine reach it, without a path.
    pub fn url(&self) -> String {
        local_url(self.address)
    }

    /// Returns the ids of the providers to which requests can be authorised.
    pub fn connected(&self) -> Vec<String> {
        let rows = self.app.catalog.rows();
        rows.into_iter().filter(|row| self.app.router.is_connected(row)).map(|row| row.id).collect()
    }

    /// Returns the full name of the model that answers when none is named; `None` where there is none.
    pub fn default_model(&self) -> Option<String> {
        let target = self.app.router.first_target("default").ok()?;
        Some(target.name())
    }

    /// Returns the parts.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Runs until `shutdown` completes, then drains.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { app, watch, listener, address: _, announcement: _announcement } = self;
        watch.start(&app);

        let connections = Connections::new(
            &app.config().server,
            Arc::clone(&app.observatory),
            app.stopping.clone(),
        );
        connections.warn_of_little_room();
        app.tasks.spawn(stop(app.clone(), connections.clone(), shutdown));

        // Once this returns, the port is free and new connections are refused by the system.
        let listener = tokio::net::TcpListener::from_std(listener)?;
        connections.accept(listener, crate::http::service(app.clone())).await;
        let drain = Duration::from_secs(app.config().server.shutdown_seconds);
        connections.finish(drain + LAST_WORDS).await;

        app.cut.cancel();
        app.stopping.cancel();
        app.tasks.close();
        if tokio::time::timeout(LAST_WORDS, app.tasks.wait()).await.is_err() {
            warn!("background work did not end in time");
        }
        info!("stopped");
        Ok(())
    }
}

/// Returns the URL of a server for clients on this machine.
fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Lets the commands of this user find the server. They can be told the address, so a failure is no reason to stop.
fn announce(paths: &Paths, address: SocketAddr) -> Option<Announcement> {
    Announcement::publish(paths, local_url(address))
        .inspect_err(|error| {
            warn!(%error, "the running address could not be recorded: other commands need --url")
        })
        .ok()
}

/// Waits for the wish to stop and carries it out.
async fn stop(app: App, connections: Connections, shutdown: impl Future<Output = ()> + Send) {
    shutdown.await;
    app.stopping.cancel();
    let drain = Duration::from_secs(app.config().server.shutdown_seconds);
    debug!(open = connections.count(), seconds = drain.as_secs(), "running requests may finish");

    let deadline = async move {
        tokio::time::sleep(drain).await;
        app.router.close(shutting_down());
        app.cut.cancel();
    };
    // The server's own future ends as soon as the last connection closes; this one then is dropped with the tracker.
    tokio::select! {
        () = deadline => {}
        () = all_closed(&connections) => {}
    }
}

/// Completes when no connection is open any more.
async fn all_closed(connections: &Connections) {
    while connections.count() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
