//! What typed names stand for.

use serde_json::{Value, json};
use sy_catalog::{Connected, ProviderRow};
use sy_types::{Capabilities, ErrorKind};

use crate::{Connections, catalog, catalog_with};

#[track_caller]
fn check(config: Value, connected: &'static [&'static str], name: &str, expected: &str) {
    let resolved = catalog(config)
        .resolve(name, &Connections(connected))
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(resolved.name(), expected, "{name}");
}

#[test]
fn names_lead_to_one_model() {
    let check = |name: &str, expected: &str| check(json!({}), &["openrouter"], name, expected);
    check("anthropic/claude-opus-4-6", "anthropic/claude-opus-4-6");
    check("  openai/gpt-5.4 ", "openai/gpt-5.4");
    check("z.ai/glm-5.3", "zai/glm-5.3");
    check("z-ai/glm-5.3", "zai/glm-5.3");
    check("z.ai coding plan/glm-5.3", "zai-coding-plan/glm-5.3");
    check("zai coding plan/glm-5.3", "zai-coding-plan/glm-5.3");
    check("GLM Coding Plan/glm-5.3", "zai-coding-plan/glm-5.3");
    check("zen/big-pickle", "opencode/big-pickle");
    check("opencode-zen/big-pickle", "opencode/big-pickle");
    check("opencode-zen/zen/big-pickle", "opencode/big-pickle");
    check("opencode/zen/big-pickle", "opencode/big-pickle");
    check("kimi/kimi-k3", "moonshotai/kimi-k3");
    check("moonshot/kimi-k3", "moonshotai/kimi-k3");
    check("moonshot-ai/moonshotai/kimi-k3", "moonshotai/kimi-k3");
    check("openrouter/anthropic/claude-opus-4.6", "openrouter/anthropic/claude-opus-4.6");
    // Ids with slashes of a connected provider, also where the first part is no provider.
    check("moonshotai/kimi-k3", "moonshotai/kimi-k3");
    check("qwen/qwen3-coder", "openrouter/qwen/qwen3-coder");
    // Variants, and colons that are part of an id.
    check("openai/gpt-5.4:high", "openai/gpt-5.4:high");
    check("openrouter/thinkingmachines/inkling:free", "openrouter/thinkingmachines/inkling:free");
}

#[test]
fn a_colon_is_a_variant_only_where_the_model_declares_it() {
    let tags = json!({"provider": {"ollama": {"models": {"llama3.1:8b": {}, "qwen3:4b": {"variants": {"high": {"reasoning_effort": "high"}}}}}}});
    check(tags.clone(), &[], "ollama/llama3.1:8b", "ollama/llama3.1:8b");
    check(tags.clone(), &[], "ollama/qwen3:4b:high", "ollama/qwen3:4b:high");
    let resolved =
        catalog(tags.clone()).resolve("ollama/qwen3:4b:high", &Connections(&[])).unwrap();
    assert_eq!((resolved.model.as_str(), resolved.variant.as_deref()), ("qwen3:4b", Some("high")));
    let failure = catalog(tags).resolve("ollama/llama3.1:high", &Connections(&[])).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::NotFound);
    check(json!({}), &["openai", "anthropic"], "gpt-5.4:low", "openai/gpt-5.4:low");
}

#[test]
fn two_names_of_one_place_stand_for_each_other() {
    let own = json!({"provider": {"nvidia-nim": {"models": {"qwen-3.5-397b": {"id": "qwen/qwen3.5-397b-a17b"}}}}});
    check(own.clone(), &[], "nvidia-nim/qwen-3.5-397b", "nvidia-nim/qwen-3.5-397b");
    let nvidia = catalog(json!({})).provider("nvidia").unwrap();
    let model = nvidia.models.keys().next().unwrap();
    check(json!({}), &[], &format!("nvidia-nim/{model}"), &format!("nvidia/{model}"));
    check(own, &[], &format!("nvidia/{model}"), &format!("nvidia/{model}"));
    let qwen = json!({"provider": {"qwen-code": {"models": {"qwen-max": {}}}}});
    check(qwen, &[], "qwencode/qwen-max", "qwen-code/qwen-max");
    let kimi = json!({"provider": {"kimi-for-coding": {"models": {"k2p5": {}}}}});
    check(kimi, &[], "kimi-for-coding/k2p5", "kimi-for-coding/k2p5");
}

#[test]
fn a_bare_id_must_be_unique_among_the_connected() {
    check(json!({}), &["openai"], "gpt-5.4", "openai/gpt-5.4");
    let failure = catalog(json!({}))
        .resolve("gpt-5.4", &Connections(&["openai", "opencode", "groq"]))
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (ErrorKind::Invalid, Some("ambiguous_model"))
    );
    assert!(
        failure.message.contains("`openai/gpt-5.4`")
            && failure.message.contains("`opencode/gpt-5.4`"),
        "{failure}"
    );
    let failure = catalog(json!({})).resolve("gpt-5.4", &Connections(&[])).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert!(failure.message.contains("no provider is connected"), "{failure}");
}

#[test]
fn an_unknown_name_comes_with_suggestions() {
    let check = |name: &str, expected: &str| {
        let failure =
            catalog(json!({})).resolve(name, &Connections(&["openai", "anthropic"])).unwrap_err();
        assert_eq!(
            (failure.kind, failure.param.as_deref()),
            (ErrorKind::NotFound, Some("model")),
            "{failure}"
        );
        assert!(
            failure.message.contains("did you mean") && failure.message.contains(expected),
            "{failure}"
        );
        assert!(failure.message.matches('`').count() <= 2 * 5, "{failure}");
    };
    check("gpt5.4", "`openai/gpt-5.4`");
    check("antropic/claude-opus-4-6", "`anthropic/claude-opus-4-6`");
    let failure = catalog(json!({})).resolve("", &Connections(&[])).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
}

#[test]
fn an_unlisted_model_of_a_connected_provider_is_passed_on_with_a_notice() {
    let check = |connected: &'static [&'static str], name: &str, expected: &str, notice: &str| {
        let catalog = catalog(json!({}));
        let resolved = catalog.resolve(name, &Connections(connected)).unwrap();
        assert_eq!((resolved.name().as_str(), resolved.is_listed), (expected, false));
        let target = catalog.target(&resolved).unwrap();
        let told = target.info.notice.as_deref().unwrap_or_default();
        assert!(told.contains("not in the catalog") && told.contains(notice), "{told}");
        assert_eq!(target.info.capabilities, Capabilities::default(), "nothing is known of it");
    };
    check(&["openai"], "openai/gpt-99", "openai/gpt-99", "");
    check(&["anthropic"], "anthropic/claude-x", "anthropic/claude-x", "");
    let meant = "did you mean `anthropic/claude-opus-4-6`";
    check(&["anthropic"], "anthropic/claude-opus-4.6", "anthropic/claude-opus-4.6", meant);
    check(&["openrouter"], "openrouter/openai/gpt-5:nitro", "openrouter/openai/gpt-5:nitro", "");
    // A bare one, where one provider is meant.
    check(&["openai", "anthropic"], "gpt-99", "openai/gpt-99", "");
    check(&["anthropic"], "claude-x", "anthropic/claude-x", "");
    check(&["openrouter"], "qwen/qwen99", "openrouter/qwen/qwen99", "");
}

#[test]
fn an_unlisted_model_needs_a_provider_that_is_connected_and_allows_it() {
    let check = |own: Value, connected: &'static [&'static str], name: &str, expected: &str| {
        let failure = catalog(own).resolve(name, &Connections(connected)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::NotFound, "{failure}");
        assert!(failure.message.contains(expected), "{name}: {failure}");
    };
    check(json!({}), &[], "openai/gpt-99", "the provider openai has no model `gpt-99`");
    check(json!({}), &["openai", "opencode"], "gpt-99", "there is no model `gpt-99`");
    check(json!({}), &["anthropic"], "gpt-99", "there is no model `gpt-99`");
    check(json!({}), &["anthropic"], "nosuch/model", "there is no model `nosuch/model`");
    let own = json!({"provider": {"openai": {"whitelist": ["gpt-5"]}}});
    check(own, &["openai"], "openai/gpt-99", "has no model `gpt-99`");
    let own = json!({"provider": {"openai": {"blacklist": ["gpt-99"]}}});
    check(own, &["openai"], "openai/gpt-99", "has no model `gpt-99`");
}

#[test]
fn a_typing_error_is_told_with_what_was_meant() {
    let own = json!({"alias": {"fast": "groq/x", "smart": "anthropic/y"}});
    let check = |name: &str, expected: &str| {
        let connected = Connections(&["openai", "anthropic"]);
        let failure = catalog(own.clone()).resolve(name, &connected).unwrap_err();
        assert!(failure.message.contains(expected), "{name}: {failure}");
        let (_, asked) = failure.message.split_once("did you mean ").expect("a question");
        let (asked, _) = asked.split_once('?').expect("a question mark");
        let mut names: Vec<&str> = asked.split(", ").collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), asked.split(", ").count(), "once each: {failure}");
    };
    check("opneai", "`openai/");
    check("opneai/gpt-5", "`openai/gpt-5`");
    check("fsat", "`fast`");
    check("smrt", "`smart`");
    check("claude-sonet-4-5", "`anthropic/claude-sonnet-4-5`");
    check("antropic/claude-sonet-4-5", "`anthropic/claude-sonnet-4-5`");
    assert_eq!(catalog(json!({})).providers_like("openia")[0], "openai");
    assert_eq!(catalog(json!({})).providers_like("antrophic")[0], "anthropic");
}

#[test]
fn an_unknown_variant_comes_with_the_known_ones() {
    let connected = Connections(&["openai"]);
    for name in ["openai/gpt-5.4:ultra", "gpt-5.4:ultra"] {
        let failure = catalog(json!({})).resolve(name, &connected).unwrap_err();
        assert!(
            failure.message.contains("has no variant `ultra`: it has")
                && failure.message.contains("low, medium, high"),
            "{failure}"
        );
    }
}

/// These providers have a key in a variable.
struct Variables(&'static [(&'static str, &'static str)], &'static [&'static str]);

impl Connected for Variables {
    fn is_connected(&self, row: &ProviderRow) -> bool {
        self.1.contains(&row.id.as_str()) || self.key_variable(row).is_some()
    }

    fn key_variable(&self, row: &ProviderRow) -> Option<String> {
        let found = self.0.iter().find(|(id, _)| *id == row.id);
        found.map(|(_, name)| (*name).to_owned())
    }
}

#[test]
fn an_everyday_variable_never_decides() {
    const EVERYDAY: &[(&str, &str)] =
        &[("cloudflare-workers-ai", "CLOUDFLARE_API_KEY"), ("github-copilot", "GITHUB_TOKEN")];
    const BOTH: &[(&str, &str)] = &[("github-copilot", "GITHUB_TOKEN"), ("xai", "XAI_API_KEY")];
    let chosen = |variables, signed_in: &'static [&'static str]| {
        let resolved = catalog(json!({})).default_model(&Variables(variables, signed_in));
        resolved.map(|resolved| resolved.provider)
    };
    let failure = chosen(EVERYDAY, &[]).unwrap_err();
    assert!(failure.message.contains("a variable that other tools use"), "{failure}");
    assert_eq!(chosen(BOTH, &[]).unwrap(), "xai");
    assert_eq!(chosen(BOTH, &["zai"]).unwrap(), "zai", "a sign-in before a variable");
    let own = json!({"provider": {"github-copilot": {}}});
    let resolved = catalog(own).default_model(&Variables(BOTH, &["zai"])).unwrap();
    assert_eq!(resolved.provider, "github-copilot", "the configuration before both");

    // Nor does it make a name ambiguous that is none without it.
    let connected = Variables(EVERYDAY, &["openai"]);
    let resolved = catalog(json!({})).resolve("gpt-5.4", &connected).unwrap();
    assert_eq!(resolved.provider, "openai");
}

#[test]
fn a_provider_that_cannot_be_called_is_never_the_default() {
    let connected = Connections(&["azure", "cohere", "gitlab", "zai"]);
    let resolved = catalog(json!({})).default_model(&connected).unwrap();
    assert_eq!(resolved.provider, "cohere", "its one model that can be called");
    let failure = catalog(json!({})).default_model(&Connections(&["azure"])).unwrap_err();
    assert!(failure.message.contains("AZURE_RESOURCE_NAME"), "{failure}");
}

#[test]
fn the_default_model_is_configured_or_the_best_of_the_first_connected() {
    let check = |config: Value, connected: &'static [&'static str], expected: &str| {
        let resolved = catalog(config).default_model(&Connections(connected)).unwrap();
        assert_eq!(resolved.name(), expected);
    };
    check(json!({"model": "openai/gpt-5.4"}), &[], "openai/gpt-5.4");
    check(json!({"models": {"defaults": {"primary": "zai/glm-5.3"}}}), &[], "zai/glm-5.3");
    check(
        json!({"model": "fast", "alias": {"fast": ["quick", "x/y"], "quick": "groq/openai/gpt-oss-120b"}}),
        &[],
        "groq/openai/gpt-oss-120b",
    );
    let own = json!({"provider": {"mine": {"options": {"baseURL": "http://gpu:1/v1"}, "models": {"a-1": {}, "b-2": {}, "a-latest": {}}}}});
    check(own.clone(), &["mine", "anthropic"], "mine/a-latest");
    check(own, &["anthropic"], &best_claude());
    let failure = catalog(json!({})).default_model(&Connections(&[])).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::NotFound);
}

fn best_claude() -> String {
    let provider = catalog(json!({})).provider("anthropic").unwrap();
    let preferred =
        provider.models.keys().filter(|id| id.contains("claude-sonnet-4")).max().unwrap();
    format!("anthropic/{preferred}")
}

#[test]
fn the_small_model_is_of_a_small_family() {
    let check = |provider: &str, expected: Option<&str>| {
        let resolved = catalog(json!({})).small_model(provider);
        assert_eq!(resolved.map(|resolved| resolved.name()).as_deref(), expected, "{provider}");
    };
    check("anthropic", Some("anthropic/claude-haiku-4-5-20251001"));
    check("openai", Some("openai/gpt-5.4-nano"));
    check("google", Some("google/gemini-3.8-flash"));
    check("opencode", Some("opencode/gpt-5.4-nano"));
    check("azure", None);
    check("nobody", None);
    let bedrock = catalog_with(json!({}), &[("AWS_REGION", "eu-west-1")])
        .small_model("amazon-bedrock")
        .unwrap();
    assert!(bedrock.model.starts_with("global.anthropic.claude-haiku-4-5"), "{bedrock:?}");
    let configured =
        catalog(json!({"small_model": "groq/openai/gpt-oss-20b"})).small_model("anthropic");
    assert_eq!(configured.unwrap().name(), "groq/openai/gpt-oss-20b");
    assert!(catalog(json!({"small_model": "groq/none"})).small_model("anthropic").is_none());
}
