//! Our credentials for other people's services: kept encrypted, found in one order, put on calls in one place.
//!
//! Map of this crate:
//! - [`Credentials`]: the handle: lease, put, remove, list, rotate, import, export.
//! - [`credential`](Credential): what a credential is, where it came from, and a [`Lease`] of it.
//! - [`apply()`]: puts a lease on a call; `signed_token` signs the short-lived tokens that some providers want.
//! - `sources`, `opencode`, `vault`: where credentials come from; `snapshot` keeps what is on disk in memory.
//! - `hygiene`, `entry`: what a key must look like, and its JSON form. `refusal`: what to do when there is none.
//! - `listing`: what may be shown of all of them; `outcome`: what providers said of each when it was used last.
//! - `transfer`: copies credentials to and from OpenCode's `auth.json`.
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
mod listing;
mod opencode;
mod outcome;
mod refusal;
mod signed_token;
mod snapshot;
mod sources;
mod transfer;
mod vault;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use sy_config::{Config, Environment};
use sy_types::Failure;

pub use apply::apply;
pub use credential::{Credential, DEFAULT_ACCOUNT, Kind, Lease, OAuth, Source, Summary, WellKnown};
pub use error::Error;
pub use hide::{hide, hide_header};
pub use listing::Listed;
pub use opencode::{ExportReport, ImportReport, Skipped};
pub use outcome::{KeyOutcome, Verdict};
pub use vault::Rotation;

use entry::Entry;
use opencode::AuthFile;
use outcome::Outcomes;
use snapshot::{Gate, Snapshot};
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
    /// The file that remembers what providers said of each credential. It holds no secret; nothing is remembered without it.
    pub outcomes: Option<PathBuf>,
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
    outcomes: Outcomes,
    opened: Instant,
}

impl Credentials {
    /// Opens the vault and reads all sources once.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when `SWITCHYARD_ENCRYPTION_KEY` is not the vault's key, [`Error::Invalid`] for a bad profile
    /// name, and [`Error::File`] when the folder cannot be read. A single damaged record is no error here: leasing it is.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let Settings { directory, profile, environment, config, opencode_auth, outcomes } =
            settings;
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
            outcomes: Outcomes::open(outcomes),
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

    /// Makes a lease of a credential that is not stored yet, so that it can be tried.
    ///
    /// # Errors
    /// As [`Credentials::put`] for a credential or a name that it would not take.
    pub fn candidate(
        &self,
        provider: &str,
        account: Option<&str>,
        credential: Credential,
    ) -> Result<Arc<Lease>, Error> {
        let Identity { provider, account, .. } = self.inner.identity(provider, account)?;
        let credential = checked(&provider, credential)?;
        Ok(Arc::new(Lease::new(credential, Source::Vault, account)))
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

    /// Encrypts every record of every profile with a new key and forgets the old ones when all are done.
    ///
    /// # Errors
    /// What stopped it. Every record is then still readable, and another rotation ends the work.
    pub fn rotate(&self) -> Result<Rotation, Error> {
        let rotation = self.inner.vault.rotate()?;
        self.refresh();
        Ok(rotation)
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
        let credential = checked(&identity.provider, credential)?;
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
}

/// Takes stray white space off a credential.
fn checked(provider: &str, credential: Credential) -> Result<Credential, Error> {
    cleaned(credential)
        .map_err(|reason| Error::Invalid(format!("the credential for `{provider}` {reason}")))
}

fn auth_file(path: &Option<PathBuf>, environment: &Environment, config: &Config) -> AuthFile {
    if config.credentials.opencode_auth {
        AuthFile::new(path.clone(), environment)
    } else {
        AuthFile::off()
    }
}
