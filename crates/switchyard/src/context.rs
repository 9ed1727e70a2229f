//! What a command works with: environment, folders, configuration.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use sy_config::{Environment, Flags, Inputs, Live, Loaded, Paths};
use sy_server::Composed;

use crate::cli::{Global, LogForm};
use crate::exit::InvalidConfig;

/// What a command works with.
pub(crate) struct Context {
    pub(crate) inputs: Inputs,
    pub(crate) debug: bool,
}

impl Context {
    /// Reads the environment. The configuration is read later: not every command needs it.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let environment = Environment::read();
        let paths = Paths::resolve(&environment).map_err(|problem| InvalidConfig(vec![problem]))?;
        let directory = std::env::current_dir().context("the working directory cannot be read")?;
        let mut overlay = Map::new();
        if global.offline {
            overlay.insert("catalog".to_owned(), json!({"offline": true}));
        }
        let mut log = Map::new();
        if global.debug {
            log.insert("level".to_owned(), Value::from("debug"));
        }
        if let Some(form) = global.log_format {
            let word = match form {
                LogForm::Auto => "auto",
                LogForm::Json => "json",
                LogForm::Text => "text",
            };
            log.insert("format".to_owned(), Value::from(word));
        }
        if !log.is_empty() {
            overlay.insert("log".to_owned(), Value::Object(log));
        }
        let flags = Flags { config_file: global.config.clone(), overlay: Value::Object(overlay) };
        Ok(Self { inputs: Inputs { environment, paths, directory, flags }, debug: global.debug })
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

    /// Reads the configuration.
    pub(crate) fn load(&self) -> Result<Loaded> {
        Ok(sy_config::load(&self.inputs).map_err(InvalidConfig)?)
    }

    /// Gives everything that the server's parts need.
    pub(crate) fn composed(&self, unauthenticated: bool) -> Result<Composed> {
        Ok(Composed {
            live: Live::new(self.load()?),
            paths: self.inputs.paths.clone(),
            environment: self.inputs.environment.clone(),
            unauthenticated,
        })
    }

    /// Returns the user's configuration file.
    pub(crate) fn user_file(&self) -> PathBuf {
        self.inputs.paths.user_file()
    }
}
