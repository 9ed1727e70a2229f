//! Asks custom providers which models they have, where nobody wrote them down.
//!
//! Called by commands before they list models, by the server from time to time, and by a request
//! that names no known model once. Calls go the way of all others: with the provider's credential
//! and under the egress policy. What an answer means is for the catalog.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Method;
use sy_catalog::ListRequest;
use sy_protocol::face;
use sy_types::{CallBody, ErrorKind, Failure, HttpCall, MemoryAccount, Side, Target, Timeouts};
use tokio::time::Instant;

use crate::answer::Trail;
use crate::attempt::{Signed, protocol_of};
use crate::plan::{Linked, Planned};
use crate::tally::Tally;
use crate::{Inner, Router};

/// A list comes at once or is not waited for: somebody may be looking at an empty screen.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than this is no list of models, in bytes.
const LARGEST: usize = 2 << 20;

impl Router {
    /// Asks every connected provider whose models nobody wrote down, unless it was asked within
    /// five minutes or the catalog is offline. Takes about three seconds at most. Returns whether
    /// there is something new; failures are no news.
    pub async fn discover_models(&self) -> bool {
        self.inner.discover().await
    }
}

impl Inner {
    /// As [`Router::discover_models`].
    pub(crate) async fn discover(&self) -> bool {
        let requests = self.catalog.lists_to_ask(&Linked(&self.credentials));
        let asked = requests.iter().map(|request| async move {
            let answer = tokio::time::timeout(PATIENCE, self.ask(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(too_slow(&request.target)));
            match &answer {
                Ok(body) => self.catalog.learn(request, Ok(body.as_ref())),
                Err(failure) => self.catalog.learn(request, Err(failure.clone())),
            }
        });
        join_all(asked).await.contains(&true)
    }

    async fn ask(&self, request: &ListRequest) -> Result<Bytes, Failure> {
        let timeouts = Timeouts {
            connect: PATIENCE,
            first_byte: PATIENCE,
            first_content: PATIENCE,
            idle: PATIENCE,
            total: Some(PATIENCE),
        };
        let target = Target { timeouts, ..(*request.target).clone() };
        let upstream = protocol_of(&target)?;
        let provider = self.catalog.provider(&target.provider);
        let provider =
            provider.ok_or_else(|| Failure::bug("a provider left while it was asked"))?;
        let mut call = HttpCall {
            method: Method::GET,
            url: face::join(&target.base_url, request.path)?,
            headers: face::call_headers(upstream, &target),
            body: CallBody::from(Bytes::new()),
        };

        let planned = Planned { target: std::sync::Arc::new(target), provider };
        let shown = self.sign(&planned, &mut call)?;
        let signed = Signed {
            upstream,
            target: &planned.target,
            call,
            shown: &shown,
            awaits_content: false,
        };
        let (mut trail, mut tally) = (Trail::default(), Tally::default());
        let (mut reply, mut watch) = self
            .call(signed, Instant::now(), &mut trail, &mut tally)
            .await
            .map_err(|missed| missed.failure)?;
        reply.body.whole(&mut watch, LARGEST, &MemoryAccount::unlimited()).await
    }
}

fn too_slow(target: &Target) -> Failure {
    let text = format!("{} did not list its models in time", target.provider);
    Failure::new(ErrorKind::Timeout, Side::Provider, text)
}
