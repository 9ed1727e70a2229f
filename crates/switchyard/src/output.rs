//! What the user sees: results on standard output, everything else on standard error.
//!
//! Colour appears on terminals only (and never with `NO_COLOR`). A pipe that closes early is no error.

use std::io::{IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use owo_colors::OwoColorize;

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    text_part(&format!("{text}\n"));
}

/// Writes text to standard output without a line end, at once.
pub(crate) fn text_part(text: &str) {
    let mut out = anstream::stdout().lock();
    // The reader of a pipe may leave (`| head`): that is its right.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// Writes a JSON value to standard output.
pub(crate) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes rows with aligned columns.
pub(crate) fn table(headers: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headers.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for text in table.lines() {
        line(text.trim_end());
    }
}

/// Writes a remark to standard error.
pub(crate) fn note(text: &str) {
    remark(&format!("{text}\n"));
}

/// Writes text to standard error, dimmed and without a line end: reasoning, say.
pub(crate) fn dim(text: &str) {
    remark(&format!("{}", text.dimmed()));
}

/// Writes a warning to standard error.
pub(crate) fn warning(text: &str) {
    remark(&format!("{} {text}\n", "warning:".yellow().bold()));
}

/// Writes an error to standard error.
pub(crate) fn error(text: &str) {
    remark(&format!("{} {text}\n", "error:".red().bold()));
}

fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// Returns true when a person can be asked.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows that something takes time, on a terminal only. Gone when dropped.
pub(crate) fn progress(what: &str) -> Progress {
    let bar = if std::io::stderr().is_terminal() { indicatif::ProgressBar::new_spinner() } else { indicatif::ProgressBar::hidden() };
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    Progress(bar)
}

/// A sign that something takes time.
pub(crate) struct Progress(indicatif::ProgressBar);

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
