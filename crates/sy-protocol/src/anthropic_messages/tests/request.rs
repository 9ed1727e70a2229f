//! Reading requests of clients, and passing them on.

use bytes::Bytes;
use serde_json::{Value, json};
use sy_types::chat::{ChatRequest, Effort, OutputFormat, Part, Role, Source, ToolChoice, ToolKind};
use sy_types::{ErrorKind, Media as Kind};

use super::{decode, inbound, target};
use crate::anthropic_messages::AnthropicMessages;
use crate::face::{Downstream, Hints, Outgoing, Upstream, encode};

/// Reads a request with one user message of the given content.
fn with_content(content: Value) -> ChatRequest {
    decode(
        &json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}),
    )
    .unwrap()
}

fn with_field(name: &str, value: Value) -> Result<ChatRequest, sy_types::Failure> {
    let mut body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    body[name] = value;
    decode(&body)
}

#[test]
fn wrong_requests_name_the_field_and_what_was_expected() {
    let check = |name: &str, value: Value, message: &str| {
        let failure = with_field(name, value).unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Invalid, message));
    };
    check(
        "max_tokens",
        Value::Null,
        "max_tokens: expected a whole number of at least 1, but it is missing",
    );
    check(
        "max_tokens",
        json!("9"),
        "max_tokens: expected a whole number of at least 0, got the string \"9\"",
    );
    check("messages", json!({}), "messages: expected an array, got an object");
    check(
        "messages",
        json!([{"role": "robot", "content": "x"}]),
        "messages[0].role: expected user or assistant, got the string \"robot\"",
    );
    check(
        "messages",
        json!([{"role": "user", "content": 7}]),
        "messages[0].content: expected a string or an array of content blocks, got the number 7",
    );
    check(
        "messages",
        json!([{"role": "user", "content": [{"text": "x"}]}]),
        "messages[0].content[0].type: expected the type of a content block, but it is missing",
    );
    check(
        "messages",
        json!([{"role": "user", "content": [{"type": "image", "source": {"type": "path"}}]}]),
        "messages[0].content[0].source.type: expected base64, url, file, text or content, got the string \"path\"",
    );
    check(
        "tools",
        json!([{"name": "t"}]),
        "tools[0].input_schema: expected a JSON Schema object, but it is missing",
    );
    check(
        "tool_choice",
        json!({"type": "must"}),
        "tool_choice.type: expected auto, any, tool or none, got the string \"must\"",
    );
    check(
        "thinking",
        json!({"type": "enabled"}),
        "thinking.budget_tokens: expected a number of tokens, but it is missing",
    );
    check("temperature", json!("hot"), "temperature: expected a number, got the string \"hot\"");
}

#[test]
fn routing_looks_at_model_and_stream_only() {
    let check = |body: &str, expected: Result<(&str, bool), &str>| {
        let head =
            AnthropicMessages.head(&Bytes::copy_from_slice(body.as_bytes()), &Hints::default());
        let head = head.map(|head| (head.model, head.stream)).map_err(|failure| failure.message);
        assert_eq!(head, expected.map(|(m, s)| (m.to_owned(), s)).map_err(str::to_owned), "{body}");
    };
    check(r#"{"model":"m","messages":7}"#, Ok(("m", false)));
    check(r#"{"messages":["\ud83d"],"stream":true,"model":"m"}"#, Ok(("m", true)));
    check(r#"{"model":""}"#, Err("model: expected the name of a model, got the string \"\""));
    check(r#"{"stream":true}"#, Ok(("", true)));
    check(r#"{"model":null}"#, Ok(("", false)));
    check(
        r#"{"model":"m","stream":"yes"}"#,
        Err("stream: expected true or false, got the string \"yes\""),
    );
}

#[test]
fn results_of_tools_become_messages_of_their_own_in_order() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1.50}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "seen", "is_error": null},
            {"type": "tool_result", "tool_use_id": "b", "is_error": true},
            {"type": "text", "text": "and?"},
        ]},
    ]});
    let chat = decode(&body).unwrap();
    let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Assistant, Role::Tool, Role::User]);
    let [Part::ToolResult(first), Part::ToolResult(second)] = chat.messages[1].parts.as_slice()
    else {
        panic!()
    };
    assert_eq!(
        (first.name.as_deref(), first.joined_text().as_str(), first.is_error),
        (Some("look"), "seen", false)
    );
    assert_eq!((second.name.as_deref(), second.parts.len(), second.is_error), (None, 0, true));
    let Part::ToolCall(call) = &chat.messages[0].parts[0] else { panic!() };
    assert_eq!(call.arguments, r#"{"x":1.5}"#);
}

#[test]
fn instructions_come_as_text_or_blocks_and_may_come_late() {
    let chat = with_field("system", json!("be brief")).unwrap();
    assert_eq!(
        (chat.messages[0].role, &chat.messages[0].parts[0]),
        (Role::System, &Part::text("be brief"))
    );
    let blocks =
        json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let chat = with_field("system", blocks).unwrap();
    assert!(matches!(&chat.messages[0].parts[0], Part::Text(text) if text.cache));
    assert_eq!(chat.unmapped[0].field, "system[0].cache_control.ttl");
    let turns =
        json!([{"role": "user", "content": "x"}, {"role": "system", "content": "new rule"}]);
    assert_eq!(with_field("messages", turns).unwrap().messages[1].role, Role::System);
}

#[test]
fn pictures_and_documents_keep_their_source() {
    let check = |block: Value, kind: Kind, source: Source, name: Option<&str>| {
        let chat = with_content(json!([block]));
        let Part::Media(media) = &chat.messages[0].parts[0] else { panic!("{chat:?}") };
        assert_eq!((media.kind, &media.source, media.name.as_deref()), (kind, &source, name));
    };
    let base64 = |text: &'static str| Source::Base64(Bytes::from_static(text.as_bytes()));
    let image = |source: Value| json!({"type": "image", "source": source});
    let document =
        |source: Value| json!({"type": "document", "title": "t", "context": "c", "source": source});
    check(
        image(json!({"type": "base64", "media_type": "image/png", "data": "QQ=="})),
        Kind::Image,
        base64("QQ=="),
        None,
    );
    check(
        image(json!({"type": "url", "url": "https://x.test/a"})),
        Kind::Image,
        Source::Url("https://x.test/a".into()),
        None,
    );
    check(
        image(json!({"type": "file", "file_id": "f"})),
        Kind::Image,
        Source::FileId("f".into()),
        None,
    );
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "QQ=="});
    check(document(pdf), Kind::Pdf, base64("QQ=="), Some("t"));
    let text = json!({"type": "text", "media_type": "text/plain", "data": "d"});
    check(document(text), Kind::Text, Source::Text("d".into()), Some("t"));
    let content = json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    check(document(content), Kind::Text, Source::Text("a\nb".into()), Some("t"));
    let found = json!({"type": "search_result", "source": "https://x.test", "title": "t",
        "content": [{"type": "text", "text": "a"}], "citations": {"enabled": true}});
    check(found, Kind::Text, Source::Text("a".into()), Some("t"));
}

#[test]
fn blocks_that_only_this_protocol_knows_stay_as_they_are() {
    for kind in [
        "server_tool_use",
        "web_search_tool_result",
        "mcp_tool_use",
        "container_upload",
        "of_next_year",
    ] {
        let block = json!({"type": kind, "id": "x", "deep": {"y": [1]}});
        let chat = with_content(json!([block]));
        let Part::Opaque(opaque) = &chat.messages[0].parts[0] else { panic!("{chat:?}") };
        assert_eq!((opaque.kind.as_str(), &opaque.value), (kind, &block));
        assert_eq!(chat.unmapped, []);
    }
}

#[test]
fn tools_are_functions_unless_their_type_says_otherwise() {
    let tools = json!([
        {"name": "a", "input_schema": {}, "type": null, "description": "d", "strict": true, "defer_loading": true},
        {"name": "b", "input_schema": {"type": "object"}, "type": "custom", "cache_control": {"type": "ephemeral"}},
        {"name": "web_search", "type": "web_search_20250305", "max_uses": 3},
    ]);
    let chat = with_field("tools", tools.clone()).unwrap();
    let empty = json!({"type": "object", "properties": {}});
    assert_eq!(chat.tools[0].kind, ToolKind::Function { parameters: empty, strict: Some(true) });
    assert!(chat.tools[1].cache);
    assert_eq!(chat.tools[2].name, "web_search_20250305");
    assert!(
        matches!(&chat.tools[2].kind, ToolKind::Server { declaration, .. } if *declaration == tools[2])
    );
    let fields: Vec<&str> = chat.unmapped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, ["tools[0].defer_loading"]);
}

#[test]
fn the_choice_of_a_tool_says_whether_several_may_be_called() {
    let check = |value: Value, choice: ToolChoice, parallel: Option<bool>| {
        let chat = with_field("tool_choice", value).unwrap();
        assert_eq!((chat.tool_choice, chat.parallel_tool_calls), (Some(choice), parallel));
    };
    check(
        json!({"type": "auto", "disable_parallel_tool_use": true}),
        ToolChoice::Auto,
        Some(false),
    );
    check(
        json!({"type": "any", "disable_parallel_tool_use": false}),
        ToolChoice::Required,
        Some(true),
    );
    check(json!({"type": "tool", "name": "t"}), ToolChoice::Named("t".to_owned()), None);
    check(json!({"type": "none"}), ToolChoice::None, None);
}

#[test]
fn reasoning_and_output_format_come_in_several_fields() {
    let chat = with_field(
        "thinking",
        json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}),
    )
    .unwrap();
    let seen = (chat.reasoning.enabled, chat.reasoning.budget_tokens, chat.reasoning.visible);
    assert_eq!(seen, (Some(true), Some(2000), Some(false)));
    let chat = with_field("thinking", json!({"type": "disabled"})).unwrap();
    assert_eq!(chat.reasoning.enabled, Some(false));
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let config = json!({"effort": "xhigh", "format": format, "task_budget": {"total": 1}});
    let chat = with_field("output_config", config).unwrap();
    assert_eq!(chat.reasoning.effort, Some(Effort::XHigh));
    assert!(matches!(chat.output, OutputFormat::JsonSchema { .. }));
    assert_eq!(chat.unmapped[0].field, "output_config.task_budget");
    assert!(matches!(
        with_field("output_format", format).unwrap().output,
        OutputFormat::JsonSchema { .. }
    ));
}

#[test]
fn fields_without_a_counterpart_are_reported_and_not_refused() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [], "container": "c", "mcp_servers": [], "service_tier": "auto",
        "context_management": {"edits": []}, "metadata": {"user_id": "u", "team": "t"}, "top_k": 5, "speed": null});
    let chat = decode(&body).unwrap();
    let fields: Vec<&str> = chat.unmapped.iter().map(|dropped| dropped.field.as_str()).collect();
    assert_eq!(fields, ["metadata.team", "container", "mcp_servers", "context_management"]);
    assert_eq!((chat.user.as_deref(), chat.sampling.top_k), (Some("u"), Some(5)));
}

#[test]
fn a_request_for_a_count_needs_no_limit() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let head = AnthropicMessages.head(&Bytes::from(body.clone()), &Hints::default()).unwrap();
    assert!(AnthropicMessages.decode(body.as_bytes(), &head).is_err());
    let chat = AnthropicMessages.decode_count_request(body.as_bytes(), &head).unwrap();
    let target = target("claude-opus-4-5");
    let built = AnthropicMessages.build(&chat, &target, false).unwrap();
    let counted: Vec<String> =
        AnthropicMessages.count_body(built.body, &target).keys().cloned().collect();
    assert_eq!(counted, ["model", "messages"]);
    assert_eq!(AnthropicMessages.decode_count(br#"{"input_tokens":12}"#), Some(12));
    assert_eq!(AnthropicMessages.encode_count(12), r#"{"input_tokens":12}"#);
}

/// Relays a body and returns what is sent.
fn relayed(body: &str) -> String {
    let inbound = crate::Inbound::parse(
        &AnthropicMessages,
        Bytes::copy_from_slice(body.as_bytes()),
        &Hints::default(),
    )
    .unwrap();
    let target = target("claude-x");
    let outgoing = Outgoing { target: &target, inbound: &inbound, stream: inbound.head().stream };
    let encoded = encode(&AnthropicMessages, &outgoing).unwrap();
    assert!(encoded.relay);
    assert_eq!(encoded.call.url.as_str(), "https://api.test/v1/messages");
    assert_eq!(encoded.call.headers["anthropic-version"], "2023-06-01");
    String::from_utf8(encoded.call.body.concat()).unwrap()
}

#[test]
fn a_relayed_body_changes_in_nothing_but_the_model() {
    let body = r#"{ "future": [1.0, {"a":1,"a":2}], "model":"m" ,"messages":[{"role":"user","content":"x\ud83d"}]}"#;
    assert_eq!(relayed(body), body.replace(r#""m""#, r#""claude-x""#));
}

#[test]
fn a_relayed_history_loses_the_proofs_of_other_protocols() {
    let foreign = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "sy1.unsigned"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "own", "signature": "EqQB"},
            {"type": "redacted_thinking", "data": "sy1next.abc"},
            {"type": "tool_use", "id": "c", "name": "t", "input": {"text": "sy1.kept"}},
            {"type": "text", "text": "b", "citations": [
                {"type": "web_search_result_location", "url": "u", "cited_text": "", "encrypted_index": "sy1"}]},
        ]},
    ]);
    let own = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "own", "signature": "EqQB"},
            {"type": "tool_use", "id": "c", "name": "t", "input": {"text": "sy1.kept"}},
            {"type": "text", "text": "b"},
        ]},
    ]);
    let sent: Value =
        serde_json::from_str(&relayed(&json!({"model": "m", "messages": foreign}).to_string()))
            .unwrap();
    assert_eq!(sent["messages"], own);
    assert!(inbound(&json!({"model": "m", "max_tokens": 1, "messages": foreign})).chat().is_ok());
}

#[test]
fn the_billing_line_is_relayed_to_the_place_that_reads_it_alone() {
    let line = "x-anthropic-billing-header: cc_version=2; cch=ab1;";
    let relay = |system: Value, billing_line: bool| {
        let body = json!({"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": "u"}]});
        let inbound = inbound(&body);
        let mut target = target("claude-x");
        target.dialect.billing_line = billing_line;
        let outgoing = Outgoing { target: &target, inbound: &inbound, stream: false };
        let encoded = encode(&AnthropicMessages, &outgoing).unwrap();
        let sent: Value = serde_json::from_slice(&encoded.call.body.concat()).unwrap();
        (sent["system"].clone(), encoded.dropped.len())
    };
    let texts = |texts: &[&str]| -> Value {
        texts.iter().map(|text| json!({"type": "text", "text": text})).collect()
    };

    assert_eq!(relay(texts(&[line, "rules"]), false), (texts(&["rules"]), 1));
    assert_eq!(relay(texts(&[line]), false), (Value::Null, 1));
    assert_eq!(relay(json!(format!("{line}\nrules")), false), (json!("rules"), 1));
    assert_eq!(relay(texts(&["rules", "none"]), false), (texts(&["rules", "none"]), 0));
    assert_eq!(relay(texts(&[line, "rules"]), true), (texts(&[line, "rules"]), 0));
}
