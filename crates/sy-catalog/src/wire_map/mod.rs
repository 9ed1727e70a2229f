//! Which protocol, address, credential form and dialect a package name or a provider stands for: the tables.
//!
//! Read when a target is made. A new vendor on a known protocol is at most a row in `packages` or `quirks`. With
//! `aliases` it is the only place that may name vendors. It does not know any model list.

mod packages;
mod presets;
mod quirks;

use sy_types::target::{
    MaxTokensField, ReasoningRequest, SchemaRules, StructuredOutput, ToolCallIds, ToolNames,
};
use sy_types::{AuthScheme, Dialect, ProtocolId};

pub(crate) use packages::{OPENAI_COMPATIBLE, package, package_names};
pub(crate) use presets::{
    Preset, extra_keys, holds_key, is_everyday, option_of_setting, preset, setting_of_option,
};

/// OpenAI chat completions.
pub const OPENAI_CHAT: ProtocolId = ProtocolId::new("openai_chat");
/// OpenAI responses.
pub const OPENAI_RESPONSES: ProtocolId = ProtocolId::new("openai_responses");
/// Anthropic messages.
pub const ANTHROPIC_MESSAGES: ProtocolId = ProtocolId::new("anthropic_messages");
/// Gemini generateContent.
pub const GEMINI_GENERATE: ProtocolId = ProtocolId::new("gemini_generate");
/// Ollama's own chat.
pub const OLLAMA_CHAT: ProtocolId = ProtocolId::new("ollama_chat");
/// Z.AI's dialect of chat completions.
pub const ZAI_CHAT: ProtocolId = ProtocolId::new("zai_chat");

/// Every protocol that a row can name; the server checks at start that each is registered.
pub const PROTOCOLS: [ProtocolId; 6] =
    [OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC_MESSAGES, GEMINI_GENERATE, OLLAMA_CHAT, ZAI_CHAT];

/// Tool names that must begin with a letter.
pub(crate) const LETTER_FIRST: ToolNames = ToolNames { longest: 64, letter_first: true };

/// What a place speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speech {
    /// These protocols, the preferred one first.
    Speaks(&'static [ProtocolId]),
    /// None that we know yet; the sentence says what is missing.
    Missing(&'static str),
}

/// How reasoning levels are written for a package, in the words of the AI SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoder {
    Alibaba,
    Anthropic,
    Bedrock,
    Chat,
    Cohere,
    Copilot,
    GitLab,
    Google,
    Groq,
    Mistral,
    OpenAi,
    OpenRouter,
    Sap,
    Silent,
}

/// One package name.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) npm: &'static str,
    pub(crate) speech: Speech,
    /// The base URL of its own, for providers that the data give none.
    pub(crate) base: Option<&'static str>,
    /// How the key is shown, where it is not the protocol's usual way.
    pub(crate) auth: Option<AuthScheme>,
    pub(crate) encoder: Encoder,
    pub(crate) dialect: Patch,
}

/// What differs for a provider, or for some of its models.
#[derive(Debug)]
pub(crate) struct Quirk {
    /// Provider ids; empty for any. An id that ends in `*` stands for all that begin so.
    pub(crate) providers: &'static [&'static str],
    /// Only where this package is spoken; empty for any.
    pub(crate) npm: &'static [&'static str],
    /// Only where the model's id contains one of these; empty for any.
    pub(crate) models: &'static [&'static str],
    /// Not where the model's id contains one of these.
    pub(crate) except: &'static [&'static str],
    /// Only where the data say that the model reasons.
    pub(crate) when_reasoning: bool,
    /// Treat it as this package instead.
    pub(crate) becomes: Option<&'static str>,
    pub(crate) speech: Option<Speech>,
    pub(crate) base: Option<&'static str>,
    pub(crate) auth: Option<AuthScheme>,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) total_timeout_s: Option<u64>,
    pub(crate) dialect: Patch,
}

/// Nothing differs.
pub(crate) const NOTHING: Quirk = Quirk {
    providers: &[],
    npm: &[],
    models: &[],
    except: &[],
    when_reasoning: false,
    becomes: None,
    speech: None,
    base: None,
    auth: None,
    headers: &[],
    total_timeout_s: None,
    dialect: SAME,
};

/// The dialect values that a row sets; the others stay as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    pub(crate) max_tokens_field: Option<MaxTokensField>,
    pub(crate) developer_role: Option<bool>,
    pub(crate) stream_options: Option<bool>,
    pub(crate) reasoning_request: Option<ReasoningRequest>,
    pub(crate) reasoning_history: Option<Option<&'static str>>,
    pub(crate) tool_call_ids: Option<ToolCallIds>,
    pub(crate) tool_names: Option<ToolNames>,
    pub(crate) schema_rules: Option<SchemaRules>,
    pub(crate) structured_output: Option<StructuredOutput>,
    pub(crate) hosted_tools: Option<bool>,
    pub(crate) forced_tool_choice: Option<bool>,
    pub(crate) streaming: Option<bool>,
    pub(crate) think_tags: Option<bool>,
    pub(crate) billing_line: Option<bool>,
}

/// A dialect as it is.
pub(crate) const SAME: Patch = Patch {
    max_tokens_field: None,
    developer_role: None,
    stream_options: None,
    reasoning_request: None,
    reasoning_history: None,
    tool_call_ids: None,
    tool_names: None,
    schema_rules: None,
    structured_output: None,
    hosted_tools: None,
    forced_tool_choice: None,
    streaming: None,
    think_tags: None,
    billing_line: None,
};

impl Patch {
    fn apply(&self, dialect: &mut Dialect) {
        fn set<T: Copy>(value: &mut T, wanted: Option<T>) {
            *value = wanted.unwrap_or(*value);
        }
        set(&mut dialect.max_tokens_field, self.max_tokens_field);
        set(&mut dialect.developer_role, self.developer_role);
        set(&mut dialect.stream_options, self.stream_options);
        set(&mut dialect.reasoning_request, self.reasoning_request);
        set(&mut dialect.reasoning_history, self.reasoning_history);
        set(&mut dialect.tool_call_ids, self.tool_call_ids);
        set(&mut dialect.tool_names, self.tool_names);
        set(&mut dialect.schema_rules, self.schema_rules);
        set(&mut dialect.structured_output, self.structured_output);
        set(&mut dialect.hosted_tools, self.hosted_tools);
        set(&mut dialect.forced_tool_choice, self.forced_tool_choice);
        set(&mut dialect.streaming, self.streaming);
        set(&mut dialect.think_tags, self.think_tags);
        set(&mut dialect.billing_line, self.billing_line);
    }
}

/// A model at a provider, as far as the tables look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) provider: &'a str,
    pub(crate) npm: &'a str,
    /// The model's id on the wire.
    pub(crate) model: &'a str,
    pub(crate) reasons: bool,
}

/// What the tables say about a place.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) speech: Speech,
    /// The base URL for a place that the data give none.
    pub(crate) base: Option<&'static str>,
    pub(crate) encoder: Encoder,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) total_timeout_s: Option<u64>,
    auth: Option<AuthScheme>,
    patches: Vec<Patch>,
}

impl Wire {
    /// Returns how the key is shown in the given protocol.
    pub(crate) fn auth(&self, protocol: ProtocolId) -> AuthScheme {
        self.auth.unwrap_or(match protocol {
            ANTHROPIC_MESSAGES => AuthScheme::Header("x-api-key"),
            GEMINI_GENERATE => AuthScheme::Header("x-goog-api-key"),
            _ => AuthScheme::Bearer,
        })
    }

    /// Returns the dialect of the place in the given protocol.
    pub(crate) fn dialect(&self, protocol: ProtocolId) -> Dialect {
        let mut dialect = Dialect::default();
        match protocol {
            ANTHROPIC_MESSAGES => dialect.tool_call_ids = ToolCallIds::WordCharacters,
            GEMINI_GENERATE => {
                dialect.schema_rules = SchemaRules::Gemini;
                dialect.tool_names = LETTER_FIRST;
            }
            _ => {}
        }
        for patch in &self.patches {
            patch.apply(&mut dialect);
        }
        dialect
    }
}

/// Looks a place up in the tables: its package, then everything that differs for it. Later rows win.
pub(crate) fn wire(place: Place<'_>) -> Wire {
    let model = place.model.to_lowercase();
    let matching: Vec<&Quirk> =
        quirks::QUIRKS.iter().filter(|quirk| fits(quirk, &place, &model)).collect();
    let becomes = matching.iter().rev().find_map(|quirk| quirk.becomes);
    let package = package(becomes.unwrap_or(place.npm));
    let mut wire = Wire {
        speech: package.speech,
        base: package.base,
        encoder: package.encoder,
        headers: Vec::new(),
        total_timeout_s: None,
        auth: package.auth,
        patches: vec![package.dialect],
    };
    for quirk in matching {
        wire.speech = quirk.speech.unwrap_or(wire.speech);
        wire.base = quirk.base.or(wire.base);
        wire.auth = quirk.auth.or(wire.auth);
        wire.headers.extend(quirk.headers);
        wire.total_timeout_s = quirk.total_timeout_s.or(wire.total_timeout_s);
        wire.patches.push(quirk.dialect);
    }
    wire
}

fn fits(quirk: &Quirk, place: &Place<'_>, model: &str) -> bool {
    let names = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => place.provider.starts_with(start),
        None => *pattern == place.provider,
    };
    let contains = |part: &&str| model.contains(*part);
    (quirk.providers.is_empty() || quirk.providers.iter().any(names))
        && (quirk.npm.is_empty() || quirk.npm.contains(&place.npm))
        && (quirk.models.is_empty() || quirk.models.iter().any(contains))
        && !quirk.except.iter().any(contains)
        && (!quirk.when_reasoning || place.reasons)
}

#[cfg(test)]
mod tests;
