//! The state of a searched list: what matches, where the cursor stands, which rows are in the
//! window.
//!
//! It knows no terminal. Matching is strict: every word that was typed must stand in the row, and
//! the row where it stands best comes first and has the cursor. Only where nothing matches at all
//! do the nearest misspellings count.

/// Where a row stands while nothing was typed, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// It is here: a server that runs, a variable that is set.
    Found,
    /// Many choose it.
    Popular,
    Rest,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is shown.
    pub(crate) label: String,
    /// Another name, which is searched as well.
    pub(crate) id: String,
    /// What stands dimmed beside the label.
    pub(crate) hint: String,
    pub(crate) group: Group,
    /// Whether it is offered whatever was typed, below what matches.
    pub(crate) always: bool,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Letter(char),
    Erase,
    Clear,
    Enter,
    /// Takes back what was typed; leaves where nothing was.
    Escape,
    Leave,
}

/// What follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Stay,
    /// The row at this place was chosen.
    Chosen(usize),
    Left,
}

/// A searched list.
#[derive(Debug)]
pub(crate) struct List {
    rows: Vec<Row>,
    query: String,
    /// The places of the rows that match, best first.
    matches: Vec<usize>,
    cursor: usize,
    /// The first row of the window, as a place in `matches`.
    top: usize,
    window: usize,
}

impl List {
    /// Makes a list that shows at most `window` rows.
    pub(crate) fn new(rows: Vec<Row>, window: usize) -> Self {
        let mut list =
            Self { rows, query: String::new(), matches: Vec::new(), cursor: 0, top: 0, window };
        list.search();
        list
    }

    /// Does what a key means.
    pub(crate) fn take(&mut self, input: Input) -> Step {
        let last = self.matches.len().saturating_sub(1);
        match input {
            Input::Up => self.go(self.cursor.checked_sub(1).unwrap_or(last)),
            Input::Down => self.go(if self.cursor >= last { 0 } else { self.cursor + 1 }),
            Input::PageUp => self.go(self.cursor.saturating_sub(self.window)),
            Input::PageDown => self.go((self.cursor + self.window).min(last)),
            Input::First => self.go(0),
            Input::Last => self.go(last),
            Input::Letter(letter) => {
                self.query.push(letter);
                self.search();
            }
            Input::Erase => {
                self.query.pop();
                self.search();
            }
            Input::Clear => self.clear(),
            Input::Escape if !self.query.is_empty() => self.clear(),
            Input::Escape | Input::Leave => return Step::Left,
            Input::Enter => {
                if let Some(&index) = self.matches.get(self.cursor) {
                    return Step::Chosen(index);
                }
            }
        }
        Step::Stay
    }

    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)
    }

    /// Returns how many rows match, and how many there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.matches.len(), self.rows.len())
    }

    /// Returns the rows of the window, each with whether the cursor is on it.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (&Row, bool)> {
        let window = self.matches.iter().enumerate().skip(self.top).take(self.window);
        window.filter_map(|(place, &index)| Some((self.rows.get(index)?, place == self.cursor)))
    }

    /// Returns how many matches stand above and below the window.
    pub(crate) fn hidden(&self) -> (usize, usize) {
        (self.top, self.matches.len().saturating_sub(self.top + self.window))
    }

    fn clear(&mut self) {
        self.query.clear();
        self.search();
    }

    fn go(&mut self, place: usize) {
        self.cursor = place;
        if place < self.top {
            self.top = place;
        } else if place >= self.top + self.window {
            self.top = place + 1 - self.window;
        }
    }

    /// Finds what matches, best first, and puts the cursor on the best.
    fn search(&mut self) {
        let query = self.query.trim().to_lowercase();
        let mut found = self.ranked(|row| rank(row, &query));
        if found.iter().all(|(_, index)| self.is_always(*index)) {
            found.extend(self.ranked(|row| misspelt(row, &query)));
        }
        found.sort_by_key(|(rank, index)| {
            (*rank, self.rows.get(*index).map(|row| row.group), *index)
        });

        self.matches = found.into_iter().map(|(_, index)| index).collect();
        (self.cursor, self.top) = (0, 0);
    }

    fn ranked(&self, rank: impl Fn(&Row) -> Option<u32>) -> Vec<(u32, usize)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(index, row)| Some((rank(row)?, index))).collect()
    }

    fn is_always(&self, index: usize) -> bool {
        self.rows.get(index).is_some_and(|row| row.always)
    }
}

/// Says how well a row matches, 0 being best; `None` where it does not.
fn rank(row: &Row, query: &str) -> Option<u32> {
    let (label, id) = (row.label.to_lowercase(), row.id.to_lowercase());
    if query.is_empty() || label == query || id == query {
        return Some(0);
    }
    let of_word = |word: &str| [&label, &id].into_iter().filter_map(|text| place(text, word)).min();
    let worst =
        query.split_whitespace().map(of_word).try_fold(0, |worst, rank| Some(worst.max(rank?)));
    worst.or_else(|| row.always.then_some(LAST))
}

/// Comes after every match.
const LAST: u32 = 10;

/// Says where a word stands in a text: at its beginning, at the beginning of a word, or within one.
fn place(text: &str, word: &str) -> Option<u32> {
    let found = |(at, _): (usize, &str)| match text.get(..at)?.chars().next_back() {
        None => Some(1),
        Some(before) if !before.is_alphanumeric() => Some(2),
        Some(_) => Some(3),
    };
    text.match_indices(word).filter_map(found).min()
}

/// Says how far a row is from a name with a letter or two wrong.
fn misspelt(row: &Row, query: &str) -> Option<u32> {
    if row.always || query.chars().count() < 4 {
        return None;
    }
    let (label, id) = (row.label.to_lowercase(), row.id.to_lowercase());
    let distance =
        strsim::damerau_levenshtein(&id, query).min(strsim::damerau_levenshtein(&label, query));
    u32::try_from(distance).ok().filter(|distance| *distance <= 2)
}

#[cfg(test)]
mod tests;
