//! Behaviour of the credential store, on temporary folders.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed"
)]

mod keys;
mod killed;
mod opencode;
mod sources;
mod vault;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sy_config::{Config, Environment, ProviderConfig};
use sy_credentials::{Credential, Credentials, Lease, Settings};
use sy_types::Secret;

/// A home of its own, with handles on the store in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn vault(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    fn auth_file(&self) -> PathBuf {
        self.folder.path().join("opencode/auth.json")
    }

    fn settings(&self, environment: &[(&str, &str)]) -> Settings {
        Settings {
            directory: self.vault(),
            profile: "default".to_owned(),
            environment: Environment::of(environment.iter().copied()),
            config: Arc::new(Config::default()),
            opencode_auth: Some(self.auth_file()),
            outcomes: None,
        }
    }

    fn open(&self) -> Credentials {
        Credentials::open(self.settings(&[])).unwrap()
    }

    fn open_with(&self, environment: &[(&str, &str)]) -> Credentials {
        Credentials::open(self.settings(environment)).unwrap()
    }

    fn write_auth_file(&self, text: &str) {
        fs::create_dir_all(self.auth_file().parent().unwrap()).unwrap();
        fs::write(self.auth_file(), text).unwrap();
    }

    fn record(&self, name: &str) -> PathBuf {
        self.vault().join("profiles/default").join(name)
    }
}

fn key(text: &str) -> Credential {
    Credential::ApiKey(Secret::new(text))
}

fn put(credentials: &Credentials, provider: &str, text: &str) {
    credentials.put(provider, None, key(text), None).unwrap();
}

/// Returns the secret that a provider's calls would carry, without an environment.
fn leased(credentials: &Credentials, provider: &str) -> Option<String> {
    credentials.lease(provider, &[], None).ok().map(|lease| text(&lease))
}

fn text(lease: &Lease) -> String {
    lease.credential.secret().expose().to_owned()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn config_with_key(provider: &str, key: &str) -> Config {
    let mut settings = ProviderConfig::default();
    settings.options.api_key = Some(Secret::new(key));
    let mut config = Config::default();
    config.provider.insert(provider.to_owned(), settings);
    config
}

/// Lists all files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}
