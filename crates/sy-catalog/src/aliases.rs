//! Other names of providers, as people type and search them.
//!
//! Read when a name is resolved and when the search index is built. With `wire_map` it is the only place that may name
//! vendors. It does not know which providers exist.

/// Names that stand for one another: the first is the catalog's id, the others are what people type.
/// Written in the form of [`normal`].
static ALIASES: &[(&str, &[&str])] = &[
    ("alibaba", &["dashscope"]),
    ("amazon-bedrock", &["bedrock", "aws-bedrock", "aws"]),
    ("anthropic", &["claude"]),
    ("azure", &["azure-openai"]),
    ("cloudflare-workers-ai", &["workers-ai"]),
    ("fireworks-ai", &["fireworks"]),
    ("github-copilot", &["copilot"]),
    ("google", &["gemini", "google-ai-studio"]),
    ("google-vertex", &["vertex", "vertex-ai"]),
    ("huggingface", &["hugging-face", "hf"]),
    ("lmstudio", &["lm-studio"]),
    ("moonshotai", &["kimi", "moonshot", "moonshot-ai"]),
    ("nvidia", &["nvidia-nim", "nim"]),
    ("nvidia-nim", &["nvidia"]),
    ("opencode", &["zen", "opencode-zen"]),
    ("qwen-code", &["qwencode"]),
    ("togetherai", &["together", "together-ai"]),
    ("vercel", &["vercel-ai-gateway", "ai-gateway"]),
    ("xai", &["x-ai", "grok"]),
    ("xiaomi", &["mimo", "xiaomi-mimo"]),
    ("zai", &["z.ai", "z-ai"]),
    ("zai-coding-plan", &["z.ai-coding-plan", "z-ai-coding-plan", "glm-coding-plan"]),
    ("zhipuai", &["zhipu", "bigmodel"]),
    ("zhipuai-coding-plan", &["zhipu-coding-plan"]),
];

/// Returns a name in lower case, with one hyphen for each run of white space, underscores and hyphens.
pub(crate) fn normal(name: &str) -> String {
    let lower = name.to_lowercase();
    let words =
        lower.split(|letter: char| letter.is_whitespace() || letter == '_' || letter == '-');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Returns the ids that a typed name may stand for, its own normal form first.
pub(crate) fn ids(name: &str) -> Vec<String> {
    let typed = normal(name);
    let stand_for = ALIASES
        .iter()
        .filter(|(_, others)| others.contains(&typed.as_str()))
        .map(|(id, _)| (*id).to_owned());
    std::iter::once(typed.clone()).chain(stand_for).collect()
}

/// Returns the other names of a provider.
pub(crate) fn others(id: &str) -> &'static [&'static str] {
    ALIASES.iter().find(|(known, _)| *known == id).map_or(&[], |(_, others)| others)
}

/// Returns true when a typed name stands for the provider.
pub(crate) fn stands_for(typed: &str, id: &str) -> bool {
    ids(typed).iter().any(|known| known == id)
}

/// Who makes a model, by the first letters of its id: the vendor's own place comes first among all
/// that sell it.
static VENDORS: &[(&str, &str)] = &[
    ("chatgpt", "openai"),
    ("claude", "anthropic"),
    ("codestral", "mistral"),
    ("command", "cohere"),
    ("deepseek", "deepseek"),
    ("devstral", "mistral"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("glm", "zai"),
    ("gpt", "openai"),
    ("grok", "xai"),
    ("kimi", "moonshotai"),
    ("magistral", "mistral"),
    ("mimo", "xiaomi"),
    ("minimax", "minimax"),
    ("ministral", "mistral"),
    ("mistral", "mistral"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("pixtral", "mistral"),
    ("qwen", "alibaba"),
    ("sonar", "perplexity"),
    ("text-embedding", "openai"),
];

/// Providers at which what stands behind a colon chooses a way to the model, without being listed.
const SUFFIXED: [&str; 2] = ["huggingface", "openrouter"];

/// Returns the provider whose own a model is, by its id.
pub(crate) fn vendor_of(model: &str) -> Option<&'static str> {
    let model = model.to_lowercase();
    VENDORS.iter().find(|(start, _)| model.starts_with(start)).map(|(_, vendor)| *vendor)
}

/// Returns true for a provider that takes suffixes with a colon behind any model's id.
pub(crate) fn takes_suffixes(provider: &str) -> bool {
    SUFFIXED.contains(&provider)
}

#[cfg(test)]
mod tests {
    use super::{ALIASES, ids, normal, stands_for};

    #[test]
    fn typed_names_stand_for_ids() {
        let check = |typed: &str, id: &str| {
            assert!(stands_for(typed, id), "{typed} -> {id}: {:?}", ids(typed))
        };
        check("z.ai", "zai");
        check("Z-AI", "zai");
        check("z.ai coding plan", "zai-coding-plan");
        check("zai coding plan", "zai-coding-plan");
        check("GLM Coding Plan", "zai-coding-plan");
        check("zen", "opencode");
        check("opencode zen", "opencode");
        check("opencode-zen", "opencode");
        check("kimi", "moonshotai");
        check("moonshot", "moonshotai");
        check("moonshot-ai", "moonshotai");
        check("nvidia", "nvidia-nim");
        check("nvidia-nim", "nvidia");
        check("qwencode", "qwen-code");
        assert!(!stands_for("zen", "zai"));
        assert!(!stands_for("kimi-for-coding", "moonshotai"));
        assert!(!stands_for("z.ai", "zai-coding-plan"));
    }

    #[test]
    fn the_table_is_in_normal_form_and_sorted() {
        assert!(ALIASES.is_sorted_by(|a, b| a.0 < b.0));
        for (id, others) in ALIASES {
            for name in others.iter().chain([id]) {
                assert_eq!(normal(name), *name);
            }
        }
    }
}
