//! `serve`: runs the server until it is told to stop.

use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Serve;
use crate::context::Context;
use crate::{exit, output};

/// How long the end may take beyond the time that running requests get.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last remarks may take to be written.
const LAST_NOTES: Duration = Duration::from_millis(500);

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
    let notes = Notes::start()?;
    for notice in &composed.live.current().notices {
        notes.warn(notice.to_string());
    }
    let mut signals = Signals::new()?;
    let served = sy_server::serve(sy_server::compose(composed)?)?;
    notes.note(format!("switchyard listens on http://{}", served.address()));
    if arguments.dangerously_unauthenticated {
        notes.warn(
            "nobody is asked for a token: every program on this machine can use your credentials",
        );
    } else {
        let url = served.url();
        notes.note(format!(
            "point the clients of another shell at it: eval \"$(switchyard env --url {url})\""
        ));
    }
    let longest = Duration::from_secs(served.app().config().server.shutdown_seconds) + PATIENCE;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let impatient = async {
        signals.next().await;
        notes.note("stopping when running requests are done; a second signal stops at once");
        // The receiver is gone only when the server has ended by itself.
        stop.send(()).ok();
        // Whatever holds the end up, it comes.
        tokio::time::timeout(longest, signals.next()).await.ok();
    };
    let serving = served.run(async {
        stopped.await.ok();
    });
    tokio::select! {
        outcome = serving => outcome.map(|()| ExitCode::SUCCESS).map_err(Into::into),
        () = impatient => Ok(ExitCode::from(exit::INTERRUPTED)),
    }
}

/// Remarks on standard error, written by a thread of their own: nobody may be reading it, and then a write never ends.
struct Notes {
    /// `None` once no more come.
    sender: Option<Sender<Note>>,
    written: Receiver<()>,
}

enum Note {
    Plain(Cow<'static, str>),
    Warning(Cow<'static, str>),
}

impl Notes {
    fn start() -> std::io::Result<Self> {
        let (sender, notes) = channel();
        let (done, written) = channel();
        std::thread::Builder::new().name("notes".to_owned()).spawn(move || {
            for note in notes {
                match note {
                    Note::Plain(text) => output::note(&text),
                    Note::Warning(text) => output::warning(&text),
                }
            }
            done.send(()).ok();
        })?;
        Ok(Self { sender: Some(sender), written })
    }

    fn note(&self, text: impl Into<Cow<'static, str>>) {
        self.send(Note::Plain(text.into()));
    }

    fn warn(&self, text: impl Into<Cow<'static, str>>) {
        self.send(Note::Warning(text.into()));
    }

    fn send(&self, note: Note) {
        // The thread ends only behind us.
        if let Some(sender) = &self.sender {
            sender.send(note).ok();
        }
    }
}

impl Drop for Notes {
    /// Waits a moment for the last ones.
    fn drop(&mut self) {
        self.sender = None;
        self.written.recv_timeout(LAST_NOTES).ok();
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
