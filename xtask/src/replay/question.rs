//! Requests: a relay changes nothing but the model, and a translation loses nothing that it does not report.

use std::sync::Arc;

use bytes::Bytes;
use sy_protocol::patch::Spans;
use sy_protocol::{Downstream, Hints, Inbound, Outgoing, REGISTRY, Upstream, encode};
use sy_types::chat::Dropped;
use sy_types::{AuthScheme, Dialect, ErrorKind, Limits, ModelInfo, ProtocolId, Target, Timeouts};

use super::compare::questions_differ;
use super::record::Recording;
use super::report::Report;

/// The name that stands for the model on the way out.
const MODEL: &str = "replayed-model";

/// Checks a recorded request of the given protocol.
pub(super) fn check(protocol: ProtocolId, recording: &Recording, report: &mut Report) {
    let (Some(body), Some(client)) = (&recording.request, sy_protocol::downstream(protocol)) else {
        return;
    };
    if !recording.succeeded() {
        // A request that the provider refused may be refused here too; it must only not be mistaken for another.
        return;
    }
    let hints = hints(recording.path.as_deref().unwrap_or_default());
    let name = format!("{protocol} request");
    let inbound = match Inbound::parse(client, Bytes::copy_from_slice(body.as_bytes()), &hints) {
        Ok(inbound) => inbound,
        Err(failure) => return report.note(&recording.id, &name, Err(failure.to_string())),
    };
    let decoded = inbound.chat().map(|_| ());
    if decoded.as_ref().is_err_and(|failure| failure.kind == ErrorKind::Unsupported) {
        // What only the provider's own memory can answer (an earlier answer by its id, say) is refused by name.
        report.note(
            &recording.id,
            &format!("{protocol} request, refused for what only its own protocol can do"),
            Ok(()),
        );
        return relay_only(protocol, &inbound, &recording.id, report);
    }
    report.note(&recording.id, &name, decoded.clone().map_err(|failure| failure.to_string()));
    for entry in REGISTRY {
        let Some(upstream) = entry.upstream else { continue };
        if upstream.wire() == protocol && upstream.id() == protocol {
            report.note(&recording.id, &format!("{protocol} relay"), relays(upstream, &inbound));
        } else if let (Some(other), Ok(())) = (entry.downstream, &decoded) {
            let outcome = round_trip(upstream, other, &inbound);
            report.note(&recording.id, &format!("{protocol} request via {}", entry.id), outcome);
        }
    }
}

fn relay_only(protocol: ProtocolId, inbound: &Inbound, id: &str, report: &mut Report) {
    if let Some(upstream) = sy_protocol::upstream(protocol) {
        report.note(id, &format!("{protocol} relay"), relays(upstream, inbound));
    }
}

/// A relayed body, with the model put back, is the recorded body to the byte.
fn relays(upstream: &dyn Upstream, inbound: &Inbound) -> Result<(), String> {
    let target = target(upstream);
    let outgoing = Outgoing { target: &target, inbound, stream: inbound.head().stream };
    let encoded = encode(upstream, &outgoing).map_err(|failure| failure.to_string())?;
    if !encoded.relay {
        return Err("the body was rebuilt, not relayed".to_owned());
    }
    let relayed = Bytes::from(encoded.call.body.concat());
    let original = inbound.body();
    let find = |body: &[u8]| Spans::find(body, &["model"]).map_err(|failure| failure.to_string());
    let restored = match find(original)?.get(original, "model") {
        None => relayed.to_vec(),
        Some(model) => {
            let model: serde_json::Value =
                serde_json::from_slice(model).map_err(|error| error.to_string())?;
            find(&relayed)?.apply(&relayed, &[("model", model)]).concat()
        }
    };
    if restored == original { Ok(()) } else { Err("bytes other than the model changed".to_owned()) }
}

/// A request that goes to another protocol and is read back there says the same, but for what was reported.
fn round_trip(
    upstream: &dyn Upstream,
    other: &'static dyn Downstream,
    inbound: &Inbound,
) -> Result<(), String> {
    let chat = inbound.chat().map_err(|failure| failure.to_string())?;
    let target = target(upstream);
    let outgoing = Outgoing { target: &target, inbound, stream: chat.stream };
    let encoded = encode(upstream, &outgoing).map_err(|failure| format!("build: {failure}"))?;
    let path = encoded.call.url.as_str().to_owned();
    let body = Bytes::from(encoded.call.body.concat());
    let back = Inbound::parse(other, body, &hints(&path))
        .map_err(|failure| format!("read back: {failure}"))?;
    let back = back.chat().map_err(|failure| format!("read back: {failure}"))?;
    let reports: Vec<Dropped> = encoded.dropped.iter().chain(&back.unmapped).cloned().collect();
    questions_differ(chat, back, &reports).map_or(Ok(()), Err)
}

/// A target that takes everything its protocol can say.
pub(super) fn target(upstream: &dyn Upstream) -> Target {
    let limits = Limits { context: 1_000_000, input: None, output: 128_000 };
    Target {
        provider: "replay".into(),
        model: MODEL.into(),
        upstream_model: MODEL.into(),
        protocol: upstream.id(),
        base_url: base_url(),
        auth: AuthScheme::None,
        dialect: Dialect::default(),
        headers: Vec::new(),
        options: serde_json::Map::new(),
        timeouts: Timeouts::default(),
        operator_configured: true,
        info: Arc::new(ModelInfo { id: MODEL.to_owned(), limits, ..ModelInfo::default() }),
    }
}

#[expect(clippy::expect_used, reason = "a constant that parses")]
fn base_url() -> url::Url {
    url::Url::parse("http://127.0.0.1:9/v1").expect("constant")
}

/// Reads what the path says beside the body.
pub(super) fn hints(path: &str) -> Hints {
    let (route, query) = path.split_once('?').unwrap_or((path, ""));
    let named = route.split_once("/models/").and_then(|(_, rest)| rest.rsplit_once(':'));
    let (model, action) =
        named.map_or((None, ""), |(model, action)| (Some(model.to_owned()), action));
    Hints { model, stream: action == "streamGenerateContent", sse: query.contains("alt=sse") }
}
