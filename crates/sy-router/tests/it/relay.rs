//! What goes through untouched, and what does not.

use bytes::Bytes;
use serde_json::{Value, json};
use sy_router::Body;
use sy_testkit::{FakeUpstream, Script, Wire};
use sy_types::ErrorKind;

use crate::world::{
    Plot, another, context, good, inbound_of, outcome, read, stream_of, text_of, wires,
};

#[tokio::test]
async fn a_body_of_the_providers_language_is_relayed_both_ways() {
    for wire in wires() {
        let odd = format!("{} ", String::from_utf8(wire.whole("hello").to_vec()).unwrap());
        let upstream = FakeUpstream::always(Script::json(200, odd.clone())).await;
        let world = Plot::new().provider("a", wire, &upstream).build();
        let mut body = wire.request("a/m", false);
        body["x_unknown"] = json!([1.50, "é"]);
        let answer = world.ask_in(&context(), inbound_of(wire, "a/m", false, &body)).await.unwrap();
        assert!(answer.trail.relay && answer.trail.dropped.is_empty());
        assert_eq!(text_of(answer), odd);
        assert_eq!(upstream.requests()[0].json()["x_unknown"], body["x_unknown"], "{wire:?}");
    }
}

#[tokio::test]
async fn a_stream_is_relayed_byte_for_byte_however_it_is_cut() {
    for wire in wires() {
        let all: Vec<u8> = wire.stream(6).concat();
        for size in [1, 7, 64, all.len()] {
            let pieces: Vec<Bytes> = all.chunks(size).map(Bytes::copy_from_slice).collect();
            let upstream = FakeUpstream::always(Script::events(pieces)).await;
            let world = Plot::new().provider("a", wire, &upstream).build();
            let got = read(stream_of(world.ask(wire, "a/m", true).await.unwrap())).await;
            assert_eq!(got.raw.as_bytes(), all, "{wire:?} in pieces of {size}");
            assert_eq!(outcome(&world.ear.only()), "answered");
        }
    }
}

#[tokio::test]
async fn another_language_is_translated() {
    for wire in wires() {
        let upstream = good(wire).await;
        let world = Plot::new().provider("a", wire, &upstream).build();
        let answer = world.ask(another(wire), "a/m", true).await.unwrap();
        assert!(!answer.trail.relay);
        let got = read(stream_of(answer)).await;
        assert_eq!(
            (got.text.as_str(), got.finished, got.raw.as_str()),
            ("w0 w1 w2 ", true, ""),
            "{wire:?}"
        );
        assert_eq!(text_of(world.ask(another(wire), "a/m", false).await.unwrap()), "hello");
    }
}

#[tokio::test]
async fn a_whole_answer_to_a_streaming_request_becomes_a_stream() {
    for wire in wires() {
        for caller in [wire, another(wire)] {
            let upstream = FakeUpstream::always(Script::json(200, wire.whole("hello"))).await;
            let world = Plot::new().provider("a", wire, &upstream).build();
            let got = read(stream_of(world.ask(caller, "a/m", true).await.unwrap())).await;
            assert_eq!((got.text.as_str(), got.finished), ("hello", true), "{wire:?}");
            assert_eq!(
                (outcome(&world.ear.only()), world.ear.only().usage.output),
                ("answered", 1)
            );
        }
    }
}

#[tokio::test]
async fn a_target_that_cannot_stream_is_asked_for_a_whole() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .set("/provider/a/models/m/supports", json!({"streaming": false}))
        .build();
    for caller in [Wire::Chat, Wire::Anthropic] {
        let got = read(stream_of(world.ask(caller, "a/m", true).await.unwrap())).await;
        assert_eq!((got.text.as_str(), got.finished), ("hello", true));
    }
    for seen in upstream.requests() {
        assert_ne!(seen.json()["stream"], Value::Bool(true));
    }
}

#[tokio::test]
async fn a_stream_in_answer_to_a_whole_request_is_folded() {
    let upstream = FakeUpstream::always(Script::events(Wire::Chat.stream(3))).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    for caller in [Wire::Chat, Wire::Anthropic] {
        assert_eq!(text_of(world.ask(caller, "a/m", false).await.unwrap()), "w0 w1 w2 ");
    }
    let cut = FakeUpstream::always(Script::events(Wire::Chat.begun(3))).await;
    let world = Plot::new().provider("a", Wire::Chat, &cut).build();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!(refused.failure.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_usage_frame_that_the_client_did_not_ask_for_is_kept_back() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new()
        .provider("a", Wire::Chat, &upstream)
        .set("/provider/a/options/includeUsage", json!(true))
        .build();
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    assert_eq!(upstream.requests()[0].json()["stream_options"]["include_usage"], true);
    assert!(!got.raw.contains("prompt_tokens") && got.raw.ends_with("[DONE]\n\n"), "{}", got.raw);
    assert_eq!((got.words(), world.ear.only().usage.output), (3, 3));
    let mut body = Wire::Chat.request("a/m", true);
    body["stream_options"] = json!({"include_usage": true});
    let answer =
        world.ask_in(&context(), inbound_of(Wire::Chat, "a/m", true, &body)).await.unwrap();
    assert!(read(stream_of(answer)).await.raw.contains("prompt_tokens"));
}

#[tokio::test]
async fn rate_limit_headers_come_under_one_set_of_names() {
    let script = Script::json(200, Wire::Anthropic.whole("hello"))
        .header("anthropic-ratelimit-requests-remaining", "7")
        .header("x-internal", "secret");
    let upstream = FakeUpstream::always(script).await;
    let world = Plot::new().provider("a", Wire::Anthropic, &upstream).build();
    let answer = world.ask(Wire::Anthropic, "a/m", false).await.unwrap();
    let found: Vec<String> = answer
        .trail
        .rate_limit
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    assert_eq!(found, ["x-ratelimit-remaining-requests=7"]);
}

#[tokio::test]
async fn a_large_request_arrives_whole() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let mut body = Wire::Chat.request("a/m", false);
    body["messages"][0]["content"] = json!("x".repeat(3 << 20));
    world.ask_in(&context(), inbound_of(Wire::Chat, "a/m", false, &body)).await.unwrap();
    let seen = upstream.requests().remove(0);
    body["model"] = json!("m");
    assert_eq!(seen.json(), body);
    assert_eq!(seen.header("content-length"), seen.body.len().to_string());
    assert_eq!((seen.header("accept-encoding"), seen.header("transfer-encoding")), ("", ""));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let piece = Bytes::from(vec![b' '; 8 << 20]);
    let upstream = FakeUpstream::always(
        (0..9).fold(Script::json(200, "{"), |script, _| script.send(piece.clone())),
    )
    .await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert!(
        refused.failure.kind == ErrorKind::Malformed
            && refused.failure.message.contains("more than")
    );
    assert!(matches!(
        world.ask(Wire::Chat, "a/m", false).await.map(|answer| answer.body),
        Err(_) | Ok(Body::Whole(_))
    ));
}
