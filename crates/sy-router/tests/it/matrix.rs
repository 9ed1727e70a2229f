//! Every fault at every place of a stream, in every dialect, relayed and translated.

use futures::StreamExt;
use futures::stream::iter;
use sy_testkit::{End, FakeUpstream, Script, Wire};

use crate::world::{Plot, another, good, outcome, read, stream_of, wires};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Drop,
    InBand,
    Stall,
    Reset,
    Malformed,
    Status(u16),
    RetryAfter,
}

const FAULTS: [Fault; 9] = [
    Fault::Drop,
    Fault::InBand,
    Fault::Stall,
    Fault::Reset,
    Fault::Malformed,
    Fault::Status(401),
    Fault::Status(500),
    Fault::Status(529),
    Fault::RetryAfter,
];

/// The number of content events before the fault goes up to this.
const WORDS: usize = 20;

fn script(wire: Wire, words: usize, fault: Fault) -> Script {
    let begun = wire.begun(words);
    match fault {
        Fault::Drop => Script::events(begun).end(End::Drop),
        Fault::Stall => Script::events(begun).end(End::Stall),
        Fault::Reset => Script::events(begun).end(End::Reset),
        Fault::InBand => Script::events(begun).send(wire.error_event()),
        Fault::Malformed => Script::events(begun).send("data: {\"broken\n\n"),
        Fault::Status(status) => Script::json(status, wire.error(status, "no")),
        // Longer than the longest wait, so that the fallback is taken.
        Fault::RetryAfter => Script::json(429, wire.error(429, "slow")).header("retry-after", "30"),
    }
}

async fn check(wire: Wire, caller: Wire, words: usize, fault: Fault) {
    let place = format!("{wire:?} for {caller:?}, {fault:?} after {words}");
    let (first, second) = (FakeUpstream::always(script(wire, words, fault)).await, good(wire).await);
    let world = Plot::new().provider("a", wire, &first).provider("b", wire, &second);
    let world = world.alias("chain", &["a/m", "b/m"]).idle(400).build();
    let answer = world.ask(caller, "chain", true).await.unwrap_or_else(|refused| panic!("{place}: {refused:?}"));
    let provider = answer.trail.provider.to_string();
    let got = read(stream_of(answer)).await;
    let record = world.ear.only();
    if words == 0 {
        assert_eq!((provider.as_str(), got.words(), second.hits()), ("b", 3, 1), "{place}");
        assert!(got.failure.is_none() && outcome(&record) == "answered", "{place}: {got:?}");
    } else {
        assert_eq!((provider.as_str(), got.words(), second.hits()), ("a", words, 0), "{place}");
        assert!(got.failure.is_some() && !got.finished && outcome(&record) == "broken", "{place}: {got:?}");
        assert!(!got.raw.contains("broken") && !got.raw.contains("overloaded"), "{place}: {got:?}");
        assert!(record.usage.output >= words as u64 && record.cost_usd > 0.0, "{place}: {record:?}");
    }
}

#[tokio::test]
async fn every_fault_falls_back_before_content_and_breaks_the_stream_after_it() {
    let mut cases = Vec::new();
    for wire in wires() {
        for fault in FAULTS {
            let last = if matches!(fault, Fault::Status(_) | Fault::RetryAfter) { 0 } else { WORDS };
            for words in 0..=last {
                cases.extend([wire, another(wire)].map(|caller| check(wire, caller, words, fault)));
            }
        }
    }
    // 24 at a time: enough to overlap the stalls, few enough for the machine's sockets.
    iter(cases).buffer_unordered(24).collect::<Vec<()>>().await;
}
