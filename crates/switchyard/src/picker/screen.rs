//! Makes lines of a searched list, each cut to the terminal's width: a line that wraps would push
//! the question away.

use console::{Emoji, measure_text_width, style, truncate_str};

use super::list::List;

/// Marks, each with one for terminals without Unicode; the questions that follow have the same.
const QUESTION: Emoji<'_, '_> = Emoji("◆", "*");
const ANSWERED: Emoji<'_, '_> = Emoji("◇", "o");
const BAR: Emoji<'_, '_> = Emoji("│", "|");
const END: Emoji<'_, '_> = Emoji("└", "-");
const CURRENT: Emoji<'_, '_> = Emoji("●", ">");
const ANOTHER: Emoji<'_, '_> = Emoji("○", " ");
const CURSOR: Emoji<'_, '_> = Emoji("▏", "");
const KEYS: Emoji<'_, '_> = Emoji(
    "↑↓ move · enter choose · esc clear, then leave",
    "up, down: move; enter: choose; esc: clear, then leave",
);

/// The widest column of labels.
const LABEL: usize = 30;

/// Returns the lines of a list that is being searched.
pub(crate) fn lines(question: &str, list: &List, width: usize) -> Vec<String> {
    let bar = style(BAR).for_stderr().cyan();
    let mut lines = vec![format!("{}  {question}", style(QUESTION).for_stderr().cyan())];
    lines.push(match list.query() {
        "" => format!("{bar}  {}", style("type to search").for_stderr().dim()),
        query => format!("{bar}  search: {query}{}", style(CURSOR).for_stderr().cyan()),
    });

    let label = list.visible().map(|(row, _)| measure_text_width(&row.label)).max();
    let label = label.unwrap_or_default().min(LABEL);
    for (row, is_current) in list.visible() {
        let name = padded(&row.label, label);
        let hint = style(row.hint.as_str()).for_stderr().dim();
        lines.push(match is_current {
            true => format!("{bar}  {} {name}  {hint}", style(CURRENT).for_stderr().green()),
            false => format!("{bar}  {ANOTHER} {name}  {hint}"),
        });
    }
    lines.push(format!("{bar}  {}", style(place(list)).for_stderr().dim()));

    lines.push(format!("{}  {}", style(END).for_stderr().cyan(), style(KEYS).for_stderr().dim()));
    lines.iter().map(|line| truncate_str(line, width.saturating_sub(1), "…").into_owned()).collect()
}

/// Returns the lines that stay once a row is chosen.
pub(crate) fn answered(question: &str, label: &str) -> Vec<String> {
    vec![
        format!("{}  {question}", style(ANSWERED).for_stderr().green()),
        format!("{}  {}", style(BAR).for_stderr().dim(), style(label).for_stderr().dim()),
        style(BAR).for_stderr().dim().to_string(),
    ]
}

/// Says where in the list the window is.
fn place(list: &List) -> String {
    let (found, all) = list.counts();
    let (above, below) = list.hidden();
    match (above, below) {
        _ if found == 0 => "nothing matches".to_owned(),
        (0, 0) => format!("{found} of {all}"),
        (0, below) => format!("{found} of {all}, {below} more below"),
        (above, 0) => format!("{found} of {all}, {above} more above"),
        (above, below) => format!("{found} of {all}, {above} more above, {below} below"),
    }
}

fn padded(text: &str, width: usize) -> String {
    let cut = truncate_str(text, width, "…");
    format!("{cut}{}", " ".repeat(width.saturating_sub(measure_text_width(&cut))))
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::{List, lines};
    use crate::picker::{Group, Row};

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let row = |n: usize| Row {
            label: format!("Ein sehr langer Name 漢字 {n} {}", "x".repeat(60)),
            id: format!("id{n}"),
            hint: "y".repeat(100),
            group: Group::Rest,
            always: false,
        };
        let list = List::new((0..300).map(row).collect(), 10);
        for width in [20, 80, 100] {
            let lines = lines("Which provider?", &list, width);
            assert_eq!(lines.len(), 14);
            assert!(lines.iter().all(|line| measure_text_width(line) < width), "{lines:#?}");
        }
    }
}
