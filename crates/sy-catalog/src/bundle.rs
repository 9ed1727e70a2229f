//! The packed form of a catalog: an index, and one compressed chunk per provider.
//!
//! Written by `xtask snapshot` (the bundled copy) and by a refresh (the cached copy), read by the catalog one provider at
//! a time. It does not know what the JSON inside a chunk means.
//!
//! Layout: `SYCATLG1`, the length of the index and of the dictionary (two little-endian `u32`), the zstd-compressed index
//! (a JSON list of [`IndexRow`]), the zstd-compressed dictionary, then the chunks, each compressed with the dictionary.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sy_types::{ErrorKind, Failure};

use crate::bounds;

const MAGIC: &[u8; 8] = b"SYCATLG1";
const HEADER: usize = 16;
/// No part is larger: a broken length must not make us reserve all memory.
const LARGEST_PART: usize = 32 << 20;
/// Raw text of the largest providers: model entries repeat across providers, so it shortens all other chunks.
const DICTIONARY_BYTES: usize = 96 << 10;
/// Facts that nothing here uses: prose, dates of editing, licences.
const UNUSED_MODEL_FIELDS: [&str; 4] = ["description", "knowledge", "last_updated", "open_weights"];

/// What the index tells about a provider without opening its chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexRow {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) env: Vec<String>,
    pub(crate) npm: Option<String>,
    pub(crate) api: Option<String>,
    pub(crate) models: usize,
    offset: usize,
    length: usize,
    size: usize,
}

/// A packed catalog. Nothing is decoded until it is asked for.
pub(crate) struct Bundle {
    bytes: Bytes,
    head: OnceLock<Option<Head>>,
    decoded: AtomicUsize,
}

struct Head {
    rows: IndexMap<String, IndexRow>,
    dictionary: Vec<u8>,
    chunks_at: usize,
}

impl Bundle {
    /// Takes a packed catalog without looking into it.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, head: OnceLock::new(), decoded: AtomicUsize::new(0) }
    }

    /// Returns the rows of the index in the catalog's order; none when the bundle is broken.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &IndexRow> {
        self.head().into_iter().flat_map(|head| head.rows.values())
    }

    /// Returns the row of one provider.
    pub(crate) fn row(&self, provider: &str) -> Option<&IndexRow> {
        self.head()?.rows.get(provider)
    }

    /// Returns true when the index can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.head().is_some()
    }

    /// Returns true when both hold the same bytes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }

    /// Returns how many bytes the bundle takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many chunks were decoded so far.
    pub(crate) fn decoded(&self) -> usize {
        self.decoded.load(Ordering::Relaxed)
    }

    /// Decodes the entry of one provider; `None` when there is none or when its chunk is broken.
    pub(crate) fn provider(&self, provider: &str) -> Option<Map<String, Value>> {
        let head = self.head()?;
        let row = head.rows.get(provider)?;
        let entry = self.decode(head, row);
        if entry.is_none() {
            tracing::warn!(provider, "a catalog entry cannot be read and is left out");
        }
        entry
    }

    /// Returns the dictionary, so that another bundle can be packed with it.
    pub(crate) fn dictionary(&self) -> &[u8] {
        self.head().map_or(&[], |head| head.dictionary.as_slice())
    }

    fn decode(&self, head: &Head, row: &IndexRow) -> Option<Map<String, Value>> {
        if row.size > LARGEST_PART {
            return None;
        }
        let start = head.chunks_at.checked_add(row.offset)?;
        let chunk = self.bytes.get(start..start.checked_add(row.length)?)?;
        self.decoded.fetch_add(1, Ordering::Relaxed);
        let mut decompressor = zstd::bulk::Decompressor::with_dictionary(&head.dictionary).ok()?;
        let text = decompressor.decompress(chunk, row.size).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn head(&self) -> Option<&Head> {
        let read = || {
            let head = self.read_head();
            if head.is_none() {
                tracing::warn!("a packed catalog cannot be read and is ignored");
            }
            head
        };
        self.head.get_or_init(read).as_ref()
    }

    fn read_head(&self) -> Option<Head> {
        let length_at = |at: usize| -> Option<usize> {
            let bytes: [u8; 4] = self.bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        if self.bytes.get(..8)? != MAGIC {
            return None;
        }
        let dictionary_at = HEADER.checked_add(length_at(8)?)?;
        let chunks_at = dictionary_at.checked_add(length_at(12)?)?;
        let index =
            zstd::bulk::decompress(self.bytes.get(HEADER..dictionary_at)?, LARGEST_PART).ok()?;
        let rows: Vec<IndexRow> = serde_json::from_slice(&index).ok()?;
        let dictionary =
            zstd::bulk::decompress(self.bytes.get(dictionary_at..chunks_at)?, LARGEST_PART).ok()?;
        Some(Head {
            rows: rows.into_iter().map(|row| (row.id.clone(), row)).collect(),
            dictionary,
            chunks_at,
        })
    }
}

/// Packs the text of a catalog in the form of models.dev (`api.json`), with a dictionary of its own, as small as zstd can.
///
/// # Errors
/// `Malformed` when the text is no such catalog.
pub fn pack(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let entries = read_entries(text)?;
    let mut largest: Vec<&String> = entries.iter().map(|entry| &entry.json).collect();
    largest.sort_by_key(|json| std::cmp::Reverse(json.len()));
    let mut dictionary: Vec<u8> = largest.iter().take(3).flat_map(|json| json.bytes()).collect();
    dictionary.truncate(DICTIONARY_BYTES);
    write(&entries, &dictionary, 19)
}

/// Packs a fetched catalog quickly, with a dictionary that is there already.
///
/// # Errors
/// As [`pack`].
pub(crate) fn pack_quickly(text: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, Failure> {
    write(&read_entries(text)?, dictionary, 3)
}

struct Entry {
    row: IndexRow,
    json: String,
}

fn read_entries(text: &[u8]) -> Result<Vec<Entry>, Failure> {
    bounds::check(text)?;
    let providers: IndexMap<String, &RawValue> = serde_json::from_slice(text).map_err(|error| {
        malformed(format!("expected a JSON object of providers as models.dev serves it: {error}"))
    })?;
    let entries: Vec<Entry> =
        providers.iter().filter_map(|(id, raw)| read_entry(id, raw)).collect();
    if entries.iter().all(|entry| entry.row.models == 0) {
        return Err(malformed(
            "expected a catalog with providers and models, got none that can be read".to_owned(),
        ));
    }
    Ok(entries)
}

fn read_entry(id: &str, raw: &RawValue) -> Option<Entry> {
    if !bounds::is_id(id) || id.contains('/') {
        return None;
    }
    let mut entry: Map<String, Value> = serde_json::from_str(raw.get()).ok()?;
    entry.remove("doc");
    let models = entry.get_mut("models")?.as_object_mut()?;
    models.retain(|id, _| bounds::is_id(id));
    for model in models.values_mut().filter_map(Value::as_object_mut) {
        for field in UNUSED_MODEL_FIELDS {
            model.shift_remove(field);
        }
    }
    let text = |field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
    let env = entry.get("env").and_then(Value::as_array).into_iter().flatten();
    let row = IndexRow {
        id: id.to_owned(),
        name: text("name").unwrap_or_else(|| id.to_owned()),
        env: env.filter_map(Value::as_str).map(str::to_owned).collect(),
        npm: text("npm"),
        api: text("api"),
        models: entry.get("models").and_then(Value::as_object).map_or(0, Map::len),
        offset: 0,
        length: 0,
        size: 0,
    };
    let json = serde_json::to_string(&entry).ok()?;
    Some(Entry { row, json })
}

fn write(entries: &[Entry], dictionary: &[u8], level: i32) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::bug(format!("packing the catalog failed: {error}"));
    let mut compressor =
        zstd::bulk::Compressor::with_dictionary(level, dictionary).map_err(failed)?;
    let mut chunks = Vec::new();
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let chunk = compressor.compress(entry.json.as_bytes()).map_err(failed)?;
        let mut row = entry.row.clone();
        (row.offset, row.length, row.size) = (chunks.len(), chunk.len(), entry.json.len());
        rows.push(row);
        chunks.extend(chunk);
    }
    let index = serde_json::to_vec(&rows)
        .map_err(|error| Failure::bug(format!("writing the index failed: {error}")))?;
    let index = zstd::bulk::compress(&index, level).map_err(failed)?;
    let dictionary = zstd::bulk::compress(dictionary, level).map_err(failed)?;
    let length = |part: &[u8]| {
        u32::try_from(part.len()).map_err(|_| malformed("the catalog is too large".to_owned()))
    };
    let mut out = MAGIC.to_vec();
    out.extend(length(&index)?.to_le_bytes());
    out.extend(length(&dictionary)?.to_le_bytes());
    for part in [index, dictionary, chunks] {
        out.extend(part);
    }
    Ok(out)
}

fn malformed(message: String) -> Failure {
    Failure::provider(ErrorKind::Malformed, message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sy_types::ErrorKind;

    use super::{Bundle, pack, pack_quickly};

    const TEXT: &str = r#"{
        "a": {"id": "a", "name": "A", "env": ["A_KEY"], "npm": "p", "doc": "x", "models": {"m": {"id": "m", "description": "prose"}}},
        "b": {"id": "b", "models": {"n": {"id": "n"}, "o": {"id": "o"}}},
        "broken": 5
    }"#;

    #[test]
    fn chunks_are_decoded_one_by_one() {
        for packed in
            [pack(TEXT.as_bytes()).unwrap(), pack_quickly(TEXT.as_bytes(), b"any text").unwrap()]
        {
            let bundle = Bundle::new(Bytes::from(packed));
            let rows: Vec<_> =
                bundle.rows().map(|row| (row.id.as_str(), row.name.as_str(), row.models)).collect();
            assert_eq!(rows, [("a", "A", 1), ("b", "b", 2)]);
            assert_eq!(bundle.decoded(), 0);
            let entry = bundle.provider("a").unwrap();
            assert!(
                !entry.contains_key("doc")
                    && !entry["models"]["m"].as_object().unwrap().contains_key("description")
            );
            assert_eq!(bundle.decoded(), 1);
            assert!(bundle.provider("none").is_none());
        }
    }

    #[test]
    fn a_text_that_is_no_catalog_is_refused() {
        for text in ["", "[]", "{}", r#"{"a": {"models": {}}}"#, r#"{"error": "busy"}"#] {
            assert_eq!(pack(text.as_bytes()).unwrap_err().kind, ErrorKind::Malformed, "{text}");
        }
    }

    #[test]
    fn a_broken_bundle_is_empty_and_does_not_panic() {
        let whole = pack(TEXT.as_bytes()).unwrap();
        for length in 0..whole.len() {
            let bundle = Bundle::new(Bytes::copy_from_slice(&whole[..length]));
            bundle.rows().count();
            bundle.provider("b");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let bundle = Bundle::new(Bytes::from(bytes));
            bundle.provider("a");
            bundle.provider("b");
        }
    }
}
