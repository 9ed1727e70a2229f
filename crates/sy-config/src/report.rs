//! Collects problems and notices while layers are read.
//!
//! Handed through every step of the loader, so that all problems are found and not the first one only. It decides nothing.

use std::path::PathBuf;

use indexmap::IndexSet;

use crate::node::Place;
use crate::problem::{Notice, Problem};

/// The most problems that are told at once. Nobody reads more, and a broken file may have as many as it has values.
const MOST_TOLD: usize = 50;

/// What was found so far, and the names of the sources it was found in.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sources: Vec<String>,
    problems: Vec<(Place, Problem)>,
    notices: Vec<(Place, Notice)>,
    files: IndexSet<PathBuf>,
    blank: Vec<usize>,
}

impl Report {
    /// Adds a source and returns its index, which places refer to.
    pub(crate) fn add_source(&mut self, name: impl Into<String>) -> usize {
        self.sources.push(name.into());
        self.sources.len() - 1
    }

    pub(crate) fn source(&self, place: Place) -> String {
        self.sources.get(place.layer).cloned().unwrap_or_default()
    }

    pub(crate) fn problem(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let (file, line, column) = (self.source(place), place.line, place.column);
        self.problems.push((place, Problem { file, line, column, message: message.into(), help }));
    }

    pub(crate) fn notice(&mut self, place: Place, message: impl Into<String>) {
        let (file, line, column) = (self.source(place), place.line, place.column);
        self.notices.push((place, Notice { file, line, column, message: message.into() }));
    }

    /// Remembers a file whose change must lead to a reload.
    pub(crate) fn follow(&mut self, file: PathBuf) {
        self.files.insert(file);
    }

    /// Remembers that a source has no value in it at all.
    pub(crate) fn note_blank(&mut self, layer: usize) {
        self.blank.push(layer);
    }

    /// Returns true for a source that has no value in it at all.
    pub(crate) fn is_blank(&self, layer: usize) -> bool {
        self.blank.contains(&layer)
    }

    /// Returns true when further problems are only counted, so that nobody need find words for them.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() > MOST_TOLD
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Returns the first problem in brief, for a source that is then left out.
    pub(crate) fn first_problem(self) -> Option<String> {
        let first = self.into_problems().into_iter().next()?;
        Some(match first.line {
            0 => first.message,
            line => format!("line {line}: {}", first.message),
        })
    }

    /// Returns the problems in the order of layers, lines and columns. Of very many only the first are told.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|(place, _)| *place);
        let more = self.problems.len().saturating_sub(MOST_TOLD);
        let mut told: Vec<Problem> =
            self.problems.into_iter().take(MOST_TOLD).map(|(_, problem)| problem).collect();

        if let Some(last) = told.last().filter(|_| more > 0) {
            let message = format!("and {more} more problems after this one");
            told.push(Problem { message, help: None, ..last.clone() });
        }
        told
    }

    /// Returns the notices in the order of layers, lines and columns, as many as anybody reads, and the files to follow.
    pub(crate) fn into_notices(mut self) -> (Vec<Notice>, Vec<PathBuf>) {
        self.notices.sort_by_key(|(place, _)| *place);
        self.notices.truncate(MOST_TOLD);
        let files = self.files.into_iter().collect();
        (self.notices.into_iter().map(|(_, notice)| notice).collect(), files)
    }
}
