//! What the user sees: results on standard output, everything else on standard error.
//!
//! Colour appears on terminals only (and never with `NO_COLOR`). A result that cannot be written is an error; a reader
//! that left (`| head`) ends the command quietly. It deliberately does not decide what is worth saying.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use owo_colors::OwoColorize;

/// Standard output cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritten(std::io::Error);

impl Unwritten {
    /// Returns true when the reader of a pipe left, which is its right.
    pub(crate) fn reader_left(&self) -> bool {
        self.0.kind() == std::io::ErrorKind::BrokenPipe
    }
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> Result<(), Unwritten> {
    part(&format!("{text}\n"))
}

/// Writes lines to standard output.
pub(crate) fn lines<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), Unwritten> {
    let mut whole = String::new();
    for text in texts {
        whole.push_str(text);
        whole.push('\n');
    }
    part(&whole)
}

/// Writes text to standard output without a line end, at once. A pipe gets it as it is; a terminal does not get control
/// characters, which may come from a model.
pub(crate) fn part(text: &str) -> Result<(), Unwritten> {
    let mut out = std::io::stdout().lock();
    let shown = if out.is_terminal() { printable(text) } else { Cow::Borrowed(text) };
    out.write_all(shown.as_bytes()).and_then(|()| out.flush()).map_err(Unwritten)
}

/// Writes a text behind a label to standard output; on a terminal its further lines stand below its first word.
pub(crate) fn hanging(label: &str, text: &str) -> Result<(), Unwritten> {
    let term = console::Term::stdout();
    if !term.is_term() {
        return line(&format!("{label}{text}"));
    }
    let indent = " ".repeat(label.chars().count());
    let options = textwrap::Options::new(usize::from(term.size().1))
        .initial_indent(label)
        .subsequent_indent(&indent)
        .break_words(false);
    line(&textwrap::fill(text, options))
}

/// Writes a JSON value to standard output.
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Unwritten> {
    line(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Writes rows with aligned columns: within the width of a terminal and with a head in colour there, plain in a pipe.
pub(crate) fn table(headers: &[&str], rows: Vec<Vec<String>>) -> Result<(), Unwritten> {
    let term = console::Term::stdout();
    let width = term.is_term().then(|| term.size().1);

    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headers.to_vec());
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    let plain = |cell: String| printable(&cell).into_owned();
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(plain).collect::<Vec<String>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }

    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        match (index, line.trim_end()) {
            (0, head) => text.push_str(&format!("{}\n", head.bold())),
            (_, line) => text.push_str(&format!("{line}\n")),
        }
    }
    // Takes the colour off where it is not wanted: pipes, `NO_COLOR`.
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Unwritten)
}

/// Writes one name of a key as `config set` takes it.
pub(crate) fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// Writes a remark to standard error.
pub(crate) fn note(text: &str) {
    remark(&format!("{}\n", printable(text)));
}

/// Writes text to standard error, dimmed and without a line end: reasoning, say.
pub(crate) fn dim(text: &str) {
    remark(&format!("{}", printable(text).dimmed()));
}

/// Writes a warning to standard error.
pub(crate) fn warning(text: &str) {
    remark(&format!("{} {}\n", "warning:".yellow().bold(), printable(text)));
}

/// Writes an error to standard error.
pub(crate) fn error(text: &str) {
    remark(&format!("{} {}\n", "error:".red().bold(), printable(text)));
}

/// Writes the next step to standard error, below an error or a warning.
pub(crate) fn help(text: &str) {
    remark(&format!("  {} {}\n", "help:".bold(), printable(text)));
}

fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    // There is nowhere left to say that standard error is gone.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// Takes out what would command a terminal: providers and models write some of our texts.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(commands) {
        Cow::Owned(text.replace(commands, ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns true when a person watches both outputs.
pub(crate) fn is_watched() -> bool {
    std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Returns true when a person can be asked.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Returns true when a person can be asked and nothing of what is written goes into a file, a pipe or another program.
pub(crate) fn is_interactive_throughout() -> bool {
    is_interactive() && std::io::stdout().is_terminal()
}

/// Shows that something takes time, on a terminal only. Gone when dropped.
pub(crate) fn progress(what: &str) -> Progress {
    let is_watched = std::io::stderr().is_terminal();
    let bar = if is_watched {
        indicatif::ProgressBar::new_spinner()
    } else {
        indicatif::ProgressBar::hidden()
    };
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

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn foreign_text_cannot_command_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\u{9b}c\r\n\td"), "a[31mbc\n\td");
        assert_eq!(printable("größe 漢字"), "größe 漢字");
    }
}
