//! How much memory requests may take: one budget for all of them, and a bound for each.
//!
//! The server makes the budget and one account per request; the body, its decoded form, a provider's answer and a stream's
//! state are each charged to the account by whoever holds them. A charge is a guard: dropping it gives the bytes back,
//! however the request ends. It deliberately counts and never allocates: numbers are what a thing is known to cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::failure::{ErrorKind, Failure, Side};

/// The code of a failure for which the whole server lacks memory: the same request may pass a moment later.
pub const OVER_BUDGET: &str = "memory_budget_exhausted";
/// The code of a failure for which one request took more than a request may.
pub const OVER_REQUEST: &str = "request_memory_exceeded";
/// How long a client should wait before it asks again: most requests are read and translated within it.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

/// The memory that all requests together may take. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: AtomicU64,
    request_limit: AtomicU64,
    used: AtomicU64,
    peak: AtomicU64,
    refused: AtomicU64,
}

impl MemoryBudget {
    /// Makes a budget of `limit` bytes, of which one request may take `request_limit`.
    pub fn new(limit: u64, request_limit: u64) -> Self {
        Self(Arc::new(Budget {
            limit: limit.into(),
            request_limit: request_limit.into(),
            used: 0.into(),
            peak: 0.into(),
            refused: 0.into(),
        }))
    }

    /// Takes over new limits, in bytes. What is charged already stays charged.
    pub fn set_limits(&self, limit: u64, request_limit: u64) {
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.request_limit.store(request_limit, Ordering::Relaxed);
    }

    /// Opens the account of one request.
    pub fn account(&self) -> MemoryAccount {
        MemoryAccount(Arc::new(Account { budget: self.clone(), used: 0.into() }))
    }

    /// Returns how many bytes are charged now.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns the most bytes that were ever charged at once.
    pub fn peak(&self) -> u64 {
        self.0.peak.load(Ordering::Relaxed)
    }

    /// Returns how many bytes all requests together may take.
    pub fn limit(&self) -> u64 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Returns how many bytes one request may take.
    pub fn request_limit(&self) -> u64 {
        self.0.request_limit.load(Ordering::Relaxed)
    }

    /// Returns how many charges were refused so far.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

/// What one request takes. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryAccount(Arc<Account>);

#[derive(Debug)]
struct Account {
    budget: MemoryBudget,
    used: AtomicU64,
}

impl MemoryAccount {
    /// Opens an account without a limit: for a request that was made here.
    pub fn unlimited() -> Self {
        MemoryBudget::new(u64::MAX, u64::MAX).account()
    }

    /// Begins a charge of nothing, which can grow.
    pub fn open(&self) -> MemoryCharge {
        MemoryCharge { account: self.clone(), bytes: 0 }
    }

    /// Charges `bytes` for `what` ("a body of 3 MiB with 100 JSON values").
    ///
    /// # Errors
    /// As [`MemoryCharge::resize`].
    pub fn charge(
        &self,
        bytes: u64,
        what: impl FnOnce() -> String,
    ) -> Result<MemoryCharge, Failure> {
        let mut charge = self.open();
        charge.resize(bytes, what)?;
        Ok(charge)
    }

    fn add(&self, more: u64, what: impl FnOnce() -> String) -> Result<(), Failure> {
        let budget = &*self.0.budget.0;
        let own = self.0.used.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let request_limit = budget.request_limit.load(Ordering::Relaxed);
        if own > request_limit {
            self.0.used.fetch_sub(more, Ordering::Relaxed);
            budget.refused.fetch_add(1, Ordering::Relaxed);
            return Err(over_request(&what(), own, request_limit));
        }

        let all = budget.used.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        if all > budget.limit.load(Ordering::Relaxed) {
            budget.used.fetch_sub(more, Ordering::Relaxed);
            self.0.used.fetch_sub(more, Ordering::Relaxed);
            budget.refused.fetch_add(1, Ordering::Relaxed);
            return Err(over_budget());
        }
        budget.peak.fetch_max(all, Ordering::Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        self.0.budget.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are charged to an account until this is dropped.
#[derive(Debug)]
pub struct MemoryCharge {
    account: MemoryAccount,
    bytes: u64,
}

impl MemoryCharge {
    /// Returns how many bytes are charged.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the account that is charged.
    pub fn account(&self) -> &MemoryAccount {
        &self.account
    }

    /// Makes the charge `bytes` large. Giving some back cannot fail.
    ///
    /// # Errors
    /// `TooLarge` with the code [`OVER_REQUEST`] when the request would take more than one may, naming `what` and the key
    /// of the limit; `Unavailable` with the code [`OVER_BUDGET`] and a time to wait when all requests together would.
    /// The charge then stays as it was.
    pub fn resize(&mut self, bytes: u64, what: impl FnOnce() -> String) -> Result<(), Failure> {
        if bytes > self.bytes {
            self.account.add(bytes - self.bytes, what)?;
        } else if bytes < self.bytes {
            self.account.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Ties the charge to bytes: it is given back when the last piece of them is dropped.
    pub fn tie_to(self, bytes: Bytes) -> Bytes {
        if self.bytes == 0 {
            return bytes;
        }
        Bytes::from_owner(Charged { bytes, _charge: self })
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.account.give_back(self.bytes);
        }
    }
}

/// Bytes and what is charged for them.
struct Charged {
    bytes: Bytes,
    _charge: MemoryCharge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes a number of bytes for a reader.
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(MIB)),
    }
}

fn over_request(what: &str, needed: u64, limit: u64) -> Failure {
    let text = format!(
        "{what} would take {} of memory here, and one request may take {}: send less at once, or raise server.request_memory_mb",
        megabytes(needed),
        megabytes(limit),
    );
    Failure::new(ErrorKind::TooLarge, Side::Caller, text).with_code(OVER_REQUEST)
}

fn over_budget() -> Failure {
    let text = "the requests that are being answered take all memory that the server may use: ask again in a moment, or raise server.memory_mb";
    Failure::new(ErrorKind::Unavailable, Side::Gateway, text)
        .with_code(OVER_BUDGET)
        .with_retry_after(Some(RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{MemoryBudget, OVER_BUDGET, OVER_REQUEST};
    use crate::ErrorKind;

    fn what() -> String {
        "a body".to_owned()
    }

    #[test]
    fn a_charge_is_given_back_however_it_ends() {
        let budget = MemoryBudget::new(100, 60);
        let account = budget.account();
        let mut charge = account.charge(40, what).unwrap();
        charge.resize(10, what).unwrap();
        assert_eq!((budget.used(), budget.peak()), (10, 40));

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = charge;
            panic!("as a handler may")
        }));
        assert!(panicked.is_err());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn one_request_is_told_its_limit_and_all_together_to_wait() {
        let budget = MemoryBudget::new(100, 60);
        let (first, second) = (budget.account(), budget.account());
        let _held = first.charge(50, what).unwrap();

        let failure = first.charge(20, what).unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_deref()),
            (ErrorKind::TooLarge, Some(OVER_REQUEST))
        );
        assert!(failure.message.contains("server.request_memory_mb"), "{}", failure.message);

        let failure = second.charge(60, what).unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_deref()),
            (ErrorKind::Unavailable, Some(OVER_BUDGET))
        );
        assert!(failure.retry_after.is_some());
        assert_eq!((budget.used(), budget.refused()), (50, 2));
    }

    #[test]
    fn bytes_hold_their_charge_until_the_last_piece_goes() {
        let budget = MemoryBudget::new(100, 100);
        let charge = budget.account().charge(5, what).unwrap();
        let bytes = charge.tie_to(Bytes::from_static(b"hello"));
        let piece = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(budget.used(), 5);
        drop(piece);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn new_limits_hold_from_the_next_charge() {
        let budget = MemoryBudget::new(10, 10);
        let account = budget.account();
        let _held = account.charge(10, what).unwrap();
        budget.set_limits(30, 30);
        assert!(account.charge(20, what).is_ok());
    }
}
