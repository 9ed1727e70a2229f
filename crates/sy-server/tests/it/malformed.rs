//! Requests that cannot be understood.

use std::io::Write;

use serde_json::json;
use sy_testkit::Wire;

use crate::dialect::{path, refusal};
use crate::world::{Plot, TOKEN, good};

#[tokio::test]
async fn a_body_that_is_no_request_is_a_4xx_that_says_why() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("chat", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .set("/model", json!("chat/m"))
        .start();
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"{\"model\": \"chat/m\"} and more",
        b"{\"model\": \"chat/m\", \"messages\": \"\xff\xfe\"}",
        b"\xff\xff",
        b"\x00",
    ];
    for wire in Wire::ALL {
        for body in bodies {
            let answer = server.post(&path(wire, "chat/m", false), body.to_vec()).send().await;
            assert_eq!(
                answer.status,
                400,
                "{wire:?} {:?}: {answer:?}",
                String::from_utf8_lossy(body)
            );
            refusal(wire, &answer);
        }
    }
    assert_eq!(upstream.hits(), 0);
    // Relay and translation refuse the deepest nesting alike, and neither runs out of stack.
    for (wire, model) in
        [(Wire::Chat, "chat/m"), (Wire::Chat, "claude/m"), (Wire::Anthropic, "chat/m")]
    {
        let nested = format!(
            "{{\"model\":\"{model}\",\"messages\":{}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let answer = server.post(&path(wire, model, false), nested).send().await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("chat", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .start();
    let check = async |wire: Wire, model: &str, field: &str, value: serde_json::Value| {
        let mut body = wire.request(model, false);
        body[field] = value.clone();
        let answer = server.post_json(&path(wire, model, false), &body).send().await;
        assert_eq!(answer.status, 400, "{wire:?} {field} = {value}: {answer:?}");
        let message = refusal(wire, &answer);
        assert!(message.contains(field), "{field}: {message}");
    };
    // The head is read for every target, the rest where it must be translated.
    for wire in [Wire::Chat, Wire::Responses, Wire::Anthropic] {
        let foreign = if wire == Wire::Anthropic { "chat/m" } else { "claude/m" };
        check(wire, foreign, "model", json!(7)).await;
        check(wire, foreign, "stream", json!("yes")).await;
        check(wire, foreign, "temperature", json!("hot")).await;
        check(wire, foreign, "tools", json!("all")).await;
        let turns = if wire == Wire::Responses { "input" } else { "messages" };
        check(wire, foreign, turns, json!({"role": 5})).await;
        check(wire, foreign, turns, json!([{"role": 5}])).await;
    }
    check(Wire::Gemini, "chat/m", "contents", json!(7)).await;
    check(Wire::Gemini, "chat/m", "generationConfig", json!([1])).await;
    assert_eq!(upstream.hits(), 0);
}

#[tokio::test]
async fn half_a_character_is_refused_or_passed_on_but_never_a_fault_of_ours() {
    let upstream = good().await;
    let server = Plot::new()
        .provider("chat", Wire::Chat, &upstream)
        .provider("claude", Wire::Anthropic, &upstream)
        .start();
    let text =
        r#"{"model":"MODEL","max_tokens":9,"messages":[{"role":"user","content":"\ud83d half"}]}"#;
    for (wire, model) in [(Wire::Chat, "claude/m"), (Wire::Anthropic, "chat/m")] {
        let answer =
            server.post(&path(wire, model, false), text.replace("MODEL", model)).send().await;
        assert!(answer.status == 200 || answer.status == 400, "{wire:?}: {answer:?}");
        if answer.status == 400 {
            refusal(wire, &answer);
        }
    }
    let answer = server.post("/v1/chat/completions", text.replace("MODEL", r"\ud83d")).send().await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert!(answer.text().contains("there is no model"), "{answer:?}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_a_413() {
    let server = Plot::new().set("/server/body_limit_mb", json!(1)).start();
    let big = vec![b' '; (1 << 20) + 1];
    for wire in Wire::ALL {
        let answer = server.post(&path(wire, "a/m", false), big.clone()).send().await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(refusal(wire, &answer).contains("body_limit_mb"));
    }
    // Nobody need send it to be told.
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: 9999999999\r\n\r\n"
    );
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // A body of unknown length is measured as it comes.
    let mut chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n",
        big.len()
    )
    .into_bytes();
    chunked.extend_from_slice(&big);
    let answer = server.raw(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Up to the limit it is read.
    let answer = server.post("/v1/messages", vec![b' '; 1 << 20]).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_compressed_body_is_refused_with_what_to_do() {
    let server = Plot::new().start();
    let mut packed = Vec::new();
    write!(packed, "not really packed").unwrap();
    for wire in Wire::ALL {
        let ask = server
            .post(&path(wire, "a/m", false), packed.clone())
            .header("content-encoding", "gzip");
        let answer = ask.send().await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(refusal(wire, &answer).contains("gzip"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_answered_by_a_plain_400_and_a_closed_connection() {
    let server = Plot::new().start();
    for text in ["nonsense\r\n\r\n", "GET /health HTTP/1.1\r\nbad header\r\n\r\n"] {
        let answer = server.raw(text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let answer = server.raw(b"POST /v1/messages HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 403 ") || answer.starts_with("HTTP/1.1 403 "),
        "no Host: {answer}"
    );
}
