//! The table of package names.
//!
//! A package is how models.dev and OpenCode name a wire protocol; nothing is installed. It does not say what differs for a
//! single provider: that is in `quirks`.

use sy_types::AuthScheme;
use sy_types::target::{MaxTokensField, ReasoningRequest, ToolCallIds};

use super::{
    ANTHROPIC_MESSAGES, Encoder, GEMINI_GENERATE, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES,
    Package, Patch, SAME, Speech, ZAI_CHAT,
};

/// The package of a provider that names none.
pub(crate) const OPENAI_COMPATIBLE: &str = "@ai-sdk/openai-compatible";

const CHAT: Speech = Speech::Speaks(&[OPENAI_CHAT]);
const OPENAI: Speech = Speech::Speaks(&[OPENAI_RESPONSES, OPENAI_CHAT]);
/// Servers that refuse message fields they do not know.
const NO_HISTORY: Patch = Patch { reasoning_history: Some(None), ..SAME };
/// Servers that send usage by themselves and that OpenCode sends no `stream_options` to.
const PLAIN_STREAM: Patch = Patch { stream_options: Some(false), ..NO_HISTORY };

const fn row(
    npm: &'static str,
    speech: Speech,
    base: Option<&'static str>,
    encoder: Encoder,
) -> Package {
    Package { npm, speech, base, auth: None, encoder, dialect: SAME }
}

static COMPATIBLE: Package = row(OPENAI_COMPATIBLE, CHAT, None, Encoder::Chat);

/// Every package that is not plain chat completions with an address from the data.
static PACKAGES: &[Package] = &[
    row(
        "@ai-sdk/alibaba",
        CHAT,
        Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        Encoder::Alibaba,
    ),
    row(
        "@ai-sdk/amazon-bedrock",
        Speech::Missing(
            "the Bedrock Converse protocol (SigV4, binary event stream) is not supported yet",
        ),
        None,
        Encoder::Bedrock,
    ),
    row(
        "@ai-sdk/amazon-bedrock/mantle",
        Speech::Speaks(&[OPENAI_RESPONSES]),
        None,
        Encoder::OpenAi,
    ),
    row(
        "@ai-sdk/anthropic",
        Speech::Speaks(&[ANTHROPIC_MESSAGES]),
        Some("https://api.anthropic.com/v1"),
        Encoder::Anthropic,
    ),
    Package {
        auth: Some(AuthScheme::Header("api-key")),
        dialect: NO_HISTORY,
        ..row(
            "@ai-sdk/azure",
            OPENAI,
            Some("https://${AZURE_RESOURCE_NAME}.openai.azure.com/openai/v1?api-version=v1"),
            Encoder::OpenAi,
        )
    },
    Package {
        dialect: PLAIN_STREAM,
        ..row("@ai-sdk/cerebras", CHAT, Some("https://api.cerebras.ai/v1"), Encoder::Chat)
    },
    row(
        "@ai-sdk/cohere",
        Speech::Missing("the Cohere v2 chat protocol is not supported yet"),
        None,
        Encoder::Cohere,
    ),
    row("@ai-sdk/deepinfra", CHAT, Some("https://api.deepinfra.com/v1/openai"), Encoder::Chat),
    // The gateway's own protocol is the AI SDK's; its public OpenAI-compatible address serves the same models.
    row("@ai-sdk/gateway", CHAT, Some("https://ai-gateway.vercel.sh/v1"), Encoder::Chat),
    row("@ai-sdk/github-copilot", CHAT, Some("https://api.githubcopilot.com"), Encoder::Copilot),
    row(
        "@ai-sdk/google",
        Speech::Speaks(&[GEMINI_GENERATE]),
        Some("https://generativelanguage.googleapis.com/v1beta"),
        Encoder::Google,
    ),
    row(
        "@ai-sdk/google-vertex",
        Speech::Missing(
            "Vertex AI needs Google application-default credentials, which are not supported yet",
        ),
        None,
        Encoder::Google,
    ),
    row(
        "@ai-sdk/google-vertex/anthropic",
        Speech::Missing(
            "Vertex AI needs Google application-default credentials, which are not supported yet",
        ),
        None,
        Encoder::Anthropic,
    ),
    Package {
        dialect: NO_HISTORY,
        ..row("@ai-sdk/groq", CHAT, Some("https://api.groq.com/openai/v1"), Encoder::Groq)
    },
    Package {
        dialect: Patch { tool_call_ids: Some(ToolCallIds::NineAlphanumeric), ..PLAIN_STREAM },
        ..row("@ai-sdk/mistral", CHAT, Some("https://api.mistral.ai/v1"), Encoder::Mistral)
    },
    Package {
        dialect: NO_HISTORY,
        ..row("@ai-sdk/openai", OPENAI, Some("https://api.openai.com/v1"), Encoder::OpenAi)
    },
    Package {
        dialect: PLAIN_STREAM,
        ..row("@ai-sdk/perplexity", CHAT, Some("https://api.perplexity.ai"), Encoder::Silent)
    },
    row("@ai-sdk/togetherai", CHAT, Some("https://api.together.xyz/v1"), Encoder::Chat),
    row("@ai-sdk/vercel", CHAT, Some("https://api.v0.dev/v1"), Encoder::Silent),
    row("@ai-sdk/xai", OPENAI, Some("https://api.x.ai/v1"), Encoder::Chat),
    row(
        "@ai-sdk/zai",
        Speech::Speaks(&[ZAI_CHAT]),
        Some("https://api.z.ai/api/paas/v4"),
        Encoder::Chat,
    ),
    row("@aihubmix/ai-sdk-provider", CHAT, Some("https://aihubmix.com/v1"), Encoder::Chat),
    row(
        "@jerome-benoit/sap-ai-provider-v2",
        Speech::Missing(
            "SAP AI Core's orchestration service (service-key sign-in) is not supported yet",
        ),
        None,
        Encoder::Sap,
    ),
    Package {
        dialect: Patch {
            reasoning_request: Some(ReasoningRequest::Object),
            reasoning_history: Some(Some("reasoning")),
            ..SAME
        },
        ..row(
            "@openrouter/ai-sdk-provider",
            CHAT,
            Some("https://openrouter.ai/api/v1"),
            Encoder::OpenRouter,
        )
    },
    row(
        "@saladtechnologies-oss/ai-sdk-provider",
        CHAT,
        Some("https://ai.salad.cloud/v1"),
        Encoder::Silent,
    ),
    // The models that are neither OpenAI's nor Anthropic's; OpenCode reaches them at this OpenAI-compatible address.
    row(
        "ai-gateway-provider",
        CHAT,
        Some("https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1"),
        Encoder::Chat,
    ),
    row(
        "gitlab-ai-provider",
        Speech::Missing("GitLab Duo's token exchange is not supported yet"),
        None,
        Encoder::GitLab,
    ),
    row(
        "merge-gateway-ai-sdk-provider",
        Speech::Missing("the Merge gateway's own protocol is not supported yet"),
        None,
        Encoder::Chat,
    ),
    row("ollama", Speech::Speaks(&[OLLAMA_CHAT]), Some("http://localhost:11434"), Encoder::Chat),
    row(
        "ollama-ai-provider",
        Speech::Speaks(&[OLLAMA_CHAT]),
        Some("http://localhost:11434"),
        Encoder::Chat,
    ),
    row(
        "ollama-ai-provider-v2",
        Speech::Speaks(&[OLLAMA_CHAT]),
        Some("http://localhost:11434"),
        Encoder::Chat,
    ),
    Package {
        dialect: Patch { max_tokens_field: Some(MaxTokensField::MaxCompletionTokens), ..SAME },
        ..row("venice-ai-sdk-provider", CHAT, Some("https://api.venice.ai/api/v1"), Encoder::Chat)
    },
    row(
        "watsonx-ai-provider",
        Speech::Missing("watsonx's IAM token exchange is not supported yet"),
        None,
        Encoder::Silent,
    ),
    row(
        "zhipu-ai-provider",
        Speech::Speaks(&[ZAI_CHAT]),
        Some("https://open.bigmodel.cn/api/paas/v4"),
        Encoder::Chat,
    ),
];

/// Returns the row of a package; an unknown one is taken for chat completions at an address from the data.
pub(crate) fn package(npm: &str) -> &'static Package {
    PACKAGES.iter().find(|package| package.npm == npm).unwrap_or(&COMPATIBLE)
}

/// Returns every package name that stands for something of its own.
pub(crate) fn package_names() -> impl Iterator<Item = &'static str> {
    PACKAGES.iter().map(|package| package.npm).chain([OPENAI_COMPATIBLE])
}

#[cfg(test)]
mod tests {
    use super::PACKAGES;

    #[test]
    fn the_table_is_sorted_and_has_no_name_twice() {
        assert!(PACKAGES.is_sorted_by(|a, b| a.npm < b.npm));
    }
}
