//! OpenCode's `auth.json`: one JSON object, keyed by provider id.
//!
//! Read as a live source and for an import, written only by an export. Entries that do not decode are passed over when
//! reading and kept as they are when writing. It renews no sign-in: OpenCode does.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};
use sy_config::Environment;
use sy_types::Secret;
use zeroize::Zeroizing;

use crate::credential::{Credential, DEFAULT_ACCOUNT, Source};
use crate::entry::Entry;
use crate::error::Error;
use crate::sources::{Found, found};
use crate::vault::{check_own, make_folder, replace_file};

/// The live source: the file, or the text that stands for it.
pub(crate) struct AuthFile {
    path: Option<PathBuf>,
    /// `OPENCODE_AUTH_CONTENT`, which replaces the file for reading.
    content: Option<Secret>,
}

/// What the live source holds.
#[derive(Default)]
pub(crate) struct AuthKeys {
    pub(crate) providers: HashMap<String, Found>,
    /// Well-known tokens by the environment variable that each stands for.
    pub(crate) variables: HashMap<String, Found>,
}

/// An entry that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The provider.
    pub provider: String,
    /// Why.
    pub reason: String,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Providers whose credential is now in the vault.
    pub imported: Vec<String>,
    /// Providers whose credential was there already.
    pub unchanged: Vec<String>,
    /// What was passed over.
    pub skipped: Vec<Skipped>,
    /// What looks wrong but was done.
    pub warnings: Vec<String>,
}

/// What an export did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Providers whose credential is now in the file.
    pub exported: Vec<String>,
    /// What was passed over.
    pub skipped: Vec<Skipped>,
}

/// The contents of an `auth.json`, split by whether an entry decodes.
pub(crate) struct AuthEntries {
    pub(crate) entries: Vec<(String, Entry)>,
    pub(crate) undecodable: Vec<String>,
}

impl AuthFile {
    pub(crate) fn new(path: Option<PathBuf>, environment: &Environment) -> Self {
        Self { path, content: environment.get("OPENCODE_AUTH_CONTENT").map(Secret::new) }
    }

    /// Makes a source that holds nothing.
    pub(crate) fn off() -> Self {
        Self { path: None, content: None }
    }

    /// Returns when the file was changed last and its length; `None` when there is no file to watch.
    pub(crate) fn stamp(&self) -> Option<(SystemTime, u64)> {
        let path = self.path.as_ref().filter(|_| self.content.is_none())?;
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Reads all credentials.
    pub(crate) fn load(&self) -> Result<AuthKeys, Error> {
        let object = match (&self.content, &self.path) {
            (Some(content), _) => {
                parse(content.expose().as_bytes(), Path::new("OPENCODE_AUTH_CONTENT"))?
            }
            (None, Some(path)) => read_object(path)?.unwrap_or_default(),
            (None, None) => return Ok(AuthKeys::default()),
        };
        let mut keys = AuthKeys::default();
        for (provider, entry) in decode(&object).entries {
            let place = format!("the entry `{provider}` of OpenCode's auth.json");
            let variable = match &entry.credential {
                Credential::WellKnown(known) => Some(known.variable.clone()),
                Credential::ApiKey(_) | Credential::OAuth(_) => None,
            };
            let found = found(entry.credential, Source::OpenCode, DEFAULT_ACCOUNT, &place);
            if let Some(variable) = variable {
                keys.variables.insert(variable, found.clone());
            }
            keys.providers.insert(provider, found);
        }
        Ok(keys)
    }
}

/// Reads the entries of a file for an import.
///
/// # Errors
/// Also when there is no file.
pub(crate) fn read_entries(path: &Path) -> Result<AuthEntries, Error> {
    let object = read_object(path)?;
    let missing = || Error::file("read", path)(ErrorKind::NotFound.into());
    Ok(decode(&object.ok_or_else(missing)?))
}

/// Puts entries into a file in place of those of the same providers; everything else in it stays.
pub(crate) fn write_entries(path: &Path, entries: &[(String, Entry)]) -> Result<(), Error> {
    // A link, as dotfile managers make, stays one: the file behind it is replaced. A new file's bare name gets its folder.
    let path = fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .map_err(Error::file("find", path))?;
    let mut object = read_object(&path)?.unwrap_or_default();
    for (provider, entry) in entries {
        let before = object.get(provider).cloned();
        object.retain(|id, _| id.trim_end_matches('/') != provider);
        object.insert(provider.clone(), merged(before, entry.to_value()?));
    }
    let (Some(folder), Some(name)) =
        (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Err(Error::Invalid(format!("expected the path of a file, got {}", path.display())));
    };
    make_folder(folder)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer_pretty(&mut *bytes, &object)
        .map_err(|_| Error::Crypto("write auth.json"))?;
    replace_file(folder, name, &bytes)
}

/// Keeps what OpenCode has beside a key and we do not know.
fn merged(before: Option<Value>, entry: Value) -> Value {
    match (before, entry) {
        (Some(Value::Object(mut before)), Value::Object(entry))
            if entry.get("type").is_some_and(|kind| kind == "api")
                && before.get("type") == entry.get("type") =>
        {
            before.extend(entry);
            Value::Object(before)
        }
        (_, entry) => entry,
    }
}

fn decode(object: &Map<String, Value>) -> AuthEntries {
    let mut decoded = AuthEntries { entries: Vec::new(), undecodable: Vec::new() };
    for (id, value) in object {
        let provider = id.trim_end_matches('/').to_owned();
        match Entry::from_value(value) {
            // With and without a slash it is the same provider; the normal form wins.
            Some(_) if provider != *id && object.contains_key(&provider) => {}
            Some(entry) => decoded.entries.push((provider, entry)),
            None => decoded.undecodable.push(provider),
        }
    }
    decoded
}

/// A link is followed, as dotfile managers make one; what is behind it must be ours.
fn read_object(path: &Path) -> Result<Option<Map<String, Value>>, Error> {
    if let Ok(metadata) = fs::metadata(path) {
        check_own(path, &metadata)?;
    }
    match fs::read(path) {
        Ok(bytes) => parse(&Zeroizing::new(bytes), path).map(Some),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(Error::file("read", path)(err)),
    }
}

/// Parses the object. The parser's own words may repeat a value, so only the place is told.
fn parse(bytes: &[u8], path: &Path) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(bytes).map_err(|err| Error::Damaged {
        file: path.to_owned(),
        reason: format!(
            "expected a JSON object of providers (line {}, column {})",
            err.line(),
            err.column()
        ),
    })
}
