//! What is written is read back: generated requests and answers through the two faces of each protocol, and bodies that are relayed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy takes the helpers of an integration test for shipped code"
)]

mod fixture;
#[path = "fixture/reading.rs"]
mod reading;
#[path = "fixture/target.rs"]
mod target;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Value, json};
use sy_protocol::{Outgoing, REGISTRY, ReplyInfo, Upstream, encode};
use sy_types::Media as Kind;
use sy_types::chat::{
    ChatRequest, ChatResponse, FinishReason, Media, Message, Part, Reasoning, Role, Source, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult, Usage,
};

use fixture::{cases, clients, inbound, minimal};
use reading::{fold, met, projection, read, told};
use target::target;

/// Text as people, models and broken JavaScript write it. It never is blank: protocols leave blank texts out.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,6}",
        Just(" ".to_owned()),
        Just("\n\t".to_owned()),
        Just("\"quoted\" \\ {\"a\":1} </s>".to_owned()),
        Just("👍🏽 é 漢".to_owned()),
        // Halves of surrogate pairs in their stand-in form, see `json`.
        Just("\u{10F83D}".to_owned()),
        Just("\u{10FC4D}".to_owned()),
        Just("\u{0}\u{7f}\u{2028}".to_owned()),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| format!("x{}", pieces.concat()))
}

fn arguments() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(json!({})),
        (text(), any::<i32>(), any::<bool>())
            .prop_map(|(text, number, flag)| json!({"a": text, "b": [number, flag, null]})),
        text().prop_map(|key| json!({key: {"deep": [1.5, {"x": "y"}]}})),
    ];
    value.prop_map(|value| value.to_string())
}

fn call(id: String) -> impl Strategy<Value = ToolCall> {
    (prop_oneof!["get_weather", "list_trips"], arguments()).prop_map(move |(name, arguments)| {
        ToolCall { id: id.clone(), name, arguments, custom: false, signature: None, cache: false }
    })
}

fn picture() -> Part {
    let source = Source::Base64(Bytes::from_static(b"iVBORw0KGgo="));
    Part::Media(Media {
        kind: Kind::Image,
        mime: Some("image/png".to_owned()),
        source,
        name: None,
        detail: None,
        cache: false,
    })
}

/// A turn of the person, the model's answer with calls, and their results.
fn turn(number: usize) -> impl Strategy<Value = Vec<Message>> {
    let calls = (0..3usize).prop_flat_map(move |count| {
        (0..count).map(|index| call(format!("call_{number}_{index}"))).collect::<Vec<_>>()
    });
    (proptest::collection::vec(text(), 1..3), any::<bool>(), text(), calls, text(), any::<bool>())
        .prop_map(|(said, with_picture, answer, calls, result, is_error)| {
            let mut user: Vec<Part> = said.into_iter().map(Part::text).collect();
            user.extend(with_picture.then(picture));
            let mut messages = vec![Message::new(Role::User, user)];
            let results: Vec<Part> = calls
                .iter()
                .map(|call| {
                    Part::ToolResult(ToolResult {
                        call_id: call.id.clone(),
                        name: Some(call.name.clone()),
                        parts: vec![Part::text(result.clone())],
                        is_error,
                        cache: false,
                    })
                })
                .collect();
            let parts = std::iter::once(Part::text(answer))
                .chain(calls.into_iter().map(Part::ToolCall))
                .collect();
            messages.push(Message::new(Role::Assistant, parts));
            if !results.is_empty() {
                messages.push(Message::new(Role::Tool, results));
            }
            messages
        })
}

fn tool(name: &str) -> Tool {
    let parameters =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let kind = ToolKind::Function { parameters, strict: None };
    Tool { name: name.to_owned(), description: Some("d".to_owned()), kind, cache: false }
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let turns = (turn(0), turn(1), text()).prop_map(|(first, second, last)| {
        let last = Message::text(Role::User, last);
        first.into_iter().chain(second).chain([last]).collect::<Vec<_>>()
    });
    let choice = prop_oneof![
        Just(None),
        Just(Some(ToolChoice::Auto)),
        Just(Some(ToolChoice::Required)),
        Just(Some(ToolChoice::Named("get_weather".to_owned()))),
    ];
    let knobs = (
        proptest::option::of(1..9u8),
        proptest::option::of(16..9000u64),
        proptest::collection::vec("[A-Z]{1,4}", 0..3),
        proptest::option::of(any::<i32>()),
        proptest::option::of(any::<bool>()),
    );
    (proptest::option::of(text()), turns, choice, knobs, any::<bool>()).prop_map(
        |(
            system,
            turns,
            tool_choice,
            (tenths, max_output_tokens, stop, seed, parallel),
            stream,
        )| {
            let system = system.map(|text| Message::text(Role::System, text));
            let mut chat = ChatRequest {
                model: "m".to_owned(),
                stream,
                messages: system.into_iter().chain(turns).collect(),
                tools: vec![tool("get_weather"), tool("list_trips")],
                tool_choice,
                parallel_tool_calls: parallel,
                max_output_tokens,
                stop,
                ..ChatRequest::default()
            };
            chat.sampling.temperature = tenths.map(|tenths| f64::from(tenths) / 10.0);
            chat.sampling.seed = seed.map(i64::from);
            chat
        },
    )
}

/// What is said, one line a thing; texts of one speaker in a row count as one.
fn said(chat: &ChatRequest) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut say = |who: String, what: String| match lines.last_mut() {
        Some((last, text)) if *last == who && who.ends_with("says") => text.push_str(&what),
        _ => lines.push((who, what)),
    };
    for message in &chat.messages {
        let who = match message.role {
            Role::System | Role::Developer => "system says",
            Role::User => "user says",
            Role::Assistant => "model says",
            Role::Tool => "tool says",
        };
        for part in &message.parts {
            match part {
                Part::Text(text) => say(who.to_owned(), met(&text.text)),
                Part::Media(media) => say(
                    who.replace("says", "shows"),
                    format!("{:?} {:?}", media.mime, media.source),
                ),
                Part::ToolCall(call) => {
                    let arguments: Value =
                        sy_protocol::json::read(call.arguments.as_bytes()).unwrap();
                    say(format!("call {} {}", call.id, call.name), met(&arguments.to_string()));
                }
                Part::ToolResult(result) => {
                    say(format!("result {}", result.call_id), met(&result.joined_text()))
                }
                other => panic!("not generated: {other:?}"),
            }
        }
    }
    lines
}

/// Builds for a provider and reads the body with the client face of the same wire.
fn there_and_back(
    upstream: &dyn Upstream,
    chat: &ChatRequest,
) -> Option<(ChatRequest, Vec<String>)> {
    let client = sy_protocol::downstream(upstream.wire())?;
    let built = upstream.build(chat, &target(upstream.id()), chat.stream).unwrap();
    let body = Bytes::from(sy_protocol::json::write(&built.body));
    let again = inbound(client, &body).unwrap();
    let again =
        again.chat().unwrap_or_else(|failure| panic!("{}: {failure}", upstream.id())).clone();
    Some((again, built.dropped.into_iter().map(|dropped| dropped.field).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_is_built_says_the_same(chat in request()) {
        for upstream in REGISTRY.iter().filter_map(|entry| entry.upstream) {
            let Some((again, dropped)) = there_and_back(upstream, &chat) else { continue };
            let is_kept = |field: &str| !dropped.iter().any(|name| name.starts_with(field));
            let place = upstream.id();
            if place == upstream.wire() {
                prop_assert_eq!(said(&again), said(&chat), "{}", place);
                prop_assert!(again.unmapped.is_empty(), "{}: {:?}", place, again.unmapped);
            }
            let tools = |chat: &ChatRequest| chat.tools.iter().map(|tool| (tool.name.clone(), tool.description.clone(), tool.kind.clone())).collect::<Vec<_>>();
            let stripped = |chat: &ChatRequest| tools(chat).into_iter().map(|(name, text, kind)| match kind {
                ToolKind::Function { parameters, .. } => (name, text, parameters),
                other => panic!("not generated: {other:?}"),
            }).collect::<Vec<_>>();
            prop_assert_eq!(stripped(&again), stripped(&chat), "{}", place);
            if is_kept("tool_choice") && chat.tool_choice.is_some() {
                prop_assert_eq!(&again.tool_choice, &chat.tool_choice, "{}", place);
            }
            if is_kept("parallel_tool_calls") && chat.parallel_tool_calls == Some(false) {
                prop_assert_eq!(again.parallel_tool_calls, Some(false), "{}", place);
            }
            if is_kept("max_output_tokens") && chat.max_output_tokens.is_some() {
                prop_assert_eq!(again.max_output_tokens, chat.max_output_tokens, "{}", place);
            }
            if is_kept("stop") {
                prop_assert_eq!(&again.stop, &chat.stop, "{}", place);
            }
            if is_kept("temperature") {
                prop_assert_eq!(again.sampling.temperature, chat.sampling.temperature, "{}", place);
            }
            if is_kept("seed") {
                prop_assert_eq!(again.sampling.seed, chat.sampling.seed, "{}", place);
            }
        }
    }

    #[test]
    fn an_answer_that_is_written_says_the_same_whole_and_streamed(answer in answer()) {
        for client in clients() {
            let inbound = minimal(client);
            let info = ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
            let reader = sy_protocol::upstream(client.id()).unwrap();
            let whole = reader.decode_response(&client.encode_response(&info, &answer)).unwrap();
            prop_assert_eq!(projection(&whole), told(&answer, client.id()), "{} whole", client.id());

            let mut encoder = client.stream_encoder(&info);
            let mut out = BytesMut::new();
            answer.to_events().iter().for_each(|event| encoder.encode(event, &mut out));
            let (events, failure) = read(reader, reader.stream_decoder(), out.chunks(11));
            prop_assert_eq!(failure, None);
            prop_assert_eq!(projection(&fold(&events).unwrap()), told(&answer, client.id()), "{} streamed", client.id());
        }
    }

    #[test]
    fn a_relayed_body_differs_in_the_model_only(extra in json_value(), text in text(), blanks in "[ \n\t]{0,3}") {
        for client in clients().filter(|client| client.id().as_str() != "gemini_generate") {
            let text = String::from_utf8(sy_protocol::json::write(&text)).unwrap();
            let body = |model: &str| Bytes::from(format!(
                "{{{blanks}\"x\":{extra},{blanks}\"model\"{blanks}:{blanks}{model},\"messages\":[{{\"role\":\"user\",\"content\":{text}}}],\"n\":1.50e0{blanks}}}"
            ));
            let upstream = sy_protocol::upstream(client.id()).unwrap();
            let mut place = target(client.id());
            place.upstream_model = "the/model".into();
            let inbound = inbound(client, &body("\"a\"")).unwrap();
            let encoded = encode(upstream, &Outgoing { target: &place, inbound: &inbound, stream: false }).unwrap();
            prop_assert!(encoded.relay && encoded.dropped.is_empty());
            prop_assert_eq!(Bytes::from(encoded.call.body.concat()), body("\"the/model\""));
        }
    }
}

fn answer() -> impl Strategy<Value = ChatResponse> {
    let calls = (0..3usize).prop_flat_map(|count| {
        (0..count).map(|index| call(format!("call_{index}"))).collect::<Vec<_>>()
    });
    let finish = prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::Length),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::Refusal),
    ];
    let usage = (0..1000u64, 0..1000u64, 0..1000u64, 1..1000u64, 0..1000u64).prop_map(
        |(fresh, read, write, said, hidden)| Usage {
            input: fresh + read + write,
            cache_read: read,
            cache_write: write,
            output: said + hidden,
            reasoning: hidden,
        },
    );
    (proptest::option::of(text()), proptest::collection::vec(text(), 0..3), calls, finish, usage)
        .prop_map(|(thought, texts, calls, finish, usage)| {
            let finish = if calls.is_empty() { finish } else { FinishReason::ToolCalls };
            let thought =
                thought.map(|text| Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
            let texts = texts.into_iter().map(Part::text);
            ChatResponse {
                id: Some("id-1".to_owned()),
                model: Some("m".to_owned()),
                created: Some(1_700_000_000),
                parts: thought
                    .into_iter()
                    .chain(texts)
                    .chain(calls.into_iter().map(Part::ToolCall))
                    .collect(),
                finish: Some(finish),
                usage: Some(usage),
                ..ChatResponse::default()
            }
        })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\👍]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let keys = prop_oneof!["model", "stream", "[a-z\"]{0,4}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn a_relayed_fixture_differs_in_the_model_only() {
    for case in cases(&[".request.json"]) {
        let client = sy_protocol::downstream(case.protocol).unwrap();
        let upstream = sy_protocol::upstream(case.protocol).unwrap();
        let inbound = inbound(client, &case.body).unwrap();
        let target = target(case.protocol);
        let outgoing =
            Outgoing { target: &target, inbound: &inbound, stream: inbound.head().stream };
        let relayed =
            String::from_utf8(encode(upstream, &outgoing).unwrap().call.body.concat()).unwrap();
        let sent = std::str::from_utf8(&case.body).unwrap();
        let asked: Value = sy_protocol::json::read(&case.body).unwrap();
        let expected = match asked["model"].as_str() {
            Some(model) => sent.replacen(
                &format!("\"model\": \"{model}\""),
                &format!("\"model\": \"{}\"", target.upstream_model),
                1,
            ),
            None => sent.to_owned(),
        };
        assert_eq!(relayed, expected, "{case}");
    }
}
