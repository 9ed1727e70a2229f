//! Finds the folder whose files speak for the project one works in.
//!
//! Called by the finder of sources. It looks upward from the working directory, not beyond the repository's root, and not
//! past a folder that somebody else can change: what lies there was left by others. It reads no file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::file::stranger;
use crate::layer::Inputs;
use crate::paths::opencode_config;

/// The files of a project, from low to high.
pub const PROJECT_FILES: &[&str] = &["opencode.json", "opencode.jsonc", "switchyard.jsonc"];

/// A project's folder.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// The folder without links in its path.
    pub(crate) real: PathBuf,
    /// Who else can change the folder, so that its files are not read at all.
    pub(crate) stranger: Option<String>,
}

/// What the search came to.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) found: Option<Place>,
    /// The files that would have been the project's, had they been there.
    pub(crate) looked_for: Vec<PathBuf>,
}

/// Returns the folder of the project that one works in, if there is one. Its files may be wrong, and are not read.
pub fn project_folder(inputs: &Inputs) -> Option<PathBuf> {
    find_folder(inputs).found.map(|place| place.folder)
}

/// Finds the nearest folder that has a project's file. The user's own folders are no projects.
pub(crate) fn find_folder(inputs: &Inputs) -> Search {
    let opencode = opencode_config(&inputs.environment);
    let mut search = Search::default();
    for folder in inputs.directory.ancestors() {
        let is_users = folder == inputs.paths.config || opencode.as_deref() == Some(folder);
        let stranger = match folder.metadata() {
            Ok(metadata) => stranger(&metadata),
            Err(error) => Some(format!("cannot be looked at: {error}")),
        };

        if !is_users && search.has_file(folder) {
            let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            search.found = Some(Place { folder: folder.to_owned(), real, stranger });
            return search;
        }
        if stranger.is_some() || folder.join(".git").exists() {
            break;
        }
    }
    search
}

impl Search {
    fn has_file(&mut self, folder: &Path) -> bool {
        let files = PROJECT_FILES.iter().map(|name| folder.join(name));
        // What is there in some other form, a circle of links say, is told when it is read.
        let is_there = |file: PathBuf| match file.metadata() {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ),
        };
        let has_file = files.clone().any(is_there);
        self.looked_for.extend(files);
        has_file
    }
}
