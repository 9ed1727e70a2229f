//! The oddities of clients and vendors, as tables.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_types::chat::{
    BlockStart, ChatRequest, ChatResponse, Delta, FinishReason, Fold, Message, Part, Reasoning,
    Role, Signature, StreamEvent, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Usage,
};
use sy_types::target::{Timeouts, ToolCallIds};
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, ModelInfo, Side, Target};
use url::Url;

use super::OpenAiResponses;
use super::decoder::Decoder;
use crate::face::{Downstream, Hints, ReplyInfo, StreamDecoder as _, Upstream as _};
use crate::frame::Frame;
use crate::ids::{ANTHROPIC_MESSAGES, GEMINI_GENERATE, OPENAI_RESPONSES};
use crate::inbound::Inbound;

fn inbound(body: &Value) -> Inbound {
    Inbound::parse(&OpenAiResponses, Bytes::from(body.to_string()), &Hints::default()).unwrap()
}

fn decode(body: &Value) -> Result<ChatRequest, Failure> {
    inbound(body).chat().cloned()
}

fn target() -> Target {
    Target {
        provider: "p".into(),
        model: "m".into(),
        upstream_model: "wire-model".into(),
        protocol: OPENAI_RESPONSES,
        base_url: Url::parse("https://a.test/v1").unwrap(),
        auth: AuthScheme::Bearer,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: std::sync::Arc::new(ModelInfo::default()),
    }
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    ToolCall { id, name, arguments, custom: false, signature: None, cache: false }
}

fn signature(protocol: sy_types::ProtocolId) -> Signature {
    Signature { protocol, value: "proof".to_owned() }
}

/// Decodes frames given as data.
fn events_of(mut decoder: Decoder, frames: &[Value]) -> Result<Vec<StreamEvent>, Failure> {
    let mut events = Vec::new();
    for frame in frames {
        let frame = Frame { event: Bytes::new(), data: Bytes::from(frame.to_string()), end: 0 };
        decoder.decode(&frame, &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

fn parts_of(events: &[StreamEvent]) -> Vec<Part> {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    assert!(fold.is_finished());
    fold.into_response().unwrap().parts
}

/// Encodes events for a client that sent the given request; returns the data of each event.
fn stream_for(request: &Value, events: &[StreamEvent]) -> Vec<Value> {
    let inbound = inbound(request);
    let info = ReplyInfo { inbound: &inbound, request_id: "req-7", now: 5 };
    let mut encoder = OpenAiResponses.stream_encoder(&info);
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames
        .iter()
        .map(|frame| frame["type"].as_str().unwrap().trim_start_matches("response."))
        .collect()
}

#[test]
fn the_flat_history_becomes_messages() {
    let chat = decode(&json!({"model": "m", "instructions": "be brief", "input": [
        {"role": "developer", "content": "dev"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"},
            {"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "encrypted_content": "gAAA"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"role": "assistant", "content": "first"},
        {"role": "assistant", "content": "second"},
    ]}))
    .unwrap();
    let roles: Vec<(Role, usize)> =
        chat.messages.iter().map(|message| (message.role, message.parts.len())).collect();
    let expected = [
        (Role::System, 1),
        (Role::Developer, 1),
        (Role::User, 2),
        (Role::Assistant, 4),
        (Role::Tool, 2),
        (Role::Assistant, 1),
        (Role::Assistant, 1),
    ];
    assert_eq!(roles, expected);
    let Part::Reasoning(thought) = &chat.messages[3].parts[0] else { panic!("reasoning first") };
    assert_eq!(
        (thought.text.as_str(), thought.signature.as_ref().unwrap().protocol),
        ("a\n\nb", OPENAI_RESPONSES)
    );
    let Part::ToolResult(result) = &chat.messages[4].parts[1] else { panic!("a result") };
    assert_eq!((result.name.as_deref(), result.joined_text().as_str()), (Some("patch"), "two"));
    assert_eq!(chat.unmapped, []);
}

#[test]
fn ill_typed_fields_are_named() {
    let check = |body: Value, param: &str, kind: ErrorKind| {
        let failure = decode(&body).unwrap_err();
        assert_eq!((failure.param.as_deref(), failure.kind), (Some(param), kind), "{failure}");
    };
    check(json!({"model": "m"}), "input", ErrorKind::Invalid);
    check(json!({"model": "m", "input": 3}), "input", ErrorKind::Invalid);
    check(
        json!({"model": "m", "input": [{"role": "robot", "content": "x"}]}),
        "input[0].role",
        ErrorKind::Invalid,
    );
    check(
        json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
        "input[0].content[0].text",
        ErrorKind::Invalid,
    );
    check(
        json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}),
        "tools[0].name",
        ErrorKind::Invalid,
    );
    check(
        json!({"model": "m", "input": "x", "tool_choice": "must"}),
        "tool_choice",
        ErrorKind::Invalid,
    );
    check(
        json!({"model": "m", "input": "x", "temperature": "hot"}),
        "temperature",
        ErrorKind::Invalid,
    );
    check(
        json!({"model": "m", "input": "x", "reasoning": {"effort": "huge"}}),
        "reasoning.effort",
        ErrorKind::Invalid,
    );
}

#[test]
fn what_refers_to_stored_state_is_refused_not_dropped() {
    let check = |field: &str, value: Value| {
        let failure = decode(&json!({"model": "m", "input": "x", field: value})).unwrap_err();
        assert_eq!((failure.kind, failure.param.as_deref()), (ErrorKind::Unsupported, Some(field)));
    };
    check("previous_response_id", json!("resp_1"));
    check("conversation", json!({"id": "conv_1"}));
    check("background", json!(true));
    check("prompt", json!({"id": "pmpt_1"}));
    let item = json!({"type": "item_reference", "id": "msg_1"});
    assert_eq!(
        decode(&json!({"model": "m", "input": [item]})).unwrap_err().kind,
        ErrorKind::Unsupported
    );
    let defaults = json!({"model": "m", "input": "x", "previous_response_id": null, "background": false,
        "store": false, "truncation": "disabled", "service_tier": "auto", "include": ["reasoning.encrypted_content"]});
    assert_eq!(decode(&defaults).unwrap().unmapped, []);
}

/// The shape of Codex's requests: `namespace` and hosted tools, `client_metadata`.
fn codex_request() -> Value {
    json!({"model": "m", "stream": true, "store": false, "input": [{"type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "hi"}]}], "tools": [
        {"type": "function", "name": "shell", "strict": false, "parameters": {"type": "object", "properties": {}}},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "mcp__docs", "description": "Docs", "tools": [
            {"type": "function", "name": "search", "parameters": {"type": "object", "properties": {}}},
            {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}]},
        {"type": "web_search"}, {"type": "local_shell"}],
        "tool_choice": "auto", "parallel_tool_calls": true, "prompt_cache_key": "k", "client_metadata": {"a": "b"}})
}

#[test]
fn a_codex_request_crosses_with_a_report() {
    let chat = decode(&codex_request()).unwrap();
    let names: Vec<&str> = chat.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        ["shell", "apply_patch", "search", "mcp__docs__shell", "web_search", "local_shell"]
    );
    assert!(matches!(chat.tools[4].kind, ToolKind::Server { protocol: OPENAI_RESPONSES, .. }));
    let reported: Vec<&str> = chat.unmapped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(reported, ["tools[2].description", "client_metadata"]);
}

#[test]
fn calls_go_out_in_the_form_the_client_declared() {
    let answer = ChatResponse {
        parts: vec![
            Part::ToolCall(call("c1", "apply_patch", r#"{"input":"*** Begin"}"#)),
            Part::ToolCall(call("c2", "search", r#"{"q":1}"#)),
            Part::ToolCall(call("c3", "shell", "{}")),
            Part::ToolCall(call("c4", "mcp__docs__shell", "{}")),
        ],
        finish: Some(FinishReason::ToolCalls),
        ..ChatResponse::default()
    };
    let request = codex_request();
    let owned = inbound(&request);
    let info = ReplyInfo { inbound: &owned, request_id: "req-7", now: 5 };
    let whole: Value =
        serde_json::from_slice(&OpenAiResponses.encode_response(&info, &answer)).unwrap();
    let frames = stream_for(&request, &answer.to_events());
    let streamed = &frames.last().unwrap()["response"];
    for response in [&whole, streamed] {
        let output = &response["output"];
        assert_eq!(
            (&output[0]["type"], &output[0]["input"]),
            (&json!("custom_tool_call"), &json!("*** Begin"))
        );
        assert_eq!(
            (&output[1]["type"], &output[1]["namespace"]),
            (&json!("function_call"), &json!("mcp__docs"))
        );
        assert_eq!(output[2].get("namespace"), None);
        assert_eq!(
            (&output[3]["name"], &output[3]["namespace"]),
            (&json!("shell"), &json!("mcp__docs"))
        );
        assert_eq!(response["tools"], request["tools"]);
    }
    assert_eq!(whole["output"], streamed["output"]);
    let custom: Vec<&Value> = frames.iter().filter(|frame| frame["output_index"] == 0).collect();
    let expected = [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ];
    assert_eq!(kinds(&custom.into_iter().cloned().collect::<Vec<_>>()), expected);
}

#[test]
fn history_calls_and_choices_mean_the_tool_of_their_namespace() {
    let group = |name: &str| json!({"type": "namespace", "name": name, "tools": [{"type": "function", "name": "find"}]});
    let said = |id: &str, group: &str| json!({"type": "function_call", "call_id": id, "namespace": group, "name": "find", "arguments": "{}"});
    let chat = decode(&json!({"model": "m", "input": [
        said("1", "b"), {"type": "function_call_output", "call_id": "1", "output": "x"}, said("2", "a"),
        {"type": "additional_tools", "role": "developer", "tools": [group("b")]},
    ], "tools": [group("a")], "tool_choice": {"type": "function", "namespace": "b", "name": "find"}}))
    .unwrap();
    let names: Vec<&str> = chat.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a__find", "b__find"]);
    assert_eq!(chat.tool_choice, Some(ToolChoice::Named("b__find".to_owned())));
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let called: Vec<&str> = parts
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.name.as_str()),
            Part::ToolResult(result) => result.name.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(called, ["b__find", "b__find", "a__find"]);
}

#[test]
fn an_echoed_function_has_what_its_type_demands() {
    let request = json!({"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}]});
    let frames = stream_for(&request, &ChatResponse::default().to_events());
    let tool = &frames.last().unwrap()["response"]["tools"][0];
    assert_eq!(tool["strict"], false);
    assert_eq!(tool["parameters"], json!({"type": "object", "properties": {}}));
}

#[test]
fn a_result_is_of_the_kind_of_the_call_before_it() {
    let called = |custom: bool| {
        let call = ToolCall { custom, ..call("c", "f", "{}") };
        Message::new(Role::Assistant, vec![Part::ToolCall(call)])
    };
    let result = || {
        let parts = vec![Part::text("ok")];
        let (call_id, name, is_error, cache) = ("c".to_owned(), None, false, false);
        let result = ToolResult { call_id, name, parts, is_error, cache };
        Message::new(Role::Tool, vec![Part::ToolResult(result)])
    };
    let messages = vec![called(true), result(), called(false), result()];
    let chat = ChatRequest { messages, ..ChatRequest::default() };
    let body = OpenAiResponses.build(&chat, &target(), false).unwrap().body;
    let kinds: Vec<&str> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    let expected =
        ["custom_tool_call", "custom_tool_call_output", "function_call", "function_call_output"];
    assert_eq!(kinds, expected);
}

#[test]
fn a_stream_has_the_order_of_the_real_one() {
    let answer = ChatResponse {
        id: Some("resp_9".to_owned()),
        model: Some("real".to_owned()),
        created: Some(3),
        parts: vec![
            Part::Reasoning(Reasoning {
                text: "hm".to_owned(),
                signature: Some(signature(OPENAI_RESPONSES)),
                ..Reasoning::default()
            }),
            Part::text("hello"),
            Part::ToolCall(call("c1", "f", "{}")),
        ],
        finish: Some(FinishReason::Length),
        usage: Some(Usage { input: 5, cache_read: 2, cache_write: 1, output: 4, reasoning: 3 }),
        ..ChatResponse::default()
    };
    let frames =
        stream_for(&json!({"model": "m", "input": "x", "temperature": 0.5}), &answer.to_events());
    let expected = "created in_progress output_item.added reasoning_summary_part.added reasoning_summary_text.delta \
        reasoning_summary_text.done reasoning_summary_part.done output_item.done output_item.added content_part.added \
        output_text.delta output_text.done content_part.done output_item.done output_item.added \
        function_call_arguments.delta function_call_arguments.done output_item.done incomplete";
    assert_eq!(kinds(&frames).join(" "), expected);
    for (at, frame) in frames.iter().enumerate() {
        assert_eq!(frame["sequence_number"], at);
    }
    let response = &frames.last().unwrap()["response"];
    assert_eq!(
        (&response["id"], &response["model"], &response["created_at"]),
        (&json!("resp_9"), &json!("real"), &json!(3))
    );
    assert_eq!((&response["temperature"], &response["top_p"]), (&json!(0.5), &json!(1.0)));
    assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(response["output"][0]["encrypted_content"], "proof");
    let usage = json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 9});
    assert_eq!(response["usage"], usage);
}

#[test]
fn a_failure_is_told_in_both_forms_and_only_once() {
    let failure = Failure::provider(ErrorKind::RateLimited, "slow down")
        .with_code("1302")
        .with_retry_after(Some(std::time::Duration::from_secs(11)));
    let frames = stream_for(
        &json!({"model": "m", "input": "x"}),
        &[StreamEvent::Failed(failure.clone()), StreamEvent::Failed(failure)],
    );
    assert_eq!(kinds(&frames), ["error", "failed"]);
    assert_eq!(
        (&frames[0]["error"]["code"], &frames[0]["message"]),
        (&json!("rate_limit_exceeded"), &json!("slow down"))
    );
    let response = &frames[1]["response"];
    let expected =
        json!({"code": "rate_limit_exceeded", "message": "slow down Please try again in 11s."});
    assert_eq!((&response["status"], &response["error"]), (&json!("failed"), &expected));
    for frame in &frames {
        let events = events_of(Decoder::full(), std::slice::from_ref(frame)).unwrap();
        let Some(StreamEvent::Failed(failure)) = events.last() else { panic!("{events:?}") };
        assert_eq!(failure.kind, ErrorKind::RateLimited);
    }
}

#[test]
fn each_kind_of_failure_reads_back_as_itself() {
    for (kind, status) in [
        (ErrorKind::Invalid, 400),
        (ErrorKind::Unauthenticated, 401),
        (ErrorKind::QuotaExceeded, 429),
        (ErrorKind::RateLimited, 429),
        (ErrorKind::ContextOverflow, 400),
        (ErrorKind::ContentFiltered, 400),
        (ErrorKind::NotFound, 404),
        (ErrorKind::Unavailable, 503),
    ] {
        let failure = Failure::new(kind, Side::Provider, "why").with_param("x");
        let body = OpenAiResponses.encode_failure(&failure, status, "req-7");
        let again = OpenAiResponses.decode_failure(status, &body);
        assert_eq!(
            (again.kind, again.message.as_str(), again.param.as_deref()),
            (kind, "why", Some("x"))
        );
    }
}

#[track_caller]
fn check_stream(frames: &[Value], expected: &[Part]) {
    let mut frames = frames.to_vec();
    if !frames.iter().any(|frame| frame["type"] == "response.completed") {
        frames
            .push(json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}));
    }
    let events = events_of(Decoder::full(), &frames).unwrap();
    assert!(matches!(events.first(), Some(StreamEvent::Start { .. })));
    assert_eq!(parts_of(&events), expected);
}

#[test]
fn a_stream_without_deltas_is_read_from_what_repeats_them() {
    let message = json!({"type": "message", "id": "a", "role": "assistant",
        "content": [{"type": "output_text", "text": "hi", "annotations": []}]});
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": message});
    let text_done = json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "hi"});
    let closing = json!({"type": "response.completed", "response": {"output": [message]}});
    let expected = [Part::text("hi")];
    check_stream(std::slice::from_ref(&done), &expected);
    check_stream(&[added.clone(), text_done.clone(), done], &expected);
    check_stream(&[text_done], &expected);
    check_stream(std::slice::from_ref(&closing), &expected);
    check_stream(&[added, closing], &expected);
}

#[test]
fn items_are_told_apart_by_place_not_by_id() {
    check_stream(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "a"}}),
            json!({"type": "response.output_text.delta", "output_index": 0, "item_id": "b", "content_index": 0, "delta": "h"}),
            json!({"type": "response.output_text.delta", "output_index": 0, "item_id": "c", "content_index": 0, "delta": "i"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "d",
                "content": [{"type": "output_text", "text": "hi"}]}}),
        ],
        &[Part::text("hi")],
    );
}

#[test]
fn items_without_a_place_follow_each_other() {
    let text =
        |text: &str| json!({"type": "message", "content": [{"type": "output_text", "text": text}]});
    check_stream(
        &[
            json!({"type": "response.output_item.added", "item": {"type": "message"}}),
            json!({"type": "response.output_text.delta", "delta": "one"}),
            json!({"type": "response.output_item.done", "item": text("one")}),
            json!({"type": "response.output_item.added", "item": {"type": "message"}}),
            json!({"type": "response.output_item.done", "item": text("two")}),
            json!({"type": "response.output_item.done", "item": text("three")}),
        ],
        &[Part::text("one"), Part::text("two"), Part::text("three")],
    );
}

#[test]
fn an_item_that_ends_as_another_is_closed_and_the_other_is_given_out() {
    let added = |kind: &str| json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": kind}});
    let thought = json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "hm"});
    let done = json!({"type": "response.output_item.done", "output_index": 0,
        "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}});
    let frames = [
        added("reasoning"),
        thought,
        done,
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
    ];
    let events = events_of(Decoder::full(), &frames).unwrap();
    let stops = |events: &[StreamEvent]| {
        let stop = |event: &StreamEvent| match event {
            StreamEvent::BlockStop { index } => Some(*index),
            _ => None,
        };
        events.iter().filter_map(stop).collect::<Vec<_>>()
    };
    assert_eq!(stops(&events), [0, 1]);
    let reasoning = Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() });
    check_stream(&frames, &[reasoning, Part::ToolCall(call("c", "f", "{}"))]);
}

#[test]
fn arguments_may_come_before_the_name_or_as_an_object() {
    let done = |arguments: Value| {
        json!({"type": "response.output_item.done", "output_index": 0,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}})
    };
    let expected = [Part::ToolCall(call("c", "f", r#"{"a":1}"#))];
    let early = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{\"a\":1}"});
    check_stream(&[early, done(json!("{\"a\":1}"))], &expected);
    check_stream(&[done(json!({"a": 1}))], &expected);
    let nameless = json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "name": ""}});
    check_stream(&[nameless, done(json!("{\"a\":1}"))], &expected);
}

#[test]
fn an_endless_call_without_a_name_is_not_held_back_for_ever() {
    let piece = "x".repeat(300_000);
    let delta = json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "i", "delta": piece});
    let closing = json!({"type": "response.completed", "response": {"output": []}});
    let parts =
        parts_of(&events_of(Decoder::full(), &[vec![delta; 5], vec![closing]].concat()).unwrap());
    let [Part::ToolCall(call)] = parts.as_slice() else { panic!("one call") };
    assert_eq!((call.id.as_str(), call.arguments.len()), ("i", 1_500_000));
}

#[test]
fn reasoning_is_taken_from_one_of_its_two_fields() {
    let summary = |index: u64, text: &str| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": text});
    let raw = json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1",
        "summary": [{"text": "a"}, {"text": "b"}], "content": [{"text": "raw"}], "encrypted_content": "proof"}});
    let thought = |id: Option<&str>, text: &str| {
        Part::Reasoning(Reasoning {
            id: id.map(str::to_owned),
            text: text.to_owned(),
            signature: Some(signature(OPENAI_RESPONSES)),
            redacted: false,
        })
    };
    check_stream(
        &[summary(0, "a"), summary(1, "b"), raw.clone(), done.clone()],
        &[thought(None, "a\n\nb")],
    );
    check_stream(&[raw, summary(0, "a"), done.clone()], &[thought(None, "raw")]);
    check_stream(&[done], &[thought(Some("rs_1"), "a\n\nb")]);
}

#[test]
fn errors_inside_a_stream_end_it() {
    let check = |frame: Value, kind: ErrorKind, message: &str| {
        let events =
            events_of(Decoder::full(), &[frame.clone(), json!({"type": "response.completed"})])
                .unwrap();
        let [StreamEvent::Failed(failure)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((failure.kind, failure.message.as_str()), (kind, message), "{frame}");
        let lean = events_of(Decoder::lean(), &[frame]).unwrap();
        assert_eq!(lean, events);
    };
    check(
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "m"}),
        ErrorKind::RateLimited,
        "m",
    );
    check(json!({"type": "error", "code": null, "message": "m"}), ErrorKind::Unavailable, "m");
    check(
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}),
        ErrorKind::Invalid,
        "m",
    );
    check(json!({"error": {"message": "m", "code": 429}}), ErrorKind::RateLimited, "m");
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "insufficient_quota", "message": "m"}}});
    check(failed, ErrorKind::QuotaExceeded, "m");
}

#[test]
fn what_is_not_json_is_a_failure_and_a_broken_stream_has_no_end() {
    for torn in ["{\"type\":\"response.output_text.delta\"", "[]", "oops"] {
        for mut decoder in [Decoder::full(), Decoder::lean()] {
            let frame = Frame { event: Bytes::new(), data: Bytes::from(torn), end: 0 };
            assert_eq!(
                decoder.decode(&frame, &mut Vec::new()).unwrap_err().kind,
                ErrorKind::Malformed,
                "{torn}"
            );
        }
    }
    let created = json!({"type": "response.created", "response": {"id": "r", "model": "m", "created_at": 1.0}});
    let events = events_of(Decoder::full(), &[created]).unwrap();
    let start = StreamEvent::Start {
        id: Some("r".to_owned()),
        model: Some("m".to_owned()),
        created: Some(1),
    };
    assert_eq!(events, [start]);
}

#[test]
fn proofs_of_other_protocols_come_back_through_a_client() {
    let mut signed = call("c1", "f", "{}");
    signed.signature = Some(signature(GEMINI_GENERATE));
    let hidden = Reasoning {
        signature: Some(signature(ANTHROPIC_MESSAGES)),
        redacted: true,
        ..Reasoning::default()
    };
    let answer = ChatResponse {
        parts: vec![Part::Reasoning(hidden), Part::ToolCall(signed)],
        finish: Some(FinishReason::ToolCalls),
        ..ChatResponse::default()
    };
    let request = json!({"model": "m", "input": "x"});
    let frames = stream_for(&request, &answer.to_events());
    // Clients send the items back in the order in which they were done, or in the order of the output.
    let done = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_item.done")
        .map(|frame| frame["item"].clone());
    let output = frames.last().unwrap()["response"]["output"].clone();
    for items in [Value::Array(done.collect()), output] {
        let chat = decode(&json!({"model": "m", "input": items})).unwrap();
        let [message] = chat.messages.as_slice() else { panic!("one message: {chat:?}") };
        let [Part::Reasoning(thought), Part::ToolCall(call)] = message.parts.as_slice() else {
            panic!("{message:?}")
        };
        // Protocols that are not registered in this build count as our own, so only the flag and the place are looked at.
        assert!(thought.redacted && thought.signature.is_some() && call.signature.is_some());
    }
}

#[test]
fn a_body_keeps_what_it_can_and_reports_the_rest() {
    let mut assistant = Message::text(Role::Assistant, "ok");
    assistant
        .parts
        .push(Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() }));
    assistant.parts.push(Part::ToolCall(call(&"x".repeat(80), "f", "")));
    let result = ToolResult {
        call_id: "x".repeat(80),
        name: None,
        parts: vec![Part::text("42")],
        is_error: true,
        cache: true,
    };
    let server = ToolKind::Server {
        protocol: ANTHROPIC_MESSAGES,
        declaration: json!({"type": "web_search_20250305"}),
    };
    let function = ToolKind::Function { parameters: json!({"type": "object"}), strict: None };
    let tool = |name: &str, kind: ToolKind| Tool {
        name: name.to_owned(),
        description: None,
        kind,
        cache: false,
    };
    let chat = ChatRequest {
        messages: vec![
            Message::text(Role::System, "rules"),
            Message::text(Role::User, "q"),
            assistant,
            Message::new(Role::Tool, vec![Part::ToolResult(result)]),
        ],
        tools: vec![tool("f", function), tool("web_search", server)],
        tool_choice: Some(ToolChoice::Named("f".to_owned())),
        max_output_tokens: Some(1),
        stop: vec!["x".to_owned()],
        ..ChatRequest::default()
    };
    let built = OpenAiResponses.build(&chat, &target(), true).unwrap();
    let body = Value::Object(built.body);
    assert_eq!(
        (&body["model"], &body["store"], &body["instructions"]),
        (&json!("wire-model"), &json!(false), &json!("rules"))
    );
    let input = body["input"].as_array().unwrap();
    let order: Vec<&str> = input.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(order, ["message", "message", "function_call", "function_call_output"]);
    assert_eq!(
        (&input[2]["call_id"], &input[2]["arguments"]),
        (&input[3]["call_id"], &json!("{}"))
    );
    assert!(input[2]["call_id"].as_str().unwrap().len() <= 64);
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}])
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "f"}));
    assert_eq!((&body["max_output_tokens"], body.get("include")), (&json!(16), None));
    let reported: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    let expected = [
        "messages[2].parts[1]",
        "messages[3].parts[0].is_error",
        "tools[1] (web_search)",
        "max_output_tokens",
        "stop",
        "cache_control",
    ];
    assert_eq!(reported, expected);
}

#[test]
fn reasoning_is_asked_for_in_its_encrypted_form() {
    let mut chat =
        ChatRequest { messages: vec![Message::text(Role::User, "q")], ..ChatRequest::default() };
    chat.reasoning.budget_tokens = Some(4_000);
    chat.reasoning.visible = Some(true);
    let body = OpenAiResponses.build(&chat, &target(), false).unwrap().body;
    assert_eq!(body["reasoning"], json!({"effort": "low", "summary": "auto"}));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    chat.reasoning.enabled = Some(false);
    let body = OpenAiResponses.build(&chat, &target(), false).unwrap().body;
    assert_eq!((&body["reasoning"], body.get("include")), (&json!({"effort": "none"}), None));
}

#[test]
fn call_ids_take_the_form_that_the_target_accepts() {
    let check = |ids: ToolCallIds, id: &str, is_fine: fn(&str) -> bool| {
        let mut target = target();
        target.dialect.tool_call_ids = ids;
        let message = Message::new(Role::Assistant, vec![Part::ToolCall(call(id, "f", "{}"))]);
        let chat = ChatRequest { messages: vec![message], ..ChatRequest::default() };
        let body = Value::Object(OpenAiResponses.build(&chat, &target, false).unwrap().body);
        let sent = body["input"][0]["call_id"].as_str().unwrap().to_owned();
        assert!(is_fine(&sent), "{id} -> {sent}");
    };
    check(ToolCallIds::Any, "a:b", |id| id == "a:b");
    check(ToolCallIds::WordCharacters, "a:b", |id| id.starts_with("a_b_"));
    check(ToolCallIds::NineAlphanumeric, "call_1", |id| {
        id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric())
    });
}

#[test]
fn finish_reasons_have_a_nearest_word() {
    let check = |reason: FinishReason, expected: FinishReason| {
        let events = [
            StreamEvent::BlockStart { index: 0, block: BlockStart::Text },
            StreamEvent::Delta { index: 0, delta: Delta::Text("x".to_owned()) },
            StreamEvent::BlockStop { index: 0 },
            StreamEvent::Finish { reason, stop_sequence: None },
        ];
        let frames = stream_for(&json!({"model": "m", "input": "x"}), &events);
        let again = events_of(Decoder::full(), &frames).unwrap();
        assert_eq!(
            again.last(),
            Some(&StreamEvent::Finish { reason: expected, stop_sequence: None })
        );
    };
    check(FinishReason::Stop, FinishReason::Stop);
    check(FinishReason::Length, FinishReason::Length);
    check(FinishReason::ContentFilter, FinishReason::ContentFilter);
    check(FinishReason::Refusal, FinishReason::ContentFilter);
    check(FinishReason::Error, FinishReason::Error);
    check(FinishReason::Pause, FinishReason::Stop);
    check(FinishReason::Other("odd".to_owned()), FinishReason::Stop);
}

#[test]
fn counts_are_read_and_written() {
    let body = OpenAiResponses.encode_count(12);
    assert_eq!(OpenAiResponses.decode_count(&body), Some(12));
    assert_eq!(OpenAiResponses.count_path(&target()).as_deref(), Some("/responses/input_tokens"));
}

#[test]
fn the_code_of_a_failed_response_is_one_of_openais() {
    let check = |kind, code: Option<&str>, expected: (&'static str, &str)| {
        let mut failure = Failure::provider(kind, "it failed");
        failure.code = code.map(str::to_owned);
        let (written, message) = super::failure::response_error(&failure);
        assert_eq!((written, message.as_str()), expected);
    };
    check(
        ErrorKind::Unavailable,
        Some("overloaded_error"),
        ("server_error", "it failed (overloaded_error)"),
    );
    check(ErrorKind::Unavailable, None, ("server_error", "it failed"));
    check(ErrorKind::Invalid, Some("image_too_large"), ("image_too_large", "it failed"));
    check(ErrorKind::ContentFiltered, Some("SAFETY"), ("invalid_prompt", "it failed (SAFETY)"));
    check(ErrorKind::ContextOverflow, Some("x"), ("context_length_exceeded", "it failed"));
}

#[test]
fn instructions_alone_are_input_and_sound_is_named() {
    let media =
        crate::media::inline_media(Some("audio/wav".to_owned()), "AAAA", sy_types::Media::Audio);
    let chat = ChatRequest {
        messages: vec![Message::text(Role::System, "rules")],
        ..ChatRequest::default()
    };
    let body = super::build::build(&chat, &target(), false).unwrap().body;
    assert_eq!((body.get("instructions"), body["input"].as_array().unwrap().len()), (None, 1));

    let messages = vec![Message::new(Role::User, vec![Part::text("u"), Part::Media(media)])];
    let chat = ChatRequest { messages, ..ChatRequest::default() };
    let built = super::build::build(&chat, &target(), false).unwrap();
    assert!(built.dropped.iter().any(|dropped| dropped.field == "messages[0].parts[1]"));
}
