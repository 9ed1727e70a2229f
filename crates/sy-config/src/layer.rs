//! What goes into a configuration and what comes out: inputs, layers, origins.
//!
//! Made by the binary (inputs) and by the loader (the rest). Nothing here reads anything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::env::Environment;
use crate::paths::Paths;
use crate::problem::Notice;
use crate::section::Config;

/// Where configuration comes from. The same inputs are read again on each reload.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The environment snapshot.
    pub environment: Environment,
    /// Where the user's files are.
    pub paths: Paths,
    /// The working directory; project files are looked for from here upward.
    pub directory: PathBuf,
    /// What the command line says.
    pub flags: Flags,
}

/// What the command line says.
#[derive(Clone, Default)]
pub struct Flags {
    /// A configuration file, instead of the one `SWITCHYARD_CONFIG` names.
    pub config_file: Option<PathBuf>,
    /// The highest layer, in the form of a configuration file (`{"server": {"port": 9000}}`), or null for none.
    pub overlay: Value,
}

impl std::fmt::Debug for Flags {
    /// Shows which sections are set but not to what: a value may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sections: Vec<&String> =
            self.overlay.as_object().into_iter().flat_map(|map| map.keys()).collect();
        f.debug_struct("Flags")
            .field("config_file", &self.config_file)
            .field("overlay", &sections)
            .finish()
    }
}

/// The kinds of layers, from low to high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// The defaults of this program.
    BuiltIn,
    /// The user's OpenCode files.
    OpenCode,
    /// `switchyard.jsonc` in the user's configuration folder.
    User,
    /// `opencode.json`, `opencode.jsonc` and `switchyard.jsonc` of the project, in this order.
    Project,
    /// The file that `--config` or `SWITCHYARD_CONFIG` names.
    ConfigFile,
    /// `SWITCHYARD_CONFIG_CONTENT`.
    ConfigContent,
    /// `switchyard.<env>.jsonc`, the user's below the project's.
    Overlay,
    /// Variables that stand for one key each, such as `SWITCHYARD_LOG`.
    Variables,
    /// Flags of the command line.
    Flags,
}

impl LayerKind {
    /// Returns the layer's name as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::OpenCode => "opencode",
            Self::User => "user",
            Self::Project => "project",
            Self::ConfigFile => "config-file",
            Self::ConfigContent => "config-content",
            Self::Overlay => "overlay",
            Self::Variables => "environment",
            Self::Flags => "flags",
        }
    }
}

/// A layer that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its kind.
    pub kind: LayerKind,
    /// The file, or the name of the source where it is not a file.
    pub source: String,
    /// The file, where it is one.
    pub path: Option<PathBuf>,
    /// Why not all of it counts, in two words: `not read`, `not trusted`.
    pub restriction: Option<&'static str>,
}

/// The project one works in, and what became of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether the user trusts it, so that its files count.
    pub is_trusted: bool,
    /// Whether the user was asked and said no.
    pub was_declined: bool,
    /// The keys that would count if it were trusted.
    pub left_out: Vec<String>,
    /// One line on what was left out and what to do, where anything was.
    pub notice: Option<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of the layer that won.
    pub layer: LayerKind,
    /// The file, or the name of the source where it is not a file.
    pub source: String,
    /// Counted from 1; 0 where the source has no lines.
    pub line: usize,
    /// Counted from 1 in characters; 0 where the source has no lines.
    pub column: usize,
}

/// A configuration that was read and found valid.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The typed configuration, with all references resolved.
    pub config: Arc<Config>,
    /// The layers that were read, from low to high.
    pub layers: Vec<Layer>,
    /// All layers laid over each other. References stand as they were written and secrets are masked, so it may be shown.
    pub value: Value,
    /// Where each leaf of `value` comes from, by JSON pointer. A list is one leaf.
    pub provenance: BTreeMap<String, Origin>,
    /// What is worth knowing: what was left out, what should be done otherwise.
    pub notices: Vec<Notice>,
    /// The project one works in, where a file of one was found.
    pub project: Option<Project>,
    pub(crate) inputs: Inputs,
    /// Every file that was read or looked for.
    pub(crate) files: Vec<PathBuf>,
    /// The files in which nothing is written.
    pub(crate) blank_files: Vec<PathBuf>,
}
