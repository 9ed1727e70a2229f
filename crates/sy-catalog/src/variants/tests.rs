//! Variants: the sets of body fields that each package makes of the data.

use serde_json::{Value, json};
use sy_types::ProtocolId;

use super::{Facts, body, for_model};
use crate::models_dev::ReasoningOption;
use crate::wire_map::{
    ANTHROPIC_MESSAGES, Encoder, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES,
    Place, ZAI_CHAT, wire,
};

fn facts<'a>(provider: &'a str, npm: &'a str, id: &'a str) -> Facts<'a> {
    let encoder = wire(Place { provider, npm, model: id, reasons: true }).encoder;
    Facts {
        provider,
        npm,
        encoder,
        id,
        family: None,
        release_date: "",
        reasoning: Some(true),
        output_limit: 64_000,
        base_url: "",
        reasoning_options: None,
    }
}

fn effort(levels: &[&str]) -> Vec<ReasoningOption> {
    vec![ReasoningOption::Effort {
        values: levels.iter().map(|level| Some((*level).to_owned())).collect(),
    }]
}

#[track_caller]
fn check(facts: &Facts<'_>, expected: &Value) {
    assert_eq!(serde_json::to_value(for_model(facts)).unwrap(), *expected);
}

const COMPATIBLE: &str = "@ai-sdk/openai-compatible";

#[test]
fn levels_of_the_data_become_options_of_the_package() {
    let high = effort(&["high"]);
    let check = |provider: &str, npm: &str, id: &str, expected: Value| {
        let facts = Facts { reasoning_options: Some(&high), ..facts(provider, npm, id) };
        check(&facts, &json!({ "high": expected }));
    };
    check(
        "openrouter",
        "@openrouter/ai-sdk-provider",
        "x/y",
        json!({"reasoning": {"effort": "high"}}),
    );
    check("zai", COMPATIBLE, "glm-5.3", json!({"reasoningEffort": "high"}));
    check(
        "anthropic",
        "@ai-sdk/anthropic",
        "claude-opus-4-6",
        json!({"thinking": {"type": "adaptive"}, "effort": "high"}),
    );
    check(
        "anthropic",
        "@ai-sdk/anthropic",
        "claude-opus-4-7",
        json!({"thinking": {"type": "adaptive", "display": "summarized"}, "effort": "high"}),
    );
    check(
        "anthropic",
        "@ai-sdk/anthropic",
        "claude-opus-4-5",
        json!({"thinking": {"type": "enabled", "budgetTokens": 16000}, "effort": "high"}),
    );
    check(
        "google",
        "@ai-sdk/google",
        "gemini-3",
        json!({"thinkingConfig": {"includeThoughts": true, "thinkingLevel": "high"}}),
    );
    check(
        "openai",
        "@ai-sdk/openai",
        "gpt-5.4",
        json!({"reasoningEffort": "high", "reasoningSummary": "auto", "include": ["reasoning.encrypted_content"]}),
    );
    check(
        "amazon-bedrock",
        "@ai-sdk/amazon-bedrock",
        "global.anthropic.claude-opus-4-6-v1",
        json!({"reasoningConfig": {"type": "adaptive", "maxReasoningEffort": "high"}}),
    );
}

#[test]
fn budgets_stay_below_the_answer_limit() {
    let check = |min: Option<u64>, max: Option<u64>, output_limit: u64, high: u64, most: u64| {
        let options = vec![ReasoningOption::Toggle, ReasoningOption::BudgetTokens { min, max }];
        let facts = Facts {
            reasoning_options: Some(&options),
            output_limit,
            ..facts("google", "@ai-sdk/google", "gemini-2.5-flash")
        };
        let budget = |tokens: u64| json!({"thinkingConfig": {"includeThoughts": true, "thinkingBudget": tokens}});
        check(&facts, &json!({"high": budget(high), "max": budget(most)}));
    };
    check(None, Some(24_576), 65_536, 12_288, 24_576);
    check(None, None, 64_000, 16_000, 31_999);
    check(Some(5_000), None, 8_000, 5_000, 7_999);
    check(Some(1_024), None, 0, 16_000, 31_999);
}

#[test]
fn without_options_there_are_no_sets_and_null_is_the_level_none() {
    check(&Facts { reasoning_options: Some(&[]), ..facts("p", COMPATIBLE, "m") }, &json!({}));
    let options = vec![ReasoningOption::Effort { values: vec![None, Some("low".to_owned())] }];
    let facts = Facts { reasoning_options: Some(&options), ..facts("p", COMPATIBLE, "m") };
    check(&facts, &json!({"none": {"reasoningEffort": "none"}, "low": {"reasoningEffort": "low"}}));
}

#[track_caller]
fn check_names(facts: &Facts<'_>, expected: &[&str]) {
    assert_eq!(
        for_model(facts).keys().map(String::as_str).collect::<Vec<_>>(),
        expected,
        "{}",
        facts.id
    );
}

#[test]
fn the_built_in_table_knows_families_and_packages() {
    let three = &["low", "medium", "high"];
    check_names(&Facts { reasoning: Some(false), ..facts("p", COMPATIBLE, "m") }, &[]);
    check_names(&Facts { reasoning: None, ..facts("p", COMPATIBLE, "m") }, &[]);
    check_names(&facts("p", COMPATIBLE, "some-model"), three);
    check_names(&facts("p", COMPATIBLE, "deepseek-v4"), &["low", "medium", "high", "max"]);
    check_names(&facts("p", COMPATIBLE, "qwen3"), &[]);
    check_names(&facts("nvidia", COMPATIBLE, "minimaxai/minimax-m3"), &["none", "thinking"]);
    check_names(
        &facts("openrouter", "@openrouter/ai-sdk-provider", "z-ai/glm-5.2"),
        &["high", "xhigh"],
    );
    check_names(
        &facts("openrouter", "@openrouter/ai-sdk-provider", "openai/gpt-5.1"),
        &["none", "low", "medium", "high"],
    );
    check_names(&facts("openrouter", "@openrouter/ai-sdk-provider", "x/y"), three);
    check_names(&facts("anthropic", "@ai-sdk/anthropic", "claude-sonnet-4"), &["high", "max"]);
    check_names(
        &facts("anthropic", "@ai-sdk/anthropic", "claude-opus-4-7"),
        &["low", "medium", "high", "xhigh", "max"],
    );
    check_names(
        &facts("minimax", "@ai-sdk/anthropic", "kimi-k3"),
        &["low", "medium", "high", "xhigh", "max"],
    );
    check_names(&facts("google", "@ai-sdk/google", "gemini-2.5-pro"), &["high", "max"]);
    check_names(
        &facts("google", "@ai-sdk/google", "gemini-3-flash"),
        &["minimal", "low", "medium", "high"],
    );
    check_names(&facts("google", "@ai-sdk/google", "gemini-3-pro"), three);
    check_names(&facts("groq", "@ai-sdk/groq", "gpt-oss-120b"), &["none", "low", "medium", "high"]);
    check_names(&facts("mistral", "@ai-sdk/mistral", "mistral-small-latest"), &["high"]);
    check_names(&facts("mistral", "@ai-sdk/mistral", "magistral"), &[]);
    check_names(&facts("azure", "@ai-sdk/azure", "o1-mini"), &[]);
    check_names(
        &facts("meta", "@ai-sdk/openai", "x"),
        &["none", "minimal", "low", "medium", "high", "xhigh"],
    );
    check_names(&facts("cohere", "@ai-sdk/cohere", "command"), &[]);
    check_names(
        &facts("amazon-bedrock", "@ai-sdk/amazon-bedrock", "anthropic.claude-3-7-sonnet"),
        &["high", "max"],
    );
    check_names(
        &facts("sap-ai-core", "@jerome-benoit/sap-ai-provider-v2", "gemini-2.5-flash"),
        &["high", "max"],
    );
}

#[test]
fn options_become_body_fields_of_the_protocol() {
    let check = |options: Value, protocol: ProtocolId, expected: Value| {
        let body = body::fields(options.as_object().unwrap(), protocol);
        assert_eq!(Value::Object(body), expected, "{protocol}");
    };
    let openai = json!({"reasoningEffort": "high", "reasoningSummary": "auto", "include": ["reasoning.encrypted_content"]});
    check(openai.clone(), OPENAI_CHAT, json!({"reasoning_effort": "high"}));
    check(
        openai,
        OPENAI_RESPONSES,
        json!({"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}),
    );
    check(
        json!({"thinking": {"type": "enabled", "budgetTokens": 16000}, "effort": "low"}),
        ANTHROPIC_MESSAGES,
        json!({"thinking": {"type": "enabled", "budget_tokens": 16000}, "output_config": {"effort": "low"}}),
    );
    check(
        json!({"thinkingConfig": {"includeThoughts": true, "thinkingLevel": "high"}}),
        GEMINI_GENERATE,
        json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true, "thinkingLevel": "high"}}}),
    );
    check(
        json!({"thinkingConfig": {"includeThoughts": true}, "thinkingBudget": 8192}),
        GEMINI_GENERATE,
        json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true, "thinkingBudget": 8192}}}),
    );
    check(
        json!({"thinkingConfig": {"thinkingLevel": "high"}, "thinkingBudget": 8192}),
        GEMINI_GENERATE,
        json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 8192}}}),
    );
    check(
        json!({"thinkingBudget": 8192}),
        ANTHROPIC_MESSAGES,
        json!({"thinking": {"budget_tokens": 8192, "type": "enabled"}}),
    );
    check(
        json!({"reasoningEffort": "high", "thinking": {"type": "enabled", "clearThinking": false}}),
        ZAI_CHAT,
        json!({"reasoning_effort": "high", "thinking": {"type": "enabled", "clear_thinking": false}}),
    );
    check(json!({"reasoningEffort": "high"}), OLLAMA_CHAT, json!({"think": "high"}));
    check(
        json!({"my_field": 1, "reasoning": {"effort": "low"}}),
        OPENAI_CHAT,
        json!({"my_field": 1, "reasoning": {"effort": "low"}}),
    );
    check(
        json!({"service_tier": "priority"}),
        OPENAI_RESPONSES,
        json!({"service_tier": "priority"}),
    );
}

#[test]
fn an_encoder_is_known_for_each_package() {
    assert_eq!(
        wire(Place { provider: "vercel", npm: "@ai-sdk/gateway", model: "m", reasons: true })
            .encoder,
        Encoder::Chat
    );
}
