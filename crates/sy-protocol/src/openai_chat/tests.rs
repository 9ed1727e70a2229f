//! Behaviour of chat completions as tables: oddities of streams, bytes of our own streams, dialects, clients' requests.

#![expect(clippy::needless_pass_by_value, reason = "tables of literals read better by value")]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sy_types::chat::{
    BlockStart, ChatRequest, ChatResponse, Citation, Delta, Fold, Message, Part, Reasoning,
    ReasoningOptions, Role, Signature, StreamEvent, Text, ToolCall, ToolChoice, ToolResult,
};
use sy_types::target::{MaxTokensField, ReasoningRequest, StructuredOutput, ToolCallIds};
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, Interleaved, ModelInfo, Target, Timeouts};

use super::OpenAiChat;
use crate::face::{Downstream, Hints, Outgoing, ReplyInfo, StreamDecoder, Upstream, encode};
use crate::frame::{FrameReader, Framing};
use crate::ids::{OLLAMA_CHAT, OPENAI_CHAT};
use crate::inbound::Inbound;

fn target(dialect: Dialect, info: ModelInfo) -> Target {
    Target {
        provider: Arc::from("p"),
        model: Arc::from("m"),
        upstream_model: Arc::from("wire-m"),
        protocol: OPENAI_CHAT,
        base_url: "http://localhost/v1".parse().unwrap(),
        auth: AuthScheme::None,
        dialect,
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(info),
    }
}

fn decode(decoder: &mut dyn StreamDecoder, stream: &str) -> Result<Vec<StreamEvent>, Failure> {
    let (mut reader, mut events) = (FrameReader::new(Framing::Sse, 1 << 20), Vec::new());
    for frame in reader.push(&Bytes::copy_from_slice(stream.as_bytes()))?.frames {
        decoder.decode(&frame, &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

/// Writes chunks as a stream with an end marker.
fn stream_of(chunks: &[Value]) -> String {
    let frames: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    format!("{frames}data: [DONE]\n\n")
}

fn delta(delta: Value) -> Value {
    json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta}]})
}

fn end(word: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]})
}

/// Decodes a stream of deltas and shows what came, in a few words.
#[track_caller]
fn check_stream(chunks: &[Value], expected: &[&str]) {
    let events = decode(&mut *OpenAiChat.stream_decoder(), &stream_of(chunks)).unwrap();
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    let response = fold.into_response().unwrap();
    let mut words: Vec<String> = response.parts.iter().map(word).collect();
    words.push(format!("{:?}", response.finish.unwrap()));
    assert_eq!(words, expected);
}

fn word(part: &Part) -> String {
    match part {
        Part::Text(text) => {
            let cited: Vec<&str> =
                text.citations.iter().map(|citation| citation.url.as_str()).collect();
            let signed = text
                .signature
                .as_ref()
                .map(|signature| format!(" !{}", signature.value))
                .unwrap_or_default();
            format!("text {} {cited:?}{signed}", text.text).replace(" []", "")
        }
        Part::Refusal(text) => format!("refusal {text}"),
        Part::Reasoning(part) => {
            let signed = part
                .signature
                .as_ref()
                .map(|signature| format!(" !{}", signature.value))
                .unwrap_or_default();
            format!("thought {}{signed}", part.text)
        }
        Part::ToolCall(call) => {
            let signed = call
                .signature
                .as_ref()
                .map(|signature| format!(" !{}", signature.value))
                .unwrap_or_default();
            format!("call {} {} {}{signed}", call.id, call.name, call.arguments)
        }
        other => format!("{other:?}"),
    }
}

fn call(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    let mut call =
        json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}});
    call.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    delta(json!({ "tool_calls": [call] }))
}

#[test]
fn calls_are_put_together_however_their_pieces_come() {
    let none = Value::Null;
    check_stream(
        &[
            call(json!(0), json!("c1"), json!("f"), json!("{\"a\"")),
            call(json!(1), json!("c2"), json!("g"), json!("")),
            call(json!(0), none.clone(), none.clone(), json!(":1}")),
            call(json!(1), json!(""), json!(""), json!("{}")),
            end("tool_calls"),
        ],
        &["call c1 f {\"a\":1}", "call c2 g {}", "ToolCalls"],
    );
    // Id and name are repeated in every chunk.
    check_stream(
        &[
            call(json!(0), json!("c1"), json!("f"), json!("{")),
            call(json!(0), json!("c1"), json!("f"), json!("}")),
            end("tool_calls"),
        ],
        &["call c1 f {}", "ToolCalls"],
    );
    // The id comes after the name, the name after the arguments.
    check_stream(
        &[
            call(json!(0), none.clone(), none.clone(), json!("{\"a\"")),
            call(json!(0), none.clone(), json!("f"), json!(":")),
            call(json!(0), json!("c1"), none.clone(), json!("1}")),
            end("stop"),
        ],
        &["call c1 f {\"a\":1}", "ToolCalls"],
    );
    // Every call has index 0 but an id of its own; then no index at all.
    for index in [json!(0), none] {
        check_stream(
            &[
                call(index.clone(), json!("c1"), json!("f"), json!("{}")),
                call(index, json!("c2"), json!("g"), json!({"x": [1]})),
                end("tool_calls"),
            ],
            &["call c1 f {}", "call c2 g {\"x\":[1]}", "ToolCalls"],
        );
    }
}

#[test]
fn a_call_without_an_id_gets_one_and_keeps_its_arguments_in_order() {
    let chunks = [
        call(json!(0), json!(""), json!("f"), json!("{\"a\"")),
        call(json!(0), Value::Null, Value::Null, json!(":1")),
        call(json!(0), Value::Null, Value::Null, json!("}")),
        end("tool_calls"),
    ];
    let events = decode(&mut *OpenAiChat.stream_decoder(), &stream_of(&chunks)).unwrap();
    let arguments: String = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Delta { delta: Delta::Arguments(text), .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, "{\"a\":1}");
    let id = events.iter().find_map(|event| match event {
        StreamEvent::BlockStart { block: BlockStart::ToolCall { id, .. }, .. } => Some(id.clone()),
        _ => None,
    });
    assert_eq!(id, Some(super::made_up_id("a", 0, "f")));
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    check_stream(
        &[call(json!(0), json!("c"), json!("f"), Value::Null), end("tool_calls")],
        &["call c f {}", "ToolCalls"],
    );
    check_stream(
        &[delta(json!({"function_call": {"name": "f", "arguments": "{}"}})), end("function_call")],
        &[&format!("call {} f {{}}", super::made_up_id("a", 0, "f")), "ToolCalls"],
    );
}

#[test]
fn texts_of_all_kinds_become_blocks_in_order() {
    check_stream(
        &[
            delta(json!({"role": "assistant", "content": null})),
            delta(json!({"reasoning_content": "hm"})),
            delta(json!({"reasoning": "m"})),
            delta(json!({"content": "a"})),
            delta(json!({"content": "", "refusal": ""})),
            delta(
                json!({"content": [{"type": "text", "text": "b"}, {"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]}),
            ),
            delta(json!({"refusal": "no"})),
            end("stop"),
        ],
        &["thought hmm", "text ab", "thought x", "refusal no", "Stop"],
    );
}

#[test]
fn details_carry_reasoning_and_its_proof() {
    let detail = |fields: Value| delta(json!({ "reasoning_details": [fields] }));
    check_stream(
        &[
            detail(json!({"type": "reasoning.text", "text": "a", "format": "f", "index": 0})),
            detail(json!({"type": "reasoning.text", "text": "b", "format": "f", "index": 0})),
            detail(json!({"type": "reasoning.text", "signature": "S", "format": "f", "index": 0})),
            delta(json!({"content": "t"})),
            end("stop"),
        ],
        &[
            r#"thought ab ![{"type":"reasoning.text","format":"f","index":0,"signature":"S"}]"#,
            "text t",
            "Stop",
        ],
    );
    // Plain text beside the details is the same text; a proof of another protocol is unwrapped.
    check_stream(
        &[
            delta(
                json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}),
            ),
            detail(json!({"type": "reasoning.text", "signature": "sy1.ollama_chat.P", "index": 0})),
            delta(json!({"reasoning": "b"})),
            end("stop"),
        ],
        &["thought a !P", "thought b", "Stop"],
    );
}

#[test]
fn sources_beside_the_choices_are_cited_once() {
    let mut last = end("stop");
    last["search_results"] = json!([{"url": "u1", "title": "t"}, {"url": "u2"}]);
    last["citations"] = json!(["u1", "u2"]);
    let cited = json!([{"type": "url_citation", "url_citation": {"url": "u1", "title": "t"}}]);
    check_stream(
        &[delta(json!({"content": "x", "annotations": cited})), last.clone(), last],
        &[r#"text x ["u1", "u2"]"#, "Stop"],
    );
}

#[test]
fn googles_proofs_stay_with_their_call_or_text() {
    let extra = json!({"google": {"thought_signature": "G"}});
    check_stream(
        &[
            delta(
                json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}]}),
            ),
            end("stop"),
        ],
        &["call c f {} !G", "ToolCalls"],
    );
    check_stream(
        &[delta(json!({"content": "x", "extra_content": extra})), end("stop")],
        &["text x !G", "Stop"],
    );
}

#[test]
fn only_a_whole_stream_finishes() {
    let check = |stream: &str, expected: Option<&str>| {
        let events = decode(&mut *OpenAiChat.stream_decoder(), stream).unwrap();
        let relayed = decode(&mut *OpenAiChat.relay_decoder(), stream).unwrap();
        for events in [events, relayed] {
            let finish = events.iter().find_map(|event| match event {
                StreamEvent::Finish { reason, .. } => Some(format!("{reason:?}")),
                _ => None,
            });
            assert_eq!(finish.as_deref(), expected, "{stream}");
        }
    };
    let text = format!("data: {}\n\n", delta(json!({"content": "x"})));
    check(&text, None);
    check(&format!("{text}data: [DONE]\n\n"), Some("Stop"));
    check(&format!("{text}data: {}\n\n", end("length")), Some("Length"));
    check(
        &format!("{text}data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", end("length"), end("length")),
        Some("Length"),
    );
    check(&format!("{text}data: {}\n\n", end("")), None);
    check("data: [DONE]\n\n", None);
    check("", None);
}

#[test]
fn errors_in_a_stream_are_failures_and_broken_frames_are_malformed() {
    let text = format!("data: {}\n\n", delta(json!({"content": "x"})));
    for decoder in [OpenAiChat.stream_decoder(), OpenAiChat.relay_decoder()] {
        let mut decoder = decoder;
        let stream = format!(
            "{text}data: {{\"error\":{{\"message\":\"m\",\"code\":429}}}}\n\ndata: [DONE]\n\n"
        );
        let events = decode(&mut *decoder, &stream).unwrap();
        let Some(StreamEvent::Failed(failure)) = events.last() else { panic!("{events:?}") };
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::RateLimited, "m"));
    }
    for broken in
        ["data: nonsense\n\n", "data: [1]\n\n", "data: {\"choices\":[\n\n", "data: <html>\n\n"]
    {
        for decoder in [OpenAiChat.stream_decoder(), OpenAiChat.relay_decoder()] {
            let mut decoder = decoder;
            let failure = decode(&mut *decoder, &format!("{text}{broken}")).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Malformed, "{broken}");
        }
    }
}

#[test]
fn usage_alone_is_told_from_usage_beside_content() {
    let check = |data: &str, expected: bool| {
        let batch = FrameReader::new(Framing::Sse, 1 << 20)
            .push(&Bytes::from(format!("data: {data}\n\n")))
            .unwrap();
        assert_eq!(OpenAiChat.is_usage_only(&batch.frames[0]), expected, "{data}");
    };
    check(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, true);
    check(r#"{"choices":[],"usage" : { "prompt_tokens":1}}"#, true);
    check(r#"{"choices":[],"usage":null}"#, false);
    check(
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
        false,
    );
    check(r#"{"choices":[{"delta":{"content":"\"usage\":{"}}]}"#, false);
    check("[DONE]", false);
}

/// Encodes events for a chat client whose request is given and shows the data lines.
fn encoded(request: &Value, events: &[StreamEvent]) -> Vec<String> {
    let inbound =
        Inbound::parse(&OpenAiChat, Bytes::from(request.to_string()), &Hints::default()).unwrap();
    let info = ReplyInfo { inbound: &inbound, request_id: "r1", now: 7 };
    let (mut encoder, mut out) = (OpenAiChat.stream_encoder(&info), BytesMut::new());
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.split_terminator("\n\n")
        .map(|line| line.strip_prefix("data: ").unwrap().to_owned())
        .collect()
}

fn sample() -> ChatResponse {
    let foreign = |value: &str| Some(Signature { protocol: OLLAMA_CHAT, value: value.to_owned() });
    ChatResponse {
        parts: vec![
            Part::Reasoning(Reasoning {
                text: "hm".to_owned(),
                signature: foreign("P"),
                ..Reasoning::default()
            }),
            Part::text("hi"),
            Part::ToolCall(ToolCall {
                id: "c".to_owned(),
                name: "f".to_owned(),
                arguments: "{\"input\":\"go\"}".to_owned(),
                custom: false,
                signature: foreign("G"),
                cache: false,
            }),
        ],
        usage: Some(sy_types::chat::Usage { input: 3, output: 2, ..Default::default() }),
        finish: Some(sy_types::chat::FinishReason::ToolCalls),
        ..ChatResponse::default()
    }
}

#[test]
fn our_stream_is_what_sdks_expect() {
    let head = r#"{"id":"chatcmpl-r1","object":"chat.completion.chunk","created":7,"model":"m","#;
    let chunk = |delta: &str, finish: &str, tail: &str| {
        format!(
            r#"{head}"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]{tail}}}"#
        )
    };
    let deltas = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"sy1.ollama_chat.P","format":"unknown","index":0}]}"#,
        r#"{"content":"hi"}"#,
        r#"{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"input\":\"go\"}"},"extra_content":{"google":{"thought_signature":"sy1.ollama_chat.G"}},"index":0}]}"#,
    ];
    let check = |options: Value, tail: &str, usage: Option<String>| {
        let request =
            json!({"model": "m", "messages": [], "stream": true, "stream_options": options});
        let mut expected: Vec<String> =
            deltas.iter().map(|delta| chunk(delta, "null", tail)).collect();
        expected.push(chunk("{}", "\"tool_calls\"", tail));
        expected.extend(usage);
        expected.push("[DONE]".to_owned());
        assert_eq!(encoded(&request, &sample().to_events()), expected);
    };
    check(Value::Null, "", None);
    let counts = r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}"#;
    check(
        json!({"include_usage": true}),
        r#","usage":null"#,
        Some(format!(r#"{head}"choices":[],"usage":{counts}}}"#)),
    );
}

#[test]
fn arguments_stream_on_after_the_second_piece() {
    let request = json!({"model": "m", "messages": []});
    let arguments =
        |text: &str| StreamEvent::Delta { index: 0, delta: Delta::Arguments(text.to_owned()) };
    let block = BlockStart::ToolCall { id: "c".to_owned(), name: "f".to_owned(), custom: false };
    let events = [
        StreamEvent::Start { id: None, model: None, created: None },
        StreamEvent::BlockStart { index: 0, block },
        arguments(""),
        arguments("{\"a\""),
        arguments(":1"),
        arguments("}"),
        StreamEvent::BlockStop { index: 0 },
    ];
    let pieces: Vec<Value> = encoded(&request, &events)[1..]
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["choices"][0]["delta"]["tool_calls"][0]
                .clone()
        })
        .collect();
    let expected = [
        json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1"}, "index": 0}),
        json!({"function": {"arguments": "}"}, "index": 0}),
    ];
    assert_eq!(pieces, expected);
}

#[test]
fn a_call_of_a_declared_custom_tool_comes_back_as_one() {
    let tools = json!([{"type": "custom", "custom": {"name": "f", "format": {"type": "text"}}}]);
    let request = json!({"model": "m", "messages": [], "tools": tools});
    let expected = json!({"id": "c", "type": "custom", "custom": {"name": "f", "input": "go"}});
    let lines = encoded(&request, &sample().to_events());
    let found: Vec<Value> = lines
        .iter()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line)
                .ok()?
                .pointer("/choices/0/delta/tool_calls/0/custom")
                .cloned()
        })
        .collect();
    assert_eq!(found, [expected["custom"].clone()]);
    let inbound =
        Inbound::parse(&OpenAiChat, Bytes::from(request.to_string()), &Hints::default()).unwrap();
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 7 };
    let whole: Value =
        serde_json::from_slice(&OpenAiChat.encode_response(&info, &sample())).unwrap();
    assert_eq!(whole["choices"][0]["message"]["tool_calls"][0]["custom"], expected["custom"]);
}

#[test]
fn a_failure_may_be_the_first_word_of_a_stream() {
    let inbound = Inbound::from_chat(ChatRequest::default());
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 7 };
    let mut out = BytesMut::new();
    OpenAiChat
        .stream_encoder(&info)
        .fail(&Failure::provider(ErrorKind::Unavailable, "gone"), &mut out);
    let line = r#"data: {"error":{"message":"gone","type":"server_error","param":null,"code":"provider_unavailable"}}"#;
    assert_eq!(out, format!("{line}\n\n").as_bytes());
}

#[test]
fn proofs_survive_a_whole_answer_and_the_clients_echo() {
    let own = r#"[{"type":"reasoning.summary","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"E","id":"rs","format":"openai-responses-v1","index":1}]"#;
    let reasoning = |text: &str, protocol, value: &str| {
        let signature = Some(Signature { protocol, value: value.to_owned() });
        Part::Reasoning(Reasoning { text: text.to_owned(), signature, ..Reasoning::default() })
    };
    let signature = Some(Signature { protocol: OLLAMA_CHAT, value: "T".to_owned() });
    let parts = vec![
        reasoning("one", OPENAI_CHAT, own),
        reasoning("two", OLLAMA_CHAT, "S"),
        reasoning("", OLLAMA_CHAT, "D"),
        Part::Text(Text { text: "hi".to_owned(), signature, ..Text::default() }),
    ];
    let response = ChatResponse { parts, ..ChatResponse::default() };
    let inbound = Inbound::from_chat(ChatRequest::default());
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 7 };
    let body = OpenAiChat.encode_response(&info, &response);
    let words = |parts: &[Part]| parts.iter().map(word).collect::<Vec<_>>();
    assert_eq!(words(&OpenAiChat.decode_response(&body).unwrap().parts), words(&response.parts));
    // The client sends the message back as it came.
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let request = json!({"model": "m", "messages": [answer["choices"][0]["message"]]});
    assert_eq!(words(&decoded(&request).messages[0].parts), words(&response.parts));
    // To a target that takes details, its own proof goes as it was made; the others are reported.
    let dialect = Dialect { reasoning_request: ReasoningRequest::Object, ..Dialect::default() };
    let built = OpenAiChat
        .build(&decoded(&request), &target(dialect, ModelInfo::default()), false)
        .unwrap();
    let details = &built.body["messages"][0]["reasoning_details"];
    assert_eq!(
        details[0],
        json!({"type": "reasoning.summary", "format": "openai-responses-v1", "index": 0, "summary": "one"})
    );
    assert_eq!((&details[1]["data"], details.as_array().unwrap().len()), (&json!("E"), 2));
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    let expected = [
        "messages[0].parts[3].signature",
        "messages[0].parts[1].signature",
        "messages[0].parts[2].signature",
    ];
    assert_eq!(fields, expected);
}

#[track_caller]
fn decoded(request: &Value) -> ChatRequest {
    let inbound =
        Inbound::parse(&OpenAiChat, Bytes::from(request.to_string()), &Hints::default()).unwrap();
    inbound.chat().unwrap().clone()
}

#[test]
fn a_wrong_field_is_named_with_what_was_expected() {
    let check = |extra: Value, message: &str| {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let parsed =
            Inbound::parse(&OpenAiChat, Bytes::from(request.to_string()), &Hints::default());
        let failure = parsed.and_then(|inbound| inbound.chat().cloned()).unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Invalid, message));
    };
    check(json!({"model": 3}), "model: expected the name of a model, got the number 3");
    check(json!({"model": " "}), "model: expected the name of a model, got the string \" \"");
    check(json!({"stream": "yes"}), "stream: expected true or false, got the string \"yes\"");
    check(json!({"messages": null}), "messages: expected an array of messages, but it is missing");
    check(json!({"temperature": "hot"}), "temperature: expected a number, got the string \"hot\"");
    check(
        json!({"messages": [{"role": "robot"}]}),
        "messages[0].role: expected one of system, developer, user, assistant, tool, got the string \"robot\"",
    );
    check(
        json!({"messages": [{"role": "tool", "content": "x"}]}),
        "messages[0].tool_call_id: expected the id of the call that this answers, but it is missing",
    );
    check(
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}),
        "messages[0].content[0].text: expected a string, got the number 1",
    );
    check(
        json!({"tools": [{"type": "function"}]}),
        "tools[0].function: expected an object with a name, but it is missing",
    );
    check(json!({"stop": [1]}), "stop[0]: expected a string, got the number 1");
}

#[test]
fn what_has_no_place_is_reported_and_defaults_are_not() {
    let request = json!({"model": "m", "n": 2, "logit_bias": {"1": 1}, "store": false, "logprobs": false,
        "modalities": ["text", "audio"], "service_tier": "flex", "verbosity": "low", "prediction": {}, "user": "u",
        "messages": [{"role": "user", "content": [{"type": "image_gen", "x": 1}], "weight": 1}],
        "response_format": {"type": "grammar"}, "reasoning_effort": "default", "stream_options": {"include_usage": true}});
    let chat = decoded(&request);
    let fields: Vec<&str> = chat.unmapped.iter().map(|dropped| dropped.field.as_str()).collect();
    let expected = [
        "messages[0].weight",
        "reasoning_effort",
        "response_format",
        "logit_bias",
        "modalities",
        "verbosity",
        "prediction",
    ];
    assert_eq!(fields, expected);
    assert_eq!((chat.choices, chat.top_logprobs), (Some(2), None));
    assert_eq!(chat.user.as_deref(), Some("u"));
    assert!(
        matches!(&chat.messages[0].parts[0], Part::Opaque(opaque) if opaque.kind == "image_gen")
    );
}

#[test]
fn older_forms_are_read_like_the_newer() {
    let older = decoded(
        &json!({"model": "m", "max_tokens": 5, "stop": "x", "function_call": {"name": "f"},
        "functions": [{"name": "f"}], "messages": [
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "r"}]}),
    );
    assert_eq!(
        (older.max_output_tokens, older.stop.as_slice()),
        (Some(5), ["x".to_owned()].as_slice())
    );
    assert_eq!(older.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    let [Part::ToolCall(call)] = older.messages[0].parts.as_slice() else { panic!("{older:?}") };
    let [Part::ToolResult(result)] = older.messages[1].parts.as_slice() else {
        panic!("{older:?}")
    };
    assert_eq!((&call.id, result.joined_text().as_str()), (&result.call_id, "r"));
}

#[test]
fn every_way_to_ask_for_reasoning_is_read() {
    let check = |extra: Value, enabled: Option<bool>, effort: Option<&str>, budget: Option<u64>| {
        let mut request = json!({"model": "m", "messages": []});
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let asked = decoded(&request).reasoning;
        assert_eq!(
            (asked.enabled, asked.effort.map(|word| word.name()), asked.budget_tokens),
            (enabled, effort, budget),
            "{extra}"
        );
    };
    check(json!({"reasoning_effort": "high"}), None, Some("high"), None);
    check(json!({"reasoning": {"effort": "low", "exclude": true}}), None, Some("low"), None);
    check(json!({"reasoning": {"max_tokens": 9}}), None, None, Some(9));
    check(json!({"thinking": {"type": "disabled"}}), Some(false), None, None);
    check(json!({"thinking": {"type": "enabled", "budget_tokens": 9}}), Some(true), None, Some(9));
    check(json!({"enable_thinking": false}), Some(false), None, None);
}

/// Builds a small request for a dialect and looks at some fields of the body.
#[track_caller]
fn check_build(
    dialect: Dialect,
    info: ModelInfo,
    change: fn(&mut ChatRequest),
    expected: Value,
    dropped: &[&str],
) {
    let mut chat = decoded(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}));
    change(&mut chat);
    let built = OpenAiChat.build(&chat, &target(dialect, info), true).unwrap();
    let mut body = Value::Object(built.body);
    body.as_object_mut()
        .unwrap()
        .retain(|key, _| !matches!(key.as_str(), "model" | "messages" | "stream"));
    assert_eq!(body, expected);
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, dropped);
}

fn variants(words: &[&str]) -> ModelInfo {
    let variants = words.iter().map(|word| ((*word).to_owned(), serde_json::Map::new())).collect();
    ModelInfo { variants, ..ModelInfo::default() }
}

fn quiet() -> Dialect {
    Dialect { stream_options: false, ..Dialect::default() }
}

#[test]
fn a_dialect_decides_names_and_what_is_left_out() {
    let none = ModelInfo::default;
    check_build(
        Dialect::default(),
        none(),
        |_| {},
        json!({"stream_options": {"include_usage": true}}),
        &[],
    );
    let newer = Dialect { max_tokens_field: MaxTokensField::MaxCompletionTokens, ..quiet() };
    check_build(
        newer,
        none(),
        |chat| chat.max_output_tokens = Some(9),
        json!({"max_completion_tokens": 9}),
        &[],
    );
    let mut small = none();
    small.limits.output = 5;
    check_build(
        quiet(),
        small,
        |chat| chat.max_output_tokens = Some(9),
        json!({"max_tokens": 5}),
        &["max_output_tokens"],
    );
    let cold = Dialect { temperature: false, ..quiet() };
    check_build(
        cold,
        none(),
        |chat| chat.sampling.temperature = Some(0.5),
        json!({}),
        &["temperature"],
    );
    let strict = Dialect { tool_call_ids: ToolCallIds::NineAlphanumeric, ..quiet() };
    let notes = |chat: &mut ChatRequest| {
        chat.user = Some("u".to_owned());
        chat.sampling.seed = Some(1);
        chat.sampling.top_k = Some(1);
        chat.prompt_cache_key = Some("k".to_owned());
    };
    check_build(strict, none(), notes, json!({}), &["top_k", "seed", "user", "prompt_cache_key"]);
    check_build(
        quiet(),
        none(),
        notes,
        json!({"seed": 1, "user": "u"}),
        &["top_k", "prompt_cache_key"],
    );
}

#[test]
fn reasoning_is_asked_for_in_the_targets_words() {
    let with = |request: ReasoningRequest| Dialect { reasoning_request: request, ..quiet() };
    let high = |chat: &mut ChatRequest| chat.reasoning.effort = Some(sy_types::chat::Effort::XHigh);
    let off = |chat: &mut ChatRequest| chat.reasoning.enabled = Some(false);
    let budget = |chat: &mut ChatRequest| chat.reasoning.budget_tokens = Some(9_000);
    let none = ModelInfo::default;
    use ReasoningRequest::{Effort, None as Nothing, Object, Thinking};
    check_build(
        with(Effort),
        none(),
        high,
        json!({"reasoning_effort": "high"}),
        &["reasoning.effort"],
    );
    check_build(
        with(Effort),
        variants(&["xhigh"]),
        high,
        json!({"reasoning_effort": "xhigh"}),
        &[],
    );
    check_build(with(Effort), none(), budget, json!({"reasoning_effort": "high"}), &[]);
    check_build(with(Effort), none(), off, json!({}), &["reasoning"]);
    check_build(
        with(Effort),
        variants(&["none", "low"]),
        off,
        json!({"reasoning_effort": "none"}),
        &[],
    );
    check_build(with(Object), none(), high, json!({"reasoning": {"effort": "xhigh"}}), &[]);
    check_build(with(Object), none(), budget, json!({"reasoning": {"max_tokens": 9000}}), &[]);
    check_build(with(Object), none(), off, json!({"reasoning": {"enabled": false}}), &[]);
    check_build(with(Thinking), none(), budget, json!({"thinking": {"type": "enabled"}}), &[]);
    check_build(with(Thinking), none(), off, json!({"thinking": {"type": "disabled"}}), &[]);
    check_build(with(Nothing), none(), high, json!({}), &["reasoning"]);
    check_build(with(Nothing), none(), off, json!({}), &[]);
}

#[test]
fn tools_and_choices_fit_the_target() {
    let tools = |chat: &mut ChatRequest| {
        chat.tools = decoded(&json!({"model": "m", "messages": [], "tools": [
            {"type": "function", "function": {"name": "f"}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}}]}))
        .tools;
        chat.tool_choice = Some(ToolChoice::Named("f".to_owned()));
    };
    let f = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}});
    let input =
        json!({"type": "string", "description": "The whole input of the tool, as free text."});
    let g = json!({"type": "function", "function": {"name": "g", "parameters":
        {"type": "object", "properties": {"input": input}, "required": ["input"]}}});
    let named = json!({"type": "function", "function": {"name": "f"}});
    check_build(
        quiet(),
        ModelInfo::default(),
        tools,
        json!({"tools": [f, g], "tool_choice": named}),
        &["tools[1].format"],
    );
    let auto = Dialect { forced_tool_choice: false, ..quiet() };
    let expected = json!({"tools": [f, g], "tool_choice": "auto"});
    check_build(auto, ModelInfo::default(), tools, expected, &["tools[1].format", "tool_choice"]);
    let auto = Dialect { forced_tool_choice: false, ..quiet() };
    let none = |chat: &mut ChatRequest| {
        chat.tools =
            decoded(&json!({"model": "m", "messages": [], "tools": [{"function": {"name": "f"}}]}))
                .tools;
        chat.tool_choice = Some(ToolChoice::None);
    };
    check_build(auto, ModelInfo::default(), none, json!({}), &[]);
    let allowed = |chat: &mut ChatRequest| {
        chat.tools = decoded(
            &json!({"model": "m", "messages": [], "tools": [{"function": {"name": "f"}}, {"function": {"name": "h"}}]}),
        )
        .tools;
        chat.tool_choice =
            Some(ToolChoice::Allowed { names: vec!["f".to_owned()], required: true });
    };
    let expected = json!({"tools": [f], "tool_choice": "required"});
    check_build(quiet(), ModelInfo::default(), allowed, expected, &["tool_choice.allowed_tools"]);
}

#[test]
fn a_schema_goes_where_it_is_known() {
    let schema = |chat: &mut ChatRequest| {
        chat.output = sy_types::chat::OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        };
    };
    let inner = json!({"name": "response", "schema": {"type": "object"}, "strict": true});
    let expected = json!({"response_format": {"type": "json_schema", "json_schema": inner}});
    check_build(quiet(), ModelInfo::default(), schema, expected, &[]);
    let plain = Dialect { structured_output: StructuredOutput::JsonObject, ..quiet() };
    let expected = json!({"response_format": {"type": "json_object"}});
    check_build(plain, ModelInfo::default(), schema, expected, &["response_format.json_schema"]);
}

/// Builds the messages of a conversation with a call, its result and earlier reasoning.
fn built_messages(dialect: Dialect, info: ModelInfo) -> (Value, Vec<String>) {
    let call = ToolCall {
        id: "toolu:1".to_owned(),
        name: "f".to_owned(),
        arguments: String::new(),
        custom: false,
        signature: None,
        cache: false,
    };
    let picture = crate::media::from_url("data:image/png;base64,AAAA", sy_types::Media::Image);
    let result = ToolResult {
        call_id: "toolu:1".to_owned(),
        name: None,
        parts: vec![Part::text("r"), Part::Media(picture)],
        is_error: true,
        cache: true,
    };
    let thought = Reasoning { text: "hm".to_owned(), ..Reasoning::default() };
    let chat = ChatRequest {
        messages: vec![
            Message::text(Role::System, "s"),
            Message::new(Role::Assistant, vec![Part::Reasoning(thought), Part::ToolCall(call)]),
            Message::new(Role::Tool, vec![Part::ToolResult(result)]),
            Message::text(Role::Assistant, "done"),
        ],
        ..ChatRequest::default()
    };
    let built = OpenAiChat.build(&chat, &target(dialect, info), false).unwrap();
    (
        built.body["messages"].clone(),
        built.dropped.into_iter().map(|dropped| dropped.field).collect(),
    )
}

#[test]
fn history_is_written_in_the_targets_form() {
    let (messages, dropped) = built_messages(Dialect::default(), ModelInfo::default());
    let expected = json!([
        {"role": "system", "content": "s"},
        {"role": "assistant", "content": null, "reasoning_content": "hm",
            "tool_calls": [{"id": "toolu:1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "toolu:1", "content": "r"},
        {"role": "user", "content": [{"type": "text", "text": "Attached media from tool result:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": "done"},
    ]);
    assert_eq!(messages, expected);
    assert_eq!(
        dropped,
        ["messages[2].parts[0].parts[1]", "messages[2].parts[0].is_error", "cache_control"]
    );
}

#[test]
fn a_call_and_its_result_keep_one_id_in_every_form() {
    for rule in [ToolCallIds::Any, ToolCallIds::NineAlphanumeric, ToolCallIds::WordCharacters] {
        let (messages, _) = built_messages(
            Dialect { tool_call_ids: rule, ..Dialect::default() },
            ModelInfo::default(),
        );
        assert_eq!(messages[1]["tool_calls"][0]["id"], messages[2]["tool_call_id"], "{rule:?}");
    }
}

#[test]
fn claude_keeps_its_cache_marks_and_openai_its_developer() {
    let dialect = Dialect {
        tool_call_ids: ToolCallIds::WordCharacters,
        developer_role: true,
        ..Dialect::default()
    };
    let (messages, dropped) = built_messages(dialect, ModelInfo::default());
    let marked = json!([{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]);
    assert_eq!((&messages[2]["content"], &messages[0]["role"]), (&marked, &json!("developer")));
    assert!(!dropped.contains(&"cache_control".to_owned()));
}

#[test]
fn reasoning_goes_back_where_it_is_wanted() {
    let refusing = Dialect { reasoning_history: None, ..Dialect::default() };
    let (messages, dropped) = built_messages(refusing, ModelInfo::default());
    assert_eq!(messages[1].get("reasoning_content"), None);
    assert!(dropped.contains(&"messages[1].parts[0]".to_owned()));
    let mut demanding = ModelInfo::default();
    demanding.capabilities.interleaved = Interleaved::Field("reasoning_content".to_owned());
    let (messages, _) = built_messages(Dialect::default(), demanding);
    assert_eq!(messages[4]["reasoning_content"], "");
}

#[test]
fn a_relay_changes_only_the_model_and_forces_usage_where_told() {
    let check = |body: &str, force_usage: bool, stream: bool, expected: &str, adds: bool| {
        let inbound =
            Inbound::parse(&OpenAiChat, Bytes::from(body.to_owned()), &Hints::default()).unwrap();
        let target = target(Dialect { force_usage, ..Dialect::default() }, ModelInfo::default());
        let outgoing = Outgoing { target: &target, inbound: &inbound, stream };
        let encoded = encode(&OpenAiChat, &outgoing).unwrap();
        assert_eq!(String::from_utf8(encoded.call.body.concat()).unwrap(), expected);
        assert!(encoded.relay && encoded.dropped.is_empty());
        assert_eq!(OpenAiChat.adds_usage(&outgoing), adds);
    };
    let plain = r#"{ "model":"a/b", "x": 1.0,"stream":true, "messages":[] }"#;
    let changed = r#"{ "model":"wire-m", "x": 1.0,"stream":true, "messages":[] }"#;
    check(plain, false, true, changed, false);
    check(
        plain,
        true,
        true,
        &changed.replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1),
        true,
    );
    check(plain, true, false, &changed.replace("true", "false"), false);
    let asked = r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#;
    check(asked, true, true, &asked.replace("\"a\"", "\"wire-m\""), false);
    check(
        r#"{"model":"a","stream":true,"stream_options":{"x":1}}"#,
        true,
        true,
        r#"{"model":"wire-m","stream":true,"stream_options":{"x":1,"include_usage":true}}"#,
        true,
    );
}

#[test]
fn citations_and_pictures_survive_a_whole_answer() {
    let citation =
        Citation { url: "u".to_owned(), title: Some("t".to_owned()), quote: Some("q".to_owned()) };
    let picture = crate::media::from_url("data:image/png;base64,AAAA", sy_types::Media::Image);
    let sound =
        crate::media::inline_media(Some("audio/wav".to_owned()), "BBBB", sy_types::Media::Audio);
    let text = Text { text: "x".to_owned(), citations: vec![citation], ..Text::default() };
    let parts = vec![Part::Text(text), Part::Media(picture), Part::Media(sound)];
    let response = ChatResponse { parts: parts.clone(), ..ChatResponse::default() };
    let inbound = Inbound::from_chat(ChatRequest {
        reasoning: ReasoningOptions::default(),
        ..ChatRequest::default()
    });
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 7 };
    assert_eq!(
        OpenAiChat.decode_response(&OpenAiChat.encode_response(&info, &response)).unwrap().parts,
        parts
    );
}

#[test]
fn an_answer_without_a_choice_is_malformed() {
    for body in ["", "{}", r#"{"choices":[]}"#, r#"{"choices":[{}]}"#, "<html>"] {
        assert_eq!(
            OpenAiChat.decode_response(body.as_bytes()).unwrap_err().kind,
            ErrorKind::Malformed,
            "{body}"
        );
    }
    let failure =
        OpenAiChat.decode_response(br#"{"error":{"message":"m","code":429}}"#).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::RateLimited);
}

#[test]
fn several_choices_are_carried() {
    let body = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"b"}}]}"#;
    let response = OpenAiChat.decode_response(body.as_bytes()).unwrap();
    assert_eq!(response.others.len(), 1);
    let inbound = Inbound::parse(
        &OpenAiChat,
        Bytes::from_static(br#"{"model":"m","messages":[]}"#),
        &Hints::default(),
    );
    let inbound = inbound.unwrap();
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 0 };
    let again: Value =
        serde_json::from_slice(&OpenAiChat.encode_response(&info, &response)).unwrap();
    let texts: Vec<&Value> = again["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| &choice["message"]["content"])
        .collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn an_unusual_answer_is_not_only_looked_at() {
    let usual = json!({"object": "chat.completion", "error": null, "choices": [{"message": {"content": "x"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
    let check = |pointer: &str, value: Value| {
        let mut answer = usual.clone();
        *answer.pointer_mut(pointer).unwrap() = value;
        let body = answer.to_string();
        let (looked_at, read) = (
            OpenAiChat.relay_response(body.as_bytes()),
            OpenAiChat.decode_response(body.as_bytes()),
        );
        match (looked_at, read) {
            (Ok(looked_at), Ok(read)) => {
                assert_eq!(looked_at.usage, read.usage, "{body}");
                assert_eq!(looked_at.parts.is_empty(), pointer.is_empty(), "{body}");
            }
            (Err(looked_at), Err(read)) => assert_eq!(looked_at, read, "{body}"),
            (looked_at, read) => panic!("{looked_at:?} is not {read:?} for {body}"),
        }
    };
    check("", usual.clone());
    check("/error", json!({"message": "m"}));
    check("/object", json!("error"));
    check("/choices", json!([]));
    check("/choices", Value::Null);
    check("/choices/0", json!({"error": {"message": "m"}, "message": {}}));
    check("/choices/0/message", json!("no message"));
    check("/choices/0/message", json!([1]));
    check("/usage", Value::Null);
    check("/usage/completion_tokens", json!(0));
    check("/usage/prompt_tokens", json!("3"));
}

#[test]
fn pieces_of_reasoning_are_set_apart_whole_and_streamed() {
    let thought =
        |text: &str| Part::Reasoning(Reasoning { text: text.to_owned(), ..Reasoning::default() });
    let answer = ChatResponse {
        parts: vec![thought("one"), thought("two"), Part::text("a")],
        ..ChatResponse::default()
    };
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "u"}]});
    let chunks = encoded(&request, &answer.to_events());
    let streamed: String = chunks
        .iter()
        .filter_map(|chunk| serde_json::from_str::<Value>(chunk.trim_start_matches("data: ")).ok())
        .filter_map(|chunk| {
            let text = chunk.pointer("/choices/0/delta/reasoning_content")?;
            text.as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(streamed, "one\n\ntwo");

    let inbound = Inbound::parse(&OpenAiChat, Bytes::from(request.to_string()), &Hints::default());
    let inbound = inbound.unwrap();
    let info = ReplyInfo { inbound: &inbound, request_id: "r", now: 0 };
    let whole: Value = serde_json::from_slice(&OpenAiChat.encode_response(&info, &answer)).unwrap();
    assert_eq!(whole["choices"][0]["message"]["reasoning_content"], "one\n\ntwo");
}

#[test]
fn an_hour_of_caching_is_named_and_the_tier_is_carried() {
    let chat = decoded(&json!({"model": "m", "service_tier": "flex", "messages": [{"role": "user",
        "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]}));
    assert_eq!(chat.service_tier.as_deref(), Some("flex"));
    let reports: Vec<String> = chat.unmapped.iter().map(ToString::to_string).collect();
    assert_eq!(reports, ["messages[0].content[0].cache_control.ttl;clamped=5m"]);
}
