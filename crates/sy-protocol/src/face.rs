//! The two faces that a protocol may have, and the stream machines behind them.
//!
//! A protocol folder implements one or both; [`crate::registry`] lists it. Everything is bytes in, values out: who sends
//! them, with which credential and how often, is the router's business.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value};
use sy_types::chat::{ChatRequest, ChatResponse, Dropped, StreamEvent};
use sy_types::{CallBody, Failure, HttpCall, ProtocolId, Target};
use url::Url;

use crate::frame::{Frame, Framing};
use crate::inbound::{Head, Inbound};
use crate::think::{self, ThinkDecoder};
use crate::tools::{self, Prepared, ToolAnswers};

/// What the request line says beside the body: Gemini names model and action in the path.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The model in the path, percent-decoded.
    pub model: Option<String>,
    /// True when the path or query asks for a stream.
    pub stream: bool,
    /// True when a stream is wanted as server-sent events (Gemini's `alt=sse`); else it is one JSON array.
    pub sse: bool,
}

/// The form in which a client wants its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamForm {
    /// Server-sent events.
    #[default]
    Sse,
    /// One JSON array whose elements arrive one by one (Gemini without `alt=sse`).
    JsonArray,
}

/// A request on its way to a target.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where it goes.
    pub target: &'a Target,
    /// What the client sent.
    pub inbound: &'a Inbound,
    /// Whether the target is asked to stream.
    pub stream: bool,
}

/// A body made from the canonical request.
#[derive(Clone, Debug)]
pub struct Built {
    /// The body.
    pub body: Map<String, Value>,
    /// What could not be carried. The decoder's own list ([`ChatRequest::unmapped`]) is added by [`encode`].
    pub dropped: Vec<Dropped>,
}

/// A call that is ready to be signed and sent.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The call, without its credential.
    pub call: HttpCall,
    /// True when the client's own body is relayed, so that the answer can be relayed too.
    pub relay: bool,
    /// What could not be carried; for a relay what the dialect had to change ([`Upstream::relay_dropped`]).
    pub dropped: Vec<Dropped>,
    /// The way back for the tools that an answer calls. A relayed answer goes past it.
    pub tools: ToolAnswers,
}

/// We speak it to a provider.
pub trait Upstream: Send + Sync {
    /// Returns the id under which targets name it.
    fn id(&self) -> ProtocolId;

    /// Returns the protocol whose bodies it takes as they are: its own, unless it is a dialect of another.
    fn wire(&self) -> ProtocolId {
        self.id()
    }

    /// Returns how its streams are cut.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Returns the path (with query) that is appended to the base URL.
    fn path(&self, target: &Target, stream: bool) -> String;

    /// Adds headers that the protocol demands (`anthropic-version`).
    fn headers(&self, _headers: &mut HeaderMap) {}

    /// Makes a body from the canonical request. The target's own options are merged in by [`encode`].
    ///
    /// # Errors
    /// When the request holds something without which it would lose its meaning and that cannot be carried.
    fn build(&self, chat: &ChatRequest, target: &Target, stream: bool) -> Result<Built, Failure>;

    /// Patches the client's own body, which is of the protocol [`Upstream::wire`]. Only called for such bodies.
    ///
    /// # Errors
    /// When the body is not a JSON object.
    fn relay(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        let mut edits = vec![("model", Value::from(&*outgoing.target.upstream_model))];
        if outgoing.stream != outgoing.inbound.head().stream {
            edits.push(("stream", Value::Bool(outgoing.stream)));
        }
        outgoing.inbound.patched(outgoing.target, edits)
    }

    /// Returns what [`Upstream::relay`] leaves out or changes because the target cannot take it, for the report.
    ///
    /// # Errors
    /// As [`Upstream::relay`].
    fn relay_dropped(&self, _outgoing: &Outgoing<'_>) -> Result<Vec<Dropped>, Failure> {
        Ok(Vec::new())
    }

    /// Returns true when [`Upstream::relay`] asks for usage though the client did not: the frames for which
    /// [`Upstream::is_usage_only`] holds must then be kept from the client.
    fn adds_usage(&self, _outgoing: &Outgoing<'_>) -> bool {
        false
    }

    /// Returns true for a frame that carries nothing but usage.
    fn is_usage_only(&self, _frame: &Frame) -> bool {
        false
    }

    /// Makes a machine that turns the frames of one stream into events.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;

    /// Makes a machine for a stream that is relayed: it need only tell content, usage, finish and failure, so it may skip
    /// building the texts.
    fn relay_decoder(&self) -> Box<dyn StreamDecoder> {
        self.stream_decoder()
    }

    /// Reads a whole answer of status 200.
    ///
    /// # Errors
    /// `Malformed` when it cannot be read, or the failure that the body reports.
    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure>;

    /// Reads a whole answer of status 200 that is relayed: it need only tell usage and failure, so it may skip building the
    /// texts where the usage is there.
    ///
    /// # Errors
    /// As [`Upstream::decode_response`].
    fn relay_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        self.decode_response(body)
    }

    /// Reads an answer of another status into a failure of the right kind. The wait that headers ask for is added by the router.
    fn decode_failure(&self, status: u16, body: &[u8]) -> Failure;

    /// Returns the path (with query) of the call that lists the provider's models, where the protocol has one. It costs
    /// nothing, so it is also how a key is checked.
    fn models_path(&self) -> Option<&'static str> {
        None
    }

    /// Returns the path of the token-counting call, where the protocol has one.
    fn count_path(&self, _target: &Target) -> Option<String> {
        None
    }

    /// Turns a body that [`Upstream::build`] made into one that the token-counting call accepts.
    fn count_body(&self, body: Map<String, Value>, _target: &Target) -> Map<String, Value> {
        body
    }

    /// Patches the client's own body of a token-counting call, as [`Upstream::relay`] does for an answer.
    ///
    /// # Errors
    /// As [`Upstream::relay`].
    fn relay_count(&self, outgoing: &Outgoing<'_>) -> Result<CallBody, Failure> {
        self.relay(outgoing)
    }

    /// Reads the answer of the token-counting call.
    fn decode_count(&self, _body: &[u8]) -> Option<u64> {
        None
    }
}

/// What an encoder needs to know beside the events.
#[derive(Clone, Copy, Debug)]
pub struct ReplyInfo<'a> {
    /// What the client sent: some answers repeat parts of it.
    pub inbound: &'a Inbound,
    /// The request id, from which ids are made where the provider sent none.
    pub request_id: &'a str,
    /// Now, in unix seconds.
    pub now: i64,
}

/// A client speaks it to us.
pub trait Downstream: Send + Sync {
    /// Returns the id.
    fn id(&self) -> ProtocolId;

    /// Looks into a body just far enough to route it; the whole body is checked to be JSON.
    ///
    /// # Errors
    /// `Invalid` when the body is not a JSON object, or model or stream are of the wrong type. A model that is not named is
    /// allowed and stays empty, except where it stands in the path.
    fn head(&self, body: &Bytes, hints: &Hints) -> Result<Head, Failure>;

    /// Reads the whole request. Fields that the canonical form has no place for are listed in [`ChatRequest::unmapped`].
    ///
    /// # Errors
    /// `Invalid`, naming the field, what was expected and what came.
    fn decode(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure>;

    /// Reads the body of a token-counting request, which may lack fields that a request for an answer must have.
    ///
    /// # Errors
    /// `Invalid`, naming the field, what was expected and what came.
    fn decode_count_request(&self, body: &[u8], head: &Head) -> Result<ChatRequest, Failure> {
        self.decode(body, head)
    }

    /// Writes a whole answer.
    fn encode_response(&self, info: &ReplyInfo<'_>, response: &ChatResponse) -> Bytes;

    /// Makes a machine that turns events into the bytes of one stream.
    fn stream_encoder(&self, info: &ReplyInfo<'_>) -> Box<dyn StreamEncoder>;

    /// Writes a failure as the body of an answer with the given status.
    fn encode_failure(&self, failure: &Failure, status: u16, request_id: &str) -> Bytes;

    /// Returns the status that clients of this protocol expect when the provider is overloaded.
    fn overloaded_status(&self) -> u16 {
        503
    }

    /// Writes the answer to a token-counting request.
    fn encode_count(&self, tokens: u64) -> Bytes;
}

/// Turns the frames of one stream into events. See [`StreamEvent`] for the grammar it must keep: `Usage` comes before `Finish`.
pub trait StreamDecoder: Send {
    /// Takes one frame in and appends its events. After an event `Finish` or `Failed` it is not called again.
    ///
    /// # Errors
    /// `Malformed` when the frame cannot be read; the stream ends there.
    fn decode(&mut self, frame: &Frame, events: &mut Vec<StreamEvent>) -> Result<(), Failure>;

    /// The stream ended. Appends what was held back, `Finish` included, if the answer was complete; appends no `Finish` if it broke off.
    fn finish(&mut self, events: &mut Vec<StreamEvent>);
}

/// Turns events into the bytes of one stream.
pub trait StreamEncoder: Send {
    /// Takes one event in and appends its bytes. `Finish` writes everything that closes the stream.
    fn encode(&mut self, event: &StreamEvent, out: &mut BytesMut);

    /// Returns true for a protocol whose closing event repeats the whole answer, so that its texts are kept until then.
    fn repeats_answer(&self) -> bool {
        false
    }

    /// Ends the stream with the protocol's own error event. May be the first call: a relayed stream that breaks has
    /// passed this machine by.
    fn fail(&mut self, failure: &Failure, out: &mut BytesMut);
}

/// Makes the call for a request: the patched body where the client speaks the target's language, else one built from
/// the canonical form.
///
/// # Errors
/// `Invalid` when the client's request cannot be read; `Internal` when the target's URL cannot be joined.
pub fn encode(upstream: &dyn Upstream, outgoing: &Outgoing<'_>) -> Result<Encoded, Failure> {
    let target = outgoing.target;
    let relay = outgoing.inbound.protocol() == Some(upstream.wire());
    let (body, dropped, tools) = if relay {
        let (body, dropped) = (upstream.relay(outgoing)?, upstream.relay_dropped(outgoing)?);
        (body, dropped, ToolAnswers::default())
    } else {
        let chat = outgoing.inbound.chat()?;
        if chat.messages.is_empty() {
            return Err(outgoing.inbound.says_nothing());
        }
        let (built, tools) = build(upstream, chat, target, outgoing.stream)?;
        let Built { mut body, dropped } = built;
        merge_missing(&mut body, &target.options);
        let dropped = chat.unmapped.iter().cloned().chain(dropped).collect();
        (CallBody::from(Bytes::from(crate::json::write(&body))), dropped, tools)
    };
    let url = join(&target.base_url, &upstream.path(target, outgoing.stream))?;
    Ok(Encoded {
        call: HttpCall { method: Method::POST, url, headers: call_headers(upstream, target), body },
        relay,
        dropped,
        tools,
    })
}

/// Makes a body from the canonical request, whose tools are first brought into a form that the target takes.
///
/// # Errors
/// As [`Upstream::build`].
pub fn build(
    upstream: &dyn Upstream,
    chat: &ChatRequest,
    target: &Target,
    stream: bool,
) -> Result<(Built, ToolAnswers), Failure> {
    let Prepared { chat, answers, mut dropped } = tools::prepare(chat, upstream.wire(), target);
    let mut built = upstream.build(&chat, target, stream)?;
    dropped.append(&mut built.dropped);
    Ok((Built { dropped, ..built }, answers))
}

/// Makes a machine for a stream of a target that is translated.
pub fn stream_decoder(upstream: &dyn Upstream, target: &Target) -> Box<dyn StreamDecoder> {
    let decoder = upstream.stream_decoder();
    match target.dialect.think_tags {
        true => Box::new(ThinkDecoder::new(decoder)),
        false => decoder,
    }
}

/// Reads a whole answer of a target that is translated.
///
/// # Errors
/// As [`Upstream::decode_response`].
pub fn decode_response(
    upstream: &dyn Upstream,
    target: &Target,
    body: &[u8],
) -> Result<ChatResponse, Failure> {
    let mut response = upstream.decode_response(body)?;
    if target.dialect.think_tags {
        think::split(&mut response);
    }
    Ok(response)
}

/// Makes the headers of a JSON call to a target; the target's own override the protocol's.
pub fn call_headers(upstream: &dyn Upstream, target: &Target) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    upstream.headers(&mut headers);
    for (name, value) in &target.headers {
        headers.insert(name, value.clone());
    }
    headers
}

/// Appends a path (with query) to a base URL, keeping the base path and the base query as they are.
///
/// # Errors
/// `Internal` when the result is no URL.
pub fn join(base: &Url, path: &str) -> Result<Url, Failure> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    let query = match (base.query(), query) {
        (Some(first), Some(second)) => Some(format!("{first}&{second}")),
        (first, second) => first.or(second).map(str::to_owned),
    };
    url.set_query(query.as_deref());
    if url.cannot_be_a_base() {
        return Err(Failure::bug(format!("the base URL {base} cannot take a path")));
    }
    Ok(url)
}

/// Adds the fields of `extra` that `body` lacks, going into objects that both have, unless their `type`s differ: `thinking` of the
/// type `disabled` has no place for the budget of one that is `enabled`.
pub fn merge_missing(body: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (key, value) in extra {
        match (body.get_mut(key), value) {
            (None, _) => {
                body.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(inner)), Value::Object(more)) if have_one_type(inner, more) => {
                merge_missing(inner, more)
            }
            (Some(_), _) => {}
        }
    }
}

fn have_one_type(first: &Map<String, Value>, second: &Map<String, Value>) -> bool {
    match (first.get("type"), second.get("type")) {
        (Some(first), Some(second)) => first == second,
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use url::Url;

    use super::{join, merge_missing};

    #[test]
    fn joining_keeps_the_base_path_and_query() {
        let check = |base: &str, path: &str, expected: &str| {
            assert_eq!(join(&Url::parse(base).unwrap(), path).unwrap().as_str(), expected);
        };
        check(
            "https://a.test/api/v1/claude-code-proxy",
            "/messages",
            "https://a.test/api/v1/claude-code-proxy/messages",
        );
        check("https://a.test", "/chat/completions", "https://a.test/chat/completions");
        check(
            "https://a.test/v1/?api-version=2",
            "/x?alt=sse",
            "https://a.test/v1/x?api-version=2&alt=sse",
        );
        check("https://a.test/v1", "/models/a%2Fb:go", "https://a.test/v1/models/a%2Fb:go");
    }

    #[test]
    fn the_callers_fields_win_over_options() {
        let (Value::Object(mut body), Value::Object(extra)) =
            (json!({"a": 1, "o": {"x": 1}}), json!({"a": 2, "o": {"x": 2, "y": 3}, "b": 4}))
        else {
            panic!("objects")
        };
        merge_missing(&mut body, &extra);
        assert_eq!(Value::Object(body), json!({"a": 1, "o": {"x": 1, "y": 3}, "b": 4}));
    }

    #[test]
    fn objects_of_different_types_are_not_mixed() {
        let (Value::Object(mut body), Value::Object(extra)) = (
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ) else {
            panic!("objects")
        };
        merge_missing(&mut body, &extra);
        assert_eq!(Value::Object(body), json!({"thinking": {"type": "disabled"}}));
    }
}
