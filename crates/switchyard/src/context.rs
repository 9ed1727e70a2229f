//! What a command works with: environment, folders, configuration.
//!
//! Made once by `main`. The configuration is read when a command asks for it: not every command
//! needs it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use serde_json::{Map, Value, json};
use sy_config::{Environment, Flags, Inputs, LayerKind, Live, Loaded, Paths};
use sy_server::Composed;
use sy_server::observe::tracing::Form;

use crate::cli::{Global, LogForm};
use crate::command::consider;
use crate::exit::InvalidConfig;
use crate::output;

/// What `--debug` logs: our own decisions, not every socket.
const OUR_DECISIONS: &str = "info,switchyard=debug,sy_access=debug,sy_catalog=debug,sy_config=debug,sy_credentials=debug,\
    sy_protocol=debug,sy_router=debug,sy_server=debug";

/// What a command works with.
pub(crate) struct Context {
    pub(crate) inputs: Inputs,
    /// Whether a person may be asked to trust the project's folder.
    asks: bool,
    /// Whether it was said already what became of the project's files.
    is_told: AtomicBool,
}

impl Context {
    /// Finds the folders and takes over what the command line says.
    pub(crate) fn new(
        global: &Global,
        environment: Environment,
        directory: PathBuf,
    ) -> Result<Self> {
        let paths = Paths::resolve(&environment).map_err(|problem| InvalidConfig(vec![problem]))?;
        let flags =
            Flags { config_file: global.config.clone(), overlay: Value::Object(Map::new()) };
        let inputs = Inputs { environment, paths, directory, flags };
        let mut context = Self { inputs, asks: false, is_told: AtomicBool::new(false) };
        if global.offline {
            context.overlay("catalog", "offline", Value::Bool(true));
        }
        if global.debug || is_debug_asked(&context.inputs.environment) {
            context.overlay("log", "level", Value::from(OUR_DECISIONS));
        }
        if let Some(form) = global.log_format {
            let word = match form {
                LogForm::Auto => "auto",
                LogForm::Json => "json",
                LogForm::Text => "text",
            };
            context.overlay("log", "format", Value::from(word));
        }
        Ok(context)
    }

    /// Adds to what the command line says.
    pub(crate) fn overlay(&mut self, section: &str, key: &str, value: Value) {
        if let Value::Object(overlay) = &mut self.inputs.flags.overlay {
            let section = overlay.entry(section).or_insert_with(|| json!({}));
            if let Value::Object(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
    }

    /// Lets a person be asked to trust the project's folder, or not.
    pub(crate) fn asking(mut self, asks: bool) -> Self {
        self.asks = asks;
        self
    }

    /// Reads the configuration, and says once what became of a project's files. Where a person trusts them when asked, they
    /// count at once.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let loaded = self.load_silently()?;
        let Some(project) = &loaded.project else { return Ok(loaded) };
        if self.is_told.swap(true, Ordering::Relaxed) {
            return Ok(loaded);
        }
        let asks = self.asks && output::is_interactive_throughout();
        if consider(project, &self.inputs.paths, asks)? { self.load_silently() } else { Ok(loaded) }
    }

    /// Reads the configuration without a word: for shell completion, or where the caller tells everything itself.
    pub(crate) fn load_silently(&self) -> Result<Loaded> {
        Ok(sy_config::load(&self.inputs).map_err(InvalidConfig)?)
    }

    /// Gives everything that the parts of the server need, for a command that works without one.
    /// The log stays silent unless a flag or a variable asks for it: the level in the configuration
    /// files is the server's.
    pub(crate) fn composed(&self) -> Result<Composed> {
        self.composed_from(self.load()?)
    }

    /// As [`Context::composed`], with a configuration that was read already.
    pub(crate) fn composed_from(&self, loaded: Loaded) -> Result<Composed> {
        let asked = loaded
            .provenance
            .get("/log/level")
            .is_some_and(|origin| origin.layer >= LayerKind::Variables);
        let mut log = loaded.config.log.clone();
        if !asked {
            log.level = "off".to_owned();
        }
        sy_server::observe::tracing::install(&log, is_coloured(&self.inputs.environment))
            .map_err(anyhow::Error::msg)?;
        Ok(self.compose(loaded))
    }

    /// Reads the configuration for a server, and what is to be said of it at start: on a terminal a person is asked and told of a
    /// project's files at once, elsewhere the log tells.
    pub(crate) fn load_for_server(&self) -> Result<(Loaded, Vec<String>)> {
        let loaded = self.load_silently()?;
        let (loaded, project) = match Form::of(loaded.config.log.format) {
            Form::Screen => (self.load()?, None),
            Form::Text | Form::Json => {
                let notice = loaded.project.as_ref().and_then(|project| project.notice.clone());
                (loaded, notice)
            }
        };
        let notices = loaded.notices.iter().map(ToString::to_string);
        let notices = project.into_iter().chain(notices).collect();
        Ok((loaded, notices))
    }

    /// Returns true where the command line asks for a log in JSON.
    pub(crate) fn wants_json_log(&self) -> bool {
        self.inputs.flags.overlay.pointer("/log/format") == Some(&Value::from("json"))
    }

    /// Gives what [`Context::composed`] gives, with one more provider that is written nowhere.
    pub(crate) fn with_provider(&self, id: &str, block: Value) -> Result<Composed> {
        let inputs = self.inputs.clone();
        let mut trial = Self { inputs, asks: false, is_told: AtomicBool::new(true) };
        trial.overlay("provider", id, block);
        let loaded = trial.load_silently()?;
        Ok(trial.compose(loaded))
    }

    /// Gives everything that the parts need, with a configuration that was read already. The log is left alone.
    pub(crate) fn compose(&self, loaded: Loaded) -> Composed {
        Composed {
            live: Live::new(loaded),
            paths: self.inputs.paths.clone(),
            environment: self.inputs.environment.clone(),
            unauthenticated: false,
        }
    }

    /// Returns the user's configuration file.
    pub(crate) fn user_file(&self) -> PathBuf {
        self.inputs.paths.user_file()
    }
}

/// Returns true where terminals may get colours.
pub(crate) fn is_coloured(environment: &Environment) -> bool {
    environment.get("NO_COLOR").is_none() && environment.get("TERM") != Some("dumb")
}

/// Returns true for `DEBUG=switchyard` and for OpenCode's `DEBUG=opencode:*`; the variable is
/// shared with other programs.
fn is_debug_asked(environment: &Environment) -> bool {
    let words = environment.get("DEBUG").unwrap_or_default();
    words
        .split([',', ' '])
        .any(|word| word.starts_with("switchyard") || word.starts_with("opencode:"))
}

#[cfg(test)]
mod tests {
    use sy_config::Environment;

    use super::is_debug_asked;

    #[track_caller]
    fn check(debug: &str, expected: bool) {
        assert_eq!(is_debug_asked(&Environment::of([("DEBUG", debug)])), expected, "{debug}");
    }

    #[test]
    fn debug_is_shared_with_other_programs() {
        check("opencode:*", true);
        check("express,switchyard", true);
        check("express:*", false);
        check("*", false);
        check("", false);
    }
}
