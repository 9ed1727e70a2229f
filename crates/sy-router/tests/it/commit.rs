//! Before and after the first content.

use std::time::Duration;

use bytes::Bytes;
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
async fn what_is_held_is_bounded() {
    let noise = Bytes::from(format!(": {}\n\n", "x".repeat(60 << 10)));
    let script = Script::events(vec![noise; 6]).end(End::Stall);
    let upstream = FakeUpstream::always(script).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).idle(5000).build();
    let asked =
        tokio::time::timeout(Duration::from_secs(3), world.ask(Wire::Chat, "a/m", true)).await;
    assert!(asked.expect("committed by size").is_ok());
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
