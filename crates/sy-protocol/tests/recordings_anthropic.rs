//! The recorded Anthropic traffic goes through both faces and comes out as it went in.
//!
//! The recordings lie beside the repository and not in it; where they are absent, the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is not as expected"
)]
#![expect(clippy::print_stdout, reason = "a test says what it read or skipped")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_protocol::registry::ANTHROPIC_MESSAGES;
use sy_protocol::{
    Downstream, FrameReader, Framing, Hints, Inbound, ReplyInfo, StreamDecoder, Upstream,
};
use sy_types::chat::{
    ChatRequest, ChatResponse, FinishReason, Fold, Part, Role, Source, StreamEvent, ToolChoice,
    ToolKind,
};
use sy_types::{AuthScheme, Dialect, ErrorKind, ModelInfo, Target, Timeouts};
use url::Url;

const FILE: &str = "../../../shared/data/recordings/anthropic-messages.jsonl.gz";

/// Streams that are not valid for the protocol, and why.
const BROKEN: [(&str, &str); 1] = [(
    "spliced-message-start.chunks.txt",
    "a second message begins inside an unfinished tool call of the first",
)];

struct Recording {
    id: String,
    request: Option<String>,
    status: u16,
    /// The answer: JSON or a stream.
    body: String,
    is_stream: bool,
}

fn recordings() -> Vec<Recording> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: there are no recordings at {}", path.display());
        return Vec::new();
    };
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let recordings: Vec<Recording> = lines.map(|line| recording(&line.unwrap())).collect();
    assert!(recordings.len() > 400, "the file of recordings is cut short");
    recordings
}

fn recording(line: &str) -> Recording {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let payloads = match &value["events"] {
        Value::Array(list) => list.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
        Value::String(text) => text.lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let events: String = payloads
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| format!("data: {line}\n\n"))
        .collect();
    let body = text("response").filter(|body| !body.is_empty()).unwrap_or(events);
    let is_stream = body.starts_with("event:") || body.starts_with("data:");
    let status = u16::try_from(value["status"].as_u64().unwrap_or(200)).unwrap();
    Recording { id: text("id").unwrap(), request: text("request"), status, body, is_stream }
}

fn upstream() -> &'static dyn Upstream {
    sy_protocol::upstream(ANTHROPIC_MESSAGES).unwrap()
}

fn downstream() -> &'static dyn Downstream {
    sy_protocol::downstream(ANTHROPIC_MESSAGES).unwrap()
}

fn target(model: &str) -> Target {
    Target {
        provider: Arc::from("anthropic"),
        model: Arc::from(model),
        upstream_model: Arc::from(model),
        protocol: ANTHROPIC_MESSAGES,
        base_url: Url::parse("https://api.test/v1").unwrap(),
        auth: AuthScheme::Header("x-api-key"),
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

fn parse(body: &str) -> Inbound {
    Inbound::parse(downstream(), Bytes::copy_from_slice(body.as_bytes()), &Hints::default())
        .unwrap()
}

fn info(inbound: &Inbound) -> ReplyInfo<'_> {
    ReplyInfo { inbound, request_id: "req_1", now: 0 }
}

/// Reads a stream in chunks of the sizes that `size` gives.
fn events_of(
    stream: &[u8],
    mut decoder: Box<dyn StreamDecoder>,
    mut size: impl FnMut() -> usize,
) -> Vec<StreamEvent> {
    let mut reader = FrameReader::new(Framing::Sse, 16 << 20);
    let mut events = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at(size().clamp(1, rest.len()));
        rest = more;
        for frame in reader.push(&Bytes::copy_from_slice(chunk)).unwrap().frames {
            decoder.decode(&frame, &mut events).unwrap();
        }
    }
    for frame in reader.finish().frames {
        decoder.decode(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    events
}

fn streams() -> Vec<Recording> {
    let streams = recordings().into_iter().filter(|recording| recording.is_stream);
    streams.filter(|recording| !BROKEN.iter().any(|(id, _)| recording.id.ends_with(id))).collect()
}

fn fold(events: &[StreamEvent]) -> Fold {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    fold
}

/// What must survive: content, finish and usage. Arguments count as JSON; parts that hold nothing do not count.
fn projection(response: &ChatResponse) -> Value {
    let part = |part: &Part| match part {
        Part::Text(text) if text.text.is_empty() && text.citations.is_empty() => None,
        Part::Text(text) => Some(json!(["text", text.text, format!("{:?}", text.citations)])),
        Part::Reasoning(r) if r.text.is_empty() && r.signature.is_none() => None,
        Part::Reasoning(r) => {
            Some(json!(["reasoning", r.text, format!("{:?}", r.signature), r.redacted]))
        }
        Part::ToolCall(call) => {
            let arguments = serde_json::from_str::<Value>(&call.arguments)
                .unwrap_or(Value::from(&*call.arguments));
            Some(json!(["call", call.id, call.name, arguments]))
        }
        Part::Opaque(opaque) => Some(json!(["opaque", opaque.kind, opaque.value])),
        // The explanation of a refusal, which is a text where it is written.
        Part::Refusal(text) => Some(json!(["text", text, "[]"])),
        Part::Media(_) | Part::ToolResult(_) => Some(json!("never made")),
    };
    let finish = response.finish.as_ref().map(|finish| match finish {
        FinishReason::Other(_) => FinishReason::Stop,
        other => other.clone(),
    });
    json!({
        "parts": response.parts.iter().filter_map(part).collect::<Vec<_>>(), "id": response.id, "model": response.model,
        "finish": format!("{finish:?}"), "stop_sequence": response.stop_sequence, "usage": format!("{:?}", response.usage),
    })
}

/// Writes an answer whole and as a stream, reads both back and compares.
fn check_identity(id: &str, response: &ChatResponse) {
    let inbound = parse(r#"{"model":"m","max_tokens":1,"messages":[]}"#);
    let whole = downstream().encode_response(&info(&inbound), response);
    let again = upstream().decode_response(&whole).unwrap();
    assert_eq!(projection(&again), projection(response), "{id} whole");
    let mut encoder = downstream().stream_encoder(&info(&inbound));
    let mut out = BytesMut::new();
    response.to_events().iter().for_each(|event| encoder.encode(event, &mut out));
    let events = events_of(&out, upstream().stream_decoder(), || usize::MAX);
    let streamed = fold(&events).into_response().unwrap();
    assert_eq!(projection(&streamed), projection(response), "{id} streamed");
}

#[test]
fn every_request_is_read() {
    let mut count = 0;
    for recording in recordings() {
        let Some(request) = &recording.request else { continue };
        let inbound = parse(request);
        match inbound.chat() {
            Ok(_) => count += 1,
            // What the service refused, we may refuse too, in the same way.
            Err(failure) => assert_eq!(
                (recording.status, failure.kind),
                (400, ErrorKind::Invalid),
                "{}",
                recording.id
            ),
        }
    }
    println!("{count} requests");
}

/// What a request must keep on its way through canonical form: one line for each thing said, in this protocol's order.
fn conversation(chat: &ChatRequest) -> Value {
    let mut lines: Vec<Value> = Vec::new();
    let is_system = |role| matches!(role, Role::System | Role::Developer);
    let (system, turns): (Vec<_>, Vec<_>) =
        chat.messages.iter().partition(|message| is_system(message.role));
    for message in system.into_iter().chain(turns) {
        for part in &message.parts {
            let role = format!("{:?}", message.role);
            lines.extend(line(part).map(|line| json!([role, line])));
        }
    }
    let tools = chat.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function { parameters, strict } => {
            json!([tool.name, tool.description, parameters, strict, tool.cache])
        }
        ToolKind::Custom { .. } => json!("never made"),
        ToolKind::Server { declaration, .. } => declaration.clone(),
    });
    let choice = chat.tool_choice.as_ref().filter(|_| !chat.tools.is_empty());
    json!({
        "lines": lines, "tools": tools.collect::<Vec<_>>(), "choice": format!("{:?}", choice),
        "stop": chat.stop, "user": chat.user, "output": format!("{:?}", chat.output),
    })
}

fn line(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) if text.text.trim().is_empty() => return None,
        Part::Text(text) => json!(["text", text.text, text.cache]),
        Part::Media(media) if matches!(media.source, Source::FileId(_)) => return None,
        Part::Media(media) => {
            json!(["media", format!("{:?} {:?} {:?}", media.kind, media.source, media.name)])
        }
        Part::Reasoning(r) if r.signature.is_none() => return None,
        Part::Reasoning(r) => json!(["reasoning", r.text, format!("{:?}", r.signature)]),
        Part::ToolCall(call) => {
            json!([
                "call",
                call.id,
                call.name,
                serde_json::from_str::<Value>(&call.arguments).unwrap()
            ])
        }
        Part::ToolResult(result) => {
            let parts: Vec<Value> = result.parts.iter().filter_map(line).collect();
            json!(["result", result.call_id, result.name, parts, result.is_error, result.cache])
        }
        // Blocks in the system prompt are reported and left out.
        Part::Opaque(opaque) if opaque.kind == "tool_addition" => return None,
        Part::Opaque(opaque) => json!(["opaque", opaque.value]),
        Part::Refusal(_) => json!("never made"),
    })
}

#[test]
fn every_request_survives_the_way_through_canonical_form() {
    // What the service refused is repaired on the way, so only what it accepted is compared.
    for recording in recordings().iter().filter(|recording| recording.status == 200) {
        let Some(request) = &recording.request else { continue };
        let inbound = parse(request);
        let chat = inbound.chat().unwrap();
        let built = upstream().build(chat, &target(&chat.model), chat.stream).unwrap();
        let again = parse(&serde_json::to_string(&built.body).unwrap());
        let mut expected = chat.clone();
        // Claude does not reason when a tool is forced, and a schema is closed where it was open: both are reported.
        let mut again = again.chat().unwrap().clone();
        if built.dropped.iter().any(|dropped| dropped.field == "output schema") {
            again.output.clone_from(&expected.output);
        }
        if expected.tool_choice == Some(ToolChoice::Auto) && again.tool_choice.is_none() {
            expected.tool_choice = None;
        }
        assert_eq!(
            conversation(&again),
            conversation(&expected),
            "{}: {:?}",
            recording.id,
            built.dropped
        );
    }
}

#[test]
fn every_whole_answer_is_read_and_survives() {
    let mut count = 0;
    for recording in
        recordings().iter().filter(|recording| !recording.is_stream && recording.status == 200)
    {
        let response = upstream().decode_response(recording.body.as_bytes());
        let response = response.unwrap_or_else(|failure| panic!("{}: {failure}", recording.id));
        assert!(response.finish.is_some() && response.usage.is_some(), "{}", recording.id);
        check_identity(&recording.id, &response);
        count += 1;
    }
    println!("{count} whole answers");
}

#[test]
fn every_error_answer_has_its_kind() {
    for recording in recordings().iter().filter(|recording| recording.status != 200) {
        let failure = upstream().decode_failure(recording.status, recording.body.as_bytes());
        let expected = match recording.status {
            400 => ErrorKind::Invalid,
            401 => ErrorKind::Unauthenticated,
            404 => ErrorKind::NotFound,
            other => panic!("{}: a status that is new here: {other}", recording.id),
        };
        assert_eq!(failure.kind, expected, "{}", recording.id);
        assert_eq!(failure.status, Some(recording.status));
    }
}

#[test]
fn every_stream_gives_the_same_events_however_it_is_cut() {
    let (mut count, mut seed) = (0, 0x2545_F491_4F6C_DD1D_u64);
    for recording in streams() {
        let stream = recording.body.as_bytes();
        let whole = events_of(stream, upstream().stream_decoder(), || usize::MAX);
        let finishes =
            whole.iter().filter(|event| matches!(event, StreamEvent::Finish { .. })).count();
        assert!(
            matches!(whole.first(), Some(StreamEvent::Start { .. })) && finishes == 1,
            "{}",
            recording.id
        );
        assert_eq!(
            events_of(stream, upstream().stream_decoder(), || 1),
            whole,
            "{} byte by byte",
            recording.id
        );
        let random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % 97 + 1
        };
        assert_eq!(
            events_of(stream, upstream().stream_decoder(), random),
            whole,
            "{} at random",
            recording.id
        );
        check_identity(&recording.id, &fold(&whole).into_response().unwrap());
        count += 1;
    }
    println!("{count} streams");
}

#[test]
fn a_relayed_stream_tells_the_same_content_usage_and_end() {
    for recording in streams() {
        let told = |decoder| {
            let events = events_of(recording.body.as_bytes(), decoder, || 57);
            let has_content = events.iter().any(StreamEvent::is_content);
            let response = fold(&events).into_response().unwrap();
            (has_content, response.usage, response.finish, response.stop_sequence)
        };
        assert_eq!(
            told(upstream().relay_decoder()),
            told(upstream().stream_decoder()),
            "{}",
            recording.id
        );
    }
}

#[test]
fn every_broken_stream_ends_as_a_failure() {
    for recording in recordings().iter().filter(|recording| recording.is_stream) {
        let Some((_, reason)) = BROKEN.iter().find(|(id, _)| recording.id.ends_with(id)) else {
            continue;
        };
        let mut reader = FrameReader::new(Framing::Sse, 16 << 20);
        let frames =
            reader.push(&Bytes::copy_from_slice(recording.body.as_bytes())).unwrap().frames;
        let (mut decoder, mut events) = (upstream().stream_decoder(), Vec::new());
        let failed = frames.iter().find_map(|frame| decoder.decode(frame, &mut events).err());
        assert_eq!(
            failed.map(|failure| failure.kind),
            Some(ErrorKind::Malformed),
            "{}: {reason}",
            recording.id
        );
    }
}
