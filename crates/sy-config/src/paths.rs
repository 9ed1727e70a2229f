//! Where configuration, data, cache and state live.
//!
//! Resolved once by the binary from the environment snapshot. It creates no folder.

use std::path::{Path, PathBuf};

use crate::env::Environment;
use crate::problem::Problem;

/// The four folders of Switchyard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The user's configuration (`switchyard.jsonc`).
    pub config: PathBuf,
    /// What must survive: stored credentials.
    pub data: PathBuf,
    /// What can be fetched again: the catalog.
    pub cache: PathBuf,
    /// What belongs to this machine: the token file, logs.
    pub state: PathBuf,
}

impl Paths {
    /// Finds the folders: below `SWITCHYARD_HOME` when it is set, else by the XDG base directory rules on every platform,
    /// as OpenCode does. Relative XDG paths are ignored, as those rules demand.
    ///
    /// # Errors
    /// When nothing says where the home folder is.
    pub fn resolve(environment: &Environment) -> Result<Self, Problem> {
        if let Some(home) = environment.get("SWITCHYARD_HOME") {
            return Ok(Self::below(Path::new(home)));
        }
        let folder = |variable: &'static str, default: &str| {
            base_folder(environment, variable, default)
                .map(|base| base.join("switchyard"))
                .ok_or_else(|| homeless(variable))
        };
        Ok(Self {
            config: folder("XDG_CONFIG_HOME", ".config")?,
            data: folder("XDG_DATA_HOME", ".local/share")?,
            cache: folder("XDG_CACHE_HOME", ".cache")?,
            state: folder("XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// Returns the folders below one folder, as `SWITCHYARD_HOME` arranges them.
    pub fn below(home: &Path) -> Self {
        Self {
            config: home.join("config"),
            data: home.join("data"),
            cache: home.join("cache"),
            state: home.join("state"),
        }
    }

    /// Returns the user's own configuration file.
    pub fn user_file(&self) -> PathBuf {
        self.config.join("switchyard.jsonc")
    }
}

/// Returns OpenCode's configuration folder, or `None` when nothing says where the home folder is.
pub fn opencode_config(environment: &Environment) -> Option<PathBuf> {
    Some(base_folder(environment, "XDG_CONFIG_HOME", ".config")?.join("opencode"))
}

/// Returns OpenCode's data folder, where its `auth.json` is, or `None` when nothing says where the home folder is.
pub fn opencode_data(environment: &Environment) -> Option<PathBuf> {
    Some(base_folder(environment, "XDG_DATA_HOME", ".local/share")?.join("opencode"))
}

/// Returns the home folder.
pub(crate) fn home(environment: &Environment) -> Option<PathBuf> {
    environment.get("HOME").or_else(|| environment.get("USERPROFILE")).map(PathBuf::from)
}

fn base_folder(environment: &Environment, variable: &str, default: &str) -> Option<PathBuf> {
    let named = environment.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(home(environment)?.join(default)))
}

fn homeless(variable: &str) -> Problem {
    Problem {
        file: "environment".to_owned(),
        line: 0,
        column: 0,
        message: format!("expected HOME or {variable} to name a folder, got neither"),
        help: Some("set HOME, or SWITCHYARD_HOME to keep everything in one folder".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Paths, opencode_config, opencode_data};
    use crate::env::Environment;

    #[track_caller]
    fn check(variables: &[(&str, &str)], config: &str, state: &str) {
        let paths = Paths::resolve(&Environment::of(variables.iter().copied())).expect("paths");
        assert_eq!(
            (paths.config.as_path(), paths.state.as_path()),
            (Path::new(config), Path::new(state))
        );
    }

    #[test]
    fn folders_follow_the_environment() {
        check(&[("HOME", "/h")], "/h/.config/switchyard", "/h/.local/state/switchyard");
        check(
            &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")],
            "/c/switchyard",
            "/h/.local/state/switchyard",
        );
        check(
            &[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")],
            "/h/.config/switchyard",
            "/h/.local/state/switchyard",
        );
        check(
            &[("HOME", "/h"), ("XDG_STATE_HOME", "/x"), ("SWITCHYARD_HOME", "/s")],
            "/s/config",
            "/s/state",
        );
        check(&[("USERPROFILE", "/u")], "/u/.config/switchyard", "/u/.local/state/switchyard");
    }

    #[test]
    fn no_home_is_an_error_that_says_what_to_set() {
        let problem = Paths::resolve(&Environment::default()).expect_err("no home");
        assert_eq!(
            problem.to_string(),
            "environment: expected HOME or XDG_CONFIG_HOME to name a folder, got neither"
        );
    }

    #[test]
    fn folders_of_opencode_do_not_move_with_ours() {
        let environment = Environment::of([("HOME", "/h"), ("SWITCHYARD_HOME", "/s")]);
        assert_eq!(
            opencode_config(&environment).as_deref(),
            Some(Path::new("/h/.config/opencode"))
        );
        assert_eq!(
            opencode_data(&environment).as_deref(),
            Some(Path::new("/h/.local/share/opencode"))
        );
    }
}
