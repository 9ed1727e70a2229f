//! Every fault at every place of a stream, in every dialect, relayed and translated.

use futures::StreamExt;
use futures::stream::iter;
use serde_json::json;
use sy_testkit::{FakeUpstream, Fault, Seen, Wire};

use crate::world::{Plot, World, another, good, outcome, read, stream_of, wires};

/// One fault at one place.
#[derive(Clone, Copy, Debug)]
struct Case {
    number: usize,
    wire: Wire,
    caller: Wire,
    words: usize,
    fault: Fault,
}

impl Case {
    /// Returns the model's name, by which the fake providers know the case.
    fn model(&self) -> String {
        format!("case-{}-", self.number)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for wire in wires() {
        for fault in Fault::ALL {
            for words in fault.places() {
                for caller in [wire, another(wire)] {
                    cases.push(Case { number: cases.len(), wire, caller, words, fault });
                }
            }
        }
    }
    cases
}

fn is_of(seen: &Seen, case: &Case) -> bool {
    format!("{} {}", seen.path, String::from_utf8_lossy(&seen.body)).contains(&case.model())
}

/// For each dialect a provider that fails as the case wants it, and one that answers.
struct Stage {
    wire: Wire,
    failing: FakeUpstream,
    good: FakeUpstream,
}

impl Stage {
    async fn set(wire: Wire, cases: &[Case]) -> Self {
        let own: Vec<Case> = cases.iter().copied().filter(|case| case.wire == wire).collect();
        let failing = FakeUpstream::start(move |_, seen| {
            let case = own.iter().find(|case| is_of(seen, case)).expect("a case");
            case.fault.script(wire, case.words)
        });
        Self { wire, failing: failing.await, good: good(wire).await }
    }
}

fn world(stages: &[Stage], cases: &[Case]) -> World {
    let mut plot = Plot::new().idle(1500);
    for (number, stage) in stages.iter().enumerate() {
        let (first, second) = (format!("a{number}"), format!("b{number}"));
        plot = plot.provider(&first, stage.wire, &stage.failing).provider(
            &second,
            stage.wire,
            &stage.good,
        );
        // Only where nothing but signs of life comes: words take their time on a busy machine.
        let impatient = format!("c{number}");
        plot = plot.provider(&impatient, stage.wire, &stage.failing);
        plot = plot.set(&format!("/provider/{impatient}/options/firstContentTimeout"), json!(1500));
        for case in cases.iter().filter(|case| case.wire == stage.wire) {
            let model = case.model();
            for provider in [&first, &second, &impatient] {
                let like = plot.value["provider"][provider]["models"]["m"].clone();
                plot.value["provider"][provider]["models"][&model] = like;
            }
            let is_lasting = matches!(case.fault, Fault::Pings | Fault::Blanks) && case.words == 0;
            let first = if is_lasting { &impatient } else { &first };
            plot = plot.alias(
                &format!("chain-{}", case.number),
                &[&format!("{first}/{model}"), &format!("{second}/{model}")],
            );
        }
    }
    plot.build()
}

async fn check(world: &World, stage: &Stage, case: Case) {
    let Case { number, caller, words, .. } = case;
    let name = format!("chain-{number}");
    let answer = world
        .ask(caller, &name, true)
        .await
        .unwrap_or_else(|refused| panic!("{case:?}: {refused:?}"));
    let provider = answer.trail.provider.to_string();
    let got = read(stream_of(answer)).await;
    let records = world.ear.records().into_iter().filter(|record| record.requested_model == name);
    let [record] = <[_; 1]>::try_from(records.collect::<Vec<_>>()).expect("exactly one record");
    let fallbacks = stage.good.requests().iter().filter(|seen| is_of(seen, &case)).count();
    if words == 0 {
        assert_eq!((provider.starts_with('b'), got.words(), fallbacks), (true, 3, 1), "{case:?}");
        assert!(got.failure.is_none() && outcome(&record) == "answered", "{case:?}: {got:?}");
    } else {
        assert_eq!(
            (provider.starts_with('a'), got.words(), fallbacks),
            (true, words, 0),
            "{case:?}"
        );
        assert!(
            got.failure.is_some() && !got.finished && outcome(&record) == "broken",
            "{case:?}: {got:?}"
        );
        assert!(
            !got.raw.contains("broken") && !got.raw.contains("overloaded"),
            "{case:?}: {got:?}"
        );
        assert!(
            record.usage.output >= words as u64 && record.cost_usd > 0.0,
            "{case:?}: {record:?}"
        );
    }
}

#[tokio::test]
async fn every_fault_falls_back_before_content_and_breaks_the_stream_after_it() {
    let cases = cases();
    let mut stages = Vec::new();
    for wire in wires() {
        stages.push(Stage::set(wire, &cases).await);
    }
    let world = world(&stages, &cases);
    let checks = cases.iter().map(|case| {
        let stage = stages.iter().find(|stage| stage.wire == case.wire).expect("a stage");
        check(&world, stage, *case)
    });
    // So many at a time overlap the stalls and leave the machine some sockets.
    iter(checks).buffer_unordered(48).collect::<Vec<()>>().await;
    assert_eq!(world.ear.records().len(), cases.len());
}
