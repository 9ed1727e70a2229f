//! The bundled snapshot: every model leads to a target or to a clear refusal.

use std::collections::BTreeMap;

use serde_json::json;
use sy_catalog::Resolved;
use sy_types::ErrorKind;

use crate::{Connections, catalog, catalog_with};

/// Every variable that an address in the snapshot needs.
const VARIABLES: [(&str, &str); 11] = [
    ("AWS_REGION", "eu-west-1"),
    ("AZURE_RESOURCE_NAME", "res"),
    ("AZURE_COGNITIVE_SERVICES_RESOURCE_NAME", "res"),
    ("CLOUDFLARE_ACCOUNT_ID", "acc"),
    ("CLOUDFLARE_GATEWAY_ID", "gw"),
    ("DATABRICKS_HOST", "dbc.test"),
    ("INFOMANIAK_PRODUCT_ID", "1"),
    ("NEON_AI_GATEWAY_BASE_URL", "https://neon.test"),
    ("SNOWFLAKE_ACCOUNT", "acc"),
    ("GOOGLE_VERTEX_PROJECT", "p"),
    ("GOOGLE_VERTEX_LOCATION", "l"),
];

#[test]
fn the_snapshot_is_whole() {
    let rows = catalog(json!({})).rows();
    assert_eq!(rows.len(), 225);
    assert_eq!(rows.iter().map(|row| row.model_count).sum::<usize>(), 8261);
    assert!(rows.iter().all(|row| !row.configured && !row.name.is_empty()));
}

#[test]
fn every_model_has_a_target_or_a_clean_refusal() {
    let catalog = catalog_with(json!({}), &VARIABLES);
    let (mut listed, mut reached) = (0, 0);
    let mut protocols: BTreeMap<&str, usize> = BTreeMap::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for row in catalog.rows() {
        let provider = catalog.provider(&row.id).unwrap();
        assert!(
            !provider.models.is_empty() || row.model_count < 5,
            "{} lost all its models",
            row.id
        );
        for model in provider.models.keys() {
            listed += 1;
            let resolved = Resolved {
                provider: row.id.clone(),
                model: model.clone(),
                variant: None,
                is_listed: true,
            };
            match catalog.target(&resolved) {
                Ok(target) => {
                    reached += 1;
                    *protocols.entry(target.protocol.as_str()).or_default() += 1;
                    assert!(
                        target.base_url.has_host() && !target.base_url.as_str().contains('$'),
                        "{}",
                        target.base_url
                    );
                    assert!(
                        !target.base_url.path().ends_with('/') || target.base_url.path() == "/"
                    );
                }
                Err(failure) => {
                    assert_eq!(failure.kind, ErrorKind::Unsupported, "{failure}");
                    let reason = failure.message.split_once(": ").unwrap().1.to_owned();
                    *refused.entry(reason).or_default() += 1;
                }
            }
            assert_eq!(catalog.resolve(&resolved.name(), &Connections(&[])).unwrap(), resolved);
        }
    }
    println!(
        "{listed} models are listed, {reached} have a target: {protocols:#?}; refused: {refused:#?}"
    );
    assert!(reached * 100 >= listed * 93, "{reached} of {listed}");
    assert!(
        refused.keys().all(|reason| reason.contains("yet") || reason.contains("baseURL")),
        "{refused:#?}"
    );
}

#[test]
fn the_readme_counts_what_can_be_called_with_a_key() {
    let counts = catalog(json!({})).counts(&Connections(&[]));
    let readme = include_str!("../../../../README.md");
    let with_comma = |count: usize| format!("{},{:03}", count / 1000, count % 1000);
    let callable = format!(
        "{} models of {} providers (of the {} that its catalog knows)",
        with_comma(counts.callable_models),
        counts.callable_providers,
        counts.providers
    );
    assert!(readme.contains(&callable), "expected in README.md: {callable}");
    let listed = format!("searches {} models, offline", with_comma(counts.models));
    assert!(readme.contains(&listed), "expected in README.md: {listed}");
    assert_eq!((counts.connected_providers, counts.connected_models), (0, 0));
}

#[test]
fn a_missing_variable_is_named() {
    let check = |provider: &str, variable: &str| {
        let catalog = catalog(json!({}));
        let known = catalog.provider(provider).unwrap();
        let failures: Vec<_> = known
            .models
            .keys()
            .filter_map(|model| {
                catalog
                    .target(&Resolved {
                        provider: provider.to_owned(),
                        model: model.clone(),
                        variant: None,
                        is_listed: true,
                    })
                    .err()
            })
            .collect();
        assert!(failures.iter().any(|failure| failure.message.contains(variable)), "{provider}");
    };
    check("azure", "AZURE_RESOURCE_NAME");
    check("databricks", "DATABRICKS_HOST");
    check("snowflake-cortex", "SNOWFLAKE_ACCOUNT");
    check("neon", "NEON_AI_GATEWAY_BASE_URL");
    check("cloudflare-workers-ai", "CLOUDFLARE_ACCOUNT_ID");
}

#[test]
fn nothing_is_decoded_before_it_is_asked_for() {
    let own = json!({"provider": {"mine": {"options": {"baseURL": "http://gpu:1/v1"}, "models": {"m": {}}}}});
    let catalog = catalog(own);
    let resolved = catalog.resolve("mine/m", &Connections(&[])).unwrap();
    catalog.target(&resolved).unwrap();
    assert_eq!(catalog.rows().len(), 226);
    assert_eq!(catalog.decoded_providers(), 0, "a configured provider needs no entry");
    catalog.resolve("anthropic/claude-opus-4-6", &Connections(&[])).unwrap();
    catalog.resolve("anthropic/claude-opus-4-5", &Connections(&[])).unwrap();
    assert_eq!(catalog.decoded_providers(), 1, "an entry is decoded once");
    catalog.resolve("gpt-5.4", &Connections(&["openai", "groq"])).unwrap();
    assert_eq!(catalog.decoded_providers(), 3, "only connected providers are looked through");
    catalog.search("gpt", &Connections(&[]));
    assert!(catalog.decoded_providers() >= 225);
}

#[test]
fn keys_are_told_from_settings() {
    let check = |id: &str, env: &[&str], settings: &[&str]| {
        let rows = catalog(json!({})).rows();
        let row = rows.iter().find(|row| row.id == id).unwrap();
        assert_eq!(
            (row.env.as_slice(), row.settings.as_slice()),
            (
                env.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(),
                settings.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice()
            ),
            "{id}"
        );
    };
    check("anthropic", &["ANTHROPIC_API_KEY"], &[]);
    check("azure", &["AZURE_API_KEY"], &["AZURE_RESOURCE_NAME"]);
    check("google", &["GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"], &[]);
    check("zai", &["ZHIPU_API_KEY", "ZAI_API_KEY"], &[]);
    check("snowflake-cortex", &["SNOWFLAKE_CORTEX_PAT"], &["SNOWFLAKE_ACCOUNT"]);
    check("databricks", &["DATABRICKS_TOKEN"], &["DATABRICKS_HOST"]);
    check(
        "amazon-bedrock",
        &["AWS_BEARER_TOKEN_BEDROCK"],
        &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
    );
    let needs_key = |own: serde_json::Value, id: &str| {
        catalog(own).rows().into_iter().find(|row| row.id == id).expect("the row").needs_key
    };
    assert!(needs_key(json!({}), "openai"));
    assert!(needs_key(json!({}), "lmstudio"), "nobody said that it runs");
    assert!(!needs_key(json!({"provider": {"lmstudio": {}}}), "lmstudio"));
}
