//! Z.AI's rules as tables: bodies that are built, bodies that are relayed, answers.

#![expect(clippy::needless_pass_by_value, reason = "tables of literals read better by value")]

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sy_types::chat::{ChatRequest, FinishReason, Message, Part, Role, Tool, ToolChoice, ToolKind};
use sy_types::{AuthScheme, Dialect, ModelInfo, ProtocolId, Target, Timeouts};

use super::ZaiChat;
use crate::face::{Hints, Outgoing, Upstream, encode};
use crate::inbound::Inbound;
use crate::registry::{OPENAI_RESPONSES, ZAI_CHAT, downstream};

fn target(options: Value, words: &[&str]) -> Target {
    let variants = words.iter().map(|word| ((*word).to_owned(), Map::new())).collect();
    Target {
        provider: Arc::from("zai"),
        model: Arc::from("glm"),
        upstream_model: Arc::from("glm-4.7"),
        protocol: ZAI_CHAT,
        base_url: "https://api.z.ai/api/paas/v4".parse().unwrap(),
        auth: AuthScheme::SignedIdSecret,
        dialect: Dialect { stream_options: false, ..Dialect::default() },
        headers: Vec::new(),
        options: options.as_object().unwrap().clone(),
        timeouts: Timeouts::default(),
        operator_configured: false,
        info: Arc::new(ModelInfo { variants, ..ModelInfo::default() }),
    }
}

/// Relays a chat client's body.
#[track_caller]
fn check_relay(target: &Target, body: &str, expected: &str, dropped: &[&str]) {
    let client = downstream(crate::ids::OPENAI_CHAT).unwrap();
    let inbound = Inbound::parse(client, Bytes::from(body.to_owned()), &Hints::default()).unwrap();
    let outgoing = Outgoing { target, inbound: &inbound, stream: inbound.head().stream };
    let encoded = encode(&ZaiChat, &outgoing).unwrap();
    assert!(encoded.relay);
    assert_eq!(String::from_utf8(encoded.call.body.concat()).unwrap(), expected);
    let fields: Vec<&str> = encoded.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, dropped);
}

fn search(protocol: ProtocolId, name: &str, declaration: Value) -> Tool {
    let kind = ToolKind::Server { protocol, declaration };
    Tool { name: name.to_owned(), description: None, kind, cache: false }
}

#[test]
fn a_built_body_has_zais_fields() {
    let parameters = json!({"type": "object"});
    let function = ToolKind::Function { parameters, strict: None };
    let chat = ChatRequest {
        messages: vec![Message::text(Role::User, "hi")],
        tools: vec![
            Tool {
                name: "now".to_owned(),
                description: Some(String::new()),
                kind: function,
                cache: false,
            },
            search(
                OPENAI_RESPONSES,
                "web_search_preview",
                json!({"type": "web_search_preview", "search_context_size": "high"}),
            ),
        ],
        tool_choice: Some(ToolChoice::Auto),
        user: Some("user-1".to_owned()),
        sampling: sy_types::chat::Sampling {
            temperature: Some(0.0),
            top_p: Some(1.0),
            seed: Some(1),
            ..Default::default()
        },
        ..ChatRequest::default()
    };
    let inbound = Inbound::from_chat(chat);
    let target = target(json!({"thinking": {"type": "enabled"}}), &[]);
    let encoded =
        encode(&ZaiChat, &Outgoing { target: &target, inbound: &inbound, stream: true }).unwrap();
    let body: Value = serde_json::from_slice(&encoded.call.body.concat()).unwrap();
    let expected = json!({"model": "glm-4.7", "messages": [{"role": "user", "content": "hi"}], "stream": true,
        "temperature": 0.01, "do_sample": false, "top_p": 0.99, "tool_choice": "auto", "user_id": "user-1",
        "thinking": {"type": "enabled", "clear_thinking": false}, "tool_stream": true,
        "tools": [
            {"type": "web_search", "web_search": {"enable": true, "search_result": true, "content_size": "high"}},
            {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object"}}}]});
    assert_eq!(body, expected);
    let fields: Vec<&str> = encoded.dropped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, ["seed"]);
    assert_eq!(encoded.call.headers["accept-language"], "en-US,en");
    assert_eq!(encoded.call.url.as_str(), "https://api.z.ai/api/paas/v4/chat/completions");
}

#[test]
fn a_relay_leaves_every_other_byte_alone() {
    let plain = target(json!({}), &[]);
    check_relay(
        &plain,
        r#"{ "model" : "zai/glm", "messages": [ {"role":"user","content":"\ud83d 1.0e2"} ], "x" : 1.50 }"#,
        r#"{ "model" : "glm-4.7", "messages": [ {"role":"user","content":"\ud83d 1.0e2"} ], "x" : 1.50 }"#,
        &[],
    );
    check_relay(
        &plain,
        r#"{"model":"m","temperature":0,"top_p":1, "seed":1,"n":1,"logprobs":false,"max_completion_tokens":5,"messages":[]}"#,
        r#"{"max_tokens":5,"do_sample":false,"model":"glm-4.7","temperature":0.01,"top_p":0.99, "messages":[]}"#,
        &["seed"],
    );
    check_relay(
        &plain,
        r#"{"model":"m","temperature":1.5,"presence_penalty":0.1,"frequency_penalty":0.0,"logit_bias":{"1":2},"n":2}"#,
        r#"{"model":"glm-4.7","temperature":0.99}"#,
        &["temperature", "presence_penalty", "logit_bias", "n"],
    );
}

#[test]
fn a_relay_fits_choices_formats_and_stops() {
    let plain = target(json!({}), &[]);
    check_relay(
        &plain,
        r#"{"model":"m","stop":["1","2","3","4","5"],"response_format":{"type":"json_schema","json_schema":{}}}"#,
        r#"{"model":"glm-4.7","stop":["1","2","3","4"],"response_format":{"type":"json_object"}}"#,
        &["stop[4]", "response_format.json_schema"],
    );
    check_relay(
        &plain,
        r#"{"model":"m","stream":true,"tools":[{"type":"function","function":{"name":"f","x":1.0}}],"tool_choice":"required"}"#,
        r#"{"tool_stream":true,"model":"glm-4.7","stream":true,"tools":[{"type":"function","function":{"name":"f","x":1.0}}],"tool_choice":"auto"}"#,
        &["tool_choice"],
    );
    check_relay(
        &plain,
        r#"{"model":"m","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"}"#,
        r#"{"model":"glm-4.7"}"#,
        &[],
    );
    check_relay(
        &plain,
        r#"{"model":"m","tools":[{"type":"function","function":{"name":"f"}}],"web_search_options":{"search_context_size":"low"}}"#,
        r#"{"model":"glm-4.7","tools":[{"type":"web_search","web_search":{"enable":true,"search_result":true,"content_size":"medium"}},{"type":"function","function":{"name":"f"}}]}"#,
        &[],
    );
}

#[test]
fn a_relay_asks_for_thinking_in_zais_words() {
    let plain = target(json!({}), &[]);
    let on = r#""thinking":{"type":"enabled","clear_thinking":false}"#;
    check_relay(
        &plain,
        r#"{"model":"m","reasoning_effort":"high"}"#,
        &format!(r#"{{{on},"model":"glm-4.7"}}"#),
        &["reasoning.effort"],
    );
    check_relay(
        &target(json!({}), &["high", "max"]),
        r#"{"model":"m","reasoning_effort":"low"}"#,
        &format!(r#"{{{on},"model":"glm-4.7","reasoning_effort":"high"}}"#),
        &["reasoning.effort"],
    );
    check_relay(
        &target(json!({}), &["low", "high", "max"]),
        r#"{"model":"m","reasoning":{"effort":"max"}}"#,
        &format!(r#"{{{on},"reasoning_effort":"max","model":"glm-4.7"}}"#),
        &[],
    );
    check_relay(
        &plain,
        r#"{"model":"m","reasoning_effort":"none"}"#,
        r#"{"thinking":{"type":"disabled"},"model":"glm-4.7"}"#,
        &[],
    );
    check_relay(
        &target(json!({"thinking": {"type": "enabled"}, "max_tokens": 9}), &[]),
        r#"{"model":"m","messages":[]}"#,
        &format!(r#"{{{on},"max_tokens":9,"model":"glm-4.7","messages":[]}}"#),
        &[],
    );
    check_relay(
        &target(json!({"thinking": {"type": "enabled"}}), &[]),
        r#"{"model":"m","thinking":{"type":"enabled","clear_thinking":true}}"#,
        r#"{"model":"glm-4.7","thinking":{"type":"enabled","clear_thinking":true}}"#,
        &[],
    );
}

#[test]
fn inline_pictures_lose_their_prefix() {
    check_relay(
        &target(json!({}), &[]),
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"data:image/png;base64,x"}]}]}"#,
        r#"{"model":"glm-4.7","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"AAAA"}},{"type":"text","text":"data:image/png;base64,x"}]}]}"#,
        &[],
    );
}

#[test]
fn a_built_search_needs_no_other_tool() {
    let chat = ChatRequest {
        tools: vec![search(
            ProtocolId::new("x"),
            "web_search_20250305",
            json!({"allowed_domains": ["a.test"]}),
        )],
        ..ChatRequest::default()
    };
    let built = ZaiChat.build(&chat, &target(json!({}), &[]), false).unwrap();
    let settings = json!({"enable": true, "search_result": true, "search_domain_filter": "a.test"});
    assert_eq!(built.body["tools"], json!([{"type": "web_search", "web_search": settings}]));
    assert_eq!(built.dropped, []);
}

#[test]
fn zais_finish_words_and_sources_are_read() {
    let check = |word: &str, expected: FinishReason| {
        let body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": word}],
            "web_search": [{"link": "u", "title": "t", "content": "c"}]});
        let response = ZaiChat.decode_response(body.to_string().as_bytes()).unwrap();
        assert_eq!(response.finish, Some(expected));
        assert!(matches!(&response.parts[0], Part::Text(text) if text.citations[0].url == "u"));
    };
    check("sensitive", FinishReason::ContentFilter);
    check("network_error", FinishReason::Error);
    check("model_context_window_exceeded", FinishReason::Length);
}

#[test]
fn a_business_code_inside_a_stream_decides() {
    let mut reader = crate::frame::FrameReader::new(crate::frame::Framing::Sse, 1 << 20);
    let stream = Bytes::from_static(b"data: {\"error\":{\"code\":\"1302\",\"message\":\"m\"}}\n\n");
    for decoder in [ZaiChat.stream_decoder(), ZaiChat.relay_decoder()] {
        let (mut decoder, mut events) = (decoder, Vec::new());
        for frame in reader.push(&stream).unwrap().frames {
            decoder.decode(&frame, &mut events).unwrap();
        }
        let Some(sy_types::chat::StreamEvent::Failed(failure)) = events.last() else {
            panic!("{events:?}")
        };
        assert_eq!(failure.kind, sy_types::ErrorKind::RateLimited);
    }
}

#[test]
fn of_two_limits_the_newer_stands_and_the_other_is_named() {
    check_relay(
        &target(json!({}), &[]),
        r#"{"model":"glm","max_tokens":10,"max_completion_tokens":20,"messages":[]}"#,
        r#"{"model":"glm-4.7","max_tokens":20,"messages":[]}"#,
        &["max_tokens"],
    );
}
