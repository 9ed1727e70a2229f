//! What is wrong with a configuration, and what is merely worth knowing.
//!
//! Made by every step of the loader, shown by the command line and the server. It never holds a value that was written,
//! only where it stands and what was expected.

/// Something that makes a configuration unusable. Its display form is `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Place { file, line: *line, column: *column })]
pub struct Problem {
    /// The file, or the name of the source where it is not a file (`SWITCHYARD_CONFIG_CONTENT`, `flags`); empty for what was
    /// typed on the command line.
    pub file: String,
    /// Counted from 1; 0 where the source has no lines.
    pub line: usize,
    /// Counted from 1 in characters; 0 where the source has no lines.
    pub column: usize,
    /// What was expected and what came, in lower case, without a full stop.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub help: Option<String>,
}

/// Something worth knowing about a configuration that is usable. Its display form is `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// As in [`Problem`].
    pub file: String,
    /// As in [`Problem`].
    pub line: usize,
    /// As in [`Problem`].
    pub column: usize,
    /// What was left out or done otherwise, and why.
    pub message: String,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}",
            Place { file: &self.file, line: self.line, column: self.column },
            self.message
        )
    }
}

/// `file:line:column: `, without what is not known.
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.file.is_empty() {
            return Ok(());
        }
        if self.line == 0 {
            return write!(f, "{}: ", self.file);
        }
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)
    }
}
