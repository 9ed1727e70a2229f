//! Finds the layers: which files, variables and flags speak, from low to high.
//!
//! Called by the loader before anything is understood. It reads files but does not look into them, except for the one
//! switch that decides whether OpenCode's files are read.

use std::path::{Path, PathBuf};

use jsonc_parser::parse_to_serde_value;
use serde_json::{Value, json};

use crate::layer::{Inputs, LayerKind};
use crate::node::parse_options;
use crate::paths::opencode_config;

/// The largest configuration file, in bytes. A file beyond it is a mistake, not a configuration.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;
/// The names of OpenCode's files, from low to high.
const OPENCODE_FILES: [&str; 3] = ["config.json", "opencode.json", "opencode.jsonc"];

/// Whose words a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenCode's: settings without a feature here are left out.
    OpenCode,
    /// Ours: every key must be known.
    Switchyard,
}

/// What a source says.
#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    Value(Value),
    /// It is there but says nothing, and this is why.
    Unreadable(String),
}

/// One source of configuration.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) kind: LayerKind,
    pub(crate) format: Format,
    pub(crate) name: String,
    pub(crate) path: Option<PathBuf>,
    /// What `{file:…}` is relative to.
    pub(crate) directory: PathBuf,
    pub(crate) content: Content,
}

/// The sources from low to high, and every file that was looked for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    pub(crate) looked_for: Vec<PathBuf>,
    /// The environment named by `SWITCHYARD_ENV` for which there is no overlay.
    pub(crate) missing_overlay: Option<String>,
}

/// Finds all sources.
pub(crate) fn find(inputs: &Inputs) -> Found {
    let mut found = Found::default();
    found.read(LayerKind::User, Format::Switchyard, &inputs.paths.user_file());
    let project = found.find_project(inputs);
    found.find_named(inputs);
    found.find_overlays(inputs, project.as_deref());
    found.find_variables(inputs);
    if !matches!(&inputs.flags.overlay, Value::Null) {
        let content = Content::Value(inputs.flags.overlay.clone());
        found.push(LayerKind::Flags, "flags", &inputs.directory, content);
    }
    if reads_opencode(&found.sources) {
        found.find_opencode(inputs);
    }
    found
}

impl Found {
    fn push(&mut self, kind: LayerKind, name: &str, directory: &Path, content: Content) {
        let directory = directory.to_owned();
        self.sources.push(Source {
            kind,
            format: Format::Switchyard,
            name: name.to_owned(),
            path: None,
            directory,
            content,
        });
    }

    /// Adds a file as a source. Returns false when there is none.
    fn read(&mut self, kind: LayerKind, format: Format, file: &Path) -> bool {
        self.looked_for.push(file.to_owned());
        let content = match read_file(file) {
            Ok(Some(text)) => Content::Text(text),
            Ok(None) => return false,
            Err(message) => Content::Unreadable(message),
        };
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        let name = file.display().to_string();
        self.sources.push(Source {
            kind,
            format,
            name,
            path: Some(file.to_owned()),
            directory,
            content,
        });
        true
    }

    fn find_opencode(&mut self, inputs: &Inputs) {
        let Some(folder) = opencode_config(&inputs.environment) else { return };
        let above = std::mem::take(&mut self.sources);
        for name in OPENCODE_FILES {
            self.read(LayerKind::OpenCode, Format::OpenCode, &folder.join(name));
        }
        self.sources.extend(above);
    }

    /// Finds the project's files: in the nearest folder upward that has any, not beyond the repository's root. The user's
    /// own folders are no projects.
    fn find_project(&mut self, inputs: &Inputs) -> Option<PathBuf> {
        let opencode = opencode_config(&inputs.environment);
        for folder in inputs.directory.ancestors() {
            let is_users = folder == inputs.paths.config || opencode.as_deref() == Some(folder);
            if !is_users && self.read_project(folder) {
                return Some(folder.to_owned());
            }
            if folder.join(".git").exists() {
                break;
            }
        }
        None
    }

    fn read_project(&mut self, folder: &Path) -> bool {
        let json = self.read(LayerKind::Project, Format::OpenCode, &folder.join("opencode.json"));
        let jsonc = self.read(LayerKind::Project, Format::OpenCode, &folder.join("opencode.jsonc"));
        let own =
            self.read(LayerKind::Project, Format::Switchyard, &folder.join("switchyard.jsonc"));
        json || jsonc || own
    }

    /// Finds what `--config`, `SWITCHYARD_CONFIG` and `SWITCHYARD_CONFIG_CONTENT` name.
    fn find_named(&mut self, inputs: &Inputs) {
        let variable = inputs.environment.get("SWITCHYARD_CONFIG").map(PathBuf::from);
        if let Some(file) = inputs.flags.config_file.clone().or(variable) {
            let file = inputs.directory.join(file);
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let format =
                if OPENCODE_FILES.contains(&name) { Format::OpenCode } else { Format::Switchyard };
            if !self.read(LayerKind::ConfigFile, format, &file) {
                let content = Content::Unreadable(
                    "expected a configuration file here, found none".to_owned(),
                );
                self.push(
                    LayerKind::ConfigFile,
                    &file.display().to_string(),
                    &inputs.directory,
                    content,
                );
            }
        }
        if let Some(text) = inputs.environment.get("SWITCHYARD_CONFIG_CONTENT") {
            let content = Content::Text(text.to_owned());
            self.push(
                LayerKind::ConfigContent,
                "SWITCHYARD_CONFIG_CONTENT",
                &inputs.directory,
                content,
            );
        }
    }

    fn find_overlays(&mut self, inputs: &Inputs, project: Option<&Path>) {
        let Some(name) = inputs.environment.get("SWITCHYARD_ENV") else { return };
        // The name becomes part of a file name, so it must not lead to another folder.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            let content =
                Content::Unreadable("expected only letters, digits, `-` and `_`".to_owned());
            self.push(LayerKind::Overlay, "SWITCHYARD_ENV", &inputs.directory, content);
            return;
        }
        let file = format!("switchyard.{name}.jsonc");
        let mut has_overlay =
            self.read(LayerKind::Overlay, Format::Switchyard, &inputs.paths.config.join(&file));
        if let Some(project) = project {
            has_overlay |= self.read(LayerKind::Overlay, Format::Switchyard, &project.join(&file));
        }
        if !has_overlay {
            self.missing_overlay = Some(file);
        }
    }

    /// Adds the variables that stand for one key each.
    fn find_variables(&mut self, inputs: &Inputs) {
        if let Some(level) = inputs.environment.get("SWITCHYARD_LOG") {
            let content = Content::Value(json!({ "log": { "level": level } }));
            self.push(LayerKind::Variables, "SWITCHYARD_LOG", &inputs.directory, content);
        }
        if let Some(word) = inputs.environment.get("SWITCHYARD_OFFLINE") {
            let content = match word.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => {
                    Content::Value(json!({ "catalog": { "offline": true } }))
                }
                "0" | "false" | "no" | "off" => {
                    Content::Value(json!({ "catalog": { "offline": false } }))
                }
                _ => Content::Unreadable("expected 1, true, 0 or false".to_owned()),
            };
            self.push(LayerKind::Variables, "SWITCHYARD_OFFLINE", &inputs.directory, content);
        }
    }
}

/// Returns what the highest source that says anything about `opencode_config` says. A source that cannot be understood
/// is passed over here; it is reported when it is read in full.
fn reads_opencode(sources: &[Source]) -> bool {
    let switch = |source: &Source| -> Option<bool> {
        let value = match &source.content {
            Content::Text(text) => parse_to_serde_value::<Value>(text, &parse_options()).ok()?,
            Content::Value(value) => value.clone(),
            Content::Unreadable(_) => return None,
        };
        value.get("opencode_config")?.as_bool()
    };
    sources.iter().rev().find_map(switch).unwrap_or(true)
}

fn read_file(file: &Path) -> Result<Option<String>, String> {
    let size = match std::fs::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(err)
            if matches!(
                err.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(err) => return Err(format!("cannot be read: {err}")),
    };
    if size > LARGEST_FILE {
        return Err(format!("expected a file of at most {LARGEST_FILE} bytes, got {size}"));
    }
    std::fs::read_to_string(file).map(Some).map_err(|err| format!("cannot be read: {err}"))
}
