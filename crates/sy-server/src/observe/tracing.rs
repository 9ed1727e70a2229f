//! The format and level of the log.
//!
//! Installed once by the binary. Lines go to standard error: short ones on a terminal, JSON elsewhere, unless the configuration
//! says otherwise.

use std::io::IsTerminal;

use ::tracing::error;
use sy_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::lines::{LastLines, Lines};
use super::screen::Screen;

/// Where and how log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people, on a terminal.
    Screen,
    /// For people, in a file or a pipe.
    Text,
    /// For programs: each line is a JSON object.
    Json,
}

impl Form {
    /// Returns the form that the configuration asks for where standard error goes now.
    pub fn of(format: LogFormat) -> Self {
        match (format, std::io::stderr().is_terminal()) {
            (LogFormat::Json, _) | (LogFormat::Auto, false) => Self::Json,
            (LogFormat::Text | LogFormat::Auto, true) => Self::Screen,
            (LogFormat::Text, false) => Self::Text,
        }
    }
}

/// Installs the log for the whole process; each line is written at once. A second call changes nothing. `is_coloured` says
/// whether a terminal gets colours.
///
/// # Errors
/// When the level is not a filter that can be read, with the words that can.
pub fn install(log: &Log, is_coloured: bool) -> Result<(), String> {
    init(log, is_coloured, std::io::stderr)
}

/// Installs the log of a server: a thread of its own writes it, so that a reader who stops reading stops nobody. Where it
/// does not go to a terminal, lines are gathered for a moment and written together. What comes back waits a moment for the
/// last ones when it is dropped.
///
/// # Errors
/// When the level is not a filter that can be read, with the words that can; when the thread cannot be started.
pub fn install_gathered(log: &Log, is_coloured: bool) -> Result<LastLines, String> {
    let gathers = !std::io::stderr().is_terminal();
    let (lines, last) = Lines::start(gathers, std::io::stderr())
        .map_err(|error| format!("the thread of the log cannot be started: {error}"))?;
    // The usual hook writes to standard error itself, and waits for a reader.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(place, "a defect: a part of the program gave up");
    }));
    init(log, is_coloured, lines).map(|()| last)
}

fn init(
    log: &Log,
    is_coloured: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| {
        let expected =
            "expected error, warn, info, debug, trace or a filter like `info,sy_router=debug`";
        format!("log.level: {expected}, got {:?}: {error}", log.level)
    })?;
    let form = Form::of(log.format);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let installed = if form == Form::Json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        let is_terminal = form == Form::Screen;
        builder
            .with_ansi(is_terminal && is_coloured)
            .event_format(Screen { is_terminal })
            .try_init()
    };
    // Somebody installed a log before: theirs stays.
    installed.or(Ok(()))
}
