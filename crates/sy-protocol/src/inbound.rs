//! A client's request, looked into only as far as needed.
//!
//! Made by the server from the body; the router reads the head, and the whole is decoded at most once, and only when the
//! chosen target speaks another protocol. Whatever is decoded of it is charged to the request's memory account first. It
//! deliberately keeps the bytes as they came.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value};
use sy_types::chat::ChatRequest;
use sy_types::memory::megabytes;
use sy_types::{CallBody, Failure, MemoryAccount, MemoryCharge, ProtocolId, Target};

use crate::conversation;
use crate::face::{Downstream, Hints, StreamForm};
use crate::fields::wrong;
use crate::ids::{GEMINI_GENERATE, OPENAI_RESPONSES};
use crate::patch::Spans;
use crate::weight::{HEAVY, VALUE_COST, ValueCounter, translation_cost};

/// How many values of a relayed body may be decoded without being charged: a few fields, as nearly every request has them.
const FREE_VALUES: u64 = 4096;
/// Which share of a translation's cost is left once the request was sent: neither the rebuilt body nor what was written of it.
const SHARE_LEFT: u64 = 3;
/// The longest head field that is read when it is no string: only its type is told.
const SHORT_FIELD: usize = 1024;

/// How deep a request may be nested: what the reader of JSON takes.
pub const DEPTH_LIMIT: usize = 127;

/// What routing needs to know of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The model as the caller named it; empty where the caller leaves the choice to the router.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The form in which a stream is wanted.
    pub form: StreamForm,
}

impl Head {
    /// Reads `model` and `stream` from a body that names them at its top level, and checks that the whole is one JSON object. A
    /// model that is not named stays empty: the router has a default.
    pub(crate) fn read(body: &Bytes) -> Result<Self, Failure> {
        let spans = Spans::find(body, &["model", "stream"])?;
        let field = |name: &str| match spans.get(body, name) {
            None => Ok(Value::Null),
            Some(raw) => head_value(raw).map_err(|error| {
                Failure::invalid(format!("{name}: cannot be read: {error}")).with_param(name)
            }),
        };
        let model = match field("model")? {
            Value::Null => String::new(),
            Value::String(model) if !model.trim().is_empty() => model,
            other => return Err(wrong("model", "the name of a model", &other)),
        };
        let stream = match field("stream")? {
            Value::Null => false,
            Value::Bool(stream) => stream,
            other => return Err(wrong("stream", "true or false", &other)),
        };
        Ok(Self { model, stream, form: StreamForm::Sse })
    }
}

/// Reads a field of the head. Of a long list or object only the type matters, so it is not built.
fn head_value(raw: &[u8]) -> Result<Value, serde_json::Error> {
    match raw.first() {
        Some(b'[') if raw.len() > SHORT_FIELD => Ok(Value::Array(Vec::new())),
        Some(b'{') if raw.len() > SHORT_FIELD => Ok(Value::Object(Map::new())),
        _ => crate::json::read(raw),
    }
}

/// Refuses a body that is nested too deep. Whoever reads it whole would refuse it: a request must
/// not depend on whether it is translated or relayed, and a provider that chokes on it would be
/// asked again and again.
///
/// # Errors
/// `Invalid` beyond [`DEPTH_LIMIT`].
pub fn check_depth(body: &[u8]) -> Result<(), Failure> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = behind_text(body, at),
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            return Err(Failure::invalid(format!(
                "the request body is nested more than {DEPTH_LIMIT} levels deep"
            )));
        }
    }
    Ok(())
}

/// Returns the place behind the closing quote of a JSON text.
fn behind_text(body: &[u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if body.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    body.len()
}

/// A client's request.
pub struct Inbound {
    head: Head,
    origin: Option<(&'static dyn Downstream, Bytes)>,
    chat: OnceLock<Result<ChatRequest, Failure>>,
    /// How many JSON values the body has, once they were counted.
    values: OnceLock<u64>,
    account: MemoryAccount,
    /// What was charged for what this request was decoded into.
    charges: Mutex<Vec<MemoryCharge>>,
}

impl Inbound {
    /// Takes a body in the given protocol.
    ///
    /// # Errors
    /// `Invalid` when it is not a JSON object, or model or stream are of the wrong type.
    pub fn parse(
        downstream: &'static dyn Downstream,
        body: Bytes,
        hints: &Hints,
    ) -> Result<Self, Failure> {
        check_depth(&body)?;
        let head = downstream.head(&body, hints)?;
        Ok(Self::new(head, Some((downstream, body)), OnceLock::new()))
    }

    /// Takes a request that was made here, in canonical form.
    pub fn from_chat(mut chat: ChatRequest) -> Self {
        conversation::settle(&mut chat);
        let head = Head { model: chat.model.clone(), stream: chat.stream, form: StreamForm::Sse };
        Self::new(head, None, OnceLock::from(Ok(chat)))
    }

    fn new(
        head: Head,
        origin: Option<(&'static dyn Downstream, Bytes)>,
        chat: OnceLock<Result<ChatRequest, Failure>>,
    ) -> Self {
        let (account, charges) = (MemoryAccount::unlimited(), Mutex::default());
        Self { head, origin, chat, values: OnceLock::new(), account, charges }
    }

    /// Charges what is decoded from now on to an account.
    #[must_use]
    pub fn charged_to(mut self, account: MemoryAccount) -> Self {
        self.account = account;
        self
    }

    /// Returns the account to which this request's memory is charged.
    pub fn account(&self) -> &MemoryAccount {
        &self.account
    }

    /// Holds a charge as long as this request lives.
    pub fn keep(&self, charge: MemoryCharge) {
        if charge.bytes() > 0 {
            self.charges.lock().unwrap_or_else(PoisonError::into_inner).push(charge);
        }
    }

    /// Gives back most of what was charged: the request was sent, and only its decoded form is left of it.
    pub fn was_sent(&self) {
        for charge in self.charges.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            // Giving back cannot fail.
            charge.resize(charge.bytes() / SHARE_LEFT, String::new).ok();
        }
    }

    /// Returns how many JSON values the body has.
    pub fn values(&self) -> u64 {
        *self.values.get_or_init(|| ValueCounter::count(self.body()))
    }

    /// Returns true when translating the body takes long enough to be felt by other requests on the same thread.
    pub fn is_heavy(&self) -> bool {
        self.body().len() > HEAVY
    }

    /// Charges what decoding and rebuilding the whole body costs, before it is done.
    ///
    /// # Errors
    /// `TooLarge` or `Unavailable` when there is not so much memory for it.
    pub fn charge_translation(&self) -> Result<MemoryCharge, Failure> {
        let (bytes, values) = (self.body().len(), self.values());
        self.account.charge(translation_cost(bytes, values), || {
            format!("translating a body of {} with {values} JSON values", megabytes(bytes as u64))
        })
    }

    /// Charges what decoding a field of a relayed body costs.
    ///
    /// # Errors
    /// As [`Inbound::charge_translation`].
    pub(crate) fn charge_field(&self, raw: &[u8]) -> Result<(), Failure> {
        // Two bytes are the shortest a value can be, with what sets it apart.
        if raw.len() as u64 / 2 <= FREE_VALUES {
            return Ok(());
        }
        let values = ValueCounter::count(raw);
        if values <= FREE_VALUES {
            return Ok(());
        }
        let charge = self.account.charge(values.saturating_mul(VALUE_COST), || {
            format!("reading a field of {values} JSON values")
        })?;
        self.keep(charge);
        Ok(())
    }

    /// Returns what routing needs to know.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the protocol of the client, or `None` for a request that was made here.
    pub fn protocol(&self) -> Option<ProtocolId> {
        self.origin.as_ref().map(|(downstream, _)| downstream.id())
    }

    /// Returns the client's face, or `None` for a request that was made here.
    pub fn downstream(&self) -> Option<&'static dyn Downstream> {
        self.origin.as_ref().map(|(downstream, _)| *downstream)
    }

    /// Returns the body as it came; empty for a request that was made here.
    pub fn body(&self) -> &[u8] {
        self.origin.as_ref().map_or(&[], |(_, body)| body)
    }

    /// Returns the whole request where it was decoded already.
    pub fn decoded(&self) -> Option<&ChatRequest> {
        self.chat.get()?.as_ref().ok()
    }

    /// Returns the whole request, decoding it at the first call. Results stand behind their calls, and every message says
    /// something.
    ///
    /// # Errors
    /// `Invalid`, naming the field at fault; `TooLarge` or `Unavailable` when there is not enough memory for it.
    pub fn chat(&self) -> Result<&ChatRequest, Failure> {
        let decoded = self.chat.get_or_init(|| match &self.origin {
            Some((downstream, body)) => {
                let charge = self.charge_translation()?;
                self.keep(charge);
                let mut chat = downstream.decode(body, &self.head)?;
                conversation::settle(&mut chat);
                Ok(chat)
            }
            None => {
                Err(Failure::bug("a request without a body was made without its canonical form"))
            }
        });
        decoded.as_ref().map_err(Clone::clone)
    }

    /// Returns a request of which only the tokens are counted: it may lack fields that a request for an answer must have.
    ///
    /// # Errors
    /// As [`Inbound::chat`].
    pub fn counted_chat(&self) -> Result<Cow<'_, ChatRequest>, Failure> {
        let Some((downstream, body)) = &self.origin else { return self.chat().map(Cow::Borrowed) };
        self.keep(self.charge_translation()?);
        let mut chat = downstream.decode_count_request(body, &self.head)?;
        conversation::settle(&mut chat);
        Ok(Cow::Owned(chat))
    }

    /// Returns the failure of a request whose messages say nothing.
    pub(crate) fn says_nothing(&self) -> Failure {
        let field = match self.protocol() {
            Some(OPENAI_RESPONSES) => "input",
            Some(GEMINI_GENERATE) => "contents",
            _ => "messages",
        };
        let text = format!("{field}: expected at least one message that says something, got none");
        Failure::invalid(text).with_param(field)
    }

    /// Returns the body with the given top-level fields set and the target's options added where the body lacks them.
    ///
    /// # Errors
    /// `Invalid` when the body is not a JSON object.
    pub fn patched(&self, target: &Target, edits: Vec<(&str, Value)>) -> Result<CallBody, Failure> {
        self.patched_without(target, edits, &[])
    }

    /// Does the same and takes the named top-level fields out.
    ///
    /// # Errors
    /// `Invalid` when the body is not a JSON object.
    pub fn patched_without(
        &self,
        target: &Target,
        edits: Vec<(&str, Value)>,
        removed: &[&str],
    ) -> Result<CallBody, Failure> {
        let Some((_, body)) = &self.origin else {
            return Err(Failure::bug("a request without a body cannot be relayed"));
        };
        let names: Vec<&str> = edits
            .iter()
            .map(|(name, _)| *name)
            .chain(target.options.keys().map(String::as_str))
            .chain(removed.iter().copied())
            .collect();
        let spans = Spans::find(body, &names)?;
        let mut edits = edits;
        for (name, option) in &target.options {
            if edits.iter().any(|(edited, _)| edited == name) || removed.contains(&name.as_str()) {
                continue;
            }
            match spans.get(body, name) {
                None => edits.push((name, option.clone())),
                Some(present) => {
                    self.charge_field(present)?;
                    edits.extend(merged(present, option).map(|value| (name.as_str(), value)))
                }
            }
        }
        Ok(spans.edit(body, &edits, removed))
    }
}

/// Merges an option object under an object of the caller; `None` when the caller's value stands as it is.
fn merged(present: &[u8], option: &Value) -> Option<Value> {
    let option = option.as_object()?;
    let mut object: Map<String, Value> = crate::json::read(present).ok()?;
    let before = object.clone();
    crate::face::merge_missing(&mut object, option);
    (object != before).then_some(Value::Object(object))
}

impl std::fmt::Debug for Inbound {
    /// Shows the head only: a body is private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_LIMIT, check_depth};

    #[test]
    fn depth_is_counted_outside_of_texts() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check_depth(nested(DEPTH_LIMIT).as_bytes()).is_ok());
        assert!(check_depth(nested(DEPTH_LIMIT + 1).as_bytes()).is_err());
        let side_by_side = format!("[{}1]", "[1],".repeat(1000));
        assert!(check_depth(side_by_side.as_bytes()).is_ok());
        let text = format!(r#"{{"a":"\"{}\\","b":[1]}}"#, "[".repeat(1000));
        assert!(check_depth(text.as_bytes()).is_ok());
        assert!(
            serde_json::from_slice::<serde_json::Value>(nested(DEPTH_LIMIT).as_bytes()).is_ok()
        );
    }
}
