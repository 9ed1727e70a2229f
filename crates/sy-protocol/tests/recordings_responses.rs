//! Real traffic of the Responses API through both faces: everything is read, and what is written reads the same.
//!
//! The recordings lie beside the repository (`../shared/data/recordings`); where they are absent the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy takes the helpers of an integration test for shipped code"
)]

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use serde_json::Value;
use sy_protocol::registry::OPENAI_RESPONSES;
use sy_protocol::{
    Downstream, FrameReader, Framing, Hints, Inbound, ReplyInfo, StreamDecoder, Upstream,
    downstream, upstream,
};
use sy_types::chat::{ChatRequest, ChatResponse, FinishReason, Fold, Part, StreamEvent, Usage};
use sy_types::target::Timeouts;
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, ModelInfo, Target};
use url::Url;

/// Four answers stand one after the other in this record: it is a whole session, not one stream. The first is read.
const SESSION: &str = "openai-reasoning-encrypted-content.1.chunks.txt";

/// Deltas were taken out of these by hand to shorten them, so the stream says less than its closing event.
const SHORTENED: [&str; 2] = ["openai-phase.1.chunks.txt", "openai-shell-container.1.chunks.txt"];

struct Record {
    id: String,
    request: Option<String>,
    status: u64,
    body: String,
    is_stream: bool,
}

fn records() -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/recordings/openai-responses.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("SKIPPED: no recordings at {}", path.display());
        return Vec::new();
    };
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| record(&serde_json::from_str(line).unwrap())).collect()
}

fn record(line: &Value) -> Record {
    let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
    let events = match line.get("events") {
        Some(Value::Array(events)) => {
            Some(events.iter().map(|event| event.as_str().unwrap().to_owned()).collect())
        }
        Some(Value::String(events)) => {
            Some(events.lines().map(str::to_owned).collect::<Vec<String>>())
        }
        _ => None,
    };
    let body = match events {
        Some(events) => events.iter().map(|event| format!("data: {event}\n\n")).collect(),
        None => text("response").unwrap_or_default(),
    };
    Record {
        id: text("id").unwrap(),
        request: text("request"),
        status: line.get("status").and_then(Value::as_u64).unwrap_or(200),
        is_stream: ["data:", "event:", ":"].iter().any(|start| body.starts_with(start)),
        body,
    }
}

fn faces() -> (&'static dyn Upstream, &'static dyn Downstream) {
    (upstream(OPENAI_RESPONSES).unwrap(), downstream(OPENAI_RESPONSES).unwrap())
}

fn target() -> Target {
    Target {
        provider: "p".into(),
        model: "m".into(),
        upstream_model: "m".into(),
        protocol: OPENAI_RESPONSES,
        base_url: Url::parse("https://a.test/v1").unwrap(),
        auth: AuthScheme::Bearer,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

fn inbound(body: &str) -> Result<Inbound, Failure> {
    Inbound::parse(faces().1, Bytes::from(body.to_owned()), &Hints::default())
}

/// What must survive: one line a thing said, roles in front, adjacent texts joined.
fn said(chat: &ChatRequest) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for message in &chat.messages {
        for part in &message.parts {
            let line = match part {
                Part::Text(text) => format!("{:?} text {}", message.role, text.text),
                Part::Refusal(text) => format!("refusal {text}"),
                Part::Media(media) => {
                    format!("{:?} media {:?} {:?}", message.role, media.kind, media.source)
                }
                Part::Reasoning(reasoning) if reasoning.signature.is_none() => continue,
                Part::Reasoning(reasoning) => {
                    format!("reasoning {} {:?}", reasoning.text, reasoning.signature)
                }
                Part::ToolCall(call) => {
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    format!("call {} {} {arguments} {}", call.id, call.name, call.custom)
                }
                Part::ToolResult(result) => {
                    format!("result {} {:?} {:?}", result.call_id, result.name, result.parts)
                }
                Part::Opaque(opaque) => format!("{} {}", opaque.kind, opaque.value),
            };
            lines.push(line);
        }
    }
    lines
}

#[test]
fn every_request_is_read_and_reads_the_same_when_built_again() {
    let (mut read, mut refused) = (0, 0);
    for record in records() {
        let Some(body) = &record.request else { continue };
        let inbound = inbound(body).unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        let chat = match inbound.chat() {
            Ok(chat) => chat,
            Err(failure) if failure.kind == ErrorKind::Unsupported => {
                let names = ["previous_response_id", "conversation", "background"];
                assert!(
                    names.contains(&failure.param.as_deref().unwrap()),
                    "{}: {failure}",
                    record.id
                );
                refused += 1;
                continue;
            }
            Err(failure) => panic!("{}: {failure}", record.id),
        };
        let built = faces().0.build(chat, &target(), chat.stream).unwrap();
        let text = String::from_utf8(sy_protocol::json::write(&built.body)).unwrap();
        let again = self::inbound(&text).unwrap();
        let again = again.chat().unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        assert_eq!(said(again), said(chat), "{}", record.id);
        let names = |chat: &ChatRequest| {
            chat.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(again), names(chat), "{}", record.id);
        assert_eq!(again.tool_choice, chat.tool_choice, "{}", record.id);
        assert_eq!(again.reasoning.effort, chat.reasoning.effort, "{}", record.id);
        assert_eq!(again.output, chat.output, "{}", record.id);
        read += 1;
    }
    println!("{read} requests read, {refused} refused because they continue a stored conversation");
}

/// Reads a stream in pieces of the given sizes (cycled).
fn events(
    decoder: &mut dyn StreamDecoder,
    body: &[u8],
    sizes: &[usize],
) -> Result<Vec<StreamEvent>, Failure> {
    let mut reader = FrameReader::new(Framing::Sse, 1 << 24);
    let mut events = Vec::new();
    let mut rest = body;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        rest = more;
        for frame in reader.push(&Bytes::copy_from_slice(chunk))?.frames {
            decoder.decode(&frame, &mut events)?;
        }
    }
    for frame in reader.finish().frames {
        decoder.decode(&frame, &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

fn fold(events: &[StreamEvent]) -> ChatResponse {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    assert!(fold.is_finished(), "no finish");
    fold.into_response().unwrap()
}

/// Each block starts and stops once, deltas lie between, `Start` is first and `Finish` last.
fn check_grammar(id: &str, events: &[StreamEvent]) {
    assert!(matches!(events.first(), Some(StreamEvent::Start { .. })), "{id}");
    assert!(matches!(events.last(), Some(StreamEvent::Finish { .. })), "{id}");
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            StreamEvent::BlockStart { index, .. } => {
                assert!(!seen.contains(index), "{id}: block {index} twice");
                assert_eq!(*index, seen.len(), "{id}");
                open.push(*index);
                seen.push(*index);
            }
            StreamEvent::Delta { index, .. } => {
                assert!(open.contains(index), "{id}: delta outside block {index}")
            }
            StreamEvent::BlockStop { index } => {
                assert!(open.contains(index), "{id}: block {index} is not open");
                open.retain(|known| known != index);
            }
            StreamEvent::Start { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Finish { .. }
            | StreamEvent::Failed(_) => {}
        }
    }
    assert!(open.is_empty(), "{id}: blocks {open:?} never stop");
}

type Projection = (Vec<String>, Option<FinishReason>, Option<Usage>);

/// What must survive of an answer; ids of reasoning are ours to choose.
fn projection(response: &ChatResponse) -> Projection {
    let lines = response.parts.iter().map(|part| match part {
        Part::Text(text) => format!("text {} {:?} {:?}", text.text, text.citations, text.signature),
        Part::Reasoning(thought) => {
            format!("reasoning {} {:?} {}", thought.text, thought.signature, thought.redacted)
        }
        other => format!("{other:?}"),
    });
    let finish = response.finish.clone().or(Some(FinishReason::Stop));
    (lines.collect(), finish, response.usage)
}

fn check_encoders(record: &Record, response: &ChatResponse) {
    let (upstream, downstream) = faces();
    let request = r#"{"model":"m","input":"x"}"#;
    let inbound = inbound(record.request.as_deref().unwrap_or(request)).unwrap();
    let info = ReplyInfo { inbound: &inbound, request_id: "req-1", now: 1_700_000_000 };
    let body = downstream.encode_response(&info, response);
    assert_eq!(
        projection(&upstream.decode_response(&body).unwrap()),
        projection(response),
        "{} whole",
        record.id
    );

    let mut encoder = downstream.stream_encoder(&info);
    let mut out = BytesMut::new();
    response.to_events().iter().for_each(|event| encoder.encode(event, &mut out));
    let again = events(&mut *upstream.stream_decoder(), &out, &[4096]).unwrap();
    check_grammar(&record.id, &again);
    assert_eq!(projection(&fold(&again)), projection(response), "{} streamed", record.id);
}

#[test]
fn every_whole_answer_is_read_and_reads_the_same_when_written_again() {
    let (mut read, mut failed) = (0, 0);
    for record in records() {
        if record.is_stream {
            continue;
        }
        if record.status != 200 {
            let failure = faces().0.decode_failure(record.status as u16, record.body.as_bytes());
            let kind = match record.status {
                401 => ErrorKind::Unauthenticated,
                _ if record.body.contains("model_not_found") => ErrorKind::NotFound,
                _ => ErrorKind::Invalid,
            };
            assert_eq!((failure.kind, failure.message.is_empty()), (kind, false), "{}", record.id);
            failed += 1;
            continue;
        }
        match faces().0.decode_response(record.body.as_bytes()) {
            Ok(response) => check_encoders(&record, &response),
            Err(failure) => {
                assert!(record.body.contains("insufficient_quota"), "{}: {failure}", record.id);
                assert_eq!(failure.kind, ErrorKind::QuotaExceeded);
                failed += 1;
                continue;
            }
        }
        read += 1;
    }
    println!("{read} whole answers read, {failed} failures classified");
}

#[test]
fn every_stream_is_read_in_any_pieces_and_reads_the_same_when_written_again() {
    let mut read = 0;
    for record in records() {
        if !record.is_stream {
            continue;
        }
        let upstream = faces().0;
        let decode = |sizes: &[usize]| {
            events(&mut *upstream.stream_decoder(), record.body.as_bytes(), sizes)
        };
        let whole =
            decode(&[usize::MAX]).unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        check_grammar(&record.id, &whole);
        for sizes in [[1, 1, 1], [7, 2, 61], [997, 3, 128]] {
            assert_eq!(decode(&sizes).unwrap(), whole, "{} {sizes:?}", record.id);
        }
        let response = fold(&whole);
        check_encoders(&record, &response);
        check_against_closing_event(&record, &response);
        check_relay(&record, &response);
        read += 1;
    }
    println!("{read} streams read");
}

/// The closing event repeats the answer: read whole, it says the same as the stream before it.
fn check_against_closing_event(record: &Record, streamed: &ChatResponse) {
    let payloads = record.body.lines().filter_map(|line| line.strip_prefix("data:"));
    let closing =
        payloads.filter_map(|text| serde_json::from_str::<Value>(text.trim()).ok()).find(|event| {
            matches!(
                event.get("type").and_then(Value::as_str),
                Some("response.completed" | "response.incomplete")
            )
        });
    let response = closing.and_then(|event| event.get("response").cloned()).unwrap();
    let is_repeated =
        response.get("output").and_then(Value::as_array).is_some_and(|output| !output.is_empty());
    if !is_repeated || SHORTENED.iter().any(|name| record.id.ends_with(name)) {
        return;
    }
    let whole = faces().0.decode_response(response.to_string().as_bytes()).unwrap();
    let unsigned = |response: &ChatResponse| {
        let mut lines: Vec<String> = Vec::new();
        for part in &response.parts {
            match part {
                Part::Text(text) => lines.push(text.text.clone()),
                Part::Reasoning(thought) => lines.push(thought.text.clone()),
                Part::ToolCall(call) => {
                    lines.push(format!("{} {} {}", call.id, call.name, call.arguments))
                }
                Part::Refusal(text) => lines.push(text.clone()),
                Part::Media(_) | Part::Opaque(_) | Part::ToolResult(_) => {}
            }
        }
        (lines, response.finish.clone(), response.usage)
    };
    assert_eq!(unsigned(streamed), unsigned(&whole), "{}", record.id);
}

/// The decoder of relayed streams sees content, usage and finish like the full one.
fn check_relay(record: &Record, full: &ChatResponse) {
    let events =
        events(&mut *faces().0.relay_decoder(), record.body.as_bytes(), &[usize::MAX]).unwrap();
    assert!(events.iter().any(StreamEvent::is_content), "{}", record.id);
    let relayed = fold(&events);
    assert_eq!((relayed.finish, relayed.usage), (full.finish.clone(), full.usage), "{}", record.id);
}

#[test]
fn the_record_of_a_whole_session_is_read_as_its_first_answer() {
    let Some(record) = records().into_iter().find(|record| record.id.ends_with(SESSION)) else {
        return;
    };
    assert_eq!(record.body.matches("\"type\":\"response.completed\"").count(), 4);
    let events =
        events(&mut *faces().0.stream_decoder(), record.body.as_bytes(), &[usize::MAX]).unwrap();
    let ends = events.iter().filter(|event| matches!(event, StreamEvent::Finish { .. })).count();
    assert_eq!(ends, 1);
}
