//! What requests may take of the memory, each and all together, and that it is given back.

use serde_json::{Value, json};
use sy_testkit::{FakeUpstream, Script, Wire};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::Answer;
use crate::dialect::{path, refusal};
use crate::world::{Plot, Server, TOKEN, good, until};

/// A server whose requests may take 8 MiB each and 24 MiB together, with a provider of each of two protocols.
fn small(upstream: &FakeUpstream) -> Server {
    Plot::new()
        .set("/server/memory_mb", json!(24))
        .set("/server/request_memory_mb", json!(8))
        .provider("chat", Wire::Chat, upstream)
        .provider("claude", Wire::Anthropic, upstream)
        .start()
}

/// A request with so many small values in a field that is only passed on.
fn with_values(wire: Wire, model: &str, count: usize) -> String {
    let mut body = wire.request(model, false);
    body["metadata"] = json!({"x": vec![1; count]});
    body.to_string()
}

async fn used(server: &Server) -> u64 {
    let health = server.get("/health").send().await.json();
    health["checks"]["memory"]["used_bytes"].as_u64().unwrap()
}

async fn given_back(server: &Server) {
    until("all memory is given back", async || used(server).await == 0).await;
}

#[tokio::test]
async fn values_count_where_a_body_is_translated_and_not_where_it_is_relayed() {
    let upstream = good().await;
    let server = small(&upstream);
    for (wire, own, other) in
        [(Wire::Chat, "chat/m", "claude/m"), (Wire::Anthropic, "claude/m", "chat/m")]
    {
        let ask = async |model: &str| -> Answer {
            server.post(&path(wire, model, false), with_values(wire, model, 100_000)).send().await
        };
        assert_eq!(ask(own).await.status, 200);
        let answer = ask(other).await;
        assert_eq!(answer.status, 413, "{answer:?}");
        let message = refusal(wire, &answer);
        for part in ["JSON values", "8 MiB", "server.request_memory_mb"] {
            assert!(message.contains(part), "{message}");
        }
    }
    given_back(&server).await;
    let metrics = server.get("/metrics").send().await.text();
    assert!(metrics.contains("switchyard_request_memory_limit_bytes 25165824"), "{metrics}");
    assert!(metrics.contains("switchyard_request_memory_refused_total 2"), "{metrics}");
}

#[tokio::test]
async fn unfinished_bodies_leave_room_or_are_told_to_wait() {
    let upstream = good().await;
    let server = small(&upstream);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: 8000000\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + 4_000_000, b' ');
    let mut waiting = Vec::new();
    for count in 1..=5 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        waiting.push(stream);
        until("it is charged", async || used(&server).await >= count * 4_000_000).await;
    }

    let large = with_values(Wire::Anthropic, "claude/m", 2_000_000);
    let answer = server.post("/v1/messages", large).send().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "2");
    assert!(refusal(Wire::Anthropic, &answer).contains("server.memory_mb"));

    drop(waiting);
    given_back(&server).await;
    let answer = server.post_json("/v1/messages", &Wire::Anthropic.request("claude/m", false));
    assert_eq!(answer.send().await.status, 200);
}

#[tokio::test]
async fn a_stream_that_must_be_kept_ends_with_an_error_when_it_is_too_long() {
    let piece = "x".repeat(64 << 10);
    let mut frames = Wire::Chat.begun(1);
    let frame = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}]});
    frames.extend(std::iter::repeat_n(format!("data: {frame}\n\n").into(), 40));
    let upstream = FakeUpstream::start(move |_, _| Script::events(frames.clone())).await;
    let server = small(&upstream);

    let body = Wire::Responses.request("chat/m", true);
    let answer = server.post_json("/v1/responses", &body).send().await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.contains("event: response.failed"), "{}", &text[text.len() - 2000..]);
    assert!(text.contains("server.request_memory_mb"), "{}", &text[text.len() - 2000..]);
    given_back(&server).await;
}

#[tokio::test]
async fn an_event_of_too_many_values_is_an_error_and_a_large_text_is_not() {
    let event = |delta: Value| {
        let frame = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]});
        format!("data: {frame}\n\n")
    };
    let check = async |delta: Value, expected: &str| {
        let frame = event(delta);
        let upstream = FakeUpstream::start(move |_, _| Script::events([frame.clone()])).await;
        let server = Plot::new().provider("chat", Wire::Chat, &upstream).start();
        let body = Wire::Anthropic.request("chat/m", true);
        let answer = server.post_json("/v1/messages", &body).send().await;
        let text = answer.text();
        assert!(text.contains(expected), "{}", &text[..text.len().min(500)]);
        given_back(&server).await;
    };
    check(json!({"content": "x".repeat(8 << 20)}), "message_stop").await;
    check(json!({"content": "x".repeat(9 << 20)}), "server.event_limit_mb").await;
    check(json!({"content": "x", "other": vec![1; 300_000]}), "JSON values").await;
}

#[tokio::test]
async fn a_client_that_leaves_gives_back_what_it_took() {
    let upstream = FakeUpstream::start(|_, _| Script::never()).await;
    let server = small(&upstream);
    let body = with_values(Wire::Chat, "chat/m", 1_000_000);
    {
        let asking = server.post("/v1/chat/completions", body).send();
        let taken = until("the body is read", async || used(&server).await > 1_000_000);
        tokio::select! {
            answer = asking => panic!("nobody answers, but: {answer:?}"),
            () = taken => {}
        }
    }
    given_back(&server).await;
}
