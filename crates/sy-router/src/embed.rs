//! Embeddings: a body of OpenAI's form, relayed to a provider that takes it.
//!
//! Called by the embeddings route; walks the same course of targets as a chat. Each target's form of the call is made in one
//! place, [`call_for`], so that another form is another arm there. It deliberately does not read vectors.

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sy_protocol::patch::Spans;
use sy_protocol::{Upstream, face, registry};
use sy_types::chat::Usage;
use sy_types::{ErrorKind, Failure, HttpCall, Side, Target};
use tokio::time::Instant;

use crate::Inner;
use crate::answer::Trail;
use crate::attempt::protocol_of;
use crate::plan::Planned;
use crate::tally::Tally;
use crate::upstream::Missed;
use crate::watch::Watch;

/// Where OpenAI's family has its embeddings, under the base URL.
const PATH: &str = "/embeddings";

/// The answer to an embeddings request.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Which way the request went.
    pub trail: Trail,
    /// The body of the answer, in OpenAI's form.
    pub body: Bytes,
}

/// Returns the model that an embeddings body names; empty where it names none.
pub(crate) fn model_of(body: &Bytes) -> Result<String, Failure> {
    let spans = Spans::find(body, &["model"])?;
    let Some(raw) = spans.get(body, "model") else { return Ok(String::new()) };
    sy_protocol::json::read::<String>(raw)
        .map_err(|_| Failure::invalid("model: expected a string, got something else").with_param("model"))
}

impl Inner {
    /// Makes one call to one target, which was first called at `since`.
    pub(crate) async fn embed_at(
        &self,
        body: &Bytes,
        (planned, since): (&Planned, Instant),
        trail: &mut Trail,
        tally: &mut Tally,
    ) -> Result<Bytes, Missed> {
        let target = &*planned.target;
        let upstream = protocol_of(target)?;
        let mut call = call_for(upstream, target, body)?;
        self.sign(planned, &mut call)?;
        trail.relay = true;
        let mut watch = Watch::start(&target.timeouts, since);
        let reply = self.connector.send(target, call, &mut watch).await?;
        let mut reply = self.accepted(planned, upstream, reply, &mut watch, trail).await?;
        tally.begun = true;
        let raw = reply.body.whole(&mut watch).await?;
        tally.note_usage(usage_of(&raw)?);
        Ok(raw)
    }
}

/// Makes the call in the form that the target takes.
fn call_for(upstream: &dyn Upstream, target: &Target, body: &Bytes) -> Result<HttpCall, Failure> {
    if ![registry::OPENAI_CHAT, registry::OPENAI_RESPONSES].contains(&upstream.wire()) {
        let text = format!("{} has no embeddings route that is known here: choose another model", target.name());
        return Err(Failure::new(ErrorKind::Unsupported, Side::Gateway, text));
    }
    let spans = Spans::find(body, &["model"])?;
    let body = spans.apply(body, &[("model", Value::from(&*target.upstream_model))]);
    let url = face::join(&target.base_url, PATH)?;
    Ok(HttpCall { method: Method::POST, url, headers: face::call_headers(upstream, target), body })
}

/// Reads the token count, and with it checks that the answer is JSON.
fn usage_of(raw: &[u8]) -> Result<Option<Usage>, Failure> {
    let malformed = || Failure::provider(ErrorKind::Malformed, "the provider answered with something that is not JSON");
    let spans = Spans::find(raw, &["usage"]).map_err(|_| malformed())?;
    let usage: Option<Value> = spans.get(raw, "usage").and_then(|raw| sy_protocol::json::read(raw).ok());
    let input = usage.as_ref().and_then(|usage| usage.get("prompt_tokens").or(usage.get("total_tokens"))?.as_u64());
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
        assert_eq!(model(r#"{"model":7}"#).unwrap_err().param.as_deref(), Some("model"));
        assert_eq!(model("[]").unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn tokens_are_read_from_the_answer() {
        let tokens = |body: &str| usage_of(body.as_bytes()).map(|usage| usage.map(|usage| usage.input));
        assert_eq!(tokens(r#"{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}"#), Ok(Some(5)));
        assert_eq!(tokens(r#"{"data":[]}"#), Ok(None));
        assert_eq!(tokens("<html>").unwrap_err().kind, ErrorKind::Malformed);
    }
}
