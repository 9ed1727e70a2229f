//! Our credentials for other people's services: kept encrypted, found in one order, put on calls in one place.
//!
//! Map of this crate:
//! - [`Credentials`]: the handle: lease, put, remove, list, rotate, import, export.
//! - [`credential`](Credential): what a credential is, where it came from, and a [`Lease`] of it.
//! - [`apply()`]: puts a lease on a call; `signed_token` signs the short-lived tokens that some providers want.
//! - `sources`, `opencode`, `vault`: where credentials come from; `snapshot` keeps what is on disk in memory.
//! - `hygiene`, `entry`: what a key must look like, and its JSON form. `refusal`: what to do when there is none.
//!
//! A credential is looked for in this order, and the first source that has one decides, even when it is unusable:
//! 1. `provider.<id>.options.apiKey` in the configuration,
//! 2. our own vault,
//! 3. OpenCode's `auth.json` (unless `credentials.opencode_auth` is false),
//! 4. the environment variables that the caller names for the provider.
//!
//! A named account other than `default` is looked for in the vault only. It deliberately does not know who is calling
//! us (that is sy-access), which providers there are, or the process's environment beyond the snapshot it is given.

mod apply;
mod credential;
mod entry;
mod error;
mod hide;
mod hygiene;
mod opencode;
mod refusal;
mod signed_token;
mod snapshot;
mod sources;
mod vault;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use sy_config::{Config, Environment};
use sy_types::Failure;

pub use apply::apply;
pub use credential::{Credential, DEFAULT_ACCOUNT, Kind, Lease, OAuth, Source, Summary, WellKnown};
pub use error::Error;
pub use hide::{hide, hide_header};
pub use opencode::{ExportReport, ImportReport, Skipped};
pub use vault::Rotation;

use entry::Entry;
use opencode::AuthFile;
use snapshot::{Gate, Snapshot, unusable};
use sources::{EnvironmentKeys, Found, cleaned, configured_keys, key_variables};
use vault::{Identity, Vault};

/// What [`Credentials::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The vault's folder. It is made (mode 0700) when the first credential is stored.
    pub directory: PathBuf,
    /// Whose credentials: profiles do not see each other's.
    pub profile: String,
    /// The environment snapshot, for provider keys and `SWITCHYARD_ENCRYPTION_KEY`.
    pub environment: Environment,
    /// The configuration, for `provider.<id>.options.apiKey` and `credentials.opencode_auth`.
    pub config: Arc<Config>,
    /// OpenCode's `auth.json`, where it is to be read.
    pub opencode_auth: Option<PathBuf>,
}

/// What storing a credential did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What may be shown of it.
    pub summary: Summary,
    /// What looks wrong with it, though it was stored.
    pub warning: Option<String>,
}

/// All credentials. Clones share everything; a lease waits for no writer and, but for one look at two time stamps a
/// second, touches no file.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Vault,
    environment: EnvironmentKeys,
    opencode_path: Option<PathBuf>,
    /// Changes with the configuration, which may switch the source off.
    auth_file: ArcSwap<AuthFile>,
    environment_snapshot: Environment,
    configured: ArcSwap<HashMap<String, Found>>,
    snapshot: ArcSwap<Snapshot>,
    /// Held while reading, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
    gate: Gate,
    opened: Instant,
}

impl Credentials {
    /// Opens the vault and reads all sources once.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when `SWITCHYARD_ENCRYPTION_KEY` is not the vault's key, [`Error::Invalid`] for a bad profile
    /// name, and [`Error::File`] when the folder cannot be read. A single damaged record is no error here: leasing it is.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let Settings { directory, profile, environment, config, opencode_auth } = settings;
        let profile = hygiene::checked_name("profile", &profile)?.to_owned();
        let vault = Vault::open(directory, profile, &environment)?;
        let auth_file = auth_file(&opencode_auth, &environment, &config);
        let snapshot = Snapshot::load(&vault, &auth_file)?;
        let inner = Inner {
            vault,
            environment: EnvironmentKeys::new(environment.clone()),
            opencode_path: opencode_auth,
            auth_file: ArcSwap::from_pointee(auth_file),
            environment_snapshot: environment,
            configured: ArcSwap::from_pointee(configured_keys(&config)),
            snapshot: ArcSwap::from_pointee(snapshot),
            reading: Mutex::new(()),
            gate: Gate::default(),
            opened: Instant::now(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes over a changed configuration.
    pub fn reconfigure(&self, config: &Config) {
        self.inner.configured.store(Arc::new(configured_keys(config)));
        let file = auth_file(&self.inner.opencode_path, &self.inner.environment_snapshot, config);
        self.inner.auth_file.store(Arc::new(file));
        self.refresh();
    }

    /// Returns a credential for an account at a provider. `env_names` are the variables that may hold the provider's key.
    ///
    /// Costs a look into one or two maps; the lease is shared. Without an account it is the account `default`, or the
    /// vault's only one.
    ///
    /// # Errors
    /// `Unauthenticated` on the gateway's side, with a next step, when there is none or the one there is unusable.
    pub fn lease(
        &self,
        provider: &str,
        env_names: &[String],
        account: Option<&str>,
    ) -> Result<Arc<Lease>, Failure> {
        self.inner.look_when_due();
        match self.inner.find(provider, env_names, account) {
            Some(Ok(lease)) if lease.credential.is_expired() => {
                Err(refusal::expired(provider, &lease))
            }
            Some(Ok(lease)) => Ok(lease),
            Some(Err(reason)) => Err(refusal::unusable(provider, &reason)),
            None => {
                let snapshot = self.inner.snapshot.load();
                let accounts = snapshot.accounts(provider.trim_end_matches('/'));
                Err(refusal::absent(provider, env_names, account, &accounts))
            }
        }
    }

    /// Returns true when [`Credentials::lease`] without an account would succeed.
    pub fn is_connected(&self, provider: &str, env_names: &[String]) -> bool {
        self.inner.look_when_due();
        self.inner
            .find(provider, env_names, None)
            .is_some_and(|found| found.is_ok_and(|lease| !lease.credential.is_expired()))
    }

    /// Stores a credential in the vault, in place of one of the same provider and account. The label of that one stays
    /// unless another is given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a blank key or one with white space or control characters inside, and for bad names; else
    /// what kept the vault from writing.
    pub fn put(
        &self,
        provider: &str,
        account: Option<&str>,
        credential: Credential,
        label: Option<&str>,
    ) -> Result<Stored, Error> {
        let stored = self.inner.store(provider, account, credential.into(), label)?;
        self.refresh();
        Ok(stored)
    }

    /// Removes a credential from the vault and returns whether there was one. Other sources may still have one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bad names; else what kept the vault from removing the file.
    pub fn remove(&self, provider: &str, account: Option<&str>) -> Result<bool, Error> {
        let removed = self.inner.vault.remove(&self.inner.identity(provider, account)?)?;
        self.refresh();
        Ok(removed)
    }

    /// Lists the credentials of configuration, vault and OpenCode's file, sorted by provider and account. Those of the
    /// environment are not among them, because only the caller knows which variables belong to which provider.
    pub fn list(&self) -> Vec<Summary> {
        self.inner.look_when_due();
        let snapshot = self.inner.snapshot.load();
        let mut list: Vec<Summary> =
            snapshot.vault.values().flatten().map(|held| held.summary.clone()).collect();
        let configured = self.inner.configured.load();
        for (keys, source) in [
            (&**configured, Source::Configuration),
            (&snapshot.opencode.providers, Source::OpenCode),
        ] {
            list.extend(keys.iter().map(|(provider, found)| match found {
                Ok(lease) => lease.summary(provider),
                Err(reason) => {
                    unusable(provider.clone(), DEFAULT_ACCOUNT.to_owned(), source.clone(), reason)
                }
            }));
        }
        // Within one account the order is that of preference.
        let rank = |source: &Source| match source {
            Source::Configuration => 0,
            Source::Vault => 1,
            Source::OpenCode => 2,
            Source::Environment(_) => 3,
        };
        list.sort_by(|a, b| {
            (&a.provider, &a.account, rank(&a.source)).cmp(&(
                &b.provider,
                &b.account,
                rank(&b.source),
            ))
        });
        list
    }

    /// Seals every record of every profile with a new key and forgets the old ones when all are done.
    ///
    /// # Errors
    /// What stopped it. Every record is then still readable, and another rotation ends the work.
    pub fn rotate(&self) -> Result<Rotation, Error> {
        let rotation = self.inner.vault.rotate()?;
        self.refresh();
        Ok(rotation)
    }

    /// Copies the credentials of an OpenCode `auth.json` into the vault, as accounts `default`. One that the vault has
    /// already is never replaced.
    ///
    /// # Errors
    /// When the file cannot be read or is no JSON object, or the vault cannot write.
    pub fn import_opencode(&self, path: &Path) -> Result<ImportReport, Error> {
        let read = opencode::read_entries(path)?;
        self.refresh();
        let mut report = ImportReport::default();
        for provider in read.undecodable {
            report.skipped.push(Skipped {
                provider,
                reason: "it is not an entry of a known form".to_owned(),
            });
        }
        for (provider, entry) in read.entries {
            self.inner.import(provider, entry, &mut report)?;
        }
        self.refresh();
        Ok(report)
    }

    /// Writes the vault's accounts `default` into an OpenCode `auth.json` (mode 0600), as plain text. Other entries of
    /// the file stay as they are.
    ///
    /// # Errors
    /// When the file is there and is no JSON object, or cannot be written.
    pub fn export_opencode(&self, path: &Path) -> Result<ExportReport, Error> {
        let mut report = ExportReport::default();
        let mut entries = Vec::new();
        for record in self.inner.vault.load()? {
            let Identity { provider, account, .. } = record.identity;
            match record.entry {
                Ok(entry) if account == DEFAULT_ACCOUNT => entries.push((provider, entry)),
                Ok(_) => {
                    let reason =
                        format!("OpenCode has one account per provider; this one is `{account}`");
                    report.skipped.push(Skipped { provider, reason });
                }
                Err(error) => report.skipped.push(Skipped { provider, reason: error.to_string() }),
            }
        }
        opencode::write_entries(path, &entries)?;
        report.exported = entries.into_iter().map(|(provider, _)| provider).collect();
        Ok(report)
    }

    /// Looks for changes on disk at once, instead of within a second. When reading fails, what was read before stays.
    pub fn refresh(&self) {
        self.inner.read();
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("profile", &self.inner.vault.profile())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Looks through the sources in their order.
    fn find(&self, provider: &str, env_names: &[String], account: Option<&str>) -> Option<Found> {
        let provider = provider.trim_end_matches('/');
        let (snapshot, configured) = (self.snapshot.load(), self.configured.load());
        let configured = configured.get(provider);
        // What the configuration refuses, it refuses for every account.
        if account.is_some_and(|account| account != DEFAULT_ACCOUNT)
            && configured.is_none_or(Result::is_ok)
        {
            return snapshot.held(provider, account).map(|held| held.found.clone());
        }
        if let Some(found) = configured {
            return Some(found.clone());
        }
        if let Some(held) = snapshot.held(provider, account) {
            return Some(held.found.clone());
        }
        if let Some(found) = snapshot.opencode.providers.get(provider) {
            return Some(found.clone());
        }
        // A well-known token stands for a variable, as if the environment had it.
        let variables = &snapshot.opencode.variables;
        let known = key_variables(env_names).find_map(|name| variables.get(name));
        known.cloned().or_else(|| self.environment.find(env_names))
    }

    fn look_when_due(&self) {
        let now_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.gate.is_due(now_ms)
            && self.snapshot.load().is_stale(&self.vault, &self.auth_file.load())
        {
            self.read();
        }
    }

    fn read(&self) {
        // The lock guards no value, so a panic elsewhere cannot have broken one.
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match Snapshot::load(&self.vault, &self.auth_file.load()) {
            Ok(snapshot) => self.snapshot.store(Arc::new(snapshot)),
            Err(error) => {
                tracing::error!(%error, "credentials cannot be read again: the former ones stay in use")
            }
        }
    }

    fn identity(&self, provider: &str, account: Option<&str>) -> Result<Identity, Error> {
        Ok(Identity {
            profile: self.vault.profile().to_owned(),
            provider: hygiene::provider_id(provider)?.to_owned(),
            account: hygiene::checked_name("account", account.unwrap_or(DEFAULT_ACCOUNT))?
                .to_owned(),
        })
    }

    fn store(
        &self,
        provider: &str,
        account: Option<&str>,
        entry: Entry,
        label: Option<&str>,
    ) -> Result<Stored, Error> {
        let identity = self.identity(provider, account)?;
        let Entry { credential, metadata } = entry;
        let credential = cleaned(credential).map_err(|reason| {
            Error::Invalid(format!("the credential for `{}` {reason}", identity.provider))
        })?;
        let warning = match &credential {
            Credential::ApiKey(key) => hygiene::foreign_key_warning(&identity.provider, key),
            Credential::OAuth(_) | Credential::WellKnown(_) => None,
        };
        let entry = Entry { credential, metadata };
        let updated_at = self.vault.put(&identity, &entry, label)?;
        let Identity { provider, account, .. } = identity;
        let lease = Lease::new(entry.credential, Source::Vault, account);
        let label = label.map(str::to_owned);
        Ok(Stored {
            summary: Summary { label, updated_at: Some(updated_at), ..lease.summary(&provider) },
            warning,
        })
    }

    fn import(
        &self,
        provider: String,
        entry: Entry,
        report: &mut ImportReport,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot.load();
        if let Some(held) = snapshot.held(&provider, Some(DEFAULT_ACCOUNT)) {
            if held.secret() == Some(entry.credential.secret()) {
                report.unchanged.push(provider);
            } else {
                let reason =
                    "the vault has another credential for it: remove that one first".to_owned();
                report.skipped.push(Skipped { provider, reason });
            }
            return Ok(());
        }
        match self.store(&provider, None, entry, None) {
            Ok(stored) => {
                report.warnings.extend(stored.warning);
                report.imported.push(provider);
            }
            Err(Error::Invalid(reason)) => report.skipped.push(Skipped { provider, reason }),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn auth_file(path: &Option<PathBuf>, environment: &Environment, config: &Config) -> AuthFile {
    if config.credentials.opencode_auth {
        AuthFile::new(path.clone(), environment)
    } else {
        AuthFile::off()
    }
}
