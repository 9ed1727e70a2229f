//! A question with many answers: a window of rows, searched while one types.
//!
//! `list` is the state and what each key does to it, `screen` makes lines of it, and this file is
//! the loop between a terminal and both. It fits the smallest terminal and never shows more rows
//! than there is room for.

mod list;
mod screen;

use console::{Key, Term};

pub(crate) use list::{Group, Row};

use list::{Input, List, Step};

/// The most rows that are shown at once.
const WINDOW: usize = 10;
/// The lines around the rows: question, search, count, hints.
const AROUND: usize = 5;

/// Lets a person choose a row and returns its place in `rows`. What was chosen stays on the screen.
///
/// # Errors
/// `Interrupted` when the person left without choosing; else what the terminal said.
pub(crate) fn pick(question: &str, rows: Vec<Row>) -> std::io::Result<usize> {
    let term = Term::stderr();
    let (height, _) = term.size();
    let window = usize::from(height).saturating_sub(AROUND).clamp(1, WINDOW);
    let mut list = List::new(rows, window);

    let mut frame = Frame { term: &term, lines: 0 };
    term.hide_cursor()?;
    loop {
        // The width is asked for each time: a terminal may be resized meanwhile.
        let (_, width) = term.size();
        frame.draw(&screen::lines(question, &list, usize::from(width)))?;

        let Some(input) = input(&term.read_key_raw()?) else { continue };
        match list.take(input) {
            Step::Stay => {}
            Step::Chosen(index) => {
                let label = list.row(index).map_or("", |row| row.label.as_str());
                frame.draw(&screen::answered(question, label))?;
                frame.lines = 0;
                return Ok(index);
            }
            Step::Left => return Err(std::io::ErrorKind::Interrupted.into()),
        }
    }
}

fn input(key: &Key) -> Option<Input> {
    Some(match key {
        Key::Char('\u{10}') | Key::ArrowUp | Key::BackTab => Input::Up,
        Key::Char('\u{e}') | Key::ArrowDown | Key::Tab => Input::Down,
        Key::PageUp => Input::PageUp,
        Key::PageDown => Input::PageDown,
        Key::Home => Input::First,
        Key::End => Input::Last,
        Key::Backspace => Input::Erase,
        Key::Char('\u{15}' | '\u{17}') => Input::Clear,
        Key::Enter => Input::Enter,
        Key::Escape => Input::Escape,
        Key::CtrlC | Key::Char('\u{3}' | '\u{4}') => Input::Leave,
        Key::Char(letter) if !letter.is_control() => Input::Letter(*letter),
        _ => return None,
    })
}

/// What stands on the screen. It is gone, and the cursor is back, when this is dropped.
struct Frame<'a> {
    term: &'a Term,
    lines: usize,
}

impl Frame<'_> {
    /// Puts lines in place of those that stand there, in one write: no flicker.
    fn draw(&mut self, lines: &[String]) -> std::io::Result<()> {
        let mut text = String::new();
        if self.lines > 0 {
            // Up to the first line, then clear to the end of the screen (ECMA-48, CPL and ED).
            text.push_str(&format!("\u{1b}[{}F\u{1b}[J", self.lines));
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        self.lines = lines.len();
        self.term.write_str(&text)?;
        self.term.flush()
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        self.draw(&[]).and_then(|()| self.term.show_cursor()).ok();
    }
}
