//! Name look-ups that know where calls may go.
//!
//! Given to each HTTP client by its connector. It judges addresses by `egress` and deliberately has
//! no rules of its own.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::{self, Denied, Reach};

/// Looks names up and keeps back the addresses that may not be called, so that a name cannot lead
/// where a literal address may not go, and a second look-up cannot change the answer.
pub(super) struct Guard {
    pub(super) reach: Reach,
    pub(super) public: Arc<RwLock<HashSet<Box<str>>>>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_public =
            self.public.read().unwrap_or_else(PoisonError::into_inner).contains(name.as_str());
        let reach =
            if self.reach == Reach::Public && is_public { Reach::Public } else { Reach::Operator };
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses = permitted(name.as_str(), reach, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A name that leads only to refused addresses.
#[derive(Debug, thiserror::Error)]
#[error("{host} is refused: {denied}")]
pub(super) struct Refusal {
    pub(super) host: String,
    pub(super) denied: Denied,
}

pub(super) fn permitted(
    host: &str,
    reach: Reach,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Refusal> {
    let mut denied = None;
    let judged = found.into_iter().filter(|address| match egress::judge(address.ip(), reach) {
        Ok(()) => true,
        Err(reason) => {
            denied = Some(reason);
            false
        }
    });
    let kept: Vec<SocketAddr> = judged.collect();
    match denied {
        Some(denied) if kept.is_empty() => Err(Refusal { host: host.to_owned(), denied }),
        _ => Ok(kept),
    }
}
