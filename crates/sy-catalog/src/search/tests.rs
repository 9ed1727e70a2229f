//! Ranking on small lists: what each rule of the search does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_config::{Config, Environment};

use super::index::{FIELDS, FUZZY, FUZZY_FROM, texts};
use super::{Combine, Index, search};
use crate::bundle::Bundle;
use crate::cache::CacheFile;
use crate::layers::Layers;
use crate::{Connected, ProviderRow};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/minisearch");

fn bundled() -> Layers {
    let cache = CacheFile::new(Path::new("/nonexistent"), "https://models.dev");
    let bundle = Bundle::new(Bytes::from_static(include_bytes!("../../data/models.bin")));
    Layers::new(Arc::new(Config::default()), Environment::default(), cache, Arc::new(bundle))
}

struct Connections(&'static [&'static str]);

impl Connected for Connections {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        self.0.contains(&row.id.as_str())
    }
}

/// Rounds to eleven digits, so that sums in another order are equal and ties can be told.
fn rounded(score: f64) -> String {
    format!("{score:.10e}")
}

fn ranked(index: &Index, query: &str, combine: Combine) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = index
        .search(query, combine)
        .into_iter()
        .map(|(number, score)| {
            let document = index.document(number).unwrap();
            (format!("{}/{}", document.provider, document.model), score)
        })
        .collect();
    // Documents of equal score are ordered by id here and in the recording.
    found.sort_by(|a, b| {
        let (left, right): (f64, f64) =
            (rounded(a.1).parse().unwrap(), rounded(b.1).parse().unwrap());
        right.total_cmp(&left).then_with(|| a.0.cmp(&b.0))
    });
    found
}

#[test]
fn ranking_equals_minisearch() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(Path::new(FOLDER).join("golden.json")).unwrap())
            .unwrap();
    assert_eq!(golden["minisearch"], "7.2.0");
    let index = bundled().index();
    let queries = golden["queries"].as_array().unwrap();
    assert!(queries.len() >= 40);
    for case in queries {
        let query = case["query"].as_str().unwrap();
        let combine = if case["combine"] == "AND" { Combine::All } else { Combine::Any };
        let found = ranked(&index, query, combine);
        assert_eq!(found.len() as u64, case["count"].as_u64().unwrap(), "{query}: count");
        for (place, expected) in case["top"].as_array().unwrap().iter().enumerate() {
            let (id, score) = &found[place];
            let expected_score = expected["score"].as_f64().unwrap();
            assert_eq!(id, expected["id"].as_str().unwrap(), "{query}: place {place}");
            assert!(
                (score - expected_score).abs() <= 1e-6 * expected_score,
                "{query}: {id}: {score} {expected_score}"
            );
        }
    }
}

#[test]
fn the_cases_come_first() {
    let cases: Value = serde_json::from_str(include_str!("../../data/search-cases.json")).unwrap();
    let layers = bundled();
    for case in cases["cases"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |field: &str| case[field].as_array().unwrap().iter().map(text).collect();
        let (query, first): (String, Vec<String>) = (text(&case["query"]), list("first"));
        let connected = Named(list("connected"));
        let hits = search(&layers, &query, &connected).into_iter().take(first.len());
        let found: Vec<String> =
            hits.map(|hit| format!("{}/{}", hit.provider, hit.model)).collect();
        assert_eq!(found, first, "{query}");
    }
}

/// These providers count as connected.
struct Named(Vec<String>);

impl Connected for Named {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        self.0.contains(&row.id)
    }
}

#[test]
fn connected_models_lead_among_equals_and_keep_their_order() {
    let layers = bundled();
    let check = |query: &str, connected: &'static [&'static str]| {
        let plain: Vec<_> = search(&layers, query, &Connections(&[]))
            .into_iter()
            .map(|hit| (hit.provider, hit.model))
            .collect();
        let boosted: Vec<_> = search(&layers, query, &Connections(connected))
            .into_iter()
            .map(|hit| (hit.provider, hit.model))
            .collect();
        assert_eq!(plain.len(), boosted.len());
        let of = |list: &[(String, String)], wanted: bool| -> Vec<(String, String)> {
            list.iter()
                .filter(|(provider, _)| connected.contains(&provider.as_str()) == wanted)
                .cloned()
                .collect()
        };
        assert_eq!(of(&plain, true), of(&boosted, true), "{query}");
        assert_eq!(of(&plain, false), of(&boosted, false), "{query}");
        let places: HashMap<_, _> =
            plain.iter().enumerate().map(|(place, hit)| (hit, place)).collect();
        for (place, hit) in boosted
            .iter()
            .enumerate()
            .filter(|(_, (provider, _))| connected.contains(&provider.as_str()))
        {
            assert!(place <= places[hit], "{query}: {hit:?} fell");
        }
        boosted
    };
    let first = check("claude sonnet", &["openrouter", "anthropic"]).remove(0);
    assert!(["openrouter", "anthropic"].contains(&first.0.as_str()), "{first:?}");
    check("glm", &["zai"]);
}

#[test]
fn other_names_of_providers_are_found_and_narrowing_never_ends_blank() {
    let layers = bundled();
    let top = |query: &str, count: usize| -> Vec<String> {
        search(&layers, query, &Connections(&[]))
            .into_iter()
            .take(count)
            .map(|hit| hit.provider)
            .collect()
    };
    assert!(top("z.ai glm", 5).contains(&"zai".to_owned()), "{:?}", top("z.ai glm", 5));
    assert!(top("zen big pickle", 3).contains(&"opencode".to_owned()));
    assert!(top("moonshot k3", 10).contains(&"moonshotai".to_owned()));
    assert!(!top("claude xyzzyplugh", 3).is_empty(), "a word that fits nothing leaves the others");
    assert!(top("", 3).is_empty());
}

/// Writes what `record.mjs` feeds to minisearch. Run by `npm run record` in `tests/minisearch`.
#[test]
#[ignore = "writes a file; run by `npm run record`"]
fn writes_documents_for_the_recording() {
    let layers = bundled();
    let mut documents = Vec::new();
    for provider in layers.rows().values().map(|row| layers.provider_once(row)) {
        for model in provider.models.values() {
            let mut document = json!({"id": format!("{}/{}", provider.row.id, model.id)});
            for ((field, _), text) in FIELDS.iter().zip(texts(&provider.row, model)) {
                document[*field] = json!(text);
            }
            documents.push(document);
        }
    }
    let boost: serde_json::Map<String, Value> =
        FIELDS.iter().map(|(field, boost)| ((*field).to_owned(), json!(boost))).collect();
    let fields: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
    let all = json!({"fields": fields, "boost": boost, "fuzzy": FUZZY, "fuzzyFrom": FUZZY_FROM, "documents": documents});
    std::fs::write(PathBuf::from(FOLDER).join("documents.json"), all.to_string()).unwrap();
}
