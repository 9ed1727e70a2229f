//! Which layer wins, field by field.

use serde_json::{Value, json};
use sy_catalog::{Catalog, Settings};
use sy_config::Environment;
use sy_types::{Media, ModelInfo, Status};

use crate::source::{Answer, Source};
use crate::{Connections, catalog, config};

#[tokio::test]
async fn configuration_wins_over_fetched_data_and_these_over_the_snapshot_field_by_field() {
    let fetched = json!({"anthropic": {"id": "anthropic", "name": "Fetched", "models": {"claude-opus-4-6": {
        "name": "Fetched Opus", "limit": {"context": 777}, "cost": {"input": 50, "output": 60}, "tool_call": false,
    }}}});
    let source =
        Source::start(Answer { status: "200 OK", etag: None, body: fetched.to_string() }).await;
    let folder = tempfile::tempdir().unwrap();
    let own = json!({"catalog": {"url": source.url}, "provider": {"anthropic": {"models": {"claude-opus-4-6": {
        "limit": {"output": 99}, "cost": {"input": 1}, "reasoning": false,
    }}}}});
    let catalog = Catalog::new(Settings {
        config: config(own),
        cache_dir: folder.path().to_owned(),
        environment: Environment::default(),
        offline: false,
    });
    let snapshot = model_of(json!({}), "anthropic", "claude-opus-4-6");
    catalog.refresh(true).await.unwrap();
    let provider = catalog.provider("anthropic").unwrap();
    let model = &provider.models["claude-opus-4-6"];
    assert_eq!((provider.row.name.as_str(), model.name.as_str()), ("Fetched", "Fetched Opus"));
    assert_eq!((model.limits.context, model.limits.output), (777, 99), "fetched, configured");
    let rates = model.price.base;
    assert_eq!(
        (rates.usd_per_million_input, rates.usd_per_million_output),
        (1.0, 60.0),
        "configured, fetched"
    );
    assert_eq!(
        rates.usd_per_million_cache_read, snapshot.price.base.usd_per_million_cache_read,
        "snapshot"
    );
    assert_eq!(model.family, snapshot.family, "snapshot");
    assert_eq!(
        (model.capabilities.tool_call, model.capabilities.reasoning),
        (Some(false), Some(false))
    );
    assert!(provider.models.contains_key("claude-opus-4-5"), "models that only the snapshot has");
}

#[track_caller]
fn model_of(own: Value, provider: &str, model: &str) -> ModelInfo {
    ModelInfo::clone(&catalog(own).provider(provider).expect("the provider").models[model])
}

#[test]
fn capabilities_come_from_supports_then_overrides_then_data() {
    let check = |own: Value, tool_call: Option<bool>, images: bool| {
        let own = json!({"provider": {"anthropic": {"models": {"claude-opus-4-6": own}}}});
        let model = model_of(own, "anthropic", "claude-opus-4-6");
        assert_eq!(
            (model.capabilities.tool_call, model.capabilities.input.contains(&Media::Image)),
            (tool_call, images)
        );
    };
    check(json!({}), Some(true), true);
    check(json!({"tool_call": false, "modalities": {"input": ["text"]}}), Some(false), false);
    check(
        json!({"tool_call": false, "supports": {"function_calling": true, "vision": false}}),
        Some(true),
        false,
    );
    let own =
        json!({"provider": {"mine": {"options": {"baseURL": "http://x/v1"}, "models": {"m": {}}}}});
    let unknown = model_of(own, "mine", "m").capabilities;
    assert_eq!(
        (unknown.tool_call, unknown.reasoning, unknown.temperature, unknown.attachment),
        (None, None, None, None)
    );
    assert!(unknown.input.is_empty() && unknown.output.is_empty());
}

#[test]
fn a_configured_model_may_stand_on_another() {
    let own = json!({"provider": {"anthropic": {"models": {"opus": {"id": "claude-opus-4-6", "limit": {"output": 5}}}}}});
    let catalog = catalog(own);
    let provider = catalog.provider("anthropic").unwrap();
    let (own, base) = (&provider.models["opus"], &provider.models["claude-opus-4-6"]);
    assert_eq!((own.id.as_str(), own.name.as_str()), ("opus", "opus"));
    assert_eq!((own.limits.output, own.limits.context), (5, base.limits.context));
    assert_eq!(own.variants, base.variants);
    let resolved = catalog.resolve("anthropic/opus", &Connections(&[])).unwrap();
    let target = catalog.target(&resolved).unwrap();
    assert_eq!((&*target.model, &*target.upstream_model), ("opus", "claude-opus-4-6"));
}

#[test]
fn variants_can_be_added_changed_and_removed() {
    let own = json!({"provider": {"openai": {"models": {"gpt-5.4": {"variants": {
        "low": {"disabled": true}, "high": {"disabled": false, "reasoningSummary": "detailed"}, "mine": {"verbosity": "low"},
    }}}}}});
    let model = model_of(own, "openai", "gpt-5.4");
    assert!(!model.variants.contains_key("low") && model.variants.contains_key("medium"));
    assert_eq!(
        model.variants["high"]["reasoning"],
        json!({"effort": "high", "summary": "detailed"})
    );
    assert_eq!(model.variants["mine"], *json!({"text": {"verbosity": "low"}}).as_object().unwrap());
}

#[test]
fn lists_and_statuses_filter_models() {
    let has = |own: Value, model: &str| {
        catalog(json!({"provider": {"openai": own}}))
            .provider("openai")
            .unwrap()
            .models
            .contains_key(model)
    };
    assert!(has(json!({}), "gpt-5.4"));
    assert!(has(json!({"whitelist": ["gpt-5.4"]}), "gpt-5.4"));
    assert!(!has(json!({"whitelist": ["gpt-5.4-mini"]}), "gpt-5.4"));
    assert!(!has(json!({"blacklist": ["gpt-5.4"]}), "gpt-5.4"));
    assert!(!has(json!({"whitelist": ["gpt-5.4"], "blacklist": ["gpt-5.4"]}), "gpt-5.4"));
    for status in ["alpha", "deprecated"] {
        assert!(!has(json!({"models": {"gpt-5.4": {"status": status}}}), "gpt-5.4"), "{status}");
    }
    assert!(has(json!({"models": {"gpt-5.4": {"status": "beta"}}}), "gpt-5.4"));
    let catalog = catalog(json!({}));
    let providers = catalog.rows().into_iter().filter_map(|row| catalog.provider(&row.id));
    let statuses: Vec<Status> = providers
        .flat_map(|provider| provider.models.values().map(|model| model.status).collect::<Vec<_>>())
        .collect();
    assert!(statuses.contains(&Status::Beta) && !statuses.contains(&Status::Deprecated));
}

#[test]
fn providers_can_be_switched_off() {
    let ids = |own: Value| catalog(own).rows().into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(json!({"enabled_providers": ["openai", "anthropic"]})), ["anthropic", "openai"]);
    assert_eq!(
        ids(
            json!({"enabled_providers": ["openai", "anthropic"], "disabled_providers": ["openai"]})
        ),
        ["anthropic"]
    );
    let off = catalog(json!({"disabled_providers": ["openai"]}));
    assert!(off.provider("openai").is_none());
    let failure = off.resolve("openai/gpt-5.4", &Connections(&[])).unwrap_err();
    assert!(failure.message.contains("switched off"), "{failure}");
    assert!(!off.search("gpt-5.4", &Connections(&[])).iter().any(|hit| hit.provider == "openai"));
}

#[test]
fn a_reload_changes_every_answer_at_once() {
    let catalog = catalog(json!({}));
    let before = catalog.generation();
    catalog.reconfigure(config(
        json!({"provider": {"mine": {"options": {"baseURL": "http://x/v1"}, "models": {"m": {"name": "Unheard Of"}}}}}),
    ));
    assert!(catalog.generation() > before);
    assert!(catalog.resolve("mine/m", &Connections(&[])).is_ok());
    assert_eq!(catalog.search("unheard", &Connections(&[]))[0].model, "m");
    let row = catalog.rows().into_iter().last().unwrap();
    assert_eq!(
        (row.id.as_str(), row.configured, row.model_count, row.needs_key),
        ("mine", true, 1, false)
    );
}
