//! What one call showed the provider of ours, to be taken out of the provider's words: they go to the caller and into the log.
//!
//! Made by `attempt` when it signs a call. Every failure of the call passes through
//! [`Shown::tell`], and so do the headers that are passed on. It deliberately leaves answers alone:
//! they are passed on as they are.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sy_config::Config;
use sy_credentials::{Lease, hide_header};
use sy_types::{Failure, Target};

use crate::explain::explain;

/// The secrets of one call.
#[derive(Debug)]
pub(crate) struct Shown {
    lease: Option<Arc<Lease>>,
    /// Its headers may be secrets.
    target: Arc<Target>,
    /// Says where a key of the configuration was written.
    config: Arc<Config>,
}

impl Shown {
    pub(crate) fn new(
        lease: Option<Arc<Lease>>,
        target: &Arc<Target>,
        config: &Arc<Config>,
    ) -> Self {
        Self { lease, target: Arc::clone(target), config: Arc::clone(config) }
    }

    /// Returns the credential that the call carried.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_deref()
    }

    /// Returns the provider that was called.
    pub(crate) fn provider(&self) -> &str {
        &self.target.provider
    }

    /// Hides the secrets in the body of an error answer.
    pub(crate) fn hide_in(&self, text: &mut Vec<u8>) {
        if let Some(lease) = &self.lease {
            lease.hide_in(text);
        }
        for (_, value) in self.target.headers.iter().filter(|(_, value)| value.is_sensitive()) {
            hide_header(text, value.as_bytes());
        }
    }

    /// Makes of a failure of this call what the caller is told: without our secrets, and with the
    /// way out.
    pub(crate) fn tell(&self, mut failure: Failure) -> Failure {
        let words = [Some(&mut failure.message), failure.code.as_mut(), failure.param.as_mut()];
        for text in words.into_iter().flatten() {
            let mut bytes = std::mem::take(text).into_bytes();
            self.hide_in(&mut bytes);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        explain(failure, &self.target, self.lease.as_deref(), &self.config)
    }

    /// Leaves those of a provider's headers that hold none of the secrets.
    pub(crate) fn without_secrets(
        &self,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let is_clean = |(_, value): &(HeaderName, HeaderValue)| {
            let mut text = value.as_bytes().to_vec();
            self.hide_in(&mut text);
            text == value.as_bytes()
        };
        headers.into_iter().filter(is_clean).collect()
    }
}
