//! Before and after the first content.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use sy_router::Outcome;
use sy_testkit::{End, FakeUpstream, Script, Wire};
use sy_types::ErrorKind;

use crate::world::{Plot, another, good, outcome, read, stream_of, wires};

#[tokio::test]
async fn an_error_inside_a_stream_falls_back_before_content_and_never_after() {
    for wire in wires() {
        for words in [0, 1, 2] {
            let mut frames = wire.begun(words);
            frames.push(wire.error_event());
            let first = FakeUpstream::always(Script::events(frames)).await;
            let second = good(wire).await;
            let world = Plot::new().provider("a", wire, &first).provider("b", wire, &second);
            let world = world.alias("chain", &["a/m", "b/m"]).build();
            for caller in [wire, another(wire)] {
                let (before, records) = (second.hits(), world.ear.records().len());
                let got = read(stream_of(world.ask(caller, "chain", true).await.unwrap())).await;
                let record = world.ear.records().pop().unwrap();
                assert_eq!(world.ear.records().len(), records + 1);
                if words == 0 {
                    assert_eq!(
                        (got.words(), second.hits(), outcome(&record)),
                        (3, before + 1, "answered"),
                        "{wire:?}"
                    );
                    assert!(got.failure.is_none());
                } else {
                    assert_eq!(
                        (got.words(), second.hits(), outcome(&record)),
                        (words, before, "broken"),
                        "{wire:?}"
                    );
                    assert_eq!(got.failure.unwrap().kind, ErrorKind::Unavailable);
                    assert!(
                        !got.raw.contains("overloaded"),
                        "the failed frame itself is not relayed"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn signs_of_life_before_content_are_held_and_then_given_on() {
    let mut frames = vec![Bytes::from_static(b": alive\n\n"), Bytes::from_static(b": alive\n\n")];
    frames.extend(Wire::Chat.stream(2));
    let upstream =
        FakeUpstream::always(Script::events(frames.clone()).paced(Duration::from_millis(2))).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    let all: Vec<u8> = frames.concat();
    assert_eq!(got.raw.as_bytes(), all);
}

#[tokio::test]
async fn noise_before_content_is_held_up_to_a_limit_and_never_commits_a_stream() {
    let noise = Bytes::from(format!(": {}\n\n", "x".repeat(60 << 10)));
    for (pieces, provider) in [(20, "a"), (80, "b")] {
        let mut frames = vec![noise.clone(); pieces];
        frames.extend(Wire::Chat.stream(3));
        let first = FakeUpstream::always(Script::events(frames)).await;
        let second = good(Wire::Chat).await;
        let world =
            Plot::new().provider("a", Wire::Chat, &first).provider("b", Wire::Chat, &second);
        let world = world.alias("chain", &["a/m", "b/m"]).build();
        for caller in [Wire::Chat, Wire::Anthropic] {
            let answer = world.ask(caller, "chain", true).await.unwrap();
            assert_eq!(&*answer.trail.provider, provider, "{pieces} {caller:?}");
            assert_eq!(read(stream_of(answer)).await.words(), 3);
        }
    }
}

#[tokio::test]
async fn signs_of_life_are_no_first_content() {
    let ping = Bytes::from_static(b": alive\n\n");
    for (wire, frame) in [(Wire::Chat, ping), (Wire::Chat, Wire::Chat.blank_event())] {
        let frames = wire.begun(0).into_iter().chain(vec![frame; 100]);
        let script = Script::events(frames).paced(Duration::from_millis(50)).end(End::Stall);
        let (first, second) = (FakeUpstream::always(script).await, good(wire).await);
        let world = Plot::new().provider("a", wire, &first).provider("b", wire, &second);
        let world = world.set("/provider/a/options/firstContentTimeout", json!(1000));
        let world = world.alias("chain", &["a/m", "b/m"]).build();

        let began = Instant::now();
        let got = read(stream_of(world.ask(wire, "chain", true).await.unwrap())).await;
        assert_eq!((got.words(), second.hits()), (3, 1));
        assert!((1000..4500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        // It rests for the next request.
        read(stream_of(world.ask(wire, "chain", true).await.unwrap())).await;
        assert_eq!((first.hits(), second.hits()), (1, 2));
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    for wire in wires() {
        let upstream = FakeUpstream::always(Script::events(wire.stream(0))).await;
        let world = Plot::new().provider("a", wire, &upstream).build();
        let got = read(stream_of(world.ask(wire, "a/m", true).await.unwrap())).await;
        assert!(got.failure.is_none(), "{wire:?} {got:?}");
        assert_eq!(outcome(&world.ear.only()), "answered");
    }
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_malformed() {
    let upstream = FakeUpstream::always(Script::events([": hello\n\n"])).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let refused = world.ask(Wire::Chat, "a/m", true).await.unwrap_err();
    assert_eq!(refused.failure.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn tokens_and_cost_are_those_of_the_target_that_answered() {
    for wire in wires() {
        for (caller, stream) in
            [(wire, true), (another(wire), true), (wire, false), (another(wire), false)]
        {
            let upstream = good(wire).await;
            let world = Plot::new().provider("a", wire, &upstream).build();
            let answer = world.ask(caller, "a/m", stream).await.unwrap();
            if stream {
                read(stream_of(answer)).await;
            }
            let record = world.ear.only();
            let output = if stream { 3 } else { 1 };
            assert_eq!(
                (record.usage.input, record.usage.output),
                (sy_testkit::wire::INPUT_TOKENS, output),
                "{wire:?} {caller:?}"
            );
            assert!(
                !record.usage_estimated && record.stream == stream && record.first_byte.is_some()
            );
            assert_eq!(record.relay, caller == wire);
            let cost = (11.0 + 2.0 * output as f64) / 1e6;
            assert!((record.cost_usd - cost).abs() < 1e-12, "{}", record.cost_usd);
            assert_eq!(record.outcome, Outcome::Answered);
        }
    }
}

#[tokio::test]
async fn tokens_are_estimated_where_a_stream_is_cut() {
    let mut frames = Wire::Chat.begun(5);
    frames.push(Wire::Chat.error_event());
    let upstream = FakeUpstream::always(Script::events(frames)).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    assert!(got.failure.is_some());
    let record = world.ear.only();
    // One message of two letters: 4 for the message and 1 for its text; five deltas.
    assert_eq!((record.usage.input, record.usage.output, record.usage_estimated), (5, 5, true));
}
