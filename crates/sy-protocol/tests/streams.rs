//! Recorded streams: the same events however they are cut, and what each client is sent for them.
//!
//! Every fixture is read whole, byte by byte and at seeded random splits, by the full and the relaying decoder; its events and the
//! bytes that each client face makes of them are goldens. What a client is sent says the same as the stream it was made of.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes the helpers of an integration test for shipped code"
)]

mod fixture;
#[path = "fixture/reading.rs"]
mod reading;

use std::collections::BTreeSet;

use bytes::BytesMut;
use sy_protocol::{Downstream, ReplyInfo, StreamDecoder, Upstream};
use sy_types::chat::StreamEvent;
use sy_types::{ErrorKind, Failure};

use fixture::{Case, cases, clients, directory, minimal};
use reading::{fold, is_end, projection, read, told};

const ENDINGS: [&str; 2] = [".stream.sse", ".stream.ndjson"];

/// How many random splits each stream is read at.
const SPLITS: u64 = 60;

fn upstream(case: &Case) -> &'static dyn Upstream {
    sy_protocol::upstream(case.protocol).unwrap()
}

/// A small generator (SplitMix64): the same splits in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn random_chunks(body: &[u8], seed: u64) -> Vec<&[u8]> {
    let (mut state, mut rest, mut chunks) = (seed, body, Vec::new());
    let most = 1 + next(&mut state) % 200;
    while !rest.is_empty() {
        let size = usize::try_from(1 + next(&mut state) % most).unwrap().min(rest.len());
        let (chunk, more) = rest.split_at(size);
        chunks.push(chunk);
        rest = more;
    }
    chunks
}

#[test]
fn every_cut_of_a_stream_gives_the_same_events() {
    for case in cases(&ENDINGS) {
        type Machine = fn(&dyn Upstream) -> Box<dyn StreamDecoder>;
        let machines: [Machine; 2] =
            [|upstream| upstream.stream_decoder(), |upstream| upstream.relay_decoder()];
        for machine in machines {
            let upstream = upstream(&case);
            let whole = read(upstream, machine(upstream), [&*case.body]);
            assert_eq!(
                read(upstream, machine(upstream), case.body.chunks(1)),
                whole,
                "{case} byte by byte"
            );
            for seed in 0..SPLITS {
                let chunks = random_chunks(&case.body, seed);
                assert_eq!(
                    read(upstream, machine(upstream), chunks),
                    whole,
                    "{case} split by seed {seed}"
                );
            }
        }
    }
}

#[test]
fn line_ends_of_either_kind_give_the_same_events() {
    for case in cases(&[".stream.sse"]) {
        let upstream = upstream(&case);
        let whole = read(upstream, upstream.stream_decoder(), [&*case.body]);
        let text = String::from_utf8(case.body.to_vec()).unwrap();
        for ends in ["\r\n", "\r"] {
            let changed = text.replace('\n', ends);
            let (events, failure) =
                read(upstream, upstream.stream_decoder(), changed.as_bytes().chunks(7));
            assert_eq!((events, failure), whole, "{case} with {ends:?}");
        }
    }
}

#[test]
fn a_relayed_stream_tells_its_content_usage_and_end() {
    for case in cases(&ENDINGS) {
        let upstream = upstream(&case);
        let (full, failed) = read(upstream, upstream.stream_decoder(), [&*case.body]);
        let (lean, lean_failed) = read(upstream, upstream.relay_decoder(), [&*case.body]);
        let kind = |failure: Option<Failure>| failure.map(|failure| failure.kind);
        assert_eq!(kind(lean_failed), kind(failed), "{case}");
        let has_content = |events: &[StreamEvent]| events.iter().any(StreamEvent::is_content);
        assert_eq!(has_content(&lean), has_content(&full), "{case}");
        assert_eq!(
            lean.iter().find(|event| is_end(event)),
            full.iter().find(|event| is_end(event)),
            "{case}"
        );
        let usage = |events: &[StreamEvent]| fold(events).map(|answer| answer.usage);
        assert_eq!(usage(&lean), usage(&full), "{case}");
    }
}

#[test]
fn only_a_whole_answer_finishes() {
    for case in cases(&ENDINGS) {
        let upstream = upstream(&case);
        let (events, failure) = read(upstream, upstream.stream_decoder(), [&*case.body]);
        let end = events.last().filter(|event| is_end(event));
        match case.name.as_str() {
            "cut" => {
                let told = end.map(|end| match end {
                    StreamEvent::Failed(failure) => failure.clone(),
                    end => panic!("{case}: {end:?}"),
                });
                let failure = failure.or(told);
                assert_eq!(
                    failure.map(|failure| failure.kind),
                    Some(ErrorKind::Malformed),
                    "{case}"
                );
            }
            "error" => {
                let Some(StreamEvent::Failed(failure)) = end else { panic!("{case}: {events:?}") };
                assert!(!failure.message.is_empty(), "{case}");
            }
            _ => {
                assert!(
                    matches!(end, Some(StreamEvent::Finish { .. })) && failure.is_none(),
                    "{case}: {failure:?}"
                );
            }
        }
    }
}

/// Writes events as the server does: a stream that broke off or cannot be read ends with a failure.
fn write(client: &dyn Downstream, events: &[StreamEvent], failure: Option<&Failure>) -> BytesMut {
    let inbound = minimal(sy_protocol::downstream(client.id()).unwrap());
    let info = ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
    let mut encoder = client.stream_encoder(&info);
    let mut out = BytesMut::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    if !events.last().is_some_and(is_end) {
        let broken = Failure::provider(ErrorKind::Malformed, "the provider's stream broke off");
        encoder.fail(failure.unwrap_or(&broken), &mut out);
    }
    out
}

#[test]
fn every_client_reads_what_the_provider_said() {
    for case in cases(&ENDINGS) {
        let upstream = upstream(&case);
        let (events, failure) = read(upstream, upstream.stream_decoder(), [&*case.body]);
        let answer = fold(&events);
        for client in clients() {
            let out = write(client, &events, failure.as_ref());
            let reader = sy_protocol::upstream(client.id()).unwrap();
            let (again, unreadable) = read(reader, reader.stream_decoder(), [&*out]);
            assert_eq!(unreadable, None, "{case} to {}", client.id());
            match &answer {
                Ok(answer) if events.last().is_some_and(is_end) => {
                    let again = fold(&again)
                        .unwrap_or_else(|failure| panic!("{case} to {}: {failure}", client.id()));
                    let wanted = told(answer, client.id());
                    assert_eq!(projection(&again), wanted, "{case} to {}", client.id());
                }
                Ok(_) | Err(_) => {
                    let told = matches!(again.last(), Some(StreamEvent::Failed(_)));
                    assert!(told, "{case} to {}: the failure is lost: {again:?}", client.id());
                }
            }
        }
    }
}

#[test]
fn events_and_what_clients_are_sent_are_as_they_were() {
    let mut written = BTreeSet::new();
    let mut check = |name: String, text: &str| {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(directory().join("goldens/streams"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
        written.insert(format!("{name}.snap"));
    };
    for case in cases(&ENDINGS) {
        let upstream = upstream(&case);
        let (events, failure) = read(upstream, upstream.stream_decoder(), [&*case.body]);
        let mut lines: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        lines.extend(failure.iter().map(|failure| format!("ends with {failure:?}")));
        check(format!("{}.{}.events", case.protocol, case.name), &lines.join("\n"));
        for client in clients() {
            let out = write(client, &events, failure.as_ref());
            let text = String::from_utf8(out.to_vec()).expect("a stream in UTF-8");
            check(format!("{}.{}.to.{}", case.protocol, case.name, client.id()), &text);
        }
    }
    let files = std::fs::read_dir(directory().join("goldens/streams")).unwrap();
    let found: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, written, "goldens and cases differ: delete what is left over");
}
