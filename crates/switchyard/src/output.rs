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

/// The least that a column is cut to, in letters.
const NARROWEST: usize = 6;

/// Writes rows with aligned columns. On a terminal the head is in colour and lines fit its width: the
/// widest of all but the first column, which is what people copy, are cut and end in `…`.
pub(crate) fn table(headers: &[&str], mut rows: Vec<Vec<String>>) -> Result<(), Unwritten> {
    let term = console::Term::stdout();
    let mut columns = headers.len();
    if term.is_term() {
        columns = fit(headers, &mut rows, usize::from(term.size().1));
    }

    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headers.iter().take(columns));
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

/// Cuts cells so that a line of all columns, two spaces between them, takes at most `width` letters,
/// and returns how many columns stay: where nothing can be cut any more, the last ones are left out.
fn fit(headers: &[&str], rows: &mut [Vec<String>], width: usize) -> usize {
    let length = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = headers.iter().map(|header| length(header)).collect();
    let least: Vec<usize> = widths.iter().map(|header| NARROWEST.max(*header)).collect();
    for row in rows.iter() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }

    while widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) > width {
        let others = widths.iter_mut().zip(&least).skip(1);
        let widest =
            others.filter(|(width, least)| **width > **least).max_by_key(|(width, _)| **width);
        if let Some((widest, _)) = widest {
            *widest -= 1;
            continue;
        }
        if widths.len() < 2 {
            break;
        }
        widths.pop();
    }

    for row in rows {
        row.truncate(widths.len());
        for (width, cell) in widths.iter().zip(row) {
            if length(cell) > *width {
                *cell = cell.chars().take(width.saturating_sub(1)).chain(['…']).collect();
            }
        }
    }
    widths.len()
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
    use super::{fit, printable};

    #[test]
    fn a_table_fits_and_keeps_what_is_copied() {
        let mut rows = vec![
            vec!["provider/a-long-model".to_owned(), "128000".to_owned(), "x".repeat(60)],
            vec!["p/m".to_owned(), "-".to_owned(), "short".to_owned()],
        ];
        assert_eq!(fit(&["MODEL", "CONTEXT", "NAME"], &mut rows, 50), 3);
        assert_eq!(rows[0][..2], ["provider/a-long-model".to_owned(), "128000".to_owned()]);
        assert_eq!(rows[0][2], format!("{}…", "x".repeat(17)));
        assert_eq!(rows[1][2], "short");
        assert_eq!(fit(&["MODEL", "CONTEXT", "NAME"], &mut rows, 35), 2, "no room for a third");
        assert_eq!(rows[0], ["provider/a-long-model", "128000"]);
    }

    #[test]
    fn foreign_text_cannot_command_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\u{9b}c\r\n\td"), "a[31mbc\n\td");
        assert_eq!(printable("größe 漢字"), "größe 漢字");
    }
}
