//! What follows a failed call: the same target again, another one, or the end.
//!
//! The pipeline asks for the next target and reports each failure; everything between is decided here, from one table of
//! failure kinds. It deliberately calls nobody.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use sy_config::Retry;
use sy_types::memory::{OVER_BUDGET, OVER_REQUEST};
use sy_types::{ErrorKind, Failover, Failure};
use tokio::time::Instant;

use crate::answer::Attempted;
use crate::cool::Cooling;
use crate::plan::{Plan, Planned};
use crate::upstream::Missed;

/// The most calls for one request, whatever the configuration says.
const CALL_LIMIT: u32 = 32;

/// What a kind of failure means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Everybody would say the same.
    Stop,
    /// Only a larger context window helps.
    Larger,
    /// Another target may answer; this one will not.
    Elsewhere,
    /// Another target may answer, and this one may answer later.
    Later,
}

fn verdict(kind: ErrorKind) -> Verdict {
    match kind {
        ErrorKind::Invalid | ErrorKind::ContentFiltered | ErrorKind::Cancelled => Verdict::Stop,
        ErrorKind::ContextOverflow => Verdict::Larger,
        ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::QuotaExceeded
        | ErrorKind::Internal => Verdict::Elsewhere,
        ErrorKind::RateLimited
        | ErrorKind::Unavailable
        | ErrorKind::Malformed
        | ErrorKind::Timeout
        | ErrorKind::Conflict => Verdict::Later,
    }
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Again(Duration),
    Next,
    Larger,
    Stop,
}

/// What a step is decided from, besides the failure.
#[derive(Clone, Copy, Debug)]
struct Situation {
    retry: Retry,
    /// How many calls the target has had.
    calls: u32,
    /// Whether the connection broke and a call was repeated for that already.
    mended: bool,
    has_next: bool,
    failover: Failover,
    /// How long a wait the target's total limit leaves.
    time_left: Duration,
}

fn decide(missed: &Missed, situation: &Situation) -> Step {
    let Situation { retry, calls, mended, has_next, failover, time_left } = *situation;
    let failure = &missed.failure;
    match failure.code.as_deref() {
        // It is we who are short of memory, not the target.
        Some(OVER_BUDGET) => return Step::Stop,
        // The same target would send or need as much again.
        Some(OVER_REQUEST) => return Step::Next,
        _ => {}
    }
    match verdict(failure.kind) {
        Verdict::Stop => return Step::Stop,
        Verdict::Larger => return Step::Larger,
        Verdict::Elsewhere => return Step::Next,
        Verdict::Later => {}
    }
    if missed.broke && !mended {
        return Step::Again(Duration::ZERO);
    }
    let longest = Duration::from_millis(retry.max_delay);
    let asked = failure.retry_after;
    let wait = jittered(retry.delay(calls)).max(asked.unwrap_or_default());
    // A further target is better than a wait, unless waits are wanted and the provider promises
    // that this one helps.
    let is_promised =
        failover == Failover::Wait && failure.kind == ErrorKind::RateLimited && asked.is_some();
    let is_worth_it = calls <= retry.max_retries && wait <= longest && wait < time_left;
    if is_worth_it && (is_promised || !has_next) { Step::Again(wait) } else { Step::Next }
}

/// Shortens a wait by up to a fifth, so that requests that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 1024;
    wait.mul_f64(0.8 + 0.2 * random as f64 / 1024.0)
}

/// The way of one request through its plan.
pub(crate) struct Course<'a> {
    plan: &'a Plan,
    cooling: &'a Cooling,
    retry: Retry,
    failover: Failover,
    /// Positions in the plan that were not tried, in order; cooling targets come last.
    ahead: SmallVec<[usize; 8]>,
    current: Option<Current>,
    calls: u32,
    attempts: Vec<Attempted>,
    last: Option<Failure>,
}

/// The target whose turn it is.
#[derive(Clone, Copy, Debug)]
struct Current {
    position: usize,
    calls: u32,
    since: Instant,
    mended: bool,
    /// Whether it is to be called (again).
    is_due: bool,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        cooling: &'a Cooling,
        retry: Retry,
        failover: Option<Failover>,
    ) -> Self {
        let is_cooling = |position: &usize| {
            plan.targets
                .get(*position)
                .is_some_and(|planned| cooling.remaining(&planned.target).is_some())
        };
        let mut ahead: SmallVec<[usize; 8]> = (0..plan.targets.len()).collect();
        if ahead.len() > 1 {
            let (resting, ready): (SmallVec<[usize; 8]>, SmallVec<[usize; 8]>) =
                ahead.iter().copied().partition(is_cooling);
            ahead = ready.into_iter().chain(resting).collect();
        }
        Self {
            plan,
            cooling,
            retry,
            failover: failover.unwrap_or(retry.failover.into()),
            ahead,
            current: None,
            calls: 0,
            attempts: plan.skipped.clone(),
            last: None,
        }
    }

    /// Returns the target to call next and when it was first called; `None` when the request has failed.
    pub(crate) fn next(&mut self) -> Option<(&'a Planned, Instant)> {
        if self.calls >= CALL_LIMIT {
            return None;
        }
        if !self.current.is_some_and(|current| current.is_due) {
            let position = (!self.ahead.is_empty()).then(|| self.ahead.remove(0))?;
            self.current = Some(Current {
                position,
                calls: 0,
                since: Instant::now(),
                mended: false,
                is_due: true,
            });
        }
        let current = self.current.as_mut()?;
        current.calls += 1;
        current.is_due = false;
        self.calls += 1;
        Some((self.plan.targets.get(current.position)?, current.since))
    }

    /// Takes a failure in; waits where the same target is to be called again.
    pub(crate) async fn failed(&mut self, missed: Missed) {
        let Some(current) = self.current else { return };
        let Some(planned) = self.plan.targets.get(current.position) else { return };
        let target = &planned.target;
        self.note(planned, &missed.failure);
        let deadline = target.timeouts.total.and_then(|total| current.since.checked_add(total));
        let situation = Situation {
            retry: self.retry,
            calls: current.calls,
            mended: current.mended,
            has_next: !self.ahead.is_empty(),
            failover: self.failover,
            time_left: deadline
                .map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now())),
        };
        let step = decide(&missed, &situation);
        tracing::debug!(
            provider = &*target.provider, model = &*target.model, error = missed.failure.kind.name(), step = ?step,
            "call failed"
        );
        match step {
            Step::Stop => self.ahead.clear(),
            Step::Larger => self.keep_larger(target.info.limits.context),
            Step::Next => self.cool(planned, &missed.failure),
            Step::Again(wait) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                self.current = Some(Current {
                    is_due: true,
                    mended: current.mended || missed.broke,
                    ..current
                });
            }
        }
        self.last = Some(missed.failure);
    }

    /// Returns what failed or was passed over before a target answered, which is the current one.
    pub(crate) fn into_failed(self) -> Vec<Attempted> {
        let mut failed = self.attempts;
        let answered = self.current.map_or(0, |current| current.position);
        // What would have been asked first and was not: it rests.
        for position in self.ahead.iter().filter(|position| **position < answered) {
            let Some(planned) = self.plan.targets.get(*position) else { continue };
            let Some(rests) = self.cooling.remaining(&planned.target) else { continue };
            failed.push(Attempted {
                provider: Arc::clone(&planned.target.provider),
                model: Arc::clone(&planned.target.model),
                kind: ErrorKind::RateLimited,
                message: format!("rests for {} s after a failure", rests.as_secs().max(1)),
                rests: Some(rests),
            });
        }
        failed
    }

    /// Returns the failure to tell and everything that led to it.
    pub(crate) fn into_failure(self) -> (Failure, Vec<Attempted>) {
        let Some(mut failure) = self.last else {
            return (Failure::bug("a plan had no target"), self.attempts);
        };
        let mut others: Vec<String> = Vec::new();
        for attempted in self.attempts.iter().rev() {
            let text = format!("{}/{}: {}", attempted.provider, attempted.model, attempted.message);
            if !others.contains(&text) {
                others.push(text);
            }
        }
        let targets = self.attempts.iter().map(|attempted| (&attempted.provider, &attempted.model));
        let mut targets: Vec<_> = targets.collect();
        targets.dedup();
        if targets.len() > 1 {
            others.reverse();
            failure.message = format!("no target answered; {}", others.join("; "));
        }
        (failure, self.attempts)
    }

    fn note(&mut self, planned: &Planned, failure: &Failure) {
        self.attempts.push(Attempted {
            provider: Arc::clone(&planned.target.provider),
            model: Arc::clone(&planned.target.model),
            kind: failure.kind,
            message: failure.message.clone(),
            rests: None,
        });
    }

    fn keep_larger(&mut self, window: u64) {
        let plan = self.plan;
        self.ahead.retain(|position| {
            plan.targets.get(*position).is_some_and(|planned| {
                let other = planned.target.info.limits.context;
                window > 0 && other > window
            })
        });
    }

    /// Lets a target rest that is left because its provider said that it has enough, or said
    /// nothing at all.
    fn cool(&self, planned: &Planned, failure: &Failure) {
        let has_enough = matches!(
            failure.kind,
            ErrorKind::RateLimited | ErrorKind::QuotaExceeded | ErrorKind::Timeout
        ) || (failure.kind == ErrorKind::Unavailable
            && failure.retry_after.is_some());
        if has_enough {
            self.cooling.rest(&planned.target, failure.retry_after);
        }
    }
}

#[cfg(test)]
mod tests;
