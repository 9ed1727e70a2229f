//! Model lists that providers gave themselves: those of custom providers, whose models nobody wrote
//! down.
//!
//! Asked for by the router, which has the credentials and the way out; kept here and in a file of
//! the cache folder, so that a command need not ask again. Offline nothing is asked, read or kept:
//! then the configuration alone counts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sy_types::{ErrorKind, Failure, ProtocolId, Target};

use crate::bounds::is_id;
use crate::cache::{read_own, write_whole};
use crate::catalog::{Catalog, Connected};
use crate::resolve::Resolved;
use crate::wire_map::OLLAMA_CHAT;

/// A list is asked for again after this time; so is a provider that did not answer.
const FRESH: Duration = Duration::from_secs(300);
/// More models than this are no list.
const MOST_MODELS: usize = 5_000;
/// The largest file of lists, in bytes.
const LARGEST_FILE: u64 = 8 << 20;

/// The lists of all providers.
pub(crate) struct Lists {
    /// `None` offline.
    file: Option<PathBuf>,
    known: Mutex<Option<BTreeMap<String, List>>>,
}

/// What one provider said.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct List {
    /// Where it was asked: a provider at another address is another one.
    address: String,
    /// When, in unix seconds.
    asked_at: u64,
    /// Its models; empty where it did not answer.
    models: Vec<String>,
}

impl Lists {
    pub(crate) fn new(file: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { file, known: Mutex::new(None) })
    }

    /// Returns the models that the provider at this address named.
    pub(crate) fn of(&self, provider: &str, address: &str) -> Vec<String> {
        self.with(|known| {
            let list = known.get(provider).filter(|list| list.address == address);
            list.map_or_else(Vec::new, |list| list.models.clone())
        })
    }

    fn is_due(&self, provider: &str, address: &str, now: u64) -> bool {
        self.file.is_some()
            && self.with(|known| {
                known.get(provider).is_none_or(|list| {
                    list.address != address || now.saturating_sub(list.asked_at) >= FRESH.as_secs()
                })
            })
    }

    /// Keeps a list and returns whether it says something new. A failure keeps the list that was
    /// there.
    fn put(&self, provider: &str, address: &str, models: Option<Vec<String>>, now: u64) -> bool {
        self.with(|known| {
            let before = known.get(provider).filter(|list| list.address == address).cloned();
            let before = before.map(|list| list.models).unwrap_or_default();
            let models = models.unwrap_or_else(|| before.clone());
            let is_new = models != before;
            let list = List { address: address.to_owned(), asked_at: now, models };
            known.insert(provider.to_owned(), list);

            if let Some(file) = &self.file {
                let written = serde_json::to_vec(&*known)
                    .map_err(std::io::Error::from)
                    .and_then(|bytes| write_whole(file, &bytes));
                if let Err(error) = written {
                    tracing::debug!(%error, "the lists of models cannot be kept");
                }
            }
            is_new
        })
    }

    /// Works on the lists, read from the file on the first call.
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, List>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| {
            let bytes = self.file.as_ref().and_then(|file| read_own(file, LARGEST_FILE));
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        });
        work(known)
    }
}

/// A provider that is to be asked which models it has.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// How it is called, with a model that has no name.
    pub target: Arc<Target>,
    /// The path of its list, behind the base URL: `/models`.
    pub path: &'static str,
    address: String,
}

impl Catalog {
    /// Returns the connected providers whose models nobody wrote down and that were not asked for
    /// five minutes. None offline.
    pub fn lists_to_ask(&self, connected: &dyn Connected) -> Vec<ListRequest> {
        if self.is_offline() {
            return Vec::new();
        }
        let layers = self.shared.layers.load_full();
        let lists = &self.shared.lists;
        let now = unix_now();
        let rows = layers.rows().values().filter(|row| {
            let is_open = row.configured && row.model_count == 0;
            is_open && connected.is_connected(row)
        });
        let due = rows.filter_map(|row| {
            let address = row.api.clone().unwrap_or_default();
            if !lists.is_due(&row.id, &address, now) {
                return None;
            }
            let unnamed = Resolved {
                provider: row.id.clone(),
                model: String::new(),
                variant: None,
                is_listed: false,
            };
            let target = self.target(&unnamed).ok()?;
            let path = path_of(target.protocol);
            Some(ListRequest { target, path, address })
        });
        due.collect()
    }

    /// Takes over what a provider answered, or that it did not. Returns whether there is something
    /// new.
    pub fn learn(&self, request: &ListRequest, answer: Result<&[u8], Failure>) -> bool {
        let models = answer.and_then(read_list);
        if let Err(failure) = &models {
            let provider = &request.target.provider;
            tracing::debug!(%provider, %failure, "a provider lists no models");
        }
        let provider = &request.target.provider;
        let is_new = self.shared.lists.put(provider, &request.address, models.ok(), unix_now());
        if is_new {
            self.take_lists();
        }
        is_new
    }
}

fn path_of(protocol: ProtocolId) -> &'static str {
    if protocol == OLLAMA_CHAT { "/api/tags" } else { "/models" }
}

/// Reads a list in OpenAI's form (`data[].id`, also Anthropic's), Gemini's or Ollama's
/// (`models[].name`).
fn read_list(body: &[u8]) -> Result<Vec<String>, Failure> {
    let malformed =
        || Failure::provider(ErrorKind::Malformed, "expected a list of models, got something else");
    let json: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    let entries = json.get("data").or_else(|| json.get("models")).unwrap_or(&json);
    let entries = entries.as_array().filter(|entries| entries.len() <= MOST_MODELS);
    let ids = entries.ok_or_else(malformed)?.iter().filter_map(|entry| {
        let id = entry.get("id").or_else(|| entry.get("name"))?.as_str()?;
        Some(id.strip_prefix("models/").unwrap_or(id))
    });
    let mut models: Vec<String> = Vec::new();
    for id in ids.filter(|id| is_id(id)) {
        models.push(id.to_owned());
    }
    Ok(models)
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{Lists, read_list};

    #[test]
    fn lists_are_read_in_three_forms() {
        let check = |body: &str, expected: &[&str]| {
            assert_eq!(read_list(body.as_bytes()).unwrap(), expected, "{body}");
        };
        check(
            r#"{"data": [{"id": "a"}, {"id": "b/c"}, {"id": 5}, {"id": "x\ny"}]}"#,
            &["a", "b/c"],
        );
        check(
            r#"{"models": [{"name": "llama:8b"}, {"name": "models/gemini"}]}"#,
            &["llama:8b", "gemini"],
        );
        check(r#"[{"id": "a"}]"#, &["a"]);
        for body in ["<html>", "{}", "5"] {
            assert!(read_list(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_list_is_kept_for_its_address_and_survives_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lists.json");
        let lists = Lists::new(Some(file.clone()));
        assert!(lists.is_due("p", "http://a", 1000));
        assert!(lists.put("p", "http://a", Some(vec!["m".to_owned()]), 1000));
        assert!(!lists.put("p", "http://a", None, 1001), "a failure says nothing new");
        let again = Lists::new(Some(file));
        assert_eq!(again.of("p", "http://a"), ["m"]);
        assert!(again.of("p", "http://b").is_empty());
        assert!(!again.is_due("p", "http://a", 1100) && again.is_due("p", "http://a", 1400));
        assert!(again.is_due("p", "http://b", 1001));
        assert!(!Lists::new(None).is_due("p", "http://a", 1000), "offline");
    }
}
