//! Recorded traffic of about thirty vendors through both faces of chat completions, and of Ollama through its provider face.
//!
//! The recordings lie beside the repository; where they are absent, every test says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests stop a test where it goes wrong, and say what they read"
)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use sy_protocol::registry::{OLLAMA_CHAT, OPENAI_CHAT};
use sy_protocol::{
    Batch, FrameReader, Hints, Inbound, ReplyInfo, StreamDecoder, Upstream, downstream, upstream,
};
use sy_types::chat::{
    BlockStart, ChatRequest, ChatResponse, Delta, Fold, Media, Part, Role, Source, StreamEvent,
    ToolChoice, ToolKind, Usage,
};
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, ModelInfo, ProtocolId, Target, Timeouts};

/// Requests that are invalid by intent: the provider refused them too.
const BAD_REQUESTS: &[(&str, &str)] = &[(
    "rig:tests/cassettes/llamacpp/error_matrix/malformed_request_field.yaml#0",
    "temperature is a word; recorded to see the error",
)];

/// Answers of status 200 that are no chat completions.
const BAD_ANSWERS: &[(&str, &str)] = &[
    (
        "pydantic-ai:tests/models/cassettes/test_openai/test_text_response.yaml#0",
        "a demo server answers plain text",
    ),
    (
        "pydantic-ai:tests/models/cassettes/test_openai/test_invalid_response.yaml#0",
        "a demo server answers other JSON",
    ),
];

struct Record {
    id: String,
    request: Option<String>,
    status: u16,
    body: String,
}

impl Record {
    fn is_stream(&self) -> bool {
        ["data:", "event:", ":"].iter().any(|start| self.body.trim_start().starts_with(start))
    }
}

fn records(file: &str) -> Vec<Record> {
    let path =
        format!("{}/../../../shared/data/recordings/{file}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let Ok(packed) = std::fs::read(&path) else {
        println!("SKIPPED: no recordings at {path}");
        return Vec::new();
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    text.lines().map(record).collect()
}

fn record(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let events = match value.get("events") {
        Some(Value::String(lines)) => Some(lines.lines().map(str::to_owned).collect::<Vec<_>>()),
        Some(Value::Array(items)) => Some(
            items
                .iter()
                .map(|item| item.as_str().map_or(item.to_string(), str::to_owned))
                .collect(),
        ),
        _ => None,
    };
    let events = events
        .map(|lines| lines.iter().map(|line| format!("data: {line}\n\n")).collect::<String>());
    let body = text("response").or(events).unwrap_or_default();
    let is_error =
        serde_json::from_str::<Value>(&body).is_ok_and(|body| body.get("error").is_some());
    let status = value
        .get("status")
        .and_then(Value::as_u64)
        .map_or(if is_error { 400 } else { 200 }, |status| status as u16);
    Record { id: text("id").unwrap(), request: text("request"), status, body }
}

fn target(protocol: ProtocolId) -> Target {
    Target {
        provider: Arc::from("p"),
        model: Arc::from("m"),
        upstream_model: Arc::from("m"),
        protocol,
        base_url: "http://localhost/v1".parse().unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo::default()),
    }
}

fn decode_request(body: &str) -> Result<ChatRequest, Failure> {
    let inbound = Inbound::parse(
        downstream(OPENAI_CHAT).unwrap(),
        Bytes::from(body.to_owned()),
        &Hints::default(),
    )?;
    inbound.chat().cloned()
}

/// Everything of a request that must survive a translation, one line each.
fn request_lines(chat: &ChatRequest) -> Vec<String> {
    let mut lines = Vec::new();
    for message in &chat.messages {
        let texts: String = message.parts.iter().filter_map(spoken).collect();
        let thoughts: String = message.parts.iter().filter_map(thought).collect();
        // Without the dialect's word for it, a developer is a system.
        let role = if message.role == Role::Developer { Role::System } else { message.role };
        lines.push(format!("{role:?} {:?} {texts:?} {thoughts:?}", message.name));
        for part in &message.parts {
            match part {
                Part::Media(media) => lines.push(media_line(media)),
                Part::ToolCall(call) => {
                    let arguments: Value =
                        serde_json::from_str(&call.arguments).unwrap_or_default();
                    lines.push(format!("call {} {} {arguments}", call.id, call.name));
                }
                Part::ToolResult(result) => {
                    lines.push(format!(
                        "result {} {:?} {:?}",
                        result.call_id,
                        result.name,
                        result.joined_text()
                    ));
                }
                Part::Text(_) | Part::Refusal(_) | Part::Reasoning(_) | Part::Opaque(_) => {}
            }
        }
    }
    for tool in &chat.tools {
        let schema = match &tool.kind {
            ToolKind::Function { parameters, strict } => format!("{parameters} {strict:?}"),
            other => format!("{other:?}"),
        };
        lines.push(format!("tool {} {:?} {schema}", tool.name, tool.description));
    }
    lines.push(format!(
        "{:?} {:?} {:?}",
        chat.tool_choice, chat.parallel_tool_calls, chat.max_output_tokens
    ));
    lines.push(format!("{:?} {:?} {:?}", chat.stop, chat.output, chat.sampling));
    lines
}

fn spoken(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) => Some(&text.text),
        Part::Refusal(text) => Some(text),
        _ => None,
    }
}

fn thought(part: &Part) -> Option<&str> {
    if let Part::Reasoning(reasoning) = part { Some(&reasoning.text) } else { None }
}

fn media_line(media: &Media) -> String {
    let source = match &media.source {
        Source::Base64(data) => format!("{} bytes", data.len()),
        other => format!("{other:?}"),
    };
    format!("{:?} {source} {:?}", media.kind, media.detail)
}

/// Everything of an answer that must survive an encoding.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    text: String,
    refusal: String,
    reasoning: String,
    signatures: Vec<String>,
    calls: Vec<(String, String, String)>,
    citations: usize,
    finish: String,
    usage: Option<Usage>,
}

fn answer(response: &ChatResponse) -> Answer {
    let mut answer = Answer {
        finish: format!("{:?}", response.finish),
        usage: response.usage,
        ..Answer::default()
    };
    for part in &response.parts {
        match part {
            Part::Text(text) => {
                answer.text.push_str(&text.text);
                answer.citations += text.citations.len();
                answer
                    .signatures
                    .extend(text.signature.iter().map(|signature| signature.value.clone()));
            }
            Part::Refusal(text) => answer.refusal.push_str(text),
            Part::Reasoning(reasoning) => {
                answer.reasoning.push_str(&reasoning.text);
                answer
                    .signatures
                    .extend(reasoning.signature.iter().map(|signature| signature.value.clone()));
            }
            Part::ToolCall(call) => {
                answer.calls.push((call.id.clone(), call.name.clone(), call.arguments.clone()));
                answer
                    .signatures
                    .extend(call.signature.iter().map(|signature| signature.value.clone()));
            }
            Part::Media(_) | Part::ToolResult(_) | Part::Opaque(_) => {}
        }
    }
    answer
}

/// Feeds a stream in pieces of the given sizes, over and over.
fn events_of(
    face: &dyn Upstream,
    mut decoder: Box<dyn StreamDecoder>,
    body: &[u8],
    mut size: impl FnMut() -> usize,
) -> Result<Vec<StreamEvent>, Failure> {
    let (mut reader, mut events) = (FrameReader::new(face.framing(), 16 << 20), Vec::new());
    let mut feed = |batch: Batch, events: &mut Vec<StreamEvent>| -> Result<(), Failure> {
        for frame in batch.frames {
            let is_over =
                matches!(events.last(), Some(StreamEvent::Finish { .. } | StreamEvent::Failed(_)));
            if !is_over {
                decoder.decode(&frame, events)?;
            }
        }
        Ok(())
    };
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(size().clamp(1, rest.len()));
        rest = more;
        feed(reader.push(&Bytes::copy_from_slice(piece))?, &mut events)?;
    }
    feed(reader.finish(), &mut events)?;
    if !matches!(events.last(), Some(StreamEvent::Finish { .. } | StreamEvent::Failed(_))) {
        decoder.finish(&mut events);
    }
    Ok(events)
}

#[track_caller]
fn check_grammar(id: &str, events: &[StreamEvent]) {
    assert!(
        matches!(events.first(), Some(StreamEvent::Start { .. })),
        "{id}: {:?}",
        events.first()
    );
    let mut open: BTreeMap<usize, bool> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        match event {
            StreamEvent::Start { .. } => assert_eq!(place, 0, "{id}"),
            StreamEvent::BlockStart { index, block } => {
                assert_eq!(*index, open.len(), "{id}: blocks count up");
                open.insert(*index, true);
                if let BlockStart::ToolCall { id: call, name, .. } = block {
                    assert!(!call.is_empty() && !name.is_empty(), "{id}");
                }
            }
            StreamEvent::Delta { index, .. } => {
                assert_eq!(open.get(index), Some(&true), "{id}: a delta of an open block")
            }
            StreamEvent::BlockStop { index } => {
                assert_eq!(open.insert(*index, false), Some(true), "{id}")
            }
            StreamEvent::Usage(_) => {}
            StreamEvent::Finish { .. } | StreamEvent::Failed(_) => {
                assert_eq!(place + 1, events.len(), "{id}")
            }
        }
    }
    if matches!(events.last(), Some(StreamEvent::Finish { .. })) {
        assert!(open.values().all(|is_open| !is_open), "{id}: every block ends");
    }
}

fn folded(events: &[StreamEvent]) -> Result<ChatResponse, Failure> {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    fold.into_response()
}

/// Encodes an answer with the client face and decodes it with the provider face: whole and streamed.
#[track_caller]
fn check_round_trip(id: &str, events: &[StreamEvent], response: &ChatResponse) {
    let (client, provider) = (downstream(OPENAI_CHAT).unwrap(), upstream(OPENAI_CHAT).unwrap());
    let inbound = Inbound::from_chat(ChatRequest::default());
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 7 };
    let before = answer(response);
    let whole = provider.decode_response(&client.encode_response(&info, response)).unwrap();
    assert_eq!(answer(&whole), before, "{id}: whole");
    for events in [events.to_vec(), response.to_events()] {
        let (mut encoder, mut out) = (client.stream_encoder(&info), BytesMut::new());
        events.iter().for_each(|event| encoder.encode(event, &mut out));
        let again = events_of(provider, provider.stream_decoder(), &out, || usize::MAX).unwrap();
        check_grammar(id, &again);
        assert_eq!(answer(&folded(&again).unwrap()), before, "{id}: streamed");
    }
}

#[test]
fn every_request_is_read_and_survives_being_written() {
    let (mut read, mut listed) = (0, 0);
    for record in records("openai-chat") {
        let Some(body) = &record.request else { continue };
        let decoded = decode_request(body);
        if BAD_REQUESTS.iter().any(|(id, _)| *id == record.id) {
            assert!(decoded.is_err(), "{}", record.id);
            listed += 1;
            continue;
        }
        let chat = decoded.unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        let built =
            upstream(OPENAI_CHAT).unwrap().build(&chat, &target(OPENAI_CHAT), chat.stream).unwrap();
        let again = decode_request(&serde_json::to_string(&built.body).unwrap()).unwrap();
        let dropped =
            |field: &str| built.dropped.iter().any(|dropped| dropped.field.starts_with(field));
        let mut expected = chat.clone();
        if dropped("top_k") {
            expected.sampling.top_k = None;
        }
        if expected.tools.is_empty()
            || expected.tool_choice == Some(ToolChoice::Auto) && again.tools.is_empty()
        {
            expected.tool_choice = None;
            expected.parallel_tool_calls = None;
        }
        let mut again = again;
        if built.dropped.iter().any(|dropped| dropped.reason.starts_with("moved to a user message"))
        {
            for message in expected.messages.iter_mut().flat_map(|message| &mut message.parts) {
                if let Part::ToolResult(result) = message {
                    result.parts.retain(|part| !matches!(part, Part::Media(_)));
                }
            }
            again.messages.retain(|message| {
                !matches!(message.parts.first(), Some(Part::Text(text)) if text.text == "Attached media from tool result:")
            });
        }
        assert_eq!(
            request_lines(&again),
            request_lines(&expected),
            "{}: {:?}",
            record.id,
            built.dropped
        );
        read += 1;
    }
    println!("requests: {read} read and written, {listed} listed");
}

#[test]
fn every_whole_answer_is_read_and_survives_being_written() {
    let face = upstream(OPENAI_CHAT).unwrap();
    let (mut read, mut listed) = (0, 0);
    for record in
        records("openai-chat").iter().filter(|record| record.status == 200 && !record.is_stream())
    {
        let decoded = face.decode_response(record.body.as_bytes());
        if BAD_ANSWERS.iter().any(|(id, _)| *id == record.id) {
            assert_eq!(decoded.unwrap_err().kind, ErrorKind::Malformed, "{}", record.id);
            assert!(face.relay_response(record.body.as_bytes()).is_err(), "{}", record.id);
            listed += 1;
            continue;
        }
        let response = decoded.unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        let usage = response.usage.unwrap_or_default();
        assert!(
            usage.cache_read + usage.cache_write <= usage.input && usage.reasoning <= usage.output,
            "{}",
            record.id
        );
        let looked_at = face.relay_response(record.body.as_bytes()).unwrap();
        assert_eq!(looked_at.usage, response.usage, "{}", record.id);
        check_round_trip(&record.id, &response.to_events(), &response);
        read += 1;
    }
    println!("whole answers: {read} read and written, {listed} listed");
}

#[test]
fn every_stream_is_read_the_same_however_it_is_cut() {
    let face = upstream(OPENAI_CHAT).unwrap();
    let (mut read, mut failed, mut seed) = (0, 0, 88_172_645_463_325_252_u64);
    for record in
        records("openai-chat").iter().filter(|record| record.status == 200 && record.is_stream())
    {
        let body = record.body.as_bytes();
        let whole = events_of(face, face.stream_decoder(), body, || usize::MAX)
            .unwrap_or_else(|failure| panic!("{}: {failure}", record.id));
        check_grammar(&record.id, &whole);
        assert_eq!(
            events_of(face, face.stream_decoder(), body, || 1).unwrap(),
            whole,
            "{}",
            record.id
        );
        let random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % 200) as usize
        };
        assert_eq!(
            events_of(face, face.stream_decoder(), body, random).unwrap(),
            whole,
            "{}",
            record.id
        );
        check_relay(face, record, &whole);
        match whole.last() {
            Some(StreamEvent::Finish { .. }) => {
                check_round_trip(&record.id, &whole, &folded(&whole).unwrap())
            }
            Some(StreamEvent::Failed(_)) => failed += 1,
            other => panic!("{}: ends with {other:?}", record.id),
        }
        read += 1;
    }
    println!("streams: {read} read, {failed} of them report a failure");
}

#[test]
fn a_damaged_stream_never_panics_and_keeps_the_grammar() {
    let face = upstream(OPENAI_CHAT).unwrap();
    let (mut read, mut refused, mut seed) = (0, 0, 0x9E37_79B9_7F4A_7C15_u64);
    for record in
        records("openai-chat").iter().filter(|record| record.status == 200 && record.is_stream())
    {
        for _ in 0..4 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mut body = record.body.clone().into_bytes();
            let at = (seed >> 17) as usize % body.len();
            match seed >> 62 {
                0 => body.truncate(at),
                1 => body[at] = (seed >> 9) as u8,
                2 => drop(body.splice(at..(at + 9).min(record.body.len()), *b"null")),
                _ => drop(body.drain(at..(at + 40).min(record.body.len()))),
            }
            for decoder in [face.stream_decoder(), face.relay_decoder()] {
                match events_of(face, decoder, &body, || 997) {
                    Ok(events) if events.is_empty() => {}
                    Ok(events) => check_grammar(&record.id, &events),
                    Err(failure) => {
                        assert_eq!(failure.kind, ErrorKind::Malformed, "{}", record.id);
                        refused += 1;
                    }
                }
                read += 1;
            }
        }
    }
    println!("damaged streams: {read} read, {refused} refused");
}

/// The cheap decoder must tell the same start, first content, usage and end.
#[track_caller]
fn check_relay(face: &dyn Upstream, record: &Record, whole: &[StreamEvent]) {
    let relayed =
        events_of(face, face.relay_decoder(), record.body.as_bytes(), || usize::MAX).unwrap();
    let usage = |events: &[StreamEvent]| {
        let mut found = Usage::default();
        events.iter().for_each(|event| {
            if let StreamEvent::Usage(usage) = event {
                found.merge(usage)
            }
        });
        found
    };
    let first = |events: &[StreamEvent]| events.iter().find(|event| event.is_content()).cloned();
    assert_eq!(relayed.first(), whole.first(), "{}", record.id);
    assert_eq!(first(&relayed), first(whole), "{}", record.id);
    assert_eq!(usage(&relayed), usage(whole), "{}", record.id);
    let class = |event: Option<&StreamEvent>| match event {
        Some(StreamEvent::Failed(failure)) => format!("{failure:?}"),
        Some(StreamEvent::Finish { reason, .. }) => format!("{reason:?}"),
        other => format!("{other:?}"),
    };
    assert_eq!(class(relayed.last()), class(whole.last()), "{}", record.id);
}

#[test]
fn every_error_answer_gets_the_right_kind() {
    let face = upstream(OPENAI_CHAT).unwrap();
    let mut read = 0;
    for record in records("openai-chat").iter().filter(|record| record.status != 200) {
        let failure = face.decode_failure(record.status, record.body.as_bytes());
        let expected = match record.status {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            429 => ErrorKind::RateLimited,
            500 => ErrorKind::Unavailable,
            _ if record.body.contains("exceed_context_size_error") => ErrorKind::ContextOverflow,
            _ => ErrorKind::Invalid,
        };
        assert_eq!(failure.kind, expected, "{}: {}", record.id, record.body);
        assert!(
            !failure.message.is_empty() && !failure.message.contains("no message"),
            "{}",
            record.id
        );
        read += 1;
    }
    println!("error answers: {read}");
}

#[test]
fn every_answer_of_ollama_is_read_and_survives_being_written_as_chat_completions() {
    let face = upstream(OLLAMA_CHAT).unwrap();
    let mut read = 0;
    for record in records("ollama-chat") {
        let body = record.body.as_bytes();
        let whole = events_of(face, face.stream_decoder(), body, || usize::MAX).unwrap();
        check_grammar(&record.id, &whole);
        assert_eq!(
            events_of(face, face.stream_decoder(), body, || 1).unwrap(),
            whole,
            "{}",
            record.id
        );
        assert!(matches!(whole.last(), Some(StreamEvent::Finish { .. })), "{}", record.id);
        let response = folded(&whole).unwrap();
        if record.body.trim().lines().count() == 1 {
            assert_eq!(face.decode_response(body).unwrap(), response, "{}", record.id);
        }
        assert!(
            response.usage.is_some_and(|usage| usage.input > 0 && usage.output > 0),
            "{}",
            record.id
        );
        let has_deltas = whole.iter().any(|event| {
            matches!(event, StreamEvent::Delta { delta: Delta::Text(_) | Delta::Arguments(_), .. })
        });
        assert!(has_deltas, "{}", record.id);
        check_round_trip(&record.id, &whole, &response);
        read += 1;
    }
    println!("answers of Ollama: {read}");
}
