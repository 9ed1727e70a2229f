//! Streams and whole answers, both ways.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_types::chat::{
    BlockStart, ChatResponse, Citation, Delta, FinishReason, Fold, Part, Reasoning, Signature,
    StreamEvent, ToolCall, Usage,
};
use sy_types::{ErrorKind, Failure};

use super::{inbound, info};
use crate::anthropic_messages::AnthropicMessages;
use crate::face::{Downstream, Upstream};
use crate::frame::{Frame, FrameReader, Framing};
use crate::ids::ANTHROPIC_MESSAGES;

/// Reads a stream of the given payloads.
fn read(payloads: &[Value]) -> Result<Vec<StreamEvent>, Failure> {
    let mut decoder = AnthropicMessages.stream_decoder();
    let mut events = Vec::new();
    for payload in payloads {
        decoder.decode(&frame("", &payload.to_string()), &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

fn frame(event: &str, data: &str) -> Frame {
    Frame {
        event: Bytes::copy_from_slice(event.as_bytes()),
        data: Bytes::copy_from_slice(data.as_bytes()),
        end: 0,
    }
}

fn fold(events: &[StreamEvent]) -> ChatResponse {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    fold.into_response().unwrap()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {
        "input_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}}})
}

fn block(index: u64, content_block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": content_block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: Value) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4}}})
}

/// Writes events as a client's stream and returns the payloads.
fn write(events: &[StreamEvent]) -> Vec<Value> {
    let inbound = inbound(&json!({"model": "m", "max_tokens": 1, "messages": []}));
    let mut encoder = AnthropicMessages.stream_encoder(&info(&inbound));
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    let mut reader = FrameReader::new(Framing::Sse, 1 << 20);
    let frames = reader.push(&out.freeze()).unwrap().frames;
    let payload = |frame: &Frame| {
        let payload: Value = serde_json::from_slice(&frame.data).unwrap();
        assert_eq!(
            payload["type"].as_str().unwrap().as_bytes(),
            frame.event,
            "the event's name is its type"
        );
        payload
    };
    frames.iter().map(payload).collect()
}

fn signature(value: &str) -> Signature {
    Signature { protocol: ANTHROPIC_MESSAGES, value: value.to_owned() }
}

fn call(arguments: &str, proof: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: "c".to_owned(),
        name: "t".to_owned(),
        arguments: arguments.to_owned(),
        custom: false,
        signature: proof.map(signature),
        cache: false,
    })
}

/// A server tool's block is given out at its stop; one that is open meanwhile must not take the number in front of it.
#[test]
fn blocks_are_numbered_in_the_order_in_which_they_are_given_out() {
    let payloads = [
        start(),
        block(0, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        block(1, json!({"type": "text", "text": "a"})),
        stop(0),
        stop(1),
        block(2, json!({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}})),
        block(3, json!({"type": "text", "text": "b"})),
        end(json!("end_turn")),
        json!({"type": "message_stop"}),
    ];
    let events = read(&payloads).unwrap();
    let started = |event: &StreamEvent| match event {
        StreamEvent::BlockStart { index, block } => {
            Some((*index, matches!(block, BlockStart::Opaque(_))))
        }
        _ => None,
    };
    let order: Vec<(usize, bool)> = events.iter().filter_map(started).collect();
    assert_eq!(order, [(0, false), (1, true), (2, false), (3, true)]);
    assert_eq!(fold(&events).parts.len(), 4);
}

#[test]
fn blocks_of_every_kind_are_read() {
    let tool = |index, input: Value| {
        block(index, json!({"type": "tool_use", "id": "c", "name": "t", "input": input}))
    };
    let payloads = [
        start(),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        json!({"type": "ping"}),
        block(1, json!({"type": "redacted_thinking", "data": "r"})),
        stop(1),
        block(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "hello"})),
        delta(
            2,
            json!({"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": "u",
            "title": "t", "cited_text": "q", "encrypted_index": "e"}}),
        ),
        stop(2),
        tool(3, json!({})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(3),
        tool(4, json!({"whole": true})),
        stop(4),
        tool(5, json!({})),
        block(6, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(6, json!({"type": "input_json_delta", "partial_json": "{\"query\":\"x\"}"})),
        stop(6),
        block(7, json!({"type": "compaction", "content": null})),
        delta(7, json!({"type": "compaction_delta", "content": "all"})),
        stop(7),
        end(json!("tool_use")),
        json!({"type": "message_stop"}),
    ];
    let answer = fold(&read(&payloads).unwrap());
    let quote =
        Citation { url: "u".to_owned(), title: Some("t".to_owned()), quote: Some("q".to_owned()) };
    let reasoning = |text: &str, proof, redacted| {
        Part::Reasoning(Reasoning {
            id: None,
            text: text.to_owned(),
            signature: Some(signature(proof)),
            redacted,
        })
    };
    assert_eq!(answer.parts[..2], [reasoning("hm", "s", false), reasoning("", "r", true)]);
    assert!(
        matches!(&answer.parts[2], Part::Text(text) if text.text == "hello" && text.citations == [quote])
    );
    let opaque = |at: usize| {
        if let Part::Opaque(opaque) = &answer.parts[at] { opaque.value.clone() } else { panic!() }
    };
    assert_eq!(answer.parts[3..5], [call("{\"a\":1}", None), call("{\"whole\":true}", None)]);
    assert_eq!(opaque(6)["input"], json!({"query": "x"}));
    assert_eq!(opaque(7)["content"], "all");
    assert_eq!(
        answer.parts[5],
        call("{}", None),
        "a block that is never stopped ends with the message"
    );
    assert_eq!(answer.finish, Some(FinishReason::ToolCalls));
    assert_eq!(
        answer.usage,
        Some(Usage { input: 8, cache_read: 2, cache_write: 1, output: 9, reasoning: 4 })
    );
}

#[test]
fn a_stream_is_complete_once_the_reason_for_its_end_is_known() {
    let finished = |payloads: &[Value]| {
        let events = read(payloads).unwrap();
        events.iter().any(|event| matches!(event, StreamEvent::Finish { .. }))
    };
    let text = || block(0, json!({"type": "text", "text": "a"}));
    assert!(finished(&[
        start(),
        text(),
        stop(0),
        end(json!("end_turn")),
        json!({"type": "message_stop"})
    ]));
    assert!(finished(&[start(), text(), stop(0), end(json!("end_turn"))]));
    assert!(!finished(&[start(), text(), stop(0)]));
    assert!(!finished(&[start(), text(), end(Value::Null)]));
    assert!(finished(&[start(), text(), json!({"type": "message_stop"})]));
    assert!(!finished(&[]));
}

#[test]
fn broken_streams_are_failures() {
    let check = |payload: Value| {
        let failure = read(&[start(), payload.clone()]).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Malformed, "{payload}");
    };
    check(json!([1]));
    check(block(0, json!({"text": "no type"})));
    check(delta(0, json!({"type": "input_json_delta", "partial_json": "{"})));
    check(json!({"type": "message_start", "message": {"id": "msg_2"}}));
    let mut decoder = AnthropicMessages.stream_decoder();
    assert!(decoder.decode(&frame("content_block_delta", "{\"type\":"), &mut Vec::new()).is_err());
    let events = read(&[
        start(),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
    ])
    .unwrap();
    let Some(StreamEvent::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Unavailable, "busy"));
    let proxy = read(&[json!({"error": {"message": "slow down", "code": 429}})]).unwrap();
    assert!(
        matches!(proxy.last(), Some(StreamEvent::Failed(failure)) if failure.kind == ErrorKind::RateLimited)
    );
}

#[test]
fn oddities_of_imitators_are_taken() {
    let text = |payloads: &[Value]| match fold(&read(payloads).unwrap()).parts.first() {
        Some(Part::Text(text)) => text.text.clone(),
        other => panic!("{other:?}"),
    };
    let hello = || delta(0, json!({"type": "text_delta", "text": "hello"}));
    assert_eq!(text(&[hello(), end(json!("end_turn"))]), "hello");
    assert_eq!(text(&[start(), start(), hello(), stop(0)]), "hello");
    assert_eq!(
        text(&[
            start(),
            block(0, json!({"type": "text"})),
            hello(),
            json!({"type": "of_next_year"})
        ]),
        "hello"
    );
    let mut decoder = AnthropicMessages.stream_decoder();
    let mut events = Vec::new();
    decoder.decode(&frame("data", "[DONE]"), &mut events).unwrap();
    decoder.decode(&frame("message_stop", "{}"), &mut events).unwrap();
    assert!(matches!(events.last(), Some(StreamEvent::Finish { .. })));
}

#[test]
fn later_counts_replace_a_first_guess() {
    let usage = |usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage});
    let check = |later: Value, expected: Usage| {
        let events = read(&[start(), usage(later)]).unwrap();
        let last = events.iter().rev().find_map(|event| {
            if let StreamEvent::Usage(usage) = event { Some(*usage) } else { None }
        });
        assert_eq!(last, Some(expected));
    };
    let first = Usage { input: 8, cache_read: 2, cache_write: 1, output: 7, reasoning: 0 };
    check(json!({"output_tokens": 7}), first);
    check(json!({"output_tokens": 7, "input_tokens": 0, "cache_read_input_tokens": 0}), first);
    let split = json!({"output_tokens": 7, "input_tokens": 1, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 0});
    check(split, Usage { input: 8, cache_read: 7, cache_write: 0, output: 7, reasoning: 0 });
}

#[test]
fn a_stream_is_written_as_the_service_writes_it() {
    let event = |index, delta| StreamEvent::Delta { index, delta };
    let events = [
        StreamEvent::Start { id: Some("x".to_owned()), model: None, created: None },
        StreamEvent::Usage(Usage { input: 5, cache_read: 2, ..Usage::default() }),
        StreamEvent::BlockStart {
            index: 0,
            block: BlockStart::Reasoning { id: None, redacted: false },
        },
        event(0, Delta::Text("hm".to_owned())),
        event(0, Delta::Signature(signature("s"))),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::BlockStart { index: 1, block: BlockStart::Text },
        event(1, Delta::Text(String::new())),
        event(1, Delta::Text("hello".to_owned())),
        StreamEvent::BlockStop { index: 1 },
        StreamEvent::Usage(Usage { output: 9, reasoning: 4, ..Usage::default() }),
        StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: Some("END".to_owned()) },
    ];
    let counts = |output: u64| json!({"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": output});
    let mut last = counts(9);
    last["output_tokens_details"] = json!({"thinking_tokens": 4});
    let expected = [
        json!({"type": "message_start", "message": {"id": "x", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": counts(0)}}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "hello"})),
        stop(1),
        json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}, "usage": last}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(write(&events), expected);
}

#[test]
fn overlapping_blocks_are_written_one_after_the_other() {
    let open = |index: usize| {
        let block = BlockStart::ToolCall {
            id: format!("c{index}"),
            name: "t".to_owned(),
            custom: index == 3,
        };
        StreamEvent::BlockStart { index, block }
    };
    let piece =
        |index, text: &str| StreamEvent::Delta { index, delta: Delta::Arguments(text.to_owned()) };
    let events = [
        StreamEvent::Start { id: None, model: None, created: None },
        StreamEvent::BlockStart { index: 0, block: BlockStart::Text },
        StreamEvent::BlockStop { index: 0 },
        open(1),
        open(2),
        piece(1, "{\"a\""),
        piece(2, "{\"b\":"),
        piece(1, ":1}"),
        open(3),
        piece(3, "free"),
        piece(2, "2}"),
        StreamEvent::BlockStop { index: 2 },
        piece(3, " text"),
        StreamEvent::BlockStop { index: 1 },
        StreamEvent::Finish { reason: FinishReason::ToolCalls, stop_sequence: None },
    ];
    let payloads = write(&events);
    let answer = fold(&read(&payloads).unwrap());
    let arguments = |part: &Part| {
        if let Part::ToolCall(call) = part { call.arguments.clone() } else { panic!() }
    };
    let seen: Vec<String> = answer.parts.iter().map(arguments).collect();
    assert_eq!(seen, ["{\"a\":1}", "{\"b\":2}", "{\"input\":\"free text\"}"]);
    let mut open = None;
    for payload in &payloads {
        match (payload["type"].as_str().unwrap(), payload["index"].as_u64()) {
            ("content_block_start", index) => assert!(open.replace(index).is_none()),
            ("content_block_delta", index) => assert_eq!(open, Some(index)),
            ("content_block_stop", index) => assert_eq!(open.take(), Some(index)),
            _ => assert!(open.is_none()),
        }
    }
    let indexes = payloads
        .iter()
        .filter(|payload| payload["type"] == "content_block_start")
        .map(|p| p["index"].as_u64());
    assert_eq!(indexes.collect::<Vec<_>>(), [Some(0), Some(1), Some(2)], "no gaps");
}

#[test]
fn what_the_service_has_no_place_for_survives_the_client() {
    let check = |part: Part| {
        let answer = ChatResponse {
            parts: vec![part.clone()],
            finish: Some(FinishReason::ToolCalls),
            id: Some("i".to_owned()),
            model: Some("m".to_owned()),
            ..ChatResponse::default()
        };
        let streamed = fold(&read(&write(&answer.to_events())).unwrap());
        assert_eq!(streamed.parts, std::slice::from_ref(&part));
        let inbound = inbound(&json!({"model": "m", "max_tokens": 1, "messages": []}));
        let whole = AnthropicMessages.encode_response(&info(&inbound), &answer);
        assert_eq!(
            AnthropicMessages.decode_response(&whole).unwrap().parts,
            std::slice::from_ref(&part)
        );
        let content = serde_json::from_slice::<Value>(&whole).unwrap()["content"].take();
        let sent_back = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": content}]});
        assert_eq!(super::decode(&sent_back).unwrap().messages[0].parts, [part]);
    };
    check(call("{\"a\":1}", Some("proof of the call")));
    check(call("{}", Some("proof")));
    check(Part::Reasoning(Reasoning { text: "unsigned".to_owned(), ..Reasoning::default() }));
    check(Part::Reasoning(Reasoning {
        signature: Some(signature("r")),
        redacted: true,
        ..Reasoning::default()
    }));
    check(Part::Reasoning(Reasoning {
        signature: Some(signature("hidden")),
        ..Reasoning::default()
    }));
}

#[test]
fn reasoning_without_a_signature_gets_a_mark_for_clients_that_demand_one() {
    let answer = ChatResponse {
        parts: vec![Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() })],
        ..ChatResponse::default()
    };
    let payloads = write(&answer.to_events());
    assert!(
        payloads
            .contains(&delta(0, json!({"type": "signature_delta", "signature": "sy1.unsigned"})))
    );
}

#[test]
fn a_stream_that_fails_ends_with_an_error_event() {
    let inbound = inbound(&json!({"model": "m", "max_tokens": 1, "messages": []}));
    let mut encoder = AnthropicMessages.stream_encoder(&info(&inbound));
    let mut out = BytesMut::new();
    encoder.fail(&Failure::provider(ErrorKind::RateLimited, "slow"), &mut out);
    encoder.encode(&StreamEvent::BlockStart { index: 0, block: BlockStart::Text }, &mut out);
    encoder
        .encode(&StreamEvent::Finish { reason: FinishReason::Stop, stop_sequence: None }, &mut out);
    let expected = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"},\"request_id\":\"req_1\"}\n\n";
    assert_eq!(out, expected);
}

#[test]
fn ends_have_their_words() {
    let check = |reason: FinishReason, word: &str, back: FinishReason| {
        let inbound = inbound(&json!({"model": "m", "max_tokens": 1, "messages": []}));
        let answer = ChatResponse { finish: Some(reason), ..ChatResponse::default() };
        let whole = AnthropicMessages.encode_response(&info(&inbound), &answer);
        assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap()["stop_reason"], word);
        assert_eq!(AnthropicMessages.decode_response(&whole).unwrap().finish, Some(back));
    };
    check(FinishReason::Stop, "end_turn", FinishReason::Stop);
    check(FinishReason::Length, "max_tokens", FinishReason::Length);
    check(FinishReason::ToolCalls, "tool_use", FinishReason::ToolCalls);
    check(FinishReason::ContentFilter, "refusal", FinishReason::Refusal);
    check(FinishReason::Refusal, "refusal", FinishReason::Refusal);
    check(FinishReason::Pause, "pause_turn", FinishReason::Pause);
    check(FinishReason::Error, "end_turn", FinishReason::Stop);
    check(FinishReason::Other("x".to_owned()), "end_turn", FinishReason::Stop);
}

#[test]
fn answers_that_are_none_are_failures() {
    let check = |body: &str, kind: ErrorKind| {
        assert_eq!(
            AnthropicMessages.decode_response(body.as_bytes()).unwrap_err().kind,
            kind,
            "{body}"
        );
    };
    check("", ErrorKind::Malformed);
    check("<html>", ErrorKind::Malformed);
    check("[]", ErrorKind::Malformed);
    check(r#"{"choices":[]}"#, ErrorKind::Malformed);
    check(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#,
        ErrorKind::Unavailable,
    );
}

#[test]
fn a_relayed_stream_is_looked_at_cheaply_but_not_blindly() {
    let mut decoder = AnthropicMessages.relay_decoder();
    let mut events = Vec::new();
    let mut feed = |event: &str, data: &str| {
        decoder.decode(&frame(event, data), &mut events).map(|()| events.len())
    };
    feed("message_start", &start().to_string()).unwrap();
    feed("content_block_start", &block(0, json!({"type": "text", "text": ""})).to_string())
        .unwrap();
    let text = delta(0, json!({"type": "text_delta", "text": "a"})).to_string();
    let first = feed("content_block_delta", &text).unwrap();
    assert_eq!(feed("content_block_delta", &text), Ok(first), "passed over");
    assert!(feed("content_block_delta", "{\"type\":").is_err(), "cut short");
    assert!(feed("error", r#"{"error":{"message":"m"}}"#).unwrap() > first);
}

#[test]
fn the_explanation_of_a_refusal_is_said() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "No harm."});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details},
        "usage": {"output_tokens": 3}});
    let streamed = fold(&read(&[start(), end, json!({"type": "message_stop"})]).unwrap());
    assert_eq!(streamed.parts, [Part::Refusal("No harm.".to_owned())]);
    assert_eq!(streamed.finish, Some(FinishReason::Refusal));

    let whole =
        json!({"id": "m", "content": [], "stop_reason": "refusal", "stop_details": details});
    let whole = AnthropicMessages.decode_response(whole.to_string().as_bytes()).unwrap();
    assert_eq!(whole.parts, streamed.parts);
}

#[test]
fn later_counts_replace_earlier_ones_also_when_smaller() {
    let end = |usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage});
    let check = |later: Value, expected: [u64; 3]| {
        let answer = fold(&read(&[start(), end(later), json!({"type": "message_stop"})]).unwrap());
        let usage = answer.usage.unwrap();
        assert_eq!([usage.input, usage.cache_read, usage.output], expected);
    };
    check(json!({"output_tokens": 9}), [8, 2, 9]);
    check(json!({"input_tokens": 1, "cache_read_input_tokens": 0, "output_tokens": 4}), [2, 0, 4]);
    check(json!({"input_tokens": 0, "output_tokens": 0}), [8, 2, 1]);
}
