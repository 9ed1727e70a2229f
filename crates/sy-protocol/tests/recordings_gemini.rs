//! Recorded traffic of the Gemini API and of Vertex, and of embedding endpoints: everything decodes, and nothing is lost on the
//! way through the canonical form and back. Skips, with a word, where the recordings are absent.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};
use sy_protocol::embeddings::{self, EmbedWire, Encoding};
use sy_protocol::registry::{GEMINI_GENERATE, downstream, upstream};
use sy_protocol::{
    Downstream, FrameReader, Framing, Hints, Inbound, Outgoing, ReplyInfo, Upstream,
    json as wire_json,
};
use sy_types::chat::{
    Change, ChatRequest, ChatResponse, FinishReason, Fold, Media, Part, Role, StreamEvent,
    ToolKind, Usage,
};
use sy_types::target::SchemaRules;
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, ModelInfo, Target, Timeouts};

struct Record {
    id: String,
    path: String,
    request: Option<String>,
    status: Option<u16>,
    body: String,
    is_stream: bool,
}

fn records(name: &str) -> Option<Vec<Record>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/recordings").join(name);
    let Ok(file) = std::fs::File::open(&path) else {
        println!("SKIPPED: no recordings at {}", path.display());
        return None;
    };
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text.lines().map(record).collect())
}

fn record(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let response = text("response").unwrap_or_default();
    let events = match value.get("events") {
        Some(Value::String(lines)) => lines.lines().map(str::to_owned).collect(),
        Some(Value::Array(lines)) => {
            lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let framed: String = events
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("data: {line}\n\n"))
        .collect();
    let is_stream = !framed.is_empty() || response.trim_start().starts_with("data:");
    Record {
        id: text("id").unwrap_or_default(),
        path: text("path").unwrap_or_default(),
        request: text("request"),
        status: value.get("status").and_then(Value::as_u64).map(|status| status as u16),
        body: if framed.is_empty() { response } else { framed },
        is_stream,
    }
}

impl Record {
    fn is_ok(&self) -> bool {
        self.status.unwrap_or(if self.body.contains("\"error\"") { 429 } else { 200 }) == 200
    }
}

fn up() -> &'static dyn Upstream {
    upstream(GEMINI_GENERATE).unwrap()
}

fn down() -> &'static dyn Downstream {
    downstream(GEMINI_GENERATE).unwrap()
}

fn target(model: &str, schema_rules: SchemaRules) -> Target {
    Target {
        provider: Arc::from("google"),
        model: Arc::from(model),
        upstream_model: Arc::from(model),
        protocol: GEMINI_GENERATE,
        base_url: "https://api.test/v1beta".parse().unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect { schema_rules, ..Dialect::default() },
        headers: Vec::new(),
        options: Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

fn inbound(body: &str, stream: bool, sse: bool) -> Inbound {
    let hints = Hints { model: Some("gemini-x".to_owned()), stream, sse };
    Inbound::parse(down(), Bytes::from(body.to_owned()), &hints).unwrap()
}

fn decode(request: &str) -> Result<ChatRequest, Failure> {
    inbound(request, false, true).chat().cloned()
}

/// Cuts a stream into pieces of the given sizes (cycled) and decodes it.
fn events_of(stream: &str, sizes: &[usize], is_relay: bool) -> Result<Vec<StreamEvent>, Failure> {
    let mut reader = FrameReader::new(Framing::Sse, 16 << 20);
    let mut decoder = if is_relay { up().relay_decoder() } else { up().stream_decoder() };
    let mut events = Vec::new();
    let mut rest = stream.as_bytes();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        rest = more;
        for frame in &reader.push(&Bytes::copy_from_slice(chunk))?.frames {
            decoder.decode(frame, &mut events)?;
        }
    }
    for frame in &reader.finish().frames {
        decoder.decode(frame, &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

fn fold(events: &[StreamEvent]) -> Result<ChatResponse, Failure> {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    assert!(fold.is_finished());
    fold.into_response()
}

/// What must survive of an answer.
#[derive(Debug, PartialEq)]
struct Said {
    text: String,
    reasoning: String,
    proofs: Vec<String>,
    calls: Vec<(String, String, String)>,
    opaque: Vec<Value>,
    sources: Vec<String>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

fn said(response: &ChatResponse) -> Said {
    let mut said = Said {
        text: String::new(),
        reasoning: String::new(),
        proofs: Vec::new(),
        calls: Vec::new(),
        opaque: Vec::new(),
        sources: Vec::new(),
        finish: response.finish.clone(),
        usage: response.usage,
    };
    for part in &response.parts {
        let proof = match part {
            Part::Text(text) => {
                said.text.push_str(&text.text);
                said.sources.extend(text.citations.iter().map(|source| format!("{source:?}")));
                &text.signature
            }
            Part::Reasoning(reasoning) => {
                said.reasoning.push_str(&reasoning.text);
                &reasoning.signature
            }
            Part::ToolCall(call) => {
                said.calls.push((call.id.clone(), call.name.clone(), call.arguments.clone()));
                &call.signature
            }
            Part::Opaque(opaque) => {
                said.opaque.push(opaque.value.clone());
                &None
            }
            other => panic!("unexpected {other:?}"),
        };
        said.proofs.extend(proof.as_ref().map(|proof| proof.value.clone()));
    }
    said
}

/// What must survive of a request.
fn asked(chat: &ChatRequest) -> Value {
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for message in &chat.messages {
        for part in &message.parts {
            let shown = match part {
                Part::Text(text) if text.text.is_empty() => continue,
                Part::Text(text) => json!({ "text": text.text }),
                Part::Media(media) => shown_media(media),
                Part::Reasoning(_) => continue,
                Part::ToolCall(call) => {
                    json!({ "call": call.id, "name": call.name, "arguments": call.arguments })
                }
                Part::ToolResult(result) => json!({
                    "result": result.call_id, "name": result.name, "text": result.joined_text(), "error": result.is_error,
                    "media": result.parts.iter().filter_map(|part| if let Part::Media(media) = part { Some(shown_media(media)) } else { None }).collect::<Vec<_>>(),
                }),
                Part::Opaque(opaque) => json!({ "opaque": opaque.value }),
                Part::Refusal(text) => json!({ "refusal": text }),
            };
            let role = format!("{:?}", message.role);
            match turns.last_mut() {
                Some((last, parts)) if *last == role => parts.push(shown),
                _ => turns.push((role, vec![shown])),
            }
        }
    }
    let tools = chat.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function { parameters, .. } => {
            json!({ "name": tool.name, "description": tool.description, "parameters": parameters })
        }
        other => json!({ "name": tool.name, "kind": format!("{other:?}") }),
    });
    json!({
        "turns": turns.into_iter().map(|(role, parts)| json!({ "role": role, "parts": parts })).collect::<Vec<_>>(),
        "tools": tools.collect::<Vec<_>>(),
        "rest": format!("{:?} {:?} {:?} {:?} {:?}", chat.tool_choice, chat.output, chat.sampling, chat.max_output_tokens, chat.stop),
    })
}

fn shown_media(media: &Media) -> Value {
    json!({ "media": format!("{:?} {:?}", media.kind, media.source), "mime": media.mime })
}

#[test]
fn every_request_decodes_and_survives_the_way_to_the_provider() {
    let Some(records) = records("gemini-generate.jsonl.gz") else { return };
    let (mut read, mut reported) = (0, BTreeMap::new());
    for record in &records {
        let Some(request) = &record.request else { continue };
        read += 1;
        let chat = decode(request).unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        for dropped in &chat.unmapped {
            *reported.entry(dropped.field.clone()).or_insert(0) += 1;
        }
        // Where the user says nothing, the instructions are sent as the user's: that is another conversation.
        if chat.unmapped.iter().any(|dropped| dropped.change == Change::Needless) {
            continue;
        }
        assert!(chat.messages.iter().any(|message| message.role == Role::User), "{}", record.id);
        let model = record
            .path
            .rsplit_once("models/")
            .map_or("gemini-3-x", |(_, rest)| rest.split(':').next().unwrap());
        let built = up().build(&chat, &target(model, SchemaRules::Any), false).unwrap();
        let again = decode(&String::from_utf8(wire_json::write(&built.body)).unwrap()).unwrap();
        if built.dropped.iter().all(|dropped| dropped.field.ends_with("(reasoning)")) {
            assert_eq!(asked(&again), asked(&chat), "{}", record.id);
        } else {
            let fields: Vec<&str> =
                built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
            println!("{}: dropped {fields:?}", record.id);
        }
        let narrow = up().build(&chat, &target(model, SchemaRules::Gemini), false).unwrap();
        decode(&String::from_utf8(wire_json::write(&narrow.body)).unwrap()).unwrap();
        let relayed = relayed(request);
        assert_eq!(relayed, request.as_bytes(), "{}", record.id);
    }
    println!("{read} requests; not carried: {reported:?}");
    assert!(read > 400);
}

fn relayed(request: &str) -> Vec<u8> {
    let (target, inbound) = (target("gemini-y", SchemaRules::Any), inbound(request, false, true));
    let outgoing = Outgoing { target: &target, inbound: &inbound, stream: false };
    up().relay(&outgoing).unwrap().concat()
}

#[test]
fn every_whole_answer_decodes_and_survives_the_way_to_the_client() {
    let Some(records) = records("gemini-generate.jsonl.gz") else { return };
    let mut read = 0;
    for record in records.iter().filter(|record| record.is_ok() && !record.is_stream) {
        read += 1;
        let response = up()
            .decode_response(record.body.as_bytes())
            .unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        assert!(response.finish.is_some() && response.usage.is_some(), "{}", record.id);
        check_faces(&record.id, &response);
    }
    println!("{read} whole answers");
    assert!(read > 300);
}

/// Writes an answer whole and streamed, in both stream forms, and reads it back.
fn check_faces(id: &str, response: &ChatResponse) {
    let expected = said(response);
    let request = inbound("{}", true, true);
    let info = ReplyInfo { inbound: &request, request_id: "req_1", now: 0 };
    let whole = down().encode_response(&info, response);
    assert_eq!(said(&up().decode_response(&whole).unwrap()), expected, "{id}");
    let stream = streamed(response, &request);
    let read =
        fold(&events_of(std::str::from_utf8(&stream).unwrap(), &[usize::MAX], false).unwrap())
            .unwrap();
    assert_eq!(said(&read), expected, "{id}");
    let array = streamed(response, &inbound("{}", true, false));
    assert!(serde_json::from_slice::<Vec<Value>>(&array).is_ok(), "{id}");
    assert_eq!(said(&up().decode_response(&array).unwrap()), expected, "{id}");
}

fn streamed(response: &ChatResponse, request: &Inbound) -> BytesMut {
    let info = ReplyInfo { inbound: request, request_id: "req_1", now: 0 };
    let mut encoder = down().stream_encoder(&info);
    let mut out = BytesMut::new();
    response.to_events().iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

#[test]
fn every_stream_decodes_however_it_is_cut() {
    let Some(records) = records("gemini-generate.jsonl.gz") else { return };
    let mut read = 0;
    for record in records.iter().filter(|record| record.is_ok() && record.is_stream) {
        read += 1;
        let whole = events_of(&record.body, &[usize::MAX], false)
            .unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        check_grammar(&record.id, &whole);
        for sizes in [vec![1], vec![3, 17, 1], vec![1009, 2, 64]] {
            assert_eq!(events_of(&record.body, &sizes, false).unwrap(), whole, "{}", record.id);
        }
        let response = fold(&whole).unwrap();
        check_faces(&record.id, &response);
        let relay = fold(&events_of(&record.body, &[usize::MAX], true).unwrap()).unwrap();
        assert_eq!(
            (relay.finish, relay.usage, relay.id),
            (response.finish, response.usage, response.id),
            "{}",
            record.id
        );
    }
    println!("{read} streams");
    assert!(read > 70);
}

fn check_grammar(id: &str, events: &[StreamEvent]) {
    assert!(matches!(events.first(), Some(StreamEvent::Start { .. })), "{id}");
    assert!(matches!(events.last(), Some(StreamEvent::Finish { .. })), "{id}");
    let mut open = Vec::new();
    let mut begun = 0;
    for event in events {
        match event {
            StreamEvent::BlockStart { index, .. } => {
                assert_eq!(*index, begun, "{id}");
                begun += 1;
                open.push(*index);
            }
            StreamEvent::Delta { index, .. } => assert!(open.contains(index), "{id}"),
            StreamEvent::BlockStop { index } => open.retain(|known| known != index),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{id}");
}

#[test]
fn a_stream_that_breaks_off_does_not_finish() {
    let Some(records) = records("gemini-generate.jsonl.gz") else { return };
    for record in records.iter().filter(|record| record.is_ok() && record.is_stream) {
        let first = record.body.find("\"finishReason\"").unwrap();
        let cut = record.body.get(..first).unwrap().rfind("data:").unwrap();
        let events = events_of(record.body.get(..cut).unwrap(), &[usize::MAX], false).unwrap();
        assert!(
            !events.iter().any(|event| matches!(event, StreamEvent::Finish { .. })),
            "{}",
            record.id
        );
        let broken = record.body.get(..first).unwrap();
        assert!(events_of(broken, &[usize::MAX], false).is_err(), "{}", record.id);
        assert!(events_of(broken, &[usize::MAX], true).is_err(), "{}", record.id);
    }
}

#[test]
fn every_error_has_its_kind() {
    let Some(records) = records("gemini-generate.jsonl.gz") else { return };
    let mut read = 0;
    for record in records.iter().filter(|record| !record.is_ok()) {
        read += 1;
        let failure = up().decode_failure(record.status.unwrap_or(429), record.body.as_bytes());
        let expected = match record.status {
            Some(404) => ErrorKind::NotFound,
            Some(_) if record.body.contains("API_KEY_INVALID") => ErrorKind::Unauthenticated,
            Some(_) => ErrorKind::Invalid,
            None => ErrorKind::RateLimited,
        };
        assert_eq!(failure.kind, expected, "{}", record.id);
        assert_eq!(
            failure.retry_after.is_some(),
            record.body.contains("retryDelay"),
            "{}",
            record.id
        );
        let written = down().encode_failure(&failure, 400, "req_1");
        let again = up().decode_failure(0, &written);
        assert_eq!(again.message, failure.message);
    }
    println!("{read} errors");
    assert!(read > 5);
}

#[test]
fn every_embedding_decodes_and_survives_both_encodings() {
    let Some(records) = records("openai-embeddings.jsonl.gz") else { return };
    let mut read = 0;
    for record in &records {
        let mut request = embeddings::decode_request(
            EmbedWire::OpenAi,
            record.request.as_ref().unwrap().as_bytes(),
            None,
        )
        .unwrap();
        if record.status != Some(200) {
            let failure = embeddings::decode_response(EmbedWire::OpenAi, record.body.as_bytes());
            assert!(failure.is_err(), "{}", record.id);
            continue;
        }
        read += 1;
        let response = embeddings::decode_response(EmbedWire::OpenAi, record.body.as_bytes())
            .unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        assert_eq!(response.vectors.len(), request.inputs.len(), "{}", record.id);
        assert!(
            response.usage.is_some() && response.vectors.iter().all(|vector| vector.len() >= 32),
            "{}",
            record.id
        );
        for encoding in [Encoding::Float, Encoding::Base64] {
            request.encoding = encoding;
            let written = embeddings::encode_response(EmbedWire::OpenAi, &request, &response);
            assert_eq!(
                embeddings::decode_response(EmbedWire::OpenAi, &written).unwrap(),
                response,
                "{}",
                record.id
            );
        }
        let written = embeddings::encode_response(EmbedWire::GeminiBatch, &request, &response);
        let again = embeddings::decode_response(EmbedWire::GeminiBatch, &written).unwrap();
        assert_eq!(
            (again.vectors, again.usage),
            (response.vectors, response.usage),
            "{}",
            record.id
        );
    }
    println!("{read} embeddings of {}", records.len());
    assert!(read > 25);
}
