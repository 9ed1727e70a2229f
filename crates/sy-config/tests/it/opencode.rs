//! An OpenCode file is a valid layer.

use std::time::Duration;

use serde_json::json;
use sy_config::{LayerKind, Limit};
use sy_types::{Interleaved, Media, Status};

use crate::sandbox::{OPENCODE, Sandbox};

const RICH: &str = include_str!("../fixtures/opencode.jsonc");

fn rich() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.write(OPENCODE, RICH);
    sandbox.set("ANTHROPIC_API_KEY", "sk-ant");
    sandbox
}

#[test]
fn a_rich_file_is_accepted_and_takes_effect() {
    let config = rich().config();
    assert_eq!(config.model.as_deref(), Some("anthropic/claude-sonnet-4-5"));
    assert_eq!(config.disabled_providers, ["openai"]);
    let anthropic = &config.provider["anthropic"];
    assert_eq!(anthropic.options.api_key.as_ref().map(|key| key.expose()), Some("sk-ant"));
    assert_eq!(anthropic.options.timeout, Some(Limit::After(Duration::from_secs(300))));
    assert_eq!(anthropic.options.chunk_timeout, Some(Limit::After(Duration::from_secs(1))));
    assert!(anthropic.options.extra.is_empty());
    assert_eq!(anthropic.models["claude-sonnet-4-5"].variants["max"]["disabled"], json!(true));
    assert_eq!(config.provider["openrouter"].options.timeout, Some(Limit::Off));
    let local = &config.provider["local"];
    assert_eq!(local.options.extra["region"], json!("home"));
    let gemma = &local.models["google/gemma-3n-e4b"];
    assert_eq!(
        (gemma.status, gemma.limit.context, gemma.cost.output),
        (Some(Status::Beta), Some(128_000), Some(0.0))
    );
    assert_eq!(gemma.interleaved, Some(Interleaved::Field("reasoning_content".to_owned())));
    assert_eq!(
        gemma.modalities.input.as_deref(),
        Some(&[Media::Text, Media::Image, Media::Pdf][..])
    );
    let nim = &config.provider["nvidia"];
    assert_eq!(
        (nim.options.api_key.as_ref(), nim.models["z-ai/glm4.7"].supports.function_calling),
        (None, Some(true))
    );
}

#[test]
fn the_server_of_opencode_is_not_ours() {
    assert_eq!(rich().config().server, sy_config::Server::default());
}

#[test]
fn what_is_left_out_is_noticed() {
    let notices = rich().notices();
    let expected = "opencode.json:7:3: settings of OpenCode's without effect here: default_agent, ";
    let told: Vec<&String> =
        notices.iter().filter(|notice| notice.contains("of OpenCode's")).collect();
    assert!(
        told.len() == 1 && told[0].starts_with(expected),
        "all in one line, in the order of the file: {notices:#?}"
    );
    for key in [
        ", layout, server, ",
        ", mode, agent, mcp, ",
        ", tools, ",
        "provider.anthropic.id",
        "provider.anthropic.options.setCacheKey",
        "provider.local.models.\"google/gemma-3n-e4b\".experimental",
        "provider.nvidia.options.maxConcurrentRequests",
    ] {
        assert!(told[0].contains(key), "{key} in {}", told[0]);
    }
    for part in [
        "`provider.anthropic.options.timeout` is 600000 ms, but 300000 ms is used",
        "`provider.anthropic.options.chunkTimeout` is 500 ms, but 1000 ms is used",
        "`provider.nvidia.options.apiKey` is left out: environment variable NVIDIA_API_KEY is not set",
    ] {
        assert!(notices.iter().any(|notice| notice.contains(part)), "{part} in {notices:#?}");
    }
}

#[test]
fn keys_that_nobody_knows_and_wrong_types_are_problems_there_too() {
    let mut sandbox = Sandbox::new();
    sandbox.trust();
    sandbox.write(
        "project/opencode.json",
        r#"{ "modle": "x", "model": 5, "provider": { "a": { "options": { "timeout": 0 } } } }"#,
    );
    assert_eq!(
        sandbox.problems(),
        [
            "opencode.json:1:3: unknown key `modle`, did you mean `model`?",
            "opencode.json:1:26: `model`: expected a string, got 5",
            "opencode.json:1:74: `provider.a.options.timeout`: expected a whole number from 1000 to 300000, or false, got 0",
        ]
    );
}

#[test]
fn our_keys_work_in_a_projects_opencode_file() {
    let mut sandbox = Sandbox::new();
    sandbox.trust();
    sandbox.write(
        "project/opencode.json",
        r#"{ "alias": { "fast": "groq/x" }, "retry": { "maxRetries": 1 } }"#,
    );
    let loaded = sandbox.load();
    assert_eq!(
        (loaded.config.alias["fast"].names(), loaded.config.retry.max_retries),
        (&["groq/x".to_owned()][..], 1)
    );
    assert_eq!(loaded.provenance["/alias/fast"].layer, LayerKind::Project);
}

#[test]
fn every_key_of_opencodes_published_schema_is_accepted() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/opencode-openapi.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: {} is not here", file.display());
        return;
    };
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let keys =
        document["components"]["schemas"]["Config"]["properties"].as_object().expect("properties");
    for name in keys.keys() {
        let sandbox = Sandbox::new();
        sandbox.write(OPENCODE, &json!({ name: null }).to_string());
        let problems = sandbox.try_load().err();
        assert_eq!(problems, None, "{name}");
    }
}
