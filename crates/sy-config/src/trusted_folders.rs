//! The record of which project folders the user trusts.
//!
//! Read by the loader, kept by the command `trust`. A folder counts with the owner that it had: one that came to belong to
//! somebody else must be trusted anew. Writing the file is the caller's.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file::{self, ReadError, read_text};
use crate::paths::Paths;
use crate::problem::Problem;

/// The largest record, in bytes: thousands of folders.
const LARGEST_RECORD: u64 = 1024 * 1024;

/// What the user said about one folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedFolder {
    /// The folder, without links in its path.
    pub folder: PathBuf,
    /// The number of the user it belonged to, where the system has such numbers.
    pub owner: Option<u32>,
    /// False where the user was asked and said no, so that nobody asks again.
    pub is_trusted: bool,
}

/// What the user said about all folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedFolders {
    projects: Vec<TrustedFolder>,
}

impl TrustedFolders {
    /// Returns the file of the record.
    pub fn file(paths: &Paths) -> PathBuf {
        paths.state.join("trusted-projects.json")
    }

    /// Reads the record. One that is not there is empty.
    ///
    /// # Errors
    /// When the record cannot be read, or when somebody else can change it.
    pub fn read(paths: &Paths) -> Result<Self, Problem> {
        let file = Self::file(paths);
        let problem = |message: String, help: Option<String>| Problem {
            file: file.display().to_string(),
            line: 0,
            column: 0,
            message,
            help,
        };
        let read = match read_text(&file, LARGEST_RECORD) {
            Ok(read) => read,
            Err(ReadError::Missing) => return Ok(Self::default()),
            Err(ReadError::Refused(refusal)) => return Err(problem(refusal.fault, refusal.help)),
        };

        let remedy = "remove it, then trust your folders again with `switchyard trust`";
        if let Some(reason) = file::stranger(&read.metadata) {
            return Err(problem(format!("{reason}, so it is not used"), Some(remedy.to_owned())));
        }
        serde_json::from_str(&read.text).map_err(|_| {
            problem("expected a list of trusted folders".to_owned(), Some(remedy.to_owned()))
        })
    }

    /// Returns the text of the record's file.
    pub fn to_text(&self) -> String {
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// Returns what was said about each folder, in the order it was said.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedFolder> {
        self.projects.iter()
    }

    /// Notes what the user says about a folder, with its present owner. Returns the folder without links in its path.
    ///
    /// # Errors
    /// A sentence, when the folder is not there, can be changed by somebody else, or cannot be written down.
    pub fn note(&mut self, folder: &Path, is_trusted: bool) -> Result<PathBuf, String> {
        let shown = folder.display();
        let real = folder.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
        let metadata = real.metadata().map_err(|error| format!("{shown}: {error}"))?;
        if !metadata.is_dir() {
            return Err(format!("{shown}: expected a folder"));
        }
        if real.to_str().is_none() {
            return Err(format!("{shown}: expected a path of Unicode characters"));
        }
        if let Some(reason) = file::stranger(&metadata).filter(|_| is_trusted) {
            return Err(format!("{shown} {reason}, so it cannot be trusted"));
        }

        self.projects.retain(|known| known.folder != real);
        let owner = file::owner(&metadata);
        self.projects.push(TrustedFolder { folder: real.clone(), owner, is_trusted });
        Ok(real)
    }

    /// Forgets a folder, whether it is still there or not. Returns false when nothing was known about it.
    pub fn forget(&mut self, folder: &Path) -> bool {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let before = self.projects.len();
        self.projects.retain(|known| known.folder != real && known.folder != folder);
        self.projects.len() != before
    }

    /// Returns what was said about a folder without links in its path.
    pub(crate) fn about(&self, real: &Path) -> Option<&TrustedFolder> {
        self.projects.iter().find(|known| known.folder == real)
    }
}
