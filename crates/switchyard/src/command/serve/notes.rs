//! What `serve` says beside its requests: on a terminal as it is, elsewhere as lines of the log, whose form readers rely on.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use sy_server::observe::tracing::Form;

use crate::output;

/// How long the last remarks may take to be written.
const LAST_NOTES: Duration = Duration::from_millis(500);

/// Remarks of a server.
pub(super) struct Notes {
    pub(super) form: Form,
    /// Writes them where they are no lines of the log.
    screen: Option<Screen>,
}

/// A thread that writes to standard error: nobody may be reading it, and then a write never ends.
struct Screen {
    /// `None` once no more come.
    sender: Option<Sender<Note>>,
    written: Receiver<()>,
}

enum Note {
    Plain(Cow<'static, str>),
    Warning(Cow<'static, str>),
}

impl Notes {
    pub(super) fn start(form: Form) -> std::io::Result<Self> {
        let screen = (form == Form::Screen).then(Screen::start).transpose()?;
        Ok(Self { form, screen })
    }

    pub(super) fn note(&self, text: impl Into<Cow<'static, str>>) {
        match &self.screen {
            Some(screen) => screen.send(Note::Plain(text.into())),
            None => tracing::info!("{}", text.into()),
        }
    }

    pub(super) fn warn(&self, text: impl Into<Cow<'static, str>>) {
        match &self.screen {
            Some(screen) => screen.send(Note::Warning(text.into())),
            None => tracing::warn!("{}", text.into()),
        }
    }
}

impl Screen {
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

    fn send(&self, note: Note) {
        // The thread ends only behind us.
        if let Some(sender) = &self.sender {
            sender.send(note).ok();
        }
    }
}

impl Drop for Screen {
    /// Waits a moment for the last ones.
    fn drop(&mut self) {
        self.sender = None;
        self.written.recv_timeout(LAST_NOTES).ok();
    }
}
