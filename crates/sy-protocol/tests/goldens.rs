//! Goldens: what every fixture becomes at every protocol, so that a change in translation shows as a difference.
//!
//! Requests of each client protocol × each provider protocol, whole answers of each provider protocol × each client protocol.
//! `INSTA_UPDATE=always cargo test -p sy-protocol --test goldens` writes them anew; read the differences before you keep them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy takes the helpers of an integration test for shipped code"
)]

mod fixture;
#[path = "fixture/target.rs"]
mod target;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sy_protocol::{Encoded, Inbound, Outgoing, REGISTRY, ReplyInfo, Upstream, encode};
use sy_types::Failure;
use sy_types::chat::ChatResponse;

use fixture::{Case, cases, clients, directory, inbound, minimal};
use target::target;

/// The files of one directory of goldens.
struct Goldens {
    directory: &'static str,
    written: BTreeSet<String>,
}

impl Goldens {
    fn new(directory: &'static str) -> Self {
        Self { directory, written: BTreeSet::new() }
    }

    fn check(&mut self, name: &str, value: &Value) {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(directory().join("goldens").join(self.directory));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_json_snapshot!(name, value));
        self.written.insert(format!("{name}.snap"));
    }

    /// Checks that no golden is left of a case that is gone.
    fn finish(self) {
        let files = std::fs::read_dir(directory().join("goldens").join(self.directory)).unwrap();
        let found: BTreeSet<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(found, self.written, "goldens and cases differ: delete what is left over");
    }
}

#[test]
fn every_client_protocol_has_the_same_cases() {
    for client in clients() {
        for name in ["full", "minimal", "tool-turn", "alternatives"] {
            let file = directory().join(client.id().as_str()).join(format!("{name}.request.json"));
            assert!(file.is_file(), "{} is missing", file.display());
        }
    }
    for protocol in REGISTRY.iter().filter(|entry| entry.upstream.is_some()).map(|entry| entry.id) {
        for ending in ["response.json", "stream"] {
            let files = std::fs::read_dir(directory().join(protocol.as_str())).unwrap();
            let is_one = |name: String| name.contains(&format!(".{ending}"));
            assert!(
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).any(is_one),
                "{protocol}: {ending}"
            );
        }
    }
}

#[test]
fn requests_are_written_for_every_provider() {
    let mut goldens = Goldens::new("requests");
    for case in cases(&[".request.json"]) {
        let client = sy_protocol::downstream(case.protocol).unwrap();
        let inbound =
            inbound(client, &case.body).unwrap_or_else(|failure| panic!("{case}: {failure}"));
        for upstream in REGISTRY.iter().filter_map(|entry| entry.upstream) {
            let name = format!("{}.{}.to.{}", case.protocol, case.name, upstream.id());
            goldens.check(&name, &written(upstream, &inbound, &case));
        }
    }
    goldens.finish();
}

fn written(upstream: &dyn Upstream, inbound: &Inbound, case: &Case) -> Value {
    let target = target(upstream.id());
    let outgoing = Outgoing { target: &target, inbound, stream: inbound.head().stream };
    match encode(upstream, &outgoing) {
        Ok(encoded) => request_value(&encoded),
        Err(failure) => panic!("{case} to {}: {failure}", upstream.id()),
    }
}

fn request_value(encoded: &Encoded) -> Value {
    let Encoded { call, relay, dropped, tools: _ } = encoded;
    let headers: Map<String, Value> = call
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap())))
        .collect();
    let path = call.url.as_str().strip_prefix("https://place.test").unwrap();
    let body: Value = sy_protocol::json::read(&call.body.concat()).unwrap();
    let dropped: Vec<String> =
        dropped.iter().map(|dropped| format!("{}: {}", dropped.field, dropped.reason)).collect();
    json!({ "path": path, "headers": headers, "relay": relay, "dropped": dropped, "body": body })
}

#[test]
fn whole_answers_are_written_for_every_client() {
    let mut goldens = Goldens::new("answers");
    for case in cases(&[".response.json"]) {
        let upstream = sy_protocol::upstream(case.protocol).unwrap();
        let answer = upstream.decode_response(&case.body);
        for client in clients() {
            let inbound = minimal(client);
            let info = ReplyInfo { inbound: &inbound, request_id: "req0001", now: 1_700_000_000 };
            let written = match &answer {
                Ok(answer) => answer_value(answer, &client.encode_response(&info, answer)),
                Err(failure) => {
                    failure_value(failure, &client.encode_failure(failure, 502, info.request_id))
                }
            };
            goldens.check(&format!("{}.{}.to.{}", case.protocol, case.name, client.id()), &written);
        }
    }
    goldens.finish();
}

fn answer_value(answer: &ChatResponse, body: &[u8]) -> Value {
    let dropped: Vec<String> = answer
        .unmapped
        .iter()
        .map(|dropped| format!("{}: {}", dropped.field, dropped.reason))
        .collect();
    json!({ "dropped": dropped, "body": sy_protocol::json::read::<Value>(body).unwrap() })
}

fn failure_value(failure: &Failure, body: &[u8]) -> Value {
    json!({ "failure": failure.to_string(), "body": sy_protocol::json::read::<Value>(body).unwrap() })
}
