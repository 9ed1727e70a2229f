//! Targets that are left alone for a while, because their provider said that it has enough.
//!
//! Written when a request leaves a target for a fallback, read when the next request is planned. It deliberately never
//! forbids a target: where nothing else is left, a cooling target is asked all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sy_types::Target;
use tokio::time::Instant;

/// The shortest rest of a target that was left for a fallback.
pub(crate) const SHORTEST: Duration = Duration::from_secs(60);
/// The longest: a provider that names a later time is asked again after this.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The most targets that rest at once; beyond it the one that is ready soonest is forgotten.
const CAPACITY: usize = 1024;

type Key = (Arc<str>, Arc<str>);

/// The targets that rest, by provider and model.
#[derive(Debug, Default)]
pub(crate) struct Cooling {
    /// How many entries there are, so that the usual case (none) takes no lock.
    count: AtomicUsize,
    until: Mutex<HashMap<Key, Instant>>,
}

impl Cooling {
    /// Lets a target rest for what its provider asked for, within bounds.
    pub(crate) fn rest(&self, target: &Target, asked: Option<Duration>) {
        let until = Instant::now() + asked.unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST);
        let mut map = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= CAPACITY {
            let soonest = map.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            soonest.and_then(|key| map.remove(&key));
        }
        map.insert(key(target), until);
        self.count.store(map.len(), Ordering::Release);
    }

    /// Returns how long a target still rests.
    pub(crate) fn remaining(&self, target: &Target) -> Option<Duration> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut map = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(target);
        let remaining =
            map.get(&key)?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        if remaining.is_none() {
            map.remove(&key);
            self.count.store(map.len(), Ordering::Release);
        }
        remaining
    }

    /// Returns true when a target of the provider rests.
    pub(crate) fn has(&self, provider: &str) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let map = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        map.iter().any(|((known, _), until)| **known == *provider && *until > now)
    }

    /// A target answered: it rests no longer.
    pub(crate) fn wake(&self, target: &Target) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut map = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        map.remove(&key(target));
        self.count.store(map.len(), Ordering::Release);
    }
}

fn key(target: &Target) -> Key {
    (Arc::clone(&target.provider), Arc::clone(&target.model))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CAPACITY, Cooling};
    use crate::fixture::target;

    #[tokio::test(start_paused = true)]
    async fn a_rest_lasts_as_long_as_was_asked_but_at_least_a_minute() {
        let check = async |asked: Option<u64>, expected: u64| {
            let cooling = Cooling::default();
            let target = target("p", "m");
            cooling.rest(&target, asked.map(Duration::from_secs));
            assert_eq!(cooling.remaining(&target).map(|left| left.as_secs()), Some(expected));
            tokio::time::advance(Duration::from_secs(expected)).await;
            assert_eq!(cooling.remaining(&target), None);
        };
        check(None, 60).await;
        check(Some(5), 60).await;
        check(Some(600), 600).await;
        check(Some(1_000_000), 3600).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_per_model_and_bounded_and_ends_with_an_answer() {
        let cooling = Cooling::default();
        for number in 0..CAPACITY + 10 {
            cooling.rest(&target("p", &number.to_string()), None);
        }
        assert_eq!(cooling.until.lock().unwrap().len(), CAPACITY);
        let last = target("p", &(CAPACITY + 9).to_string());
        assert!(cooling.remaining(&last).is_some());
        assert!(cooling.remaining(&target("q", "1")).is_none());
        cooling.wake(&last);
        assert!(cooling.remaining(&last).is_none());
    }
}
