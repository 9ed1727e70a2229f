//! A client that leaves takes the provider's work with it.

use std::time::Duration;

use futures::StreamExt;
use sy_testkit::{End, FakeUpstream, Script, Wire};

use crate::world::{Plot, outcome, stream_of};

#[tokio::test]
async fn leaving_before_the_headers_cancels_the_call() {
    for stream in [false, true] {
        let upstream = FakeUpstream::always(Script::never()).await;
        let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
        tokio::select! {
            _ = world.ask(Wire::Chat, "a/m", stream) => panic!("nobody answers"),
            () = upstream.until_hits(1) => {}
        }
        upstream.until_left(0).await;
        let record = world.ear.only();
        assert_eq!((outcome(&record), record.usage.total(), &*record.provider), ("gone", 0, "a"));
    }
}

#[tokio::test]
async fn leaving_in_the_middle_of_a_whole_answer_cancels_the_call() {
    let upstream = FakeUpstream::always(Script::json(200, &b"{\"id\":"[..]).end(End::Stall)).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    tokio::select! {
        _ = world.ask(Wire::Chat, "a/m", false) => panic!("nobody answers"),
        () = async { upstream.until_hits(1).await; tokio::time::sleep(Duration::from_millis(20)).await; } => {}
    }
    upstream.until_left(0).await;
    assert_eq!(outcome(&world.ear.only()), "gone");
}

#[tokio::test]
async fn leaving_a_stream_cancels_the_call_and_is_metered() {
    let upstream = FakeUpstream::always(Script::events(Wire::Chat.begun(4)).end(End::Stall)).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let mut stream = stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap());
    let mut seen = String::new();
    while !seen.contains("w3 ") {
        let chunk = stream.next().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk.raw.unwrap()).unwrap());
    }
    assert!(world.ear.records().is_empty() && !upstream.requests()[0].client_left());
    drop(stream);
    upstream.until_left(0).await;
    let record = world.ear.only();
    assert_eq!((outcome(&record), record.usage.output, record.usage_estimated), ("gone", 4, true));
    assert!(record.cost_usd > 0.0);
}

#[tokio::test]
async fn a_client_that_goes_with_the_last_byte_got_everything() {
    let upstream = FakeUpstream::always(Script::events([Wire::Chat.stream(2).concat()])).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let mut stream = stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap());
    let chunk = stream.next().await.unwrap().unwrap();
    assert!(chunk.raw.unwrap().ends_with(b"[DONE]\n\n"));
    drop(stream);
    assert_eq!(outcome(&world.ear.only()), "answered");
}

#[tokio::test]
async fn leaving_during_a_wait_ends_the_wait() {
    let limited = Script::json(429, Wire::Chat.error(429, "slow")).header("retry-after-ms", "900");
    let upstream = FakeUpstream::always(limited).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).retries(5).build();
    let asked =
        tokio::time::timeout(Duration::from_millis(700), world.ask(Wire::Chat, "a/m", false)).await;
    assert!(asked.is_err());
    assert_eq!((upstream.hits(), outcome(&world.ear.only())), (1, "gone"));
}
