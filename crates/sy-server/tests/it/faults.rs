//! Every fault at every place of a stream, in every client's dialect, relayed and translated, as a client sees it.

use std::time::Instant;

use futures::StreamExt;
use futures::stream::iter;
use serde_json::json;
use sy_testkit::{FakeUpstream, Fault, Seen, Wire};

use crate::dialect::{path, read};
use crate::world::{Plot, Server, good};

/// One fault at one place.
#[derive(Clone, Copy, Debug)]
struct Case {
    number: usize,
    back: Wire,
    front: Wire,
    words: usize,
    fault: Fault,
}

impl Case {
    /// Returns the model's name, by which the fake providers know the case.
    fn model(&self) -> String {
        format!("case-{}-", self.number)
    }

    fn is_of(&self, seen: &Seen) -> bool {
        format!("{} {}", seen.path, String::from_utf8_lossy(&seen.body)).contains(&self.model())
    }
}

/// A dialect that is not the given one.
fn another(wire: Wire) -> Wire {
    match wire {
        Wire::Chat => Wire::Anthropic,
        Wire::Responses => Wire::Gemini,
        Wire::Anthropic => Wire::Responses,
        Wire::Gemini => Wire::Chat,
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for front in Wire::ALL {
        for back in [front, another(front)] {
            for fault in Fault::ALL {
                cases.extend(fault.places().map(|words| Case {
                    number: 0,
                    back,
                    front,
                    words,
                    fault,
                }));
            }
        }
    }
    for (number, case) in cases.iter_mut().enumerate() {
        case.number = number;
    }
    cases
}

/// For each dialect a provider that fails as the case wants it, and one that answers.
struct Stage {
    wire: Wire,
    failing: FakeUpstream,
    good: FakeUpstream,
}

async fn stages(cases: &[Case]) -> Vec<Stage> {
    let mut stages = Vec::new();
    for wire in Wire::ALL {
        let own: Vec<Case> = cases.iter().copied().filter(|case| case.back == wire).collect();
        let failing = FakeUpstream::start(move |_, seen| {
            let case = own.iter().find(|case| case.is_of(seen)).expect("a case");
            case.fault.script(wire, case.words)
        });
        stages.push(Stage { wire, failing: failing.await, good: good().await });
    }
    stages
}

fn server(stages: &[Stage], cases: &[Case]) -> Server {
    let mut plot = Plot::new();
    for (number, stage) in stages.iter().enumerate() {
        let (first, second) = (format!("a{number}"), format!("b{number}"));
        plot = plot.provider(&first, stage.wire, &stage.failing).provider(
            &second,
            stage.wire,
            &stage.good,
        );
        plot.config["provider"][&first]["options"]["chunkTimeout"] = json!(1000);
        // Only where nothing but signs of life comes: words take their time on a busy machine.
        let impatient = format!("c{number}");
        plot = plot.provider(&impatient, stage.wire, &stage.failing);
        plot.config["provider"][&impatient]["options"]["firstContentTimeout"] = json!(1500);
        for case in cases.iter().filter(|case| case.back == stage.wire) {
            let model = case.model();
            for provider in [&first, &second, &impatient] {
                let like = plot.config["provider"][provider]["models"]["m"].clone();
                plot.config["provider"][provider]["models"][&model] = like;
            }
            let is_lasting = matches!(case.fault, Fault::Pings | Fault::Blanks) && case.words == 0;
            let first = if is_lasting { &impatient } else { &first };
            plot = plot.alias(
                &format!("chain-{}", case.number),
                &[&format!("{first}/{model}"), &format!("{second}/{model}")],
            );
        }
    }
    plot.start()
}

async fn check(server: &Server, stage: &Stage, case: Case) {
    let Case { number, front, words, .. } = case;
    let model = format!("chain-{number}");
    let answer =
        server.post_json(&path(front, &model, true), &front.request(&model, true)).send().await;
    assert_eq!(answer.status, 200, "{case:?}: {answer:?}");
    let stream = read(front, &answer);
    let fallbacks = stage.good.requests().iter().filter(|seen| case.is_of(seen)).count();
    let provider = answer.header("x-switchyard-provider");
    if words == 0 {
        assert_eq!(
            (provider.starts_with('b'), stream.words(), fallbacks),
            (true, 3, 1),
            "{case:?}: {answer:?}"
        );
        assert!(answer.header("x-switchyard-attempts").parse::<u32>().unwrap() > 1, "{answer:?}");
        assert!(stream.is_finished && stream.error.is_none(), "{case:?}: {answer:?}");
    } else {
        assert_eq!(
            (provider.starts_with('a'), stream.words(), fallbacks),
            (true, words, 0),
            "{case:?}: {answer:?}"
        );
        assert!(!stream.is_finished && stream.error.is_some(), "{case:?}: {answer:?}");
        assert!(!answer.text().contains("broken\n"), "{case:?}: {answer:?}");
        if case.front == case.back {
            // The provider's own bytes, and one event more.
            let begun = front.begun(words).concat();
            assert!(
                answer.body.starts_with(&begun) && answer.body.len() > begun.len(),
                "{case:?}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_fault_falls_back_before_content_and_is_told_in_the_stream_after_it() {
    let began = Instant::now();
    let cases = cases();
    let stages = stages(&cases).await;
    let server = server(&stages, &cases);
    let checks = cases.iter().map(|case| {
        let stage = stages.iter().find(|stage| stage.wire == case.back).expect("a stage");
        check(&server, stage, *case)
    });
    // So many at a time overlap the stalls and leave the machine some sockets.
    iter(checks).buffer_unordered(48).collect::<Vec<()>>().await;
    assert!(began.elapsed().as_secs() < 60, "{:?} for {} cases", began.elapsed(), cases.len());
}
