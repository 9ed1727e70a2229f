//! The table of what differs for a provider or for some models.
//!
//! Every fitting row is applied, from top to bottom. Rows hold values only; where a vendor needs logic, it is a protocol of
//! its own in sy-protocol.

use sy_types::AuthScheme;
use sy_types::target::{
    MaxTokensField, ReasoningRequest, SchemaRules, StructuredOutput, ToolCallIds,
};

use super::{
    ANTHROPIC_MESSAGES, LETTER_FIRST, NOTHING, OPENAI_CHAT, OPENAI_COMPATIBLE, OPENAI_RESPONSES,
    Patch, Quirk, SAME, Speech, ZAI_CHAT,
};

const REASONING_PATCH: Patch = Patch {
    max_tokens_field: Some(MaxTokensField::MaxCompletionTokens),
    developer_role: Some(true),
    ..SAME
};
const THINKING: Patch = Patch { reasoning_request: Some(ReasoningRequest::Thinking), ..SAME };
const HOSTED: Patch = Patch { hosted_tools: Some(true), ..SAME };
const OPENAI_PACKAGES: &[&str] = &["@ai-sdk/openai", "@ai-sdk/azure"];
const THINK_TAGS: Patch = Patch { think_tags: Some(true), ..SAME };
/// Packages of hosts that serve open models as they come: local servers, and clouds that put no reader of reasoning before them.
const OPEN_MODEL_HOSTS: &[&str] = &[
    OPENAI_COMPATIBLE,
    "@ai-sdk/cerebras",
    "@ai-sdk/deepinfra",
    "@ai-sdk/groq",
    "@ai-sdk/togetherai",
    "ollama",
    "ollama-ai-provider",
    "ollama-ai-provider-v2",
];
/// Families of open models that write their reasoning between tags into the text (their model cards and chat templates, read
/// 2026-11).
const OPEN_REASONERS: &[&str] = &[
    "cogito",
    "deephermes",
    "deepseek-r1",
    "deepseek_r1",
    "exaone",
    "hunyuan",
    "lfm2",
    "magistral",
    "marco-o1",
    "minimax-m",
    "nemotron",
    "openthinker",
    "phi-4",
    "phi4",
    "qwen3",
    "qwq",
    "r1-distill",
    "ring-",
    "smollm3",
    "thinking",
];
/// How we name ourselves to gateways that ask who calls.
const WHO_WE_ARE: &[(&str, &str)] = &[("http-referer", "switchyard"), ("x-title", "switchyard")];

/// Every row.
pub(super) static QUIRKS: &[Quirk] = &[
    // Model families, wherever they are served.
    Quirk {
        models: &["claude"],
        dialect: Patch { tool_call_ids: Some(ToolCallIds::WordCharacters), ..SAME },
        ..NOTHING
    },
    Quirk {
        models: &["mistral", "devstral", "codestral", "pixtral", "mixtral"],
        dialect: Patch { tool_call_ids: Some(ToolCallIds::NineAlphanumeric), ..SAME },
        ..NOTHING
    },
    Quirk {
        models: &["gemini"],
        dialect: Patch {
            schema_rules: Some(SchemaRules::Gemini),
            tool_names: Some(LETTER_FIRST),
            ..SAME
        },
        ..NOTHING
    },
    Quirk {
        models: &["kimi"],
        dialect: Patch {
            schema_rules: Some(SchemaRules::Moonshot),
            tool_names: Some(LETTER_FIRST),
            ..SAME
        },
        ..NOTHING
    },
    // Web search and code that the vendor runs: others who speak its protocol seldom have them.
    Quirk { npm: &["@ai-sdk/anthropic"], models: &["claude"], dialect: HOSTED, ..NOTHING },
    Quirk { npm: &["@ai-sdk/google"], models: &["gemini"], dialect: HOSTED, ..NOTHING },
    Quirk {
        npm: &["@ai-sdk/openai", "@ai-sdk/azure", "@ai-sdk/xai"],
        models: &["gpt-4o", "gpt-4.1", "gpt-5", "gpt-6", "o3", "o4-mini", "grok-4"],
        dialect: HOSTED,
        ..NOTHING
    },
    Quirk { npm: OPEN_MODEL_HOSTS, models: OPEN_REASONERS, dialect: THINK_TAGS, ..NOTHING },
    // Whatever a server on one's own machine is called to serve.
    Quirk {
        providers: &["llama.cpp", "lmstudio", "ollama*", "vllm*"],
        dialect: THINK_TAGS,
        ..NOTHING
    },
    Quirk {
        providers: &["anthropic"],
        npm: &["@ai-sdk/anthropic"],
        dialect: Patch { billing_line: Some(true), ..SAME },
        ..NOTHING
    },
    // OpenAI itself, and those who resell its API under its package. Only the former is known to speak both protocols.
    Quirk { npm: OPENAI_PACKAGES, when_reasoning: true, dialect: REASONING_PATCH, ..NOTHING },
    Quirk {
        npm: OPENAI_PACKAGES,
        models: &["gpt-5", "gpt-6"],
        dialect: Patch { max_tokens_field: Some(MaxTokensField::MaxCompletionTokens), ..SAME },
        ..NOTHING
    },
    Quirk {
        providers: &[
            "infer",
            "meta",
            "neon",
            "neosmith",
            "ofox",
            "opencode*",
            "perplexity-agent",
            "vivgrid",
            "zenmux",
        ],
        npm: &["@ai-sdk/openai"],
        speech: Some(Speech::Speaks(&[OPENAI_RESPONSES])),
        ..NOTHING
    },
    Quirk {
        providers: &["azure-cognitive-services"],
        npm: &["@ai-sdk/azure"],
        base: Some(
            "https://${AZURE_COGNITIVE_SERVICES_RESOURCE_NAME}.cognitiveservices.azure.com/openai/v1",
        ),
        ..NOTHING
    },
    Quirk {
        providers: &["amazon-bedrock"],
        models: &["gpt-oss-safeguard"],
        speech: Some(Speech::Speaks(&[OPENAI_CHAT])),
        npm: &["@ai-sdk/amazon-bedrock/mantle"],
        ..NOTHING
    },
    // Editors' plans. OpenCode asks for GPT-5 and later in the responses protocol, except the small one.
    Quirk {
        providers: &["github-copilot"],
        models: &["gpt-5", "gpt-6"],
        except: &["gpt-5-mini"],
        speech: Some(Speech::Speaks(&[OPENAI_RESPONSES])),
        ..NOTHING
    },
    Quirk {
        providers: &["kimi-code-plan-cn", "kimi-code-plan-global"],
        npm: &[OPENAI_COMPATIBLE],
        speech: Some(Speech::Speaks(&[OPENAI_CHAT, ANTHROPIC_MESSAGES])),
        auth: Some(AuthScheme::Bearer),
        ..NOTHING
    },
    // One gateway, three protocols, chosen by the model's name.
    Quirk {
        npm: &["@aihubmix/ai-sdk-provider"],
        models: &["claude-"],
        becomes: Some("@ai-sdk/anthropic"),
        base: Some("https://aihubmix.com/v1"),
        ..NOTHING
    },
    Quirk {
        npm: &["@aihubmix/ai-sdk-provider"],
        models: &["gemini", "imagen"],
        except: &["-nothink", "-search"],
        becomes: Some("@ai-sdk/google"),
        base: Some("https://aihubmix.com/gemini/v1beta"),
        ..NOTHING
    },
    // Cloudflare's gateway wraps the calls for OpenAI's and Anthropic's models in a format of its own.
    Quirk {
        providers: &["cloudflare-ai-gateway"],
        npm: &["@ai-sdk/openai", "@ai-sdk/anthropic"],
        speech: Some(Speech::Missing("Cloudflare's universal gateway format is not supported yet")),
        ..NOTHING
    },
    Quirk {
        providers: &["cloudflare-ai-gateway"],
        npm: &["ai-gateway-provider"],
        headers: &[("cf-aig-gateway-id", "${CLOUDFLARE_GATEWAY_ID}")],
        ..NOTHING
    },
    Quirk {
        providers: &["google-vertex", "google-vertex-anthropic"],
        speech: Some(Speech::Missing(
            "Vertex AI needs Google application-default credentials, which are not supported yet",
        )),
        ..NOTHING
    },
    Quirk {
        providers: &["snowflake-cortex"],
        dialect: Patch { max_tokens_field: Some(MaxTokensField::MaxCompletionTokens), ..SAME },
        ..NOTHING
    },
    // Z.AI and Zhipu: keys of two parts, thinking as a switch, no forced tool choice.
    Quirk {
        providers: &["zai*", "zhipuai*"],
        npm: &[OPENAI_COMPATIBLE, "@ai-sdk/zai", "zhipu-ai-provider"],
        speech: Some(Speech::Speaks(&[ZAI_CHAT])),
        auth: Some(AuthScheme::SignedIdSecret),
        dialect: Patch {
            structured_output: Some(StructuredOutput::JsonObject),
            forced_tool_choice: Some(false),
            ..THINKING
        },
        ..NOTHING
    },
    Quirk {
        npm: &["@ai-sdk/zai", "zhipu-ai-provider"],
        auth: Some(AuthScheme::SignedIdSecret),
        dialect: Patch {
            structured_output: Some(StructuredOutput::JsonObject),
            forced_tool_choice: Some(false),
            ..THINKING
        },
        ..NOTHING
    },
    Quirk {
        providers: &["moonshotai*"],
        npm: &[OPENAI_COMPATIBLE],
        dialect: Patch {
            schema_rules: Some(SchemaRules::Moonshot),
            tool_names: Some(LETTER_FIRST),
            ..THINKING
        },
        ..NOTHING
    },
    Quirk { providers: &["xiaomi*"], npm: &[OPENAI_COMPATIBLE], dialect: THINKING, ..NOTHING },
    // LM Studio serves both at one address.
    Quirk {
        providers: &["lmstudio"],
        npm: &[OPENAI_COMPATIBLE],
        speech: Some(Speech::Speaks(&[OPENAI_CHAT, OPENAI_RESPONSES])),
        ..NOTHING
    },
    // The hosted NIM as the operators of the first version configured it: no stream, no reasoning parameter, 120 s.
    Quirk {
        providers: &["nvidia-nim"],
        total_timeout_s: Some(120),
        dialect: Patch {
            streaming: Some(false),
            reasoning_request: Some(ReasoningRequest::None),
            ..SAME
        },
        ..NOTHING
    },
    Quirk {
        providers: &["kilo", "llmgateway", "nvidia", "openrouter", "vercel", "zenmux"],
        headers: WHO_WE_ARE,
        ..NOTHING
    },
    Quirk {
        providers: &["cerebras"],
        headers: &[("x-cerebras-3rd-party-integration", "switchyard")],
        ..NOTHING
    },
];
