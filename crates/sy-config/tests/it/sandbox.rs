//! A home folder and a project in a temporary folder.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sy_config::{Config, Environment, Flags, Inputs, Loaded, Paths, Problem, load};
use tempfile::TempDir;

/// The user's file, from the root of the sandbox.
pub(crate) const USER: &str = "home/.config/switchyard/switchyard.jsonc";
/// The user's OpenCode file.
pub(crate) const OPENCODE: &str = "home/.config/opencode/opencode.json";

pub(crate) struct Sandbox {
    folder: TempDir,
    variables: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) flags: Flags,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let directory = folder.path().join("project/src");
        std::fs::create_dir_all(&directory).expect("a project folder");
        // The root of the repository: nothing above it belongs to the project.
        std::fs::create_dir_all(folder.path().join("project/.git")).expect("a repository");
        let home = folder.path().join("home").display().to_string();
        Self {
            folder,
            variables: vec![("HOME".to_owned(), home)],
            directory,
            flags: Flags::default(),
        }
    }

    pub(crate) fn with_user(text: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write(USER, text);
        sandbox
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Makes the user trust the project's folder.
    pub(crate) fn trust(&mut self) {
        self.set("SWITCHYARD_TRUSTED_PROJECTS", self.path("project").display().to_string());
    }

    pub(crate) fn inputs(&self) -> Inputs {
        let environment = Environment::of(self.variables.clone());
        let paths = Paths::resolve(&environment).expect("paths");
        Inputs { environment, paths, directory: self.directory.clone(), flags: self.flags.clone() }
    }

    pub(crate) fn try_load(&self) -> Result<Loaded, Vec<Problem>> {
        load(&self.inputs())
    }

    #[track_caller]
    pub(crate) fn load(&self) -> Loaded {
        match self.try_load() {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{}", lines(&problems)),
        }
    }

    #[track_caller]
    pub(crate) fn config(&self) -> Config {
        (*self.load().config).clone()
    }

    /// Returns the problems, each as `file name:line:column: message`.
    #[track_caller]
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.try_load().expect_err("problems");
        problems.iter().map(|problem| shorten(&problem.to_string())).collect()
    }

    /// Returns the notices, each as `file name:line:column: message`.
    #[track_caller]
    pub(crate) fn notices(&self) -> Vec<String> {
        self.load().notices.iter().map(|notice| shorten(&notice.to_string())).collect()
    }
}

/// Leaves out the folders of the file that a line begins with.
fn shorten(line: &str) -> String {
    let (place, message) = line.split_once(": ").expect("a place");
    let name = place.rsplit('/').next().unwrap_or(place);
    format!("{name}: {message}")
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Returns the leaf of a merged configuration at a JSON pointer.
pub(crate) fn leaf(loaded: &Loaded, pointer: &str) -> Value {
    loaded.value.pointer(pointer).cloned().unwrap_or(Value::Null)
}
