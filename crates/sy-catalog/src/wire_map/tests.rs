//! The wire tables: which row wins, and what it says.

use sy_types::target::{
    MaxTokensField, ReasoningRequest, SchemaRules, StructuredOutput, ToolCallIds,
};
use sy_types::{AuthScheme, ProtocolId};

use super::{
    ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, Place, Speech,
    Wire, ZAI_CHAT, wire,
};

const COMPATIBLE: &str = "@ai-sdk/openai-compatible";

fn at(provider: &str, npm: &str, model: &str) -> Wire {
    wire(Place { provider, npm, model, reasons: true })
}

#[track_caller]
fn check(provider: &str, npm: &str, model: &str, protocols: &[ProtocolId], auth: AuthScheme) {
    let wire = at(provider, npm, model);
    let Speech::Speaks(spoken) = wire.speech else { panic!("{provider} speaks {protocols:?}") };
    assert_eq!(spoken, protocols, "{provider}");
    assert_eq!(wire.auth(protocols[0]), auth, "{provider}");
}

#[test]
fn packages_stand_for_protocols() {
    let key = AuthScheme::Header("x-api-key");
    let google = AuthScheme::Header("x-goog-api-key");
    check("anthropic", "@ai-sdk/anthropic", "claude-x", &[ANTHROPIC_MESSAGES], key);
    check("google", "@ai-sdk/google", "gemini-x", &[GEMINI_GENERATE], google);
    check(
        "openai",
        "@ai-sdk/openai",
        "gpt-5",
        &[OPENAI_RESPONSES, OPENAI_CHAT],
        AuthScheme::Bearer,
    );
    check("opencode", "@ai-sdk/openai", "gpt-5", &[OPENAI_RESPONSES], AuthScheme::Bearer);
    check("mine", "@ai-sdk/openai", "m", &[OPENAI_RESPONSES, OPENAI_CHAT], AuthScheme::Bearer);
    check(
        "azure",
        "@ai-sdk/azure",
        "gpt-5",
        &[OPENAI_RESPONSES, OPENAI_CHAT],
        AuthScheme::Header("api-key"),
    );
    check("xai", "@ai-sdk/xai", "grok-4", &[OPENAI_RESPONSES, OPENAI_CHAT], AuthScheme::Bearer);
    check("meta", "@ai-sdk/openai", "llama", &[OPENAI_RESPONSES], AuthScheme::Bearer);
    check("ollama", "ollama", "llama3.1", &[OLLAMA_CHAT], AuthScheme::Bearer);
    check("zai-coding-plan", COMPATIBLE, "glm-5.3", &[ZAI_CHAT], AuthScheme::SignedIdSecret);
    check("zai", "@ai-sdk/anthropic", "glm-5.3", &[ANTHROPIC_MESSAGES], key);
    check("aihubmix", "@aihubmix/ai-sdk-provider", "claude-opus-4", &[ANTHROPIC_MESSAGES], key);
    check("aihubmix", "@aihubmix/ai-sdk-provider", "gemini-3", &[GEMINI_GENERATE], google);
    check(
        "aihubmix",
        "@aihubmix/ai-sdk-provider",
        "gemini-3-nothink",
        &[OPENAI_CHAT],
        AuthScheme::Bearer,
    );
    check("nobody", "a-package-nobody-knows", "m", &[OPENAI_CHAT], AuthScheme::Bearer);
    check("github-copilot", COMPATIBLE, "gpt-5.4", &[OPENAI_RESPONSES], AuthScheme::Bearer);
    check("github-copilot", COMPATIBLE, "gpt-5-mini", &[OPENAI_CHAT], AuthScheme::Bearer);
}

#[test]
fn packages_without_a_protocol_say_what_is_missing() {
    for npm in [
        "@ai-sdk/amazon-bedrock",
        "@ai-sdk/cohere",
        "@ai-sdk/google-vertex",
        "gitlab-ai-provider",
        "watsonx-ai-provider",
    ] {
        assert!(matches!(at("p", npm, "m").speech, Speech::Missing(_)), "{npm}");
    }
    assert!(matches!(at("google-vertex", COMPATIBLE, "m").speech, Speech::Missing(_)));
    assert!(matches!(
        at("cloudflare-ai-gateway", "@ai-sdk/openai", "openai/x").speech,
        Speech::Missing(_)
    ));
}

#[test]
fn dialects_differ_by_value() {
    let zai = at("zai", COMPATIBLE, "glm-5.3").dialect(ZAI_CHAT);
    assert_eq!(zai.reasoning_request, ReasoningRequest::Thinking);
    assert_eq!(zai.structured_output, StructuredOutput::JsonObject);
    assert!(!zai.forced_tool_choice);
    let openai = at("openai", "@ai-sdk/openai", "gpt-5").dialect(OPENAI_CHAT);
    assert_eq!(
        (openai.max_tokens_field, openai.developer_role),
        (MaxTokensField::MaxCompletionTokens, true)
    );
    let old =
        wire(Place { provider: "openai", npm: "@ai-sdk/openai", model: "gpt-4o", reasons: false })
            .dialect(OPENAI_CHAT);
    assert_eq!((old.max_tokens_field, old.developer_role), (MaxTokensField::MaxTokens, false));
    let chatty = wire(Place {
        provider: "openai",
        npm: "@ai-sdk/openai",
        model: "gpt-5.3-chat-latest",
        reasons: false,
    });
    assert_eq!(chatty.dialect(OPENAI_CHAT).max_tokens_field, MaxTokensField::MaxCompletionTokens);
    assert_eq!(
        at("mistral", "@ai-sdk/mistral", "x").dialect(OPENAI_CHAT).tool_call_ids,
        ToolCallIds::NineAlphanumeric
    );
    assert_eq!(
        at("p", COMPATIBLE, "org/Claude-4").dialect(OPENAI_CHAT).tool_call_ids,
        ToolCallIds::WordCharacters
    );
    assert_eq!(
        at("moonshotai", COMPATIBLE, "k3").dialect(OPENAI_CHAT).schema_rules,
        SchemaRules::Moonshot
    );
    assert_eq!(
        at("google", "@ai-sdk/google", "g").dialect(GEMINI_GENERATE).schema_rules,
        SchemaRules::Gemini
    );
    let router = at("openrouter", "@openrouter/ai-sdk-provider", "x");
    assert_eq!(router.dialect(OPENAI_CHAT).reasoning_request, ReasoningRequest::Object);
    assert_eq!(router.headers, [("http-referer", "switchyard"), ("x-title", "switchyard")]);
    let nim = at("nvidia-nim", COMPATIBLE, "x");
    assert_eq!((nim.dialect(OPENAI_CHAT).streaming, nim.total_timeout_s), (false, Some(120)));
    assert_eq!(nim.dialect(OPENAI_CHAT).reasoning_request, ReasoningRequest::None);
    assert!(at("nvidia", COMPATIBLE, "x").dialect(OPENAI_CHAT).streaming);
}

#[test]
fn open_models_think_between_tags_and_only_anthropic_reads_its_billing_line() {
    let tags = |provider, npm, model| at(provider, npm, model).dialect(OPENAI_CHAT).think_tags;
    assert!(tags("mine", COMPATIBLE, "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"));
    assert!(tags("mine", COMPATIBLE, "Qwen3-8B"));
    assert!(tags("ollama", "ollama", "anything:8b"));
    assert!(!tags("mine", COMPATIBLE, "llama-3.3-70b"));
    assert!(!tags("openai", "@ai-sdk/openai", "gpt-5"));

    let line = |provider| {
        at(provider, "@ai-sdk/anthropic", "claude-x").dialect(ANTHROPIC_MESSAGES).billing_line
    };
    assert!(line("anthropic") && !line("mine"));
}
