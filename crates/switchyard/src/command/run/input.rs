//! Standard input as a part of the prompt.
//!
//! A pipe may be open for ever without anybody writing to it (a shell script in a terminal's background, a job of a build
//! server). So one that nobody demanded is given a moment to begin, and then done without.

use std::io::{IsTerminal, Read};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::exit::Usage;
use crate::output;

/// How long input that nobody demanded may take to begin.
const BEGIN_PATIENCE: Duration = Duration::from_secs(3);
/// The longest input that is read, in bytes: longer than any model's window.
const LONGEST: u64 = 32 << 20;

/// Reads standard input to its end, because the prompt is there or names it.
///
/// # Errors
/// When a person sits there, or what comes is not UTF-8 or too long.
pub(super) fn required() -> Result<String> {
    if std::io::stdin().is_terminal() {
        let expected =
            "there is no prompt: expected `switchyard run \"…\"`, or text on standard input";
        return Err(Usage(expected.to_owned()).into());
    }
    text(rest(Vec::new())?)
}

/// Reads standard input to its end where something comes; `None` where a person sits there or nothing comes.
///
/// # Errors
/// When what comes is not UTF-8 or too long.
pub(super) fn piped() -> Result<Option<String>> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    // A read cannot be given up; this thread ends with the process.
    let (begun, beginning) = mpsc::channel();
    std::thread::spawn(move || {
        let mut first = vec![0; 8 << 10];
        let read = std::io::stdin().read(&mut first).map(|length| {
            first.truncate(length);
            first
        });
        // Nobody listens any more when the time is over.
        begun.send(read).ok();
    });

    let Ok(first) = beginning.recv_timeout(BEGIN_PATIENCE) else {
        output::note(
            "standard input is open but empty: going on without it (`</dev/null` saves the wait)",
        );
        return Ok(None);
    };
    let first = first.context("standard input cannot be read")?;
    if first.is_empty() {
        return Ok(None);
    }
    text(rest(first)?).map(Some)
}

fn rest(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut limited = std::io::stdin().take(LONGEST + 1);
    limited.read_to_end(&mut bytes).context("standard input cannot be read")?;
    if bytes.len() as u64 > LONGEST {
        return Err(anyhow!("standard input is too long: expected at most {} MB", LONGEST >> 20));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| anyhow!("standard input is not UTF-8 text"))
}
