//! The response object around an answer: it repeats what the client's request said.
//!
//! Made once for an answer or a stream by the client face. It also knows which tools the client declared as custom or inside a
//! namespace, so that calls go out in the form the client waits for. It deliberately reads only the fields it repeats: a
//! long `input` is never parsed.

use serde_json::{Map, Value, json};
use sy_types::chat::{FinishReason, Usage};

use super::items;
use super::namespaces::{Declared, Namespaces};
use crate::face::ReplyInfo;
use crate::ids::OPENAI_RESPONSES;
use crate::patch::Spans;

/// The fields that are repeated, with their values where the request is silent. All but the last few are demanded by the
/// `Response` type of OpenAI's SDKs (openai-python 3.51, read 2026-11-21).
const REPEATED: [(&str, Value); 17] = [
    ("instructions", Value::Null),
    ("max_output_tokens", Value::Null),
    ("max_tool_calls", Value::Null),
    ("metadata", Value::Null),
    ("parallel_tool_calls", Value::Bool(true)),
    ("previous_response_id", Value::Null),
    ("prompt_cache_key", Value::Null),
    ("reasoning", Value::Null),
    ("safety_identifier", Value::Null),
    ("service_tier", Value::Null),
    ("temperature", Value::Null),
    ("text", Value::Null),
    ("tool_choice", Value::Null),
    ("tools", Value::Null),
    ("top_p", Value::Null),
    ("truncation", Value::Null),
    ("user", Value::Null),
];

/// Everything of a response object but the answer itself.
pub(super) struct Echo {
    /// The id of the response.
    pub(super) id: String,
    /// The model that answers.
    pub(super) model: String,
    /// When it was made, in unix seconds.
    pub(super) created: i64,
    /// Now, in unix seconds.
    now: i64,
    /// The request id as far as it may stand in an id.
    seed: String,
    repeated: Map<String, Value>,
    names: Namespaces,
}

impl Echo {
    /// Reads what is to be repeated.
    pub(super) fn new(info: &ReplyInfo<'_>) -> Self {
        let seed: String = info.request_id.chars().filter(char::is_ascii_alphanumeric).collect();
        let repeated = repeated(info);
        let tools =
            repeated.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names = namespaces(info, tools);
        Self {
            id: format!("resp_{seed}"),
            model: info.inbound.head().model.clone(),
            created: info.now,
            now: info.now,
            seed,
            repeated,
            names,
        }
    }

    /// Takes over what the provider says of its answer. An id of another protocol is not shown.
    pub(super) fn start(&mut self, id: Option<&str>, model: Option<&str>, created: Option<i64>) {
        if let Some(id) = id.filter(|id| id.starts_with("resp_")) {
            id.clone_into(&mut self.id);
        }
        if let Some(model) = model {
            model.clone_into(&mut self.model);
        }
        self.created = created.unwrap_or(self.created);
    }

    /// Makes the id of the item at the given place of the output.
    pub(super) fn item_id(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{}{index:04}", self.seed)
    }

    /// Returns true when the client declared a tool of this name whose input is free text.
    pub(super) fn is_custom(&self, name: &str) -> bool {
        self.declared(name).is_some_and(|tool| tool.custom)
    }

    /// Returns the tool as the client declared it.
    pub(super) fn declared(&self, name: &str) -> Option<&Declared> {
        self.names.declared(name)
    }

    /// Writes the response object of an answer that is not complete.
    pub(super) fn in_progress(&self) -> Value {
        self.object("in_progress", Vec::new(), Value::Null)
    }

    /// Writes the response object of an answer that failed.
    pub(super) fn failed(&self, code: &str, message: &str) -> Value {
        let mut response = self.object("failed", Vec::new(), Value::Null);
        put(&mut response, "error", json!({"code": code, "message": message}));
        response
    }

    /// Writes the response object of an answer that ended. Clients want token counts in it, so unknown ones are zero.
    pub(super) fn ended(
        &self,
        reason: &FinishReason,
        output: Vec<Value>,
        usage: Option<Usage>,
    ) -> Value {
        let details = incomplete_details(reason);
        let status = if details.is_some() { "incomplete" } else { "completed" };
        let mut response = self.object(status, output, encode_usage(usage.unwrap_or_default()));
        match details {
            Some(details) => put(&mut response, "incomplete_details", details),
            None => put(&mut response, "completed_at", json!(self.now)),
        }
        response
    }

    fn object(&self, status: &str, output: Vec<Value>, usage: Value) -> Value {
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "completed_at": null,
            "error": null,
            "incomplete_details": null,
            "model": self.model,
            "output": [],
            "store": false,
        });
        for (name, value) in &self.repeated {
            put(&mut response, name, value.clone());
        }
        put(&mut response, "output", Value::Array(output));
        put(&mut response, "usage", usage);
        response
    }
}

/// Returns why an answer is incomplete. A refusal counts as filtered content; an error has no reason, since the API knows only
/// those two (openai-node 6, read 2026-11). Everything else is a complete answer in this protocol.
fn incomplete_details(reason: &FinishReason) -> Option<Value> {
    match reason {
        FinishReason::Length => Some(json!({"reason": "max_output_tokens"})),
        FinishReason::ContentFilter | FinishReason::Refusal => {
            Some(json!({"reason": "content_filter"}))
        }
        FinishReason::Error => Some(json!({})),
        FinishReason::Stop
        | FinishReason::ToolCalls
        | FinishReason::Pause
        | FinishReason::Other(_) => None,
    }
}

fn encode_usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(name.to_owned(), value);
    }
}

fn repeated(info: &ReplyInfo<'_>) -> Map<String, Value> {
    let body = info.inbound.body();
    let names = REPEATED.map(|(name, _)| name);
    let is_ours = info.inbound.protocol() == Some(OPENAI_RESPONSES);
    let spans = is_ours.then(|| Spans::find(body, &names).ok()).flatten();
    let given = |name: &str| -> Option<Value> {
        let raw = spans.as_ref()?.get(body, name)?;
        info.inbound.charge_field(raw).ok()?;
        let value: Value = crate::json::read(raw).ok()?;
        (!value.is_null()).then_some(value)
    };
    REPEATED
        .into_iter()
        .map(|(name, silent)| {
            let value = given(name).unwrap_or_else(|| match name {
                "metadata" => json!({}),
                "reasoning" => json!({"effort": null, "summary": null}),
                "service_tier" => json!("default"),
                "text" => json!({"format": {"type": "text"}}),
                "tool_choice" => json!("auto"),
                "tools" => json!([]),
                "temperature" | "top_p" => json!(1.0),
                "truncation" => json!("disabled"),
                _ => silent,
            });
            (name.to_owned(), value)
        })
        .map(|(name, mut value)| {
            if name == "tools" {
                complete(&mut value);
            }
            (name, value)
        })
        .collect()
}

/// Returns the value of a top-level field of the request that an answer belongs to.
fn field(info: &ReplyInfo<'_>, name: &str) -> Option<Value> {
    let body = info.inbound.body();
    let spans = Spans::find(body, &[name]).ok()?;
    crate::json::read(spans.get(body, name)?).ok()
}

/// Learns the names of the declared tools. The input is read only where it declares some.
fn namespaces(info: &ReplyInfo<'_>, tools: &[Value]) -> Namespaces {
    const MARK: &[u8] = b"\"additional_tools\"";
    let is_ours = info.inbound.protocol() == Some(OPENAI_RESPONSES);
    let declares_more = is_ours && memchr::memmem::find(info.inbound.body(), MARK).is_some();
    let input = declares_more.then(|| field(info, "input")).flatten();
    let later = input.as_ref().map(items::additional_tools).unwrap_or_default();
    Namespaces::of(&std::iter::once(tools).chain(later).collect::<Vec<_>>())
}

/// Adds what the `FunctionTool` type of OpenAI's SDKs demands and a request may leave out. A schema is enforced here only where
/// the request says so.
fn complete(tools: &mut Value) {
    for tool in tools.as_array_mut().into_iter().flatten() {
        let Some(map) = tool.as_object_mut() else { continue };
        if map.get("type").is_some_and(|kind| kind == "function") {
            map.entry("parameters").or_insert_with(|| json!({"type": "object", "properties": {}}));
            map.entry("strict").or_insert(Value::Bool(false));
        }
    }
}
