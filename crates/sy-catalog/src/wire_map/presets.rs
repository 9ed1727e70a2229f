//! Providers that the catalog does not list but people configure, which variables hold keys, and which options are
//! settings of ours rather than body fields.
//!
//! A preset only fills what the configuration leaves open; a provider that nobody configured does not exist.

/// A provider that people configure by name.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) npm: &'static str,
    pub(crate) api: &'static str,
    pub(crate) env: &'static [&'static str],
}

const fn row(
    id: &'static str,
    name: &'static str,
    npm: &'static str,
    api: &'static str,
    env: &'static [&'static str],
) -> Preset {
    Preset { id, name, npm, api, env }
}

const COMPATIBLE: &str = super::OPENAI_COMPATIBLE;

static PRESETS: &[Preset] = &[
    row(
        "kimi-for-coding",
        "Kimi For Coding",
        "@ai-sdk/anthropic",
        "https://api.kimi.com/coding/v1",
        &["KIMI_API_KEY"],
    ),
    row("llama.cpp", "llama.cpp", COMPATIBLE, "http://127.0.0.1:8081/v1", &[]),
    row(
        "nvidia-nim",
        "NVIDIA NIM",
        COMPATIBLE,
        "https://integrate.api.nvidia.com/v1",
        &["NVIDIA_API_KEY"],
    ),
    row("ollama", "Ollama", "ollama", "http://localhost:11434", &[]),
    row("qwen-code", "Qwen Code", COMPATIBLE, "https://portal.qwen.ai/v1", &[]),
    // The path's name says that it speaks the messages protocol; nobody verified it.
    row(
        "streamlake",
        "StreamLake",
        "@ai-sdk/anthropic",
        "https://vanchin.streamlake.ai/api/gateway/v1/endpoints/kat-coder-pro-v1/claude-code-proxy",
        &["STREAMLAKE_API_KEY", "VC_API_KEY"],
    ),
];

/// Returns the preset of a provider.
pub(crate) fn preset(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// Further variables that hold a provider's key, besides those in the data: Z.AI's own tools use another name.
static EXTRA_KEYS: &[(&str, &[&str])] =
    &[("zai", &["ZAI_API_KEY"]), ("zai-coding-plan", &["ZAI_API_KEY"])];

/// Returns further variables that hold the provider's key.
pub(crate) fn extra_keys(provider: &str) -> &'static [&'static str] {
    EXTRA_KEYS.iter().find(|(id, _)| *id == provider).map_or(&[], |(_, names)| names)
}

const KEY_ENDINGS: [&str; 4] = ["KEY", "TOKEN", "PAT", "_BEDROCK"];

/// Returns true when a variable of the data holds a key of its own, not half of one, a region or an account name.
pub(crate) fn holds_key(variable: &str) -> bool {
    variable != "AWS_SECRET_ACCESS_KEY"
        && KEY_ENDINGS.iter().any(|ending| variable.ends_with(ending))
}

/// Variables that people have set for other tools of the same house: hosting, repositories, data.
/// They connect a provider, but nobody who set one said that prompts shall go there.
const EVERYDAY: [&str; 16] = [
    "AICORE_SERVICE_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_API_TOKEN",
    "DATABRICKS_TOKEN",
    "DIGITALOCEAN_ACCESS_TOKEN",
    "GITHUB_TOKEN",
    "GITLAB_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HF_TOKEN",
    "INFOMANIAK_API_KEY",
    "OVHCLOUD_API_KEY",
    "SCALEWAY_API_KEY",
    "VULTR_API_KEY",
    "WANDB_API_KEY",
];

/// Returns true for a variable that is usually set for something else than models.
pub(crate) fn is_everyday(variable: &str) -> bool {
    EVERYDAY.contains(&variable)
}

/// Options of OpenCode that fill a placeholder of the base URL instead of going into the body, and those that have no
/// meaning here.
static SETTING_OPTIONS: &[(&str, &[&str])] = &[
    ("accountId", &["CLOUDFLARE_ACCOUNT_ID"]),
    ("endpoint", &[]),
    ("enterpriseUrl", &[]),
    ("gatewayId", &["CLOUDFLARE_GATEWAY_ID"]),
    ("location", &["GOOGLE_VERTEX_LOCATION"]),
    ("profile", &[]),
    ("project", &["GOOGLE_VERTEX_PROJECT"]),
    ("region", &["AWS_REGION"]),
    ("resourceName", &["AZURE_RESOURCE_NAME", "AZURE_COGNITIVE_SERVICES_RESOURCE_NAME"]),
    ("setCacheKey", &[]),
    ("toolStreaming", &[]),
    ("useCompletionUrls", &[]),
];

/// Returns the placeholders that an option fills; `None` for an option that is a body field.
pub(crate) fn setting_of_option(option: &str) -> Option<&'static [&'static str]> {
    SETTING_OPTIONS.iter().find(|(name, _)| *name == option).map(|(_, placeholders)| *placeholders)
}

/// Returns the option that fills a placeholder.
pub(crate) fn option_of_setting(placeholder: &str) -> Option<&'static str> {
    let fills = |placeholders: &[&str]| placeholders.contains(&placeholder);
    SETTING_OPTIONS.iter().find(|(_, placeholders)| fills(placeholders)).map(|(name, _)| *name)
}
