//! Collects problems and notices while layers are read.
//!
//! Handed through every step of the loader, so that all problems are found and not the first one only. It decides nothing.

use std::path::PathBuf;

use crate::node::Place;
use crate::problem::{Notice, Problem};

/// What was found so far, and the names of the sources it was found in.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sources: Vec<String>,
    problems: Vec<(Place, Problem)>,
    notices: Vec<(Place, Notice)>,
    files: Vec<PathBuf>,
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
        if !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Returns the problems in the order of layers, lines and columns.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|(place, _)| *place);
        self.problems.into_iter().map(|(_, problem)| problem).collect()
    }

    /// Returns the notices in the order of layers, lines and columns, and the files to follow.
    pub(crate) fn into_notices(mut self) -> (Vec<Notice>, Vec<PathBuf>) {
        self.notices.sort_by_key(|(place, _)| *place);
        (self.notices.into_iter().map(|(_, notice)| notice).collect(), self.files)
    }
}
