//! Asks a provider for its list of models: to read them, and to learn whether it takes a key.
//!
//! Called at sign-in. The call costs nothing and is bounded in time. It deliberately calls nothing
//! verified that was not: a list that anybody gets says nothing of a key.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sy_catalog::Resolved;
use sy_credentials::Lease;
use sy_protocol::face;
use sy_types::{CallBody, ErrorKind, Failure, HttpCall, MemoryAccount, Target};
use tokio::time::Instant;

use crate::Router;
use crate::answer::Trail;
use crate::attempt::{accepted, protocol_of};
use crate::limits::AnswerLimits;
use crate::shown::Shown;
use crate::watch::Watch;

/// How long a list of models may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a provider said of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyCheck {
    /// It gave with the key what it does not give without.
    Verified,
    /// It does not take the key.
    Rejected(Failure),
    /// Nobody knows, for this reason: a clause without a full stop.
    Unknown(String),
}

impl Router {
    /// Asks a provider for the ids of its models, with a credential or without. Takes five seconds
    /// at most.
    ///
    /// # Errors
    /// `Unsupported` where the provider cannot be called or its protocol has no such list, else the
    /// provider's failure.
    pub async fn list_models(
        &self,
        provider: &str,
        lease: Option<&Arc<Lease>>,
    ) -> Result<Vec<String>, Failure> {
        let target = self.any_target(provider)?;
        tokio::time::timeout(PATIENCE, self.ask_models(&target, lease)).await.unwrap_or_else(|_| {
            let text = format!("{provider} did not answer within {} s", PATIENCE.as_secs());
            Err(Failure::provider(ErrorKind::Timeout, text))
        })
    }

    /// Checks a key by the list of models. Takes ten seconds at most.
    pub async fn check_key(&self, provider: &str, lease: &Arc<Lease>) -> KeyCheck {
        let failure = match self.list_models(provider, Some(lease)).await {
            Ok(_) => return self.check_against_none(provider).await,
            Err(failure) => failure,
        };

        if failure.status.is_some() && is_about_the_key(&failure) {
            return KeyCheck::Rejected(failure);
        }
        KeyCheck::Unknown(match failure.status {
            Some(404 | 405) => "it has no list of models to check a key by".to_owned(),
            Some(status) => format!("it answered with status {status}: {}", failure.message),
            None => failure.message,
        })
    }

    /// The list came; it proves something only where it does not come without a key.
    async fn check_against_none(&self, provider: &str) -> KeyCheck {
        match self.list_models(provider, None).await {
            Ok(_) => KeyCheck::Unknown("it lists its models to anybody, key or not".to_owned()),
            Err(Failure { status: Some(400..=404), .. }) => KeyCheck::Verified,
            Err(failure) => KeyCheck::Unknown(failure.message),
        }
    }

    /// Returns a target of the provider: its list of models is the same for all of them.
    fn any_target(&self, provider: &str) -> Result<Target, Failure> {
        let mut last = None;
        let known = self.inner.catalog.provider(provider);
        for model in known.iter().flat_map(|known| known.models.keys()) {
            let resolved = Resolved {
                provider: provider.to_owned(),
                model: model.clone(),
                variant: None,
                is_listed: true,
            };
            match self.inner.catalog.target(&resolved) {
                Ok(target) => {
                    let mut target = Arc::unwrap_or_clone(target);
                    // The limit over the whole call comes first, and names the provider.
                    target.timeouts.connect = PATIENCE * 2;
                    target.timeouts.first_byte = PATIENCE * 2;
                    return Ok(target);
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| {
            let text = format!("{provider} has no models by which it could be asked");
            Failure::new(ErrorKind::Unsupported, sy_types::Side::Gateway, text)
        }))
    }

    async fn ask_models(
        &self,
        target: &Target,
        lease: Option<&Arc<Lease>>,
    ) -> Result<Vec<String>, Failure> {
        let upstream = protocol_of(target)?;
        let path = upstream.models_path().ok_or_else(|| {
            let text = format!("the protocol {} has no list of models", target.protocol);
            Failure::new(ErrorKind::Unsupported, sy_types::Side::Gateway, text)
        })?;
        let mut call = HttpCall {
            method: Method::GET,
            url: face::join(&target.base_url, path)?,
            headers: face::call_headers(upstream, target),
            body: CallBody::from(Bytes::new()),
        };
        call.headers.remove(http::header::CONTENT_TYPE);
        if let Some(lease) = lease {
            sy_credentials::apply(lease, target.auth, &mut call)?;
        }

        let config = self.inner.config.load_full();
        let shown = Shown::new(lease.cloned(), &Arc::new(target.clone()), &config);
        let ready = self.inner.connector.prepare(target, call)?;
        let mut watch = Watch::start(&target.timeouts, Instant::now());
        let sent = self.inner.connector.send(ready, &mut watch).await;
        let reply = sent.map_err(|missed| missed.failure)?;
        let mut trail = Trail::default();
        let mut reply = accepted(&shown, upstream, reply, &mut watch, &mut trail).await?;
        let (limits, account) = (AnswerLimits::of(&config), MemoryAccount::unlimited());
        let text = reply.body.whole(&mut watch, limits.event, &account).await?;
        models_of(&text).ok_or_else(|| {
            Failure::provider(
                ErrorKind::Malformed,
                "it answered with something else than a list of models",
            )
        })
    }
}

/// Reads the ids: `data[].id` (OpenAI, Anthropic), `models[].name` (Gemini, Ollama), or a bare
/// list.
fn models_of(text: &[u8]) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let list = ["data", "models"].iter().find_map(|field| value.get(field)?.as_array());
    let list = list.or_else(|| value.as_array())?;
    let id = |entry: &Value| {
        let id = entry.get("id").or_else(|| entry.get("name"))?.as_str()?;
        Some(id.strip_prefix("models/").unwrap_or(id).to_owned())
    };
    Some(list.iter().filter_map(id).collect())
}

/// Returns true when the provider refused because of the key. Some say so with another status than
/// 401.
pub(crate) fn is_about_the_key(failure: &Failure) -> bool {
    if failure.kind == ErrorKind::Unauthenticated {
        return true;
    }
    let words = failure.message.to_ascii_lowercase().replace('_', " ");
    let names_it =
        ["api key", "apikey", "api token", "credential"].iter().any(|name| words.contains(name));
    let blames_it = ["invalid", "incorrect", "not valid", "expired", "revoked"]
        .iter()
        .any(|fault| words.contains(fault));
    matches!(failure.status, Some(400 | 403)) && names_it && blames_it
}

#[cfg(test)]
mod tests {
    use sy_types::{ErrorKind, Failure};

    use super::{is_about_the_key, models_of};

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let expected = expected.map(|ids| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        assert_eq!(models_of(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn lists_of_models_have_several_forms() {
        check(
            r#"{"object": "list", "data": [{"id": "a"}, {"id": "b/c"}, {}]}"#,
            Some(&["a", "b/c"]),
        );
        check(
            r#"{"models": [{"name": "models/gemini"}, {"name": "qwen3:0.6b"}]}"#,
            Some(&["gemini", "qwen3:0.6b"]),
        );
        check(r#"[{"id": "a"}]"#, Some(&["a"]));
        check(r#"{"data": []}"#, Some(&[]));
        check(r#"{"error": "x"}"#, None);
        check("<html>", None);
    }

    #[test]
    fn a_key_is_also_refused_with_other_statuses() {
        let said = |kind, status, text: &str| Failure::provider(kind, text).with_status(status);
        let invalid = ErrorKind::Invalid;
        assert!(is_about_the_key(&said(ErrorKind::Unauthenticated, 401, "no")));
        assert!(is_about_the_key(&said(
            invalid,
            400,
            "API key not valid. Please pass a valid API key."
        )));
        assert!(is_about_the_key(&said(ErrorKind::Forbidden, 403, "Incorrect API key provided")));
        assert!(!is_about_the_key(&said(
            ErrorKind::Forbidden,
            403,
            "missing scopes: api.model.read"
        )));
        assert!(!is_about_the_key(&said(ErrorKind::Unavailable, 503, "invalid api key cache")));
    }
}
