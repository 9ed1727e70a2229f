//! Time limits, each by itself, and connections that are used again.

use std::time::{Duration, Instant};

use sy_testkit::{End, FakeUpstream, Script, Wire};
use sy_types::ErrorKind;

use crate::world::{Plot, good, outcome, read, stream_of};

const TICK: Duration = Duration::from_millis(30);

#[tokio::test]
async fn headers_have_a_limit() {
    let upstream = FakeUpstream::always(Script::never()).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).first_byte(500).build();
    let began = Instant::now();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert!(
        refused.failure.kind == ErrorKind::Timeout && began.elapsed() >= Duration::from_millis(500)
    );
    assert!(refused.failure.message.contains("did not begin"), "{}", refused.failure.message);
    upstream.until_left(0).await;
}

#[tokio::test]
async fn silence_between_chunks_has_a_limit_but_slow_chunks_do_not() {
    let steady = Script::events(Wire::Chat.stream(8)).paced(TICK);
    let world =
        |upstream: &FakeUpstream| Plot::new().provider("a", Wire::Chat, upstream).idle(150).build();
    let upstream = FakeUpstream::always(steady).await;
    let got = read(stream_of(world(&upstream).ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    assert!(got.failure.is_none() && got.words() == 8);
    let upstream = FakeUpstream::always(Script::events(Wire::Chat.begun(2)).end(End::Stall)).await;
    let world = world(&upstream);
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    assert_eq!(
        (got.words(), got.failure.unwrap().kind, outcome(&world.ear.only())),
        (2, ErrorKind::Timeout, "broken")
    );
    upstream.until_left(0).await;
}

#[tokio::test]
async fn a_refusal_that_drips_is_not_waited_for() {
    let words = Script::status(401)
        .header("content-type", "application/json")
        .send("{\"error\": {\"message\": \"no\"")
        .wait(Duration::from_millis(50));
    let dripping = (0..400).fold(words, |script, _| script.send(" ").wait(TICK)).end(End::Stall);
    let upstream = FakeUpstream::always(dripping).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    let began = Instant::now();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The status counts, and what had come of the words.
    assert_eq!(refused.failure.kind, ErrorKind::Unauthenticated);
    assert!(refused.failure.message.contains("no"), "{}", refused.failure.message);
}

#[tokio::test]
async fn blank_lines_do_not_keep_a_whole_answer_alive_for_ever() {
    let script = Script::status(200).header("content-type", "application/json");
    let blank = (0..200).fold(script, |script, _| script.send("\n").wait(TICK)).end(End::Stall);
    let upstream = FakeUpstream::always(blank).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).idle(500).build();
    let began = Instant::now();
    let refused = world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(refused.failure.kind, ErrorKind::Timeout);
    assert!(refused.failure.message.contains("signs of life"), "{}", refused.failure.message);
}

#[tokio::test]
async fn the_whole_exchange_has_a_limit() {
    let endless = Script::events(Wire::Chat.begun(100)).paced(TICK).end(End::Stall);
    let upstream = FakeUpstream::always(endless).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).total(800).build();
    let began = Instant::now();
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    let failure = got.failure.as_ref().unwrap();
    assert!(failure.kind == ErrorKind::Timeout && failure.message.contains("total"), "{failure}");
    assert!(got.words() >= 1 && began.elapsed() >= Duration::from_millis(800));
    // It counts over all calls to a target: a wait that would go beyond it is not begun.
    let limited = Script::json(429, Wire::Chat.error(429, "slow")).header("retry-after-ms", "900");
    let upstream = FakeUpstream::always(limited).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).total(800).retries(3).build();
    world.ask(Wire::Chat, "a/m", false).await.unwrap_err();
    assert_eq!(upstream.hits(), 1);
}

#[tokio::test]
async fn a_connection_is_used_again_after_wholes_and_streams() {
    let upstream = good(Wire::Chat).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).build();
    for number in 0..10 {
        let answer = world.ask(Wire::Chat, "a/m", number % 2 == 0).await.unwrap();
        if number % 2 == 0 {
            read(stream_of(answer)).await;
        }
    }
    assert_eq!((upstream.hits(), upstream.connections()), (10, 1));
}

#[tokio::test]
async fn what_comes_behind_the_end_is_not_waited_for_long() {
    let script =
        Script::events(Wire::Chat.stream(1)).send("data: {\"more\":1}\n\n").end(End::Stall);
    let upstream = FakeUpstream::always(script).await;
    let world = Plot::new().provider("a", Wire::Chat, &upstream).idle(5000).build();
    let began = Instant::now();
    let got = read(stream_of(world.ask(Wire::Chat, "a/m", true).await.unwrap())).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(got.failure.is_none() && got.raw.ends_with("[DONE]\n\n"), "{}", got.raw);
}
