//! Ollama's bodies and lines as tables.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{
    ChatRequest, FinishReason, Fold, Message, OutputFormat, Part, Reasoning, Role, StreamEvent,
    Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use sy_types::{AuthScheme, Dialect, ErrorKind, Failure, ModelInfo, Target, Timeouts};

use super::OllamaChat;
use crate::face::{Built, Outgoing, Upstream, encode};
use crate::frame::{FrameReader, Framing};
use crate::ids::OLLAMA_CHAT;
use crate::inbound::Inbound;

fn target() -> Target {
    Target {
        provider: Arc::from("ollama"),
        model: Arc::from("m"),
        upstream_model: Arc::from("qwen3:4b"),
        protocol: OLLAMA_CHAT,
        base_url: "http://localhost:11434".parse().unwrap(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: json!({"options": {"num_ctx": 65536}, "keep_alive": "5m"})
            .as_object()
            .unwrap()
            .clone(),
        timeouts: Timeouts::default(),
        operator_configured: true,
        info: Arc::new(ModelInfo::default()),
    }
}

fn build(chat: &ChatRequest) -> Built {
    OllamaChat.build(chat, &target(), true).unwrap()
}

#[test]
fn a_conversation_is_written_in_ollamas_form() {
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
            custom: false,
            signature: None,
            cache: false,
        })
    };
    let picture = |url: &str| Part::Media(crate::media::from_url(url, sy_types::Media::Image));
    let result = ToolResult {
        call_id: "c".to_owned(),
        name: Some("f".to_owned()),
        parts: vec![Part::text("r")],
        is_error: false,
        cache: false,
    };
    let thought = Reasoning { text: "hm".to_owned(), ..Reasoning::default() };
    let chat = ChatRequest {
        messages: vec![
            Message::text(Role::Developer, "s"),
            Message::new(
                Role::User,
                vec![
                    Part::text("a"),
                    Part::text("b"),
                    picture("data:image/png;base64,AAAA"),
                    picture("http://x/y"),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![Part::Reasoning(thought), call("c", "{\"a\":1}"), call("d", "nope")],
            ),
            Message::new(Role::Tool, vec![Part::ToolResult(result)]),
        ],
        ..ChatRequest::default()
    };
    let built = build(&chat);
    let function = |arguments: Value| json!({"name": "f", "arguments": arguments});
    let expected = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a\n\nb", "images": ["AAAA"]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"id": "c", "type": "function", "function": function(json!({"a": 1}))},
            {"id": "d", "type": "function", "function": function(json!({"input": "nope"}))}]},
        {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "c"},
    ]);
    assert_eq!(built.body["messages"], expected);
    let fields: Vec<&str> = built.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, ["messages[1].parts[3]", "messages[2].parts[2].arguments"]);
}

#[test]
fn options_format_tools_and_thinking_are_written() {
    let mut chat = ChatRequest {
        messages: vec![Message::text(Role::User, "u")],
        max_output_tokens: Some(5),
        stop: vec!["x".to_owned()],
        ..ChatRequest::default()
    };
    chat.sampling.temperature = Some(0.5);
    chat.sampling.top_k = Some(3);
    chat.output = OutputFormat::JsonObject;
    chat.reasoning.enabled = Some(true);
    chat.user = Some("u".to_owned());
    chat.tool_choice = Some(ToolChoice::Required);
    let kind = ToolKind::Function { parameters: json!({"type": "object"}), strict: Some(true) };
    chat.tools = vec![Tool { name: "f".to_owned(), description: None, kind, cache: false }];
    let inbound = Inbound::from_chat(chat);
    let encoded =
        encode(&OllamaChat, &Outgoing { target: &target(), inbound: &inbound, stream: false })
            .unwrap();
    let body: Value = serde_json::from_slice(&encoded.call.body.concat()).unwrap();
    let function = json!({"name": "f", "description": "", "parameters": {"type": "object"}});
    let expected = json!({"model": "qwen3:4b", "messages": [{"role": "user", "content": "u"}], "stream": false, "format": "json", "think": true,
        "tools": [{"type": "function", "function": function}], "keep_alive": "5m",
        "options": {"num_predict": 5, "stop": ["x"], "temperature": 0.5, "top_k": 3, "num_ctx": 65536}});
    assert_eq!(body, expected);
    let fields: Vec<&str> = encoded.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, ["tool_choice", "tools[0].strict", "user"]);
    assert_eq!(encoded.call.url.as_str(), "http://localhost:11434/api/chat");
}

#[test]
fn no_tools_are_offered_where_none_may_be_called() {
    let kind = ToolKind::Function { parameters: json!({}), strict: None };
    let tools = vec![Tool { name: "f".to_owned(), description: None, kind, cache: false }];
    let built = build(&ChatRequest {
        tools,
        tool_choice: Some(ToolChoice::None),
        ..ChatRequest::default()
    });
    assert!(!built.body.contains_key("tools") && built.dropped.is_empty());
}

fn read(lines: &str) -> Result<Vec<StreamEvent>, Failure> {
    let (mut reader, mut events, mut decoder) =
        (FrameReader::new(Framing::NdJson, 1 << 20), Vec::new(), OllamaChat.stream_decoder());
    let mut frames = reader.push(&Bytes::copy_from_slice(lines.as_bytes()))?.frames;
    frames.extend(reader.finish().frames);
    for frame in frames {
        decoder.decode(&frame, &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}

#[test]
fn lines_become_thinking_text_and_calls() {
    let lines = concat!(
        r#"{"model":"m","created_at":"t","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":"hi"},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{}}}]},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}"#,
    );
    let mut fold = Fold::default();
    read(lines).unwrap().iter().for_each(|event| fold.push(event));
    let response = fold.into_response().unwrap();
    let [Part::Reasoning(thought), Part::Text(text), Part::ToolCall(first), Part::ToolCall(second)] =
        response.parts.as_slice()
    else {
        panic!("{response:?}")
    };
    assert_eq!(
        (thought.text.as_str(), text.text.as_str(), first.arguments.as_str()),
        ("hm", "hi", "{\"a\":1}")
    );
    assert_ne!(first.id, second.id);
    assert_eq!(response.finish, Some(FinishReason::ToolCalls));
    assert_eq!(response.usage.map(|usage| (usage.input, usage.output)), Some((3, 2)));
}

#[test]
fn the_end_is_told_from_a_break() {
    let text = r#"{"message":{"content":"x"},"done":false}"#;
    let check = |last: &str, expected: Option<FinishReason>| {
        let events = read(&format!("{text}\n{last}")).unwrap();
        let finish = match events.last() {
            Some(StreamEvent::Finish { reason, .. }) => Some(reason.clone()),
            _ => None,
        };
        assert_eq!(finish, expected, "{last}");
    };
    check("", None);
    check(
        r#"{"message":{"content":""},"done":true,"done_reason":"length"}"#,
        Some(FinishReason::Length),
    );
    check(r#"{"done":true}"#, Some(FinishReason::Stop));
}

#[test]
fn errors_and_lines_of_another_form_fail() {
    let events = read("{\"error\":\"model not found\"}\n").unwrap();
    assert!(
        matches!(events.last(), Some(StreamEvent::Failed(failure)) if failure.message == "model not found")
    );
    for broken in ["[]", "{\"x\":1}"] {
        assert_eq!(
            read(&format!("{broken}\n")).unwrap_err().kind,
            ErrorKind::Malformed,
            "{broken}"
        );
    }
    assert_eq!(
        OllamaChat.decode_response(b"{\"message\":").unwrap_err().kind,
        ErrorKind::Malformed
    );
    let overflow = OllamaChat
        .decode_failure(400, br#"{"error":"prompt too long; exceeded max context length"}"#);
    assert_eq!(overflow.kind, ErrorKind::ContextOverflow);
}

#[test]
fn lines_that_are_no_json_are_passed_over_but_not_many_in_a_row() {
    let text = r#"{"message":{"content":"x"},"done":false}"#;
    let done = r#"{"done":true,"done_reason":"stop"}"#;
    let broken = |count: usize| "{\"message\":\n".repeat(count);
    let events = read(&format!("{}{text}\n{}{done}\n", broken(8), broken(8))).unwrap();
    assert!(
        matches!(events.last(), Some(StreamEvent::Finish { reason: FinishReason::Stop, .. })),
        "{events:?}"
    );
    let failure = read(&format!("{text}\n{}{done}\n", broken(9))).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Malformed);
    // The end itself cannot be read: it has not come.
    let events = read(&format!("{text}\n{}", done.trim_end_matches('}'))).unwrap();
    assert!(
        matches!(events.last(), Some(StreamEvent::Failed(failure)) if failure.kind == ErrorKind::Malformed),
        "{events:?}"
    );
}
