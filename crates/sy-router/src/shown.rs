//! What one call showed the provider of ours, to be taken out of the provider's words: they go to the caller and into the log.
//!
//! Made by `attempt` when it signs a call. It deliberately looks at failures only: an answer is passed on as it is.

use std::sync::Arc;

use sy_credentials::{Lease, hide};
use sy_types::{Failure, Target};

/// The secrets of one call.
#[derive(Debug)]
pub(crate) struct Shown {
    lease: Option<Arc<Lease>>,
    /// Its headers may be secrets.
    target: Arc<Target>,
}

impl Shown {
    pub(crate) fn new(lease: Option<Arc<Lease>>, target: &Arc<Target>) -> Self {
        Self { lease, target: Arc::clone(target) }
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
            hide(text, value.as_bytes());
        }
    }

    /// Hides the secrets in a failure that was read from a stream or a whole answer.
    pub(crate) fn hide_in_failure(&self, mut failure: Failure) -> Failure {
        let words = [Some(&mut failure.message), failure.code.as_mut(), failure.param.as_mut()];
        for text in words.into_iter().flatten() {
            let mut bytes = std::mem::take(text).into_bytes();
            self.hide_in(&mut bytes);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        failure
    }
}
