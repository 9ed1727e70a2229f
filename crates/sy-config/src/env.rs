//! Every environment variable, and the only place that reads them.
//!
//! The binary takes one snapshot at start and hands it to everybody. It deliberately does not interpret a value.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sy_types::Secret;

/// A variable that Switchyard knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub effect: &'static str,
}

const fn variable(name: &'static str, effect: &'static str) -> Variable {
    Variable { name, effect }
}

/// Every variable that Switchyard knows by name. Besides these, each provider's key variables (as the catalog or
/// `provider.<id>.env` names them) and whatever `{env:NAME}` and `${NAME}` refer to are read.
pub const VARIABLES: &[Variable] = &[
    variable(
        "SWITCHYARD_HOME",
        "Puts configuration, data, cache and state into the folders `config`, `data`, `cache` and `state` below this one.",
    ),
    variable(
        "SWITCHYARD_CONFIG",
        "A further configuration file, above the project's. A file named `config.json`, `opencode.json` or `opencode.jsonc` is read as OpenCode's, any other as Switchyard's.",
    ),
    variable(
        "SWITCHYARD_CONFIG_CONTENT",
        "Configuration as text, above `SWITCHYARD_CONFIG`. `{file:…}` is relative to the working directory.",
    ),
    variable(
        "SWITCHYARD_ENV",
        "Adds `switchyard.<value>.jsonc` beside the user's file and beside the project's, above all other files. Letters, digits, `-` and `_`.",
    ),
    variable(
        "SWITCHYARD_OFFLINE",
        "`1` or `true` sets `catalog.offline`, `0` or `false` unsets it. Above all files, below flags.",
    ),
    variable(
        "SWITCHYARD_TRUSTED_PROJECTS",
        "Folders in which the files of projects count, besides `trusted_projects`, separated as in `PATH`. Absolute, or beginning with `~/`.",
    ),
    variable("SWITCHYARD_PORT", "Sets `server.port`. Above all files, below flags."),
    variable("SWITCHYARD_LOG", "Sets `log.level`. Above all files, below flags."),
    variable(
        "SWITCHYARD_TOKEN",
        "The token that clients of the server must show, instead of the generated one.",
    ),
    variable(
        "SWITCHYARD_ENCRYPTION_KEY",
        "The key that encrypts stored credentials, instead of the generated one.",
    ),
    variable(
        "SWITCHYARD_ENCRYPTION_KEY_PREVIOUS",
        "The former value of `SWITCHYARD_ENCRYPTION_KEY` after a change, until `switchyard auth rotate` is done.",
    ),
    variable(
        "SWITCHYARD_CLIENT_TOKEN",
        "Set by the lines of `switchyard env` for clients. Variables with the same value are then not taken for keys of providers.",
    ),
    variable(
        "DEBUG",
        "`switchyard` or OpenCode's `opencode:*` among its words has the same effect as `--debug`.",
    ),
    variable("VISUAL", "The editor of `switchyard config edit`."),
    variable("EDITOR", "The same, where `VISUAL` is not set."),
    variable(
        "OPENCODE_AUTH_CONTENT",
        "OpenCode's stored credentials as text, read instead of its `auth.json`.",
    ),
    variable(
        "OLLAMA_HOST",
        "Where Ollama is looked for, in Ollama's own forms: a host, `host:port` or a URL. Default `127.0.0.1:11434`.",
    ),
    variable(
        "AWS_REGION",
        "The region in which a small model is looked for first, where a provider lists models by region.",
    ),
    variable(
        "HOME",
        "The home folder: `~` in `{file:~/…}`, and where the folders below are by default.",
    ),
    variable("USERPROFILE", "The home folder where `HOME` is not set (Windows)."),
    variable(
        "XDG_CONFIG_HOME",
        "Configuration is in `switchyard` below it, OpenCode's in `opencode`. Default `~/.config`.",
    ),
    variable(
        "XDG_DATA_HOME",
        "Data (stored credentials) is in `switchyard` below it. Default `~/.local/share`.",
    ),
    variable(
        "XDG_CACHE_HOME",
        "The cache (catalog) is in `switchyard` below it. Default `~/.cache`.",
    ),
    variable(
        "XDG_STATE_HOME",
        "State (token file, logs) is in `switchyard` below it. Default `~/.local/state`.",
    ),
    variable(
        "SSL_CERT_FILE",
        "A PEM file of the certificate authorities to trust, instead of the system's. Read by the TLS library.",
    ),
    variable(
        "REQUESTS_CA_BUNDLE",
        "A PEM file of further certificate authorities to trust for calls to providers and to the catalog's source, in Python's word for it.",
    ),
    variable("NODE_EXTRA_CA_CERTS", "The same, in Node's word for it."),
    variable("HTTPS_PROXY", "The proxy for calls to `https` addresses. Read by the HTTP client."),
    variable("HTTP_PROXY", "The proxy for calls to `http` addresses. Read by the HTTP client."),
    variable(
        "ALL_PROXY",
        "The proxy for calls that no other variable names. Read by the HTTP client.",
    ),
    variable("NO_PROXY", "Hosts that are called without a proxy. Read by the HTTP client."),
    variable("NO_COLOR", "When set, the command line prints without colour."),
    variable("TERM", "`dumb` means a terminal without colour for the lines of `serve`."),
];

/// A snapshot of the environment. Clones share it.
#[derive(Clone, Default)]
pub struct Environment {
    values: Arc<HashMap<String, String>>,
}

impl Environment {
    /// Takes a snapshot of the process's environment. Variables that are not Unicode are left out.
    pub fn read() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Makes an environment of the given variables.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let values =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values: Arc::new(values) }
    }

    /// Returns the value of a variable. An empty variable counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the files of further certificate authorities that Python's and Node's programs are told of. `SSL_CERT_FILE` is not
    /// among them: the TLS library reads that one itself.
    pub fn authority_files(&self) -> Vec<PathBuf> {
        let known = self.get("SSL_CERT_FILE");
        let mut files: Vec<PathBuf> = Vec::new();
        for name in ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            if let Some(file) =
                self.get(name).filter(|file| Some(*file) != known).map(PathBuf::from)
                && !files.contains(&file)
            {
                files.push(file);
            }
        }
        files
    }

    /// Returns the paths that a variable lists, separated as in `PATH`.
    pub(crate) fn paths(&self, name: &str) -> Vec<PathBuf> {
        self.get(name).map(|list| std::env::split_paths(list).collect()).unwrap_or_default()
    }

    /// Returns the value of a variable as a secret.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new)
    }
}

impl std::fmt::Debug for Environment {
    /// Shows names only: any value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<&String> = self.values.keys().collect();
        names.sort();
        f.debug_tuple("Environment").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, VARIABLES};

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::of([("B_KEY", "canary-value"), ("A", "x")]);
        assert_eq!(format!("{environment:?}"), r#"Environment(["A", "B_KEY"])"#);
    }

    #[test]
    fn certificate_files_are_named_once_and_not_those_that_the_library_reads() {
        let files = |list: &[(&str, &str)]| Environment::of(list.iter().copied()).authority_files();
        assert_eq!(
            files(&[("SSL_CERT_FILE", "/a"), ("REQUESTS_CA_BUNDLE", "/a")]),
            Vec::<std::path::PathBuf>::new()
        );
        let both = files(&[("REQUESTS_CA_BUNDLE", "/b"), ("NODE_EXTRA_CA_CERTS", "/b")]);
        assert_eq!(both, [std::path::PathBuf::from("/b")]);
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = Environment::of([("EMPTY", ""), ("SET", "1")]);
        assert_eq!(
            (environment.get("EMPTY"), environment.get("SET"), environment.get("NONE")),
            (None, Some("1"), None)
        );
    }

    #[test]
    fn each_variable_is_listed_once() {
        for (index, variable) in VARIABLES.iter().enumerate() {
            assert!(
                VARIABLES[..index].iter().all(|earlier| earlier.name != variable.name),
                "{}",
                variable.name
            );
        }
    }
}
