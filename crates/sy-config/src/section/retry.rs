//! How a failed call to a provider is repeated.
//!
//! Read by the router. Which failures are worth repeating is not decided here.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sy_types::Failover;

/// What happens when a target has no room now (a rate limit), where the chain has a further target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum FailoverMode {
    /// The next target is asked at once, and the one that has no room rests for a minute, or for as
    /// long as it asked.
    #[default]
    Immediate,
    /// When the provider says how long to wait (`Retry-After`) and that is at most `maxDelay`, the
    /// same target is asked again after it. Only then the next target is asked.
    Wait,
}

/// How a failed call to a provider is repeated. Where a chain has a further target, that one is
/// asked at once instead. The last target of a chain, and a single one, is asked again after a
/// wait: after what its provider asked for (`Retry-After`), else after `baseDelay` and longer. More
/// than `maxDelay` is never waited for: the caller gets the refusal with the wait.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Retry {
    /// How often a call is repeated after the first try.
    #[schemars(range(min = 0, max = 10))]
    pub max_retries: u32,
    /// The wait before the first repetition, in milliseconds.
    #[schemars(range(min = 100))]
    pub base_delay: u64,
    /// The longest wait, in milliseconds, whether it is ours or the provider's `Retry-After`. It must not be below `baseDelay`.
    #[schemars(range(min = 1000))]
    pub max_delay: u64,
    /// By how much each wait is longer than the one before: repetition n waits `baseDelay × backoffMultiplier^(n-1)`, at
    /// most `maxDelay`.
    #[schemars(range(min = 1))]
    pub backoff_multiplier: f64,
    /// What happens on a rate limit where the chain has a further target: `"immediate"` asks that
    /// one at once, `"wait"` keeps a short wait that the provider asked for. The request header
    /// `x-switchyard-failover` says it for one request.
    pub failover: FailoverMode,
}

impl Retry {
    /// Returns the wait before the given repetition, counted from 1, without jitter.
    pub fn delay(&self, repetition: u32) -> Duration {
        let exponent = i32::try_from(repetition.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait_ms = self.base_delay as f64 * self.backoff_multiplier.powi(exponent);
        // A float to integer cast saturates, so an infinite product ends at the cap.
        Duration::from_millis((wait_ms as u64).min(self.max_delay))
    }
}

impl From<FailoverMode> for Failover {
    fn from(mode: FailoverMode) -> Self {
        match mode {
            FailoverMode::Immediate => Self::Immediate,
            FailoverMode::Wait => Self::Wait,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_delay: 1000,
            max_delay: 60_000,
            backoff_multiplier: 2.0,
            failover: FailoverMode::Immediate,
        }
    }
}
