//! From a resolved model to everything needed to call it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sy_catalog::Catalog;
use sy_catalog::wire_map::{
    ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, ZAI_CHAT,
};
use sy_types::target::{MaxTokensField, ReasoningRequest};
use sy_types::{AuthScheme, ErrorKind, ProtocolId, Target, Timeouts};

use crate::{Connections, catalog, catalog_with};

#[track_caller]
fn target_of(catalog: &Catalog, name: &str, caller: Option<ProtocolId>) -> Arc<Target> {
    let resolved =
        catalog.resolve(name, &Connections(&[])).unwrap_or_else(|failure| panic!("{failure}"));
    catalog.target_for(&resolved, caller).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn the_callers_protocol_is_kept_where_the_place_speaks_it() {
    let catalog = catalog(
        json!({"provider": {"aimock": {"npm": "@ai-sdk/openai", "options": {"baseURL": "http://127.0.0.1:9/v1"}, "models": {"m": {}}}}}),
    );
    let check = |name: &str, caller: Option<ProtocolId>, expected: ProtocolId| {
        assert_eq!(target_of(&catalog, name, caller).protocol, expected, "{name} {caller:?}");
    };
    check("openai/gpt-5.4", None, OPENAI_RESPONSES);
    check("openai/gpt-5.4", Some(OPENAI_CHAT), OPENAI_CHAT);
    check("openai/gpt-5.4", Some(ANTHROPIC_MESSAGES), OPENAI_RESPONSES);
    check("openai/gpt-5.4-pro", Some(OPENAI_RESPONSES), OPENAI_RESPONSES);
    check("aimock/m", Some(OPENAI_CHAT), OPENAI_CHAT);
    check("aimock/m", None, OPENAI_RESPONSES);
    check("openrouter/anthropic/claude-opus-4.6", Some(OPENAI_RESPONSES), OPENAI_CHAT);
    check("anthropic/claude-opus-4-6", Some(OPENAI_CHAT), ANTHROPIC_MESSAGES);
    check("google/gemini-2.5-flash", None, GEMINI_GENERATE);
    check("zai/glm-5.3", Some(OPENAI_CHAT), ZAI_CHAT);
}

#[test]
fn addresses_come_from_the_closest_source() {
    let check =
        |config: Value, variables: &[(&str, &str)], name: &str, expected: &str, own: bool| {
            let target = target_of(&catalog_with(config, variables), name, None);
            assert_eq!(
                (target.base_url.as_str(), target.operator_configured),
                (expected, own),
                "{name}"
            );
        };
    check(json!({}), &[], "anthropic/claude-opus-4-6", "https://api.anthropic.com/v1", false);
    check(json!({}), &[], "zai-coding-plan/glm-5.3", "https://api.z.ai/api/coding/paas/v4", false);
    check(
        json!({}),
        &[],
        "vercel/anthropic/claude-opus-4.6",
        "https://ai-gateway.vercel.sh/v1",
        false,
    );
    check(json!({}), &[], "lmstudio/openai/gpt-oss-20b", "http://127.0.0.1:1234/v1", true);
    let azure = [("AZURE_RESOURCE_NAME", "res")];
    check(
        json!({}),
        &azure,
        "azure/gpt-5.4",
        "https://res.openai.azure.com/openai/v1?api-version=v1",
        false,
    );
    let resource = json!({"provider": {"azure": {"options": {"resourceName": "mine"}}}});
    check(
        resource,
        &azure,
        "azure/gpt-5.4",
        "https://mine.openai.azure.com/openai/v1?api-version=v1",
        false,
    );
    let proxy =
        "https://vanchin.streamlake.ai/api/gateway/v1/endpoints/kat-coder-pro-v1/claude-code-proxy";
    let streamlake = json!({"provider": {"streamlake": {"options": {"baseURL": format!("{proxy}/")}, "models": {"kat": {}}}}});
    check(streamlake, &[], "streamlake/kat", proxy, true);
    let own = json!({"provider": {"openai": {"options": {"baseURL": "http://10.0.0.7/v1"}}}});
    check(own, &[], "openai/gpt-5.4", "http://10.0.0.7/v1", true);
    let api = json!({"provider": {"groq": {"api": "https://groq.test/v1"}}});
    check(api, &[], "groq/openai/gpt-oss-120b", "https://groq.test/v1", true);
    check(
        json!({"provider": {"ollama": {"models": {"m": {}}}}}),
        &[],
        "ollama/m",
        "http://localhost:11434/",
        true,
    );
    let unset = json!({"provider": {"mine": {"models": {"m": {}}}}});
    let catalog = catalog(unset);
    let resolved = catalog.resolve("mine/m", &Connections(&[])).unwrap();
    let failure = catalog.target(&resolved).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unsupported);
    assert!(failure.message.contains("provider.mine.options.baseURL"), "{failure}");
}

#[test]
fn local_servers_speak_what_their_address_says_and_need_a_key_only_where_one_is_named() {
    let check = |section: Value, protocol: ProtocolId, needs_key: bool| {
        let catalog = catalog(json!({"provider": {"ollama": section}}));
        let target = target_of(&catalog, "ollama/m", None);
        let row = &catalog.provider("ollama").unwrap().row;
        assert_eq!(
            (target.protocol, target.auth, row.needs_key),
            (protocol, AuthScheme::Bearer, needs_key)
        );
    };
    let compatible = "@ai-sdk/openai-compatible";
    let models = json!({"m": {}});
    check(json!({"models": models}), OLLAMA_CHAT, false);
    check(
        json!({"options": {"baseURL": "http://localhost:11434/v1"}, "models": models}),
        OPENAI_CHAT,
        false,
    );
    check(
        json!({"npm": compatible, "options": {"baseURL": "http://gpu:1/x"}, "models": models}),
        OPENAI_CHAT,
        false,
    );
    check(
        json!({"options": {"baseURL": "https://ollama.test"}, "models": models}),
        OLLAMA_CHAT,
        true,
    );
    check(json!({"env": ["MY_KEY"], "models": models}), OLLAMA_CHAT, true);
    check(json!({"options": {"apiKey": "k"}, "models": models}), OLLAMA_CHAT, true);
}

#[test]
fn variants_become_body_fields_of_the_protocol() {
    let check = |config: Value, name: &str, caller: Option<ProtocolId>, expected: Value| {
        let target = target_of(&catalog(config), name, caller);
        assert_eq!(Value::Object(target.options.clone()), expected, "{name} {caller:?}");
    };
    check(json!({}), "openai/gpt-5.4:high", Some(OPENAI_CHAT), json!({"reasoning_effort": "high"}));
    check(
        json!({}),
        "openai/gpt-5.4:high",
        None,
        json!({"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}),
    );
    check(
        json!({}),
        "anthropic/claude-opus-4-6:high",
        None,
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    );
    check(json!({}), "zai-coding-plan/glm-5.3:high", None, json!({"reasoning_effort": "high"}));
    check(json!({}), "openai/gpt-5.4", None, json!({}));
    let google = json!({"provider": {"google": {"models": {
        "antigravity-gemini-3-pro": {"id": "gemini-3-pro-preview", "variants": {"high": {"thinkingLevel": "high", "description": "deep"}, "low": {"thinkingConfig": {"thinkingBudget": 8192}}}},
    }}}});
    check(
        google.clone(),
        "google/antigravity-gemini-3-pro:high",
        None,
        json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}}),
    );
    check(
        google,
        "google/antigravity-gemini-3-pro:low",
        None,
        json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 8192}}}),
    );
    let layered = json!({"provider": {"groq": {
        "options": {"seed": 1, "user": "provider", "setCacheKey": true},
        "models": {"openai/gpt-oss-120b": {"options": {"user": "model"}, "variants": {"low": {"seed": 3}}}},
    }}});
    check(
        layered,
        "groq/openai/gpt-oss-120b:low",
        None,
        json!({"seed": 3, "user": "model", "reasoning_effort": "low"}),
    );
}

#[test]
fn modes_are_models_of_their_own() {
    let catalog = catalog(json!({}));
    let provider = catalog.provider("anthropic").unwrap();
    let (id, fast) =
        provider.models.iter().find(|(id, _)| id.ends_with("-fast")).expect("a fast mode");
    assert!(fast.name.ends_with(" Fast"));
    let target = target_of(&catalog, &format!("anthropic/{id}"), None);
    assert_eq!(format!("{}-fast", target.upstream_model), *id);
    assert_eq!(target.options["speed"], "fast");
    let beta = target
        .headers
        .iter()
        .find(|(name, _)| name == "anthropic-beta")
        .expect("the mode's header");
    assert_eq!(beta.1, "fast-mode-2026-02-01");
    let base = &provider.models[&*target.upstream_model];
    assert!(fast.price.base.usd_per_million_input > base.price.base.usd_per_million_input);
    let openai = catalog.provider("openai").unwrap();
    let pro = openai
        .models
        .keys()
        .find(|id| {
            openai.models.contains_key(id.trim_end_matches("-pro"))
                && id.ends_with("-pro")
                && target_of(&catalog, &format!("openai/{id}"), None)
                    .options
                    .contains_key("reasoning")
        })
        .expect("a pro mode");
    let target = target_of(&catalog, &format!("openai/{pro}"), Some(OPENAI_CHAT));
    assert_eq!(
        (target.protocol, &target.options["reasoning"]["mode"]),
        (OPENAI_RESPONSES, &json!("pro"))
    );
}

#[test]
fn dialects_follow_the_model_and_the_configuration() {
    let of = |config: Value, name: &str, caller: Option<ProtocolId>| {
        target_of(&catalog(config), name, caller).dialect.clone()
    };
    let reasoning = of(json!({}), "openai/gpt-5.5", Some(OPENAI_CHAT));
    assert_eq!(
        (reasoning.max_tokens_field, reasoning.developer_role, reasoning.temperature),
        (MaxTokensField::MaxCompletionTokens, true, false)
    );
    let plain = of(json!({}), "openai/gpt-4o-mini", Some(OPENAI_CHAT));
    assert_eq!(
        (plain.max_tokens_field, plain.developer_role, plain.temperature),
        (MaxTokensField::MaxTokens, false, true)
    );
    assert_eq!(plain.reasoning_request, ReasoningRequest::None);
    assert_eq!(of(json!({}), "zai/glm-5.3", None).reasoning_history, Some("reasoning_content"));
    let mine = |options: Value, model: Value| json!({"provider": {"mine": {"options": options, "models": {"m": model}}}});
    let base = json!({"baseURL": "https://a.test/v1"});
    let usual = of(mine(base.clone(), json!({})), "mine/m", None);
    assert!(usual.streaming && usual.temperature && usual.stream_options && !usual.force_usage);
    assert_eq!(usual.reasoning_request, ReasoningRequest::Effort);
    let quiet = of(
        mine(
            base.clone(),
            json!({"supports": {"streaming": false, "reasoning_param": false}, "temperature": false}),
        ),
        "mine/m",
        None,
    );
    assert!(!quiet.streaming && !quiet.temperature);
    assert_eq!(quiet.reasoning_request, ReasoningRequest::None);
    let forced = of(
        mine(json!({"baseURL": "https://a.test/v1", "includeUsage": true}), json!({})),
        "mine/m",
        None,
    );
    assert!(forced.force_usage && forced.stream_options);
    let off = of(
        mine(json!({"baseURL": "https://a.test/v1", "includeUsage": false}), json!({})),
        "mine/m",
        None,
    );
    assert!(!off.force_usage && !off.stream_options);
    let history = |value: Value| {
        of(mine(base.clone(), json!({"interleaved": value})), "mine/m", None).reasoning_history
    };
    assert_eq!(history(json!("reasoning")), Some("reasoning"));
    assert_eq!(history(json!(false)), None);
    assert_eq!(history(json!(true)), Some("reasoning_content"));
    let nim = json!({"provider": {"nvidia-nim": {"models": {"a": {}, "b": {"supports": {"streaming": true, "reasoning_param": true}}}}}});
    let shipped = of(nim.clone(), "nvidia-nim/a", None);
    assert!(!shipped.streaming && shipped.reasoning_request == ReasoningRequest::None);
    let overridden = of(nim, "nvidia-nim/b", None);
    assert!(overridden.streaming && overridden.reasoning_request == ReasoningRequest::Effort);
}

#[test]
fn timeouts_are_separate_and_the_shipped_ones_can_be_changed() {
    let check = |section: Value, name: &str, expected: Timeouts| {
        let provider = name.split('/').next().unwrap();
        let target = target_of(&catalog(json!({"provider": {provider: section}})), name, None);
        assert_eq!(target.timeouts, expected, "{name}");
    };
    let usual = Timeouts::default();
    let models = json!({"m": {}});
    check(json!({}), "openai/gpt-5.4", usual);
    check(
        json!({"options": {"timeout": 5000, "headerTimeout": 2000, "chunkTimeout": 3000}}),
        "openai/gpt-5.4",
        Timeouts {
            first_byte: Duration::from_secs(2),
            first_content: Duration::from_secs(3),
            idle: Duration::from_secs(3),
            total: Some(Duration::from_secs(5)),
            ..usual
        },
    );
    check(
        json!({"options": {"firstContentTimeout": 9000}}),
        "openai/gpt-5.4",
        Timeouts { first_content: Duration::from_secs(9), ..usual },
    );
    check(
        json!({"models": models}),
        "nvidia-nim/m",
        Timeouts { total: Some(Duration::from_secs(120)), ..usual },
    );
    check(
        json!({"models": models, "options": {"timeout": false}}),
        "nvidia-nim/m",
        Timeouts { total: None, ..usual },
    );
}

#[test]
fn headers_of_the_model_replace_those_of_the_provider_and_secrets_stay_hidden() {
    let catalog = catalog(json!({"provider": {"openrouter": {
        "options": {"headers": {"X-Title": "mine", "X-Api-Token": "canary-secret"}},
        "models": {"anthropic/claude-opus-4.6": {"headers": {"X-Title": "model"}}},
    }}}));
    let target = target_of(&catalog, "openrouter/anthropic/claude-opus-4.6", None);
    let value = |name: &str| {
        target
            .headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.to_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((value("x-title"), value("http-referer")), (vec!["model"], vec!["switchyard"]));
    assert_eq!(value("x-api-token"), ["canary-secret"]);
    assert!(!format!("{target:?}").contains("canary-secret"));
}

#[test]
fn places_that_cannot_be_reached_say_why() {
    let check = |provider: &str, part: &str| {
        let catalog = catalog(json!({}));
        let model = catalog.provider(provider).unwrap().models.keys().last().unwrap().clone();
        let resolved = catalog.resolve(&format!("{provider}/{model}"), &Connections(&[])).unwrap();
        let failure = catalog.target(&resolved).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unsupported);
        assert!(failure.message.contains(part), "{failure}");
    };
    check("gitlab", "GitLab");
    check("watsonx", "watsonx");
    check("sap-ai-core", "SAP");
    check("google-vertex", "application-default credentials");
    check("merge-gateway", "Merge");
    check("qvac", "provider.qvac.options.baseURL");
}
