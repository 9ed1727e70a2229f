//! Tools that a provider runs itself, where both sides have the same.
//!
//! Web search, reading of pages and running of code are offered by OpenAI (Responses), Claude and
//! Gemini alike, under other names (docs of the three, read 2026-11). They are translated for
//! targets that have them; what one side alone knows of their settings is reported. Their calls and
//! results stay with the provider, and only the texts and sources reach the client.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, Dropped, Tool, ToolKind};
use sy_types::{ProtocolId, Target};

use crate::gemini_generate::combines_tools;
use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT, OPENAI_RESPONSES};

/// What the tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Search,
    Fetch,
    Code,
}

/// A declaration, read.
#[derive(Debug)]
struct Hosted {
    purpose: Purpose,
    /// Sites that may be read.
    allowed: Option<Value>,
    /// Sites that may not.
    blocked: Option<Value>,
    /// At most so many uses.
    most: Option<Value>,
    /// Where the user is, as an object of the type `approximate`.
    location: Option<Value>,
}

/// Turns declarations of other protocols into the target's own, where it has such tools.
pub(super) fn translate(
    chat: &mut Cow<'_, ChatRequest>,
    wire: ProtocolId,
    target: &Target,
    dropped: &mut Vec<Dropped>,
) {
    if !target.dialect.hosted_tools {
        return;
    }
    let has_functions = chat.tools.iter().any(|tool| !matches!(tool.kind, ToolKind::Server { .. }));
    if wire == GEMINI_GENERATE && has_functions && !combines_tools(&target.upstream_model) {
        return;
    }

    for index in 0..chat.tools.len() {
        let Some(Tool { kind: ToolKind::Server { protocol, declaration }, .. }) =
            chat.tools.get(index)
        else {
            continue;
        };
        if *protocol == wire {
            continue;
        }
        let Some(hosted) = Hosted::read(*protocol, declaration) else { continue };
        let Some(declaration) = hosted.write(wire, index, dropped) else { continue };
        if let Some(tool) = chat.to_mut().tools.get_mut(index) {
            tool.kind = ToolKind::Server { protocol: wire, declaration };
        }
    }
}

impl Hosted {
    fn read(protocol: ProtocolId, declaration: &Value) -> Option<Self> {
        let (purpose, settings) = match protocol {
            GEMINI_GENERATE => gemini_purpose(declaration)?,
            OPENAI_CHAT => {
                (Purpose::Search, declaration.get("web_search_options").unwrap_or(declaration))
            }
            _ => (purpose(declaration.get("type")?.as_str()?)?, declaration),
        };
        // Chat completions nests the place once more.
        let place = settings.pointer("/user_location/approximate");
        let place = place.or_else(|| settings.get("user_location")).and_then(Value::as_object);
        let location = place.map(|place| {
            let mut place = place.clone();
            place.insert("type".to_owned(), "approximate".into());
            Value::Object(place)
        });
        let given = |path: &str| settings.pointer(path).filter(|value| !value.is_null()).cloned();
        Some(Self {
            purpose,
            allowed: given("/filters/allowed_domains").or_else(|| given("/allowed_domains")),
            blocked: given("/blocked_domains").or_else(|| given("/excludeDomains")),
            most: given("/max_uses"),
            location,
        })
    }

    /// Writes the declaration for a target; `None` where it has no such tool.
    fn write(self, wire: ProtocolId, index: usize, dropped: &mut Vec<Dropped>) -> Option<Value> {
        let Self { purpose, allowed, blocked, most, location } = self;
        let mut settings = [
            ("allowed_domains", allowed),
            ("blocked_domains", blocked),
            ("max_uses", most),
            ("user_location", location),
        ];
        let known: &[&str] = match (wire, purpose) {
            (ANTHROPIC_MESSAGES, Purpose::Search) => {
                &["allowed_domains", "blocked_domains", "max_uses", "user_location"]
            }
            (ANTHROPIC_MESSAGES, Purpose::Fetch) => {
                &["allowed_domains", "blocked_domains", "max_uses"]
            }
            (OPENAI_RESPONSES, Purpose::Search) => &["allowed_domains", "user_location"],
            _ => &[],
        };
        let mut written = own_name(wire, purpose)?;
        for (name, value) in &mut settings {
            let Some(value) = value.take() else { continue };
            if !known.contains(name) {
                let field = format!("tools[{index}].{name}");
                dropped.push(Dropped::new(field, "the target's own tool has no such setting"));
            } else if wire == OPENAI_RESPONSES && *name == "allowed_domains" {
                written.insert("filters".to_owned(), json!({ "allowed_domains": value }));
            } else {
                written.insert((*name).to_owned(), value);
            }
        }
        Some(Value::Object(written))
    }
}

/// Reads the type of a tool, which ends in a date at Claude and sometimes at OpenAI.
fn purpose(kind: &str) -> Option<Purpose> {
    Some(match kind {
        kind if kind.starts_with("web_search") => Purpose::Search,
        kind if kind.starts_with("web_fetch") => Purpose::Fetch,
        kind if kind.starts_with("code_execution") || kind == "code_interpreter" => Purpose::Code,
        _ => return None,
    })
}

fn gemini_purpose(declaration: &Value) -> Option<(Purpose, &Value)> {
    let (name, settings) = declaration.as_object()?.iter().next()?;
    let purpose = match name.as_str() {
        "googleSearch" | "googleSearchRetrieval" => Purpose::Search,
        "urlContext" => Purpose::Fetch,
        "codeExecution" => Purpose::Code,
        _ => return None,
    };
    Some((purpose, settings))
}

/// Returns the declaration without settings.
fn own_name(wire: ProtocolId, purpose: Purpose) -> Option<Map<String, Value>> {
    let written = match (wire, purpose) {
        (ANTHROPIC_MESSAGES, Purpose::Search) => {
            json!({ "type": "web_search_20250305", "name": "web_search" })
        }
        (ANTHROPIC_MESSAGES, Purpose::Fetch) => {
            json!({ "type": "web_fetch_20250910", "name": "web_fetch" })
        }
        (ANTHROPIC_MESSAGES, Purpose::Code) => {
            json!({ "type": "code_execution_20250825", "name": "code_execution" })
        }
        (GEMINI_GENERATE, Purpose::Search) => json!({ "googleSearch": {} }),
        (GEMINI_GENERATE, Purpose::Fetch) => json!({ "urlContext": {} }),
        (GEMINI_GENERATE, Purpose::Code) => json!({ "codeExecution": {} }),
        (OPENAI_RESPONSES, Purpose::Search) => json!({ "type": "web_search" }),
        (OPENAI_RESPONSES, Purpose::Code) => {
            json!({ "type": "code_interpreter", "container": { "type": "auto" } })
        }
        _ => return None,
    };
    match written {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sy_types::ProtocolId;

    use super::Hosted;
    use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_CHAT, OPENAI_RESPONSES};

    #[track_caller]
    fn becomes(from: ProtocolId, given: &Value, to: ProtocolId, expected: &Value, reported: usize) {
        let mut dropped = Vec::new();
        let hosted = Hosted::read(from, given).expect("it is known");
        assert_eq!(hosted.write(to, 0, &mut dropped).as_ref(), Some(expected), "{given}");
        assert_eq!(dropped.len(), reported, "{dropped:?}");
    }

    #[test]
    fn settings_that_both_know_are_carried() {
        becomes(
            OPENAI_RESPONSES,
            &json!({"type": "web_search", "filters": {"allowed_domains": ["a.test"]}, "user_location": {"type": "approximate", "city": "Rome"}}),
            ANTHROPIC_MESSAGES,
            &json!({"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.test"], "user_location": {"type": "approximate", "city": "Rome"}}),
            0,
        );
        becomes(
            OPENAI_CHAT,
            &json!({"type": "web_search", "web_search_options": {"user_location": {"type": "approximate", "approximate": {"country": "IT"}}}}),
            OPENAI_RESPONSES,
            &json!({"type": "web_search", "user_location": {"country": "IT", "type": "approximate"}}),
            0,
        );
    }

    #[test]
    fn settings_of_one_side_are_reported() {
        becomes(
            ANTHROPIC_MESSAGES,
            &json!({"type": "web_search_20260209", "name": "web_search", "max_uses": 3, "blocked_domains": ["b.test"]}),
            GEMINI_GENERATE,
            &json!({"googleSearch": {}}),
            2,
        );
    }

    #[test]
    fn code_and_pages_are_known_under_their_own_names() {
        becomes(
            OPENAI_RESPONSES,
            &json!({"type": "code_interpreter", "container": {"type": "auto"}}),
            GEMINI_GENERATE,
            &json!({"codeExecution": {}}),
            0,
        );
        becomes(
            GEMINI_GENERATE,
            &json!({"urlContext": {}}),
            ANTHROPIC_MESSAGES,
            &json!({"type": "web_fetch_20250910", "name": "web_fetch"}),
            0,
        );
        let other = json!({"type": "computer_use_preview"});
        assert!(Hosted::read(OPENAI_RESPONSES, &other).is_none());
    }
}
