//! Embeddings: relayed to a provider of the client's wire, translated for one of the other.
//!
//! Called by the embeddings routes; walks the same course of targets as a chat. Each target's form of the call is made in one
//! place, [`call_for`]. It deliberately does not read the vectors of a relay.

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sy_protocol::embeddings::{self, BuiltEmbed, EmbedRequest, EmbedWire};
use sy_protocol::patch::Spans;
use sy_protocol::weight::{HEAVY, ValueCounter, translation_cost};
use sy_protocol::{Upstream, face};
use sy_types::chat::{Dropped, Usage};
use sy_types::memory::megabytes;
use sy_types::{CallBody, ErrorKind, Failure, HttpCall, MemoryAccount, MemoryCharge, Side, Target};
use tokio::time::Instant;

use crate::Inner;
use crate::answer::Trail;
use crate::attempt::{Signed, not_carried, protocol_of};
use crate::heavy::run_heavy;
use crate::limits::{self, AnswerLimits};
use crate::plan::Planned;
use crate::tally::Tally;
use crate::upstream::Missed;

/// The answer to an embeddings request.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Which way the request went.
    pub trail: Trail,
    /// The body of the answer, in the client's form.
    pub body: Bytes,
}

/// Returns the model that an embeddings body names; empty where it names none.
pub(crate) fn model_of(body: &Bytes) -> Result<String, Failure> {
    sy_protocol::inbound::check_depth(body)?;
    let spans = Spans::find(body, &["model"])?;
    let Some(raw) = spans.get(body, "model") else { return Ok(String::new()) };
    let wrong = |got| {
        let text = format!("model: expected the name of a model, got {got}");
        Failure::invalid(text).with_param("model")
    };
    match sy_protocol::json::read::<Option<String>>(raw) {
        Ok(None) => Ok(String::new()),
        Ok(Some(model)) if model.trim().is_empty() => Err(wrong("a blank one")),
        Ok(Some(model)) => Ok(model),
        Err(_) => Err(wrong("something else")),
    }
}

/// What a client wants embedded, on all its attempts.
#[derive(Clone, Copy)]
pub(crate) struct EmbedErrand<'a> {
    /// The wire that the client speaks.
    pub(crate) wire: EmbedWire,
    pub(crate) body: &'a Bytes,
    /// The model in the path, for wires that name it there.
    pub(crate) model: Option<&'a str>,
    /// Whether a field that cannot be carried is a failure.
    pub(crate) strict: bool,
    /// How much of an answer is read.
    pub(crate) limits: AnswerLimits,
    /// What the request takes is charged to it.
    pub(crate) account: &'a MemoryAccount,
}

/// A call, and how its answer is to be read.
struct EmbedCall {
    call: HttpCall,
    /// The wire that is spoken to the provider.
    wire: EmbedWire,
    /// The client's request where it was translated; `None` where its own body is relayed.
    request: Option<EmbedRequest>,
    /// What translating the request costs, until its answer came.
    _charge: MemoryCharge,
}

impl Inner {
    /// Makes one call to one target, which was first called at `since`.
    pub(crate) async fn embed_at(
        &self,
        errand: &EmbedErrand<'_>,
        (planned, since): (&Planned, Instant),
        trail: &mut Trail,
        tally: &mut Tally,
    ) -> Result<Bytes, Missed> {
        let target = &*planned.target;
        let upstream = protocol_of(target)?;
        let EmbedCall { mut call, wire, request, _charge } =
            run_heavy(errand.body.len() > HEAVY, || call_for(upstream, target, errand, trail))?;
        let shown = self.sign(planned, &mut call)?;
        trail.relay = request.is_none();

        let signed = Signed { upstream, target, call, shown: &shown, awaits_content: false };
        let (mut reply, mut watch) = self.call(signed, since, trail, tally).await?;
        tally.begun = true;
        let read = async {
            let raw = reply.body.whole(&mut watch, errand.limits.whole, errand.account).await?;
            let is_heavy = raw.len() > HEAVY;
            if run_heavy(is_heavy, || is_refusal(&raw)) {
                return Err(upstream.decode_failure(reply.status.as_u16(), &raw));
            }
            let Some(request) = request else {
                tally.note_usage(run_heavy(is_heavy, || usage_of(&raw))?);
                return Ok(raw);
            };

            let charge = limits::charge_whole(errand.account, &raw)?;
            let (usage, body) = run_heavy(is_heavy, || {
                let response = embeddings::decode_response(wire, &raw)?;
                let body = embeddings::encode_response(errand.wire, &request, &response);
                Ok::<_, Failure>((response.usage, body))
            })?;
            tally.note_usage(usage);
            Ok(charge.tie_to(body))
        };
        read.await.map_err(|failure| shown.tell(failure).into())
    }
}

/// Makes the call: the client's own body where the target takes it, else one made of what it says.
fn call_for(
    upstream: &dyn Upstream,
    target: &Target,
    errand: &EmbedErrand<'_>,
    trail: &mut Trail,
) -> Result<EmbedCall, Failure> {
    let Some(spoken) = EmbedWire::of(upstream.wire()) else {
        let text = format!(
            "{} has no embeddings route that is known here: choose another model",
            target.name()
        );
        return Err(Failure::new(ErrorKind::Unsupported, Side::Gateway, text));
    };
    // Who answers batches answers single requests too.
    let is_relay = spoken == errand.wire
        || (spoken, errand.wire) == (EmbedWire::GeminiBatch, EmbedWire::GeminiOne);
    // Options are meant for chats: embeddings routes refuse fields that they do not know.
    let bare = Target { options: serde_json::Map::new(), ..target.clone() };
    let mut charge = errand.account.open();
    let (wire, body, request) = if is_relay {
        (errand.wire, embeddings::relay(errand.wire, errand.body, &bare)?, None)
    } else {
        let (bytes, values) = (errand.body.len(), ValueCounter::count(errand.body));
        charge.resize(translation_cost(bytes, values), || {
            let bytes = megabytes(bytes as u64);
            format!("translating a body of {bytes} with {values} JSON values")
        })?;
        let request = embeddings::decode_request(errand.wire, errand.body, errand.model)?;
        let BuiltEmbed { body, dropped } = embeddings::build(spoken, &request, &bare)?;
        if errand.strict && dropped.iter().any(Dropped::is_loss) {
            return Err(not_carried(target, &dropped));
        }
        trail.dropped = dropped;
        (spoken, CallBody::from(Bytes::from(sy_protocol::json::write(&body))), Some(request))
    };
    let url = face::join(&target.base_url, &wire.path(target))?;
    let call =
        HttpCall { method: Method::POST, url, headers: face::call_headers(upstream, target), body };
    Ok(EmbedCall { call, wire, request, _charge: charge })
}

/// Returns true for an error that came with a status of success.
fn is_refusal(raw: &[u8]) -> bool {
    let Ok(spans) = Spans::find(raw, &["error"]) else { return false };
    spans.get(raw, "error").is_some_and(|error| error != b"null")
}

/// Reads the token count, and with it checks that the answer is JSON.
fn usage_of(raw: &[u8]) -> Result<Option<Usage>, Failure> {
    let malformed = || {
        Failure::provider(
            ErrorKind::Malformed,
            "the provider answered with something that is not JSON",
        )
    };
    let spans = Spans::find(raw, &["usage"]).map_err(|_| malformed())?;
    let usage: Option<Value> =
        spans.get(raw, "usage").and_then(|raw| sy_protocol::json::read(raw).ok());
    let input = usage.as_ref().and_then(|usage| {
        sy_protocol::json::count(usage.get("prompt_tokens").or(usage.get("total_tokens"))?)
    });
    Ok(input.map(|input| Usage { input, ..Usage::default() }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sy_types::ErrorKind;

    use super::{model_of, usage_of};

    #[test]
    fn the_model_is_read_from_the_body() {
        let model = |body: &'static str| model_of(&Bytes::from_static(body.as_bytes()));
        assert_eq!(model(r#"{"input":"x","model":"a/b"}"#), Ok("a/b".to_owned()));
        assert_eq!(model(r#"{"input":"x"}"#), Ok(String::new()));
        assert_eq!(model(r#"{"input":"x","model":null}"#), Ok(String::new()));
        assert_eq!(model(r#"{"model":" "}"#).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(model(r#"{"model":7}"#).unwrap_err().param.as_deref(), Some("model"));
        assert_eq!(model("[]").unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn tokens_are_read_from_the_answer() {
        let tokens =
            |body: &str| usage_of(body.as_bytes()).map(|usage| usage.map(|usage| usage.input));
        assert_eq!(
            tokens(r#"{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}"#),
            Ok(Some(5))
        );
        assert_eq!(tokens(r#"{"data":[]}"#), Ok(None));
        assert_eq!(tokens("<html>").unwrap_err().kind, ErrorKind::Malformed);
    }
}
