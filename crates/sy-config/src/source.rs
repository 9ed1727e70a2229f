//! Finds the layers: which files, variables and flags speak, from low to high.
//!
//! Called by the loader before anything is understood. It reads files but does not look into them, except for the one
//! switch that decides whether OpenCode's files are read. Which folder is the project is for `project` to find.

use std::path::{Path, PathBuf};

use jsonc_parser::parse_to_serde_value;
use serde_json::{Value, json};

use crate::file::{ReadError, Refusal, read_text, stranger};
use crate::layer::{Inputs, LayerKind};
use crate::measure::measure;
use crate::node::parse_options;
use crate::paths::opencode_config;
use crate::project::{PROJECT_FILES, Place, find_folder};

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
    Unreadable(Refusal),
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
    /// Whether it came with a project's folder and is not the operator's own word.
    pub(crate) is_projects: bool,
}

/// The sources from low to high, and every file that was looked for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    pub(crate) looked_for: Vec<PathBuf>,
    /// The environment named by `SWITCHYARD_ENV` for which there is no overlay.
    pub(crate) missing_overlay: Option<String>,
    /// The project's folder.
    pub(crate) project: Option<Place>,
}

/// Finds all sources.
pub(crate) fn find(inputs: &Inputs) -> Found {
    let mut found = Found::default();
    found.read(LayerKind::User, Format::Switchyard, &inputs.paths.user_file());
    found.find_project(inputs);
    found.find_named(inputs);
    found.find_overlays(inputs);
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
            is_projects: false,
        });
    }

    /// Adds a file as a source. Returns false when there is none.
    fn read(&mut self, kind: LayerKind, format: Format, file: &Path) -> bool {
        self.looked_for.push(file.to_owned());
        let content = match read_text(file, LARGEST_FILE) {
            Ok(read) => Content::Text(read.text),
            Err(ReadError::Missing) => return false,
            Err(ReadError::Refused(refusal)) => Content::Unreadable(refusal),
        };
        self.push_file(kind, format, file, content);
        true
    }

    /// Adds a file of the project's folder as a source, where there is one and the folder may speak at all.
    fn read_projects(&mut self, kind: LayerKind, format: Format, file: &Path) -> bool {
        self.looked_for.push(file.to_owned());
        if self.project.as_ref().is_none_or(|project| project.stranger.is_some()) {
            return false;
        }
        let content = match read_text(file, LARGEST_FILE) {
            Ok(read) => match stranger(&read.metadata) {
                Some(reason) => Content::Unreadable(Refusal::new(reason)),
                None => Content::Text(read.text),
            },
            Err(ReadError::Missing) => return false,
            Err(ReadError::Refused(refusal)) => Content::Unreadable(refusal),
        };
        self.push_file(kind, format, file, content);
        if let Some(source) = self.sources.last_mut() {
            source.is_projects = true;
        }
        true
    }

    fn push_file(&mut self, kind: LayerKind, format: Format, file: &Path, content: Content) {
        self.sources.push(Source {
            kind,
            format,
            name: file.display().to_string(),
            path: Some(file.to_owned()),
            directory: file.parent().unwrap_or(Path::new("")).to_owned(),
            content,
            is_projects: false,
        });
    }

    fn find_opencode(&mut self, inputs: &Inputs) {
        let Some(folder) = opencode_config(&inputs.environment) else { return };
        let above = std::mem::take(&mut self.sources);
        for name in OPENCODE_FILES {
            self.read(LayerKind::OpenCode, Format::OpenCode, &folder.join(name));
        }
        self.sources.extend(above);
    }

    /// Reads the project's files. One that the operator names as well is the operator's word, and read as that only.
    fn find_project(&mut self, inputs: &Inputs) {
        let search = find_folder(inputs);
        self.looked_for.extend(search.looked_for);
        self.project = search.found;
        let Some(folder) = self.project.as_ref().map(|project| project.folder.clone()) else {
            return;
        };
        let named = named_file(inputs);
        for name in PROJECT_FILES {
            let file = folder.join(name);
            let is_own = *name == "switchyard.jsonc";
            let format = if is_own { Format::Switchyard } else { Format::OpenCode };
            if named.as_deref() != Some(&file) {
                self.read_projects(LayerKind::Project, format, &file);
            }
        }
    }

    /// Finds what `--config`, `SWITCHYARD_CONFIG` and `SWITCHYARD_CONFIG_CONTENT` name.
    fn find_named(&mut self, inputs: &Inputs) {
        if let Some(file) = named_file(inputs) {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let format =
                if OPENCODE_FILES.contains(&name) { Format::OpenCode } else { Format::Switchyard };
            if !self.read(LayerKind::ConfigFile, format, &file) {
                let content = Content::Unreadable(Refusal::new(
                    "expected a configuration file here, found none",
                ));
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

    fn find_overlays(&mut self, inputs: &Inputs) {
        let Some(name) = inputs.environment.get("SWITCHYARD_ENV") else { return };
        // The name becomes part of a file name, so it must not lead to another folder.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            let content =
                Content::Unreadable(Refusal::new("expected only letters, digits, `-` and `_`"));
            self.push(LayerKind::Overlay, "SWITCHYARD_ENV", &inputs.directory, content);
            return;
        }
        let file = format!("switchyard.{name}.jsonc");
        let mut has_overlay =
            self.read(LayerKind::Overlay, Format::Switchyard, &inputs.paths.config.join(&file));
        if let Some(folder) = self.project.as_ref().map(|project| project.folder.clone()) {
            let file = folder.join(&file);
            has_overlay |= self.read_projects(LayerKind::Overlay, Format::Switchyard, &file);
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
        if let Some(port) = inputs.environment.get("SWITCHYARD_PORT") {
            let content = match port.parse::<u16>() {
                Ok(port) => Content::Value(json!({ "server": { "port": port } })),
                Err(_) => Content::Unreadable(Refusal::new(format!(
                    "expected a port from 0 to 65535, got {port:?}"
                ))),
            };
            self.push(LayerKind::Variables, "SWITCHYARD_PORT", &inputs.directory, content);
        }
        if let Some(word) = inputs.environment.get("SWITCHYARD_OFFLINE") {
            let content = match word.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => {
                    Content::Value(json!({ "catalog": { "offline": true } }))
                }
                "0" | "false" | "no" | "off" => {
                    Content::Value(json!({ "catalog": { "offline": false } }))
                }
                _ => Content::Unreadable(Refusal::new("expected 1, true, 0 or false")),
            };
            self.push(LayerKind::Variables, "SWITCHYARD_OFFLINE", &inputs.directory, content);
        }
    }
}

/// Returns the file that `--config` or else `SWITCHYARD_CONFIG` names.
fn named_file(inputs: &Inputs) -> Option<PathBuf> {
    let variable = inputs.environment.get("SWITCHYARD_CONFIG").map(PathBuf::from);
    let file = inputs.flags.config_file.clone().or(variable)?;
    Some(inputs.directory.join(file))
}

/// Returns what the highest source of the operator's that says anything about `opencode_config` says. A source that
/// cannot be understood is passed over here; it is reported when it is read in full.
fn reads_opencode(sources: &[Source]) -> bool {
    let switch = |source: &Source| -> Option<bool> {
        let value = match &source.content {
            Content::Text(text) => {
                measure(text).ok()?;
                parse_to_serde_value::<Value>(text, &parse_options()).ok()?
            }
            Content::Value(value) => value.clone(),
            Content::Unreadable(_) => return None,
        };
        value.get("opencode_config")?.as_bool()
    };
    sources.iter().filter(|source| !source.is_projects).rev().find_map(switch).unwrap_or(true)
}
