//! Broken and hostile input: every reader answers with a value or a failure that says something, and every encoder can end its stream.
//!
//! Cut anywhere, bytes flipped by a seeded generator, each value replaced by each wrong type, lone surrogates in each text,
//! bad UTF-8, deep nesting, numbers out of range, doubled keys, oversized frames. What must never come: a panic, an empty message,
//! an unreadable frame, a stream without an end.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes the helpers of an integration test for shipped code"
)]

mod fixture;
#[path = "fixture/reading.rs"]
mod reading;
#[path = "fixture/target.rs"]
mod target;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_protocol::{
    Downstream, FrameReader, Framing, Hints, Inbound, Outgoing, REGISTRY, ReplyInfo, StreamForm,
    Upstream, encode,
};
use sy_types::chat::{ChatResponse, StreamEvent};
use sy_types::{ErrorKind, Failure};

use fixture::{Case, cases, clients, inbound, minimal};
use reading::{FRAME_LIMIT, fold, is_end, projection, read, told};
use target::target;

const STREAMS: [&str; 2] = [".stream.sse", ".stream.ndjson"];

/// A small generator (SplitMix64): the same damage in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from(mixed >> 33).unwrap() % most
    }
}

/// Returns the body with one to three bytes changed, removed or put in.
fn damaged(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    const LIKELY: &[u8] = b"\"\\{}[],:0-e.\x00\xff\xc3\n\r u";
    let mut body = body.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(body.len());
        let byte = LIKELY.get(dice.below(LIKELY.len())).copied().unwrap();
        match dice.below(4) {
            0 => drop(body.remove(at)),
            1 => body.insert(at, byte),
            2 => body.splice(at..=at, [byte]).for_each(drop),
            _ => {
                let bit = 1u8 << dice.below(8);
                let flipped = body.get(at).copied().unwrap() ^ bit;
                body.splice(at..=at, [flipped]).for_each(drop);
            }
        }
        if body.is_empty() {
            body.push(b'{');
        }
    }
    body
}

/// Calls `visit` with the value once for every place in it, that place replaced by each of the given values.
fn each_replaced(value: &Value, replacements: &[Value], visit: &mut dyn FnMut(&Value, &str)) {
    let mut pointers = Vec::new();
    collect(value, String::new(), &mut pointers);
    for pointer in pointers {
        for replacement in replacements {
            let mut changed = value.clone();
            let place = changed.pointer_mut(&pointer).unwrap();
            if place == replacement {
                continue;
            }
            *place = replacement.clone();
            visit(&changed, &pointer);
        }
    }
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                collect(
                    inner,
                    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                    pointers,
                );
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, format!("{pointer}/{index}"), pointers);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    pointers.push(pointer);
}

fn wrong_types() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(3),
        json!(-1.5),
        json!("x"),
        json!(""),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({"type": 3}),
    ]
}

#[track_caller]
fn check_failure(failure: &Failure, what: &str) {
    assert!(!failure.message.trim().is_empty(), "{what}: an empty message");
    assert!(failure.message.chars().count() < 2_000, "{what}: a message without end");
    assert_ne!(failure.kind, ErrorKind::Internal, "{what}: {failure}");
}

/// Takes a client's body in and builds it for every provider.
#[track_caller]
fn check_request(client: &'static dyn Downstream, body: &[u8], what: &str) -> Option<Inbound> {
    check_request_to(REGISTRY.iter().filter_map(|entry| entry.upstream), client, body, what)
}

/// Takes a client's body in and builds it for the given providers.
#[track_caller]
fn check_request_to(
    upstreams: impl Iterator<Item = &'static dyn Upstream>,
    client: &'static dyn Downstream,
    body: &[u8],
    what: &str,
) -> Option<Inbound> {
    let inbound = match inbound(client, &Bytes::copy_from_slice(body)) {
        Ok(inbound) => inbound,
        Err(failure) => {
            check_failure(&failure, what);
            assert_eq!(failure.kind, ErrorKind::Invalid, "{what}: {failure}");
            return None;
        }
    };
    let is_read = match inbound.chat() {
        Ok(_) => true,
        Err(failure) => {
            check_failure(&failure, what);
            assert!(
                matches!(failure.kind, ErrorKind::Invalid | ErrorKind::Unsupported),
                "{what}: {failure}"
            );
            false
        }
    };
    for upstream in upstreams {
        let is_relay = upstream.wire() == client.id();
        if !is_read && !is_relay {
            continue;
        }
        let target = target(upstream.id());
        match encode(upstream, &Outgoing { target: &target, inbound: &inbound, stream: true }) {
            Ok(encoded) if is_relay => assert!(!encoded.call.body.is_empty(), "{what}"),
            Ok(encoded) => {
                let written = sy_protocol::json::read::<Value>(&encoded.call.body.concat());
                assert!(written.is_ok(), "{what} to {}: {written:?}", upstream.id());
            }
            Err(failure) => check_failure(&failure, what),
        }
    }
    is_read.then_some(inbound)
}

fn client_of(case: &Case) -> &'static dyn Downstream {
    sy_protocol::downstream(case.protocol).unwrap()
}

fn upstream_of(case: &Case) -> &'static dyn Upstream {
    sy_protocol::upstream(case.protocol).unwrap()
}

#[test]
fn requests_cut_anywhere_are_refused() {
    for case in cases(&[".request.json"]) {
        let (client, end) = (client_of(&case), case.body.trim_ascii_end().len());
        // Every third byte: to read so many prefixes takes the square of their length.
        for length in (0..end).step_by(3) {
            let body = case.body.slice(..length);
            let failure = inbound(client, &body).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Invalid, "{case} at {length}");
            check_failure(&failure, &format!("{case} at {length}"));
        }
    }
}

#[test]
fn damaged_requests_are_read_or_refused() {
    for case in cases(&[".request.json"]) {
        let mut dice = Dice(case.body.len() as u64);
        for round in 0..150 {
            check_request(
                client_of(&case),
                &damaged(&case.body, &mut dice),
                &format!("{case} round {round}"),
            );
        }
    }
}

/// Half of the damages are read and one provider is built for, both drawn by lot: all of them would take minutes.
#[test]
fn a_request_with_any_wrong_type_is_read_or_refused() {
    let upstreams: Vec<_> = REGISTRY.iter().filter_map(|entry| entry.upstream).collect();
    let wrong = [json!(null), json!(true), json!(3), json!("x"), json!([{}]), json!({})];
    for case in cases(&["full.request.json", "alternatives.request.json"]) {
        let whole: Value = sy_protocol::json::read(&case.body).unwrap();
        let mut dice = Dice(case.body.len() as u64);
        each_replaced(&whole, &wrong, &mut |changed, pointer| {
            if dice.below(2) == 0 {
                return;
            }
            let upstream = upstreams.get(dice.below(upstreams.len())).copied();
            let what = format!("{case} at {pointer}");
            check_request_to(
                upstream.into_iter(),
                client_of(&case),
                &sy_protocol::json::write(changed),
                &what,
            );
        });
    }
}

#[test]
fn numbers_out_of_range_are_read_or_refused() {
    let odd = [
        "1e400",
        "-1e400",
        "1e308",
        "-1",
        "0.5",
        "-0.0",
        "18446744073709551616",
        "9007199254740993",
        "1E-400",
    ];
    for case in cases(&["full.request.json"]) {
        let whole: Value = sy_protocol::json::read(&case.body).unwrap();
        each_replaced(&whole, &[json!("@@")], &mut |changed, pointer| {
            if !whole.pointer(pointer).is_some_and(Value::is_number) {
                return;
            }
            let marked = String::from_utf8(sy_protocol::json::write(changed)).unwrap();
            for number in odd {
                let body = marked.replace("\"@@\"", number);
                check_request(
                    client_of(&case),
                    body.as_bytes(),
                    &format!("{case} {number} at {pointer}"),
                );
            }
        });
    }
}

#[test]
fn lone_surrogates_are_carried_in_every_text() {
    for case in cases(&["minimal.request.json", "full.request.json"]) {
        let whole: Value = sy_protocol::json::read(&case.body).unwrap();
        each_replaced(&whole, &[json!("a\u{10F83D}b")], &mut |changed, pointer| {
            if !whole.pointer(pointer).is_some_and(Value::is_string) {
                return;
            }
            let body = sy_protocol::json::write(changed);
            assert!(body.windows(6).any(|six| six == br"\ud83d"), "{case} at {pointer}");
            let read = check_request(client_of(&case), &body, &format!("{case} at {pointer}"));
            let is_said = ["/content", "/text"].iter().any(|end| pointer.ends_with(end));
            if is_said && case.name == "minimal" {
                let target = target(sy_types::ProtocolId::new("ollama_chat"));
                let inbound = read.unwrap_or_else(|| panic!("{case} at {pointer}: refused"));
                let ollama = sy_protocol::upstream(target.protocol).unwrap();
                let encoded =
                    encode(ollama, &Outgoing { target: &target, inbound: &inbound, stream: false })
                        .unwrap();
                let written = String::from_utf8(encoded.call.body.concat()).unwrap();
                assert!(written.contains(r"a\ud83db"), "{case} at {pointer}: {written}");
            }
        });
    }
}

#[test]
fn odd_bodies_are_read_or_refused() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for client in clients() {
        let id = client.id();
        let mut bodies: Vec<Vec<u8>> = [
            "",
            " ",
            "null",
            "true",
            "3",
            "\"x\"",
            "[]",
            "[{}]",
            "{",
            "{}",
            "{}x",
            "{\"a\"}",
            "\u{feff}{}",
            "data: {}",
        ]
        .map(|body| body.as_bytes().to_vec())
        .to_vec();
        for (open, close) in [
            ("[", "]"),
            ("{\"a\":", "}"),
            ("[{\"content\":", "}]"),
            ("{\"type\":\"object\",\"properties\":{\"a\":", "}}"),
        ] {
            let nest = if open.starts_with('{') {
                format!("{}1{}", open.repeat(10_000), close.repeat(10_000))
            } else {
                deep(open, close)
            };
            for field in ["x", "messages", "input", "contents", "tools", "metadata", "model"] {
                bodies.push(
                    format!("{{\"model\":\"m\",\"max_tokens\":9,\"{field}\":{nest}}}").into_bytes(),
                );
            }
        }
        // Arguments are JSON inside of a text: a depth of their own.
        let nested = deep("[", "]");
        bodies.push(json!({"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": nested}}]}]}).to_string().into_bytes());
        bodies.push(json!({"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": nested}]}).to_string().into_bytes());
        for body in bodies {
            let head: String = String::from_utf8_lossy(&body).chars().take(60).collect();
            check_request(client, &body, &format!("{id}: {head}"));
        }
    }
}

#[test]
fn doubled_keys_and_bad_utf8_are_read_or_refused() {
    for case in cases(&[".request.json"]) {
        let client = client_of(&case);
        let text = std::str::from_utf8(&case.body).unwrap();
        let rest = text.trim_start().strip_prefix('{').unwrap();
        for doubled in [
            "\"model\":\"a\",\"model\":\"b\",",
            "\"messages\":[],\"messages\":3,",
            "\"stream\":true,\"stream\":false,",
        ] {
            check_request(
                client,
                format!("{{{doubled}{rest}").as_bytes(),
                &format!("{case} {doubled}"),
            );
        }
        let quotes: Vec<usize> = case
            .body
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'"')
            .map(|(at, _)| at)
            .collect();
        for bad in [&b"\xff"[..], b"\xc3", b"\xed\xa0\xbd", b"\xf0\x9f", b"\x00", b"\x1f"] {
            for at in quotes.iter().step_by(17) {
                let mut body = case.body.to_vec();
                body.splice(at + 1..at + 1, bad.iter().copied());
                check_request(client, &body, &format!("{case} {bad:?} at {at}"));
            }
        }
    }
}

#[test]
fn a_missing_model_is_left_to_the_router_everywhere() {
    for client in clients().filter(|client| client.id().as_str() != "gemini_generate") {
        let head = |body: &str| client.head(&Bytes::from(body.to_owned()), &Hints::default());
        for body in ["{}", r#"{"model":null}"#, r#"{"stream":false,"x":{"model":"m"}}"#] {
            assert_eq!(head(body).unwrap().model, "", "{} {body}", client.id());
        }
        for body in [
            r#"{"model":3}"#,
            r#"{"model":""}"#,
            r#"{"model":" \t"}"#,
            r#"{"model":["m"]}"#,
            r#"{"model":{}}"#,
        ] {
            let failure = head(body).unwrap_err();
            assert_eq!(
                (failure.kind, failure.param.as_deref()),
                (ErrorKind::Invalid, Some("model")),
                "{} {body}",
                client.id()
            );
        }
        assert_eq!(head(r#"{"model":"a/b"}"#).unwrap().model, "a/b");
    }
}

/// Reads a whole answer; every client face writes what was read.
#[track_caller]
fn check_answer(upstream: &dyn Upstream, body: &[u8], what: &str) -> Option<ChatResponse> {
    match upstream.decode_response(body) {
        Ok(answer) => {
            for client in clients() {
                let inbound = minimal(client);
                let info =
                    ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
                let written = client.encode_response(&info, &answer);
                assert!(
                    sy_protocol::json::read::<Value>(&written).is_ok(),
                    "{what} to {}",
                    client.id()
                );
            }
            Some(answer)
        }
        Err(failure) => {
            check_failure(&failure, what);
            None
        }
    }
}

#[test]
fn answers_cut_or_damaged_are_read_or_refused() {
    for case in cases(&[".response.json"]) {
        let upstream = upstream_of(&case);
        for length in 0..case.body.trim_ascii_end().len() {
            let failure = upstream.decode_response(&case.body.slice(..length)).unwrap_err();
            check_failure(&failure, &format!("{case} at {length}"));
            assert_eq!(failure.kind, ErrorKind::Malformed, "{case} at {length}");
        }
        let mut dice = Dice(case.body.len() as u64);
        for round in 0..200 {
            check_answer(
                upstream,
                &damaged(&case.body, &mut dice),
                &format!("{case} round {round}"),
            );
        }
    }
}

/// Half of the damages, drawn by lot, for the time they take.
#[test]
fn an_answer_with_any_wrong_type_is_read_or_refused() {
    for case in cases(&[".response.json"]) {
        let mut dice = Dice(case.body.len() as u64);
        let whole: Value = sy_protocol::json::read(&case.body).unwrap();
        each_replaced(&whole, &wrong_types(), &mut |changed, pointer| {
            if dice.below(2) == 0 {
                return;
            }
            check_answer(
                upstream_of(&case),
                &sy_protocol::json::write(changed),
                &format!("{case} at {pointer}"),
            );
        });
    }
}

#[test]
fn odd_answers_are_refused_and_odd_error_bodies_say_something() {
    let deep = |open: &str, close: &str| {
        format!("{}{}", open.repeat(10_000), close.repeat(10_000)).into_bytes()
    };
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "[]",
        "3",
        "\"x\"",
        "{}",
        "<html><h1>502</h1></html>",
        "upstream timed out",
        "{\"error\":{}}",
        "{\"error\":[]}",
        "{\"error\":{\"message\":3}}",
    ]
    .map(|body| body.as_bytes().to_vec())
    .to_vec();
    bodies.extend([
        deep("[", "]"),
        deep("{\"a\":", "}"),
        b"\xff\xfe{}".to_vec(),
        "x".repeat(200_000).into_bytes(),
    ]);
    bodies.push(
        json!({"error": {"message": "y".repeat(100_000), "code": "z".repeat(9)}})
            .to_string()
            .into_bytes(),
    );
    for upstream in REGISTRY.iter().filter_map(|entry| entry.upstream) {
        for body in &bodies {
            let what = format!(
                "{}: {:?}",
                upstream.id(),
                String::from_utf8_lossy(body.get(..30.min(body.len())).unwrap())
            );
            check_answer(upstream, body, &what);
            for status in [400, 401, 404, 429, 500, 503, 529, 599, 302] {
                let failure = upstream.decode_failure(status, body);
                check_failure(&failure, &what);
                for client in clients() {
                    let written = client.encode_failure(&failure, status, "req0001");
                    assert!(
                        sy_protocol::json::read::<Value>(&written).is_ok(),
                        "{what} to {}",
                        client.id()
                    );
                }
            }
        }
    }
}

/// Reads a stream with both machines; every client face writes what was read and ends.
#[track_caller]
fn check_stream(upstream: &dyn Upstream, body: &[u8], what: &str) {
    let (events, failure) = read(upstream, upstream.stream_decoder(), [body]);
    check_grammar(&events, what);
    failure.iter().for_each(|failure| check_failure(failure, what));
    for event in &events {
        if let StreamEvent::Failed(failure) = event {
            check_failure(failure, what);
        }
    }
    let (_, lean) = read(upstream, upstream.relay_decoder(), [body]);
    lean.iter().for_each(|failure| check_failure(failure, what));
    for client in clients() {
        check_end(client, &events, what);
    }
}

/// Blocks start once and in order, deltas lie inside of theirs, and nothing comes behind the end.
#[track_caller]
fn check_grammar(events: &[StreamEvent], what: &str) {
    let (mut open, mut next, mut starts) = (Vec::new(), 0, 0);
    for (at, event) in events.iter().enumerate() {
        match event {
            StreamEvent::Start { .. } => starts += 1,
            StreamEvent::BlockStart { index, .. } => {
                assert_eq!(*index, next, "{what}");
                next += 1;
                open.push(*index);
            }
            StreamEvent::Delta { index, .. } => {
                assert!(open.contains(index), "{what}: delta outside of block {index}")
            }
            StreamEvent::BlockStop { index } => {
                assert!(open.contains(index), "{what}: block {index} stops and is not open");
                open.retain(|known| known != index);
            }
            StreamEvent::Usage(_) => {}
            StreamEvent::Finish { .. } => {
                assert!(open.is_empty(), "{what}: blocks {open:?} are open at the end");
                assert_eq!(at + 1, events.len(), "{what}: events behind the end");
            }
            StreamEvent::Failed(_) => {
                assert_eq!(at + 1, events.len(), "{what}: events behind the failure")
            }
        }
    }
    assert!(starts <= 1, "{what}: {starts} starts");
}

/// Writes events and then a failure: every frame must be readable, and the stream must have an end.
#[track_caller]
fn check_end(client: &'static dyn Downstream, events: &[StreamEvent], what: &str) {
    let inbound = minimal(client);
    let info = ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
    let mut encoder = client.stream_encoder(&info);
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    if !events.last().is_some_and(is_end) {
        encoder.fail(&Failure::provider(ErrorKind::Malformed, "it broke off"), &mut out);
    }
    let mut reader = FrameReader::new(Framing::Sse, FRAME_LIMIT);
    let mut frames = reader.push(&out.clone().freeze()).unwrap().frames;
    assert!(reader.finish().frames.is_empty(), "{what} to {}: an open frame", client.id());
    assert!(!frames.is_empty(), "{what} to {}: silence", client.id());
    frames.retain(|frame| &*frame.data != b"[DONE]");
    for frame in &frames {
        let parsed = sy_protocol::json::read::<Value>(&frame.data);
        assert!(parsed.is_ok(), "{what} to {}: {:?}", client.id(), frame.data);
    }
    let again = sy_protocol::upstream(client.id()).unwrap();
    let (events, failure) = read(again, again.stream_decoder(), [&*out]);
    assert_eq!(failure, None, "{what} to {}", client.id());
    assert!(events.last().is_some_and(is_end), "{what} to {}: no end in {events:?}", client.id());
}

#[test]
fn streams_cut_anywhere_end_in_something() {
    for case in cases(&STREAMS) {
        let upstream = upstream_of(&case);
        for length in (0..case.body.len()).step_by(3) {
            let (events, failure) =
                read(upstream, upstream.stream_decoder(), [&*case.body.slice(..length)]);
            check_grammar(&events, &format!("{case} at {length}"));
            failure
                .iter()
                .for_each(|failure| check_failure(failure, &format!("{case} at {length}")));
        }
    }
}

#[test]
fn damaged_streams_end_in_something() {
    for case in cases(&STREAMS) {
        let mut dice = Dice(case.body.len() as u64);
        for round in 0..30 {
            check_stream(
                upstream_of(&case),
                &damaged(&case.body, &mut dice),
                &format!("{case} round {round}"),
            );
        }
    }
}

/// Half of the damages, drawn by lot, for the time they take.
#[test]
fn a_stream_with_any_wrong_type_ends_in_something() {
    for case in cases(&STREAMS).iter().filter(|case| case.name.contains("tool")) {
        let mut dice = Dice(case.body.len() as u64);
        let text = std::str::from_utf8(&case.body).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let (prefix, data) = line.split_at(if line.starts_with("data: ") { 6 } else { 0 });
            let Ok(frame) = sy_protocol::json::read::<Value>(data.as_bytes()) else { continue };
            each_replaced(&frame, &wrong_types(), &mut |changed, pointer| {
                if dice.below(2) == 0 {
                    return;
                }
                let data = String::from_utf8(sy_protocol::json::write(changed)).unwrap();
                let changed = format!("{prefix}{data}");
                let body: Vec<&str> = lines
                    .iter()
                    .enumerate()
                    .map(|(index, line)| if index == at { &*changed } else { line })
                    .collect();
                let (events, failure) = read(
                    upstream_of(case),
                    upstream_of(case).stream_decoder(),
                    [(body.join("\n") + "\n").as_bytes()],
                );
                let what = format!("{case} line {at} {pointer}: {changed}");
                check_grammar(&events, &what);
                failure.iter().for_each(|failure| check_failure(failure, &what));
            });
        }
    }
}

#[test]
fn frames_that_are_left_out_doubled_or_swapped_end_in_something() {
    for case in cases(&STREAMS) {
        let separator = if case.body.starts_with(b"{") { "\n" } else { "\n\n" };
        let text = std::str::from_utf8(&case.body).unwrap();
        let frames: Vec<&str> = text.split(separator).collect();
        for at in 0..frames.len() {
            for kind in ["left out", "doubled", "swapped"] {
                let mut changed = frames.clone();
                match kind {
                    "left out" => drop(changed.remove(at)),
                    "doubled" => changed.insert(at, frames.get(at).unwrap()),
                    _ => changed.swap(at, (at + 1) % frames.len()),
                }
                check_stream(
                    upstream_of(&case),
                    changed.join(separator).as_bytes(),
                    &format!("{case} {kind} {at}"),
                );
            }
        }
    }
}

#[test]
fn every_prefix_of_a_stream_can_be_ended_with_a_failure() {
    for case in cases(&STREAMS) {
        let upstream = upstream_of(&case);
        let (events, _) = read(upstream, upstream.stream_decoder(), [&*case.body]);
        for length in 0..=events.len() {
            for client in clients() {
                check_end(
                    client,
                    events.get(..length).unwrap(),
                    &format!("{case} after {length} events"),
                );
            }
        }
    }
}

#[test]
fn a_stream_as_one_array_is_one_json_text_however_it_ends() {
    let array = Hints { model: Some("m".to_owned()), stream: true, sse: false };
    for client in clients() {
        let body = Bytes::from_static(
            br#"{"model":"m","max_tokens":9,"messages":[],"contents":[],"input":[]}"#,
        );
        let inbound = Inbound::parse(client, body, &array).unwrap();
        if inbound.head().form != StreamForm::JsonArray {
            continue;
        }
        let info = ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
        for case in cases(&STREAMS) {
            let upstream = upstream_of(&case);
            let (events, _) = read(upstream, upstream.stream_decoder(), [&*case.body]);
            for length in 0..=events.len() {
                let (mut encoder, mut out) = (client.stream_encoder(&info), BytesMut::new());
                let prefix = events.get(..length).unwrap();
                prefix.iter().for_each(|event| encoder.encode(event, &mut out));
                encoder.fail(&Failure::provider(ErrorKind::Malformed, "it broke off"), &mut out);
                let parsed = sy_protocol::json::read::<Vec<Value>>(&out);
                assert!(parsed.is_ok_and(|list| !list.is_empty()), "{case} after {length}");
                if let (Ok(answer), true) = (fold(prefix), prefix.last().is_some_and(is_end)) {
                    let reader = sy_protocol::upstream(client.id()).unwrap();
                    assert_eq!(
                        projection(&reader.decode_response(&out).unwrap()),
                        told(&answer, client.id()),
                        "{case}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_is_held() {
    const CHUNK: usize = 64 << 10;
    for framing in [Framing::Sse, Framing::NdJson] {
        let mut reader = FrameReader::new(framing, FRAME_LIMIT);
        let mut line = b"data: {\"x\":\"".to_vec();
        line.resize(20 << 20, b'x');
        let taken = line
            .chunks(CHUNK)
            .take_while(|chunk| reader.push(&Bytes::copy_from_slice(chunk)).is_ok())
            .count();
        assert_eq!(taken, FRAME_LIMIT / CHUNK, "{framing:?}: more is held than the limit allows");
    }
    for upstream in REGISTRY.iter().filter_map(|entry| entry.upstream) {
        let line = vec![b'x'; 20 << 20];
        let (events, failure) = read(upstream, upstream.stream_decoder(), line.chunks(CHUNK));
        assert!(
            events.is_empty()
                && failure.is_some_and(|failure| failure.kind == ErrorKind::Malformed)
        );
    }
}

#[test]
fn deeply_nested_frames_are_refused() {
    for upstream in REGISTRY.iter().filter_map(|entry| entry.upstream) {
        for (open, close) in [("[", "]"), ("{\"choices\":", "}"), ("{\"message\":", "}")] {
            let nest = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
            let line = match upstream.framing() {
                Framing::Sse => format!("data: {nest}\n\n"),
                // A few lines that cannot be read are passed over.
                Framing::NdJson => format!("{nest}\n").repeat(9),
            };
            let (events, failure) = read(upstream, upstream.stream_decoder(), [line.as_bytes()]);
            assert!(events.is_empty(), "{}", upstream.id());
            assert_eq!(
                failure.map(|failure| failure.kind),
                Some(ErrorKind::Malformed),
                "{}",
                upstream.id()
            );
        }
    }
}

#[test]
fn arguments_without_a_name_are_not_collected_for_ever() {
    let upstream = sy_protocol::upstream(sy_types::ProtocolId::new("openai_chat")).unwrap();
    let mut decoder = upstream.stream_decoder();
    let mut reader = FrameReader::new(Framing::Sse, FRAME_LIMIT);
    let chunk = json!({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x".repeat(100_000)}}]}}]});
    let line = Bytes::from(format!("data: {chunk}\n\n"));
    let (mut sent, mut received) = (0, 0);
    for _ in 0..40 {
        let mut events = Vec::new();
        for frame in reader.push(&line).unwrap().frames {
            decoder.decode(&frame, &mut events).unwrap();
        }
        sent += 100_000;
        for event in &events {
            if let StreamEvent::Delta { delta: sy_types::chat::Delta::Arguments(text), .. } = event
            {
                received += text.len();
            }
        }
        assert!(sent - received <= 2 << 20, "{} bytes are held", sent - received);
    }
}
