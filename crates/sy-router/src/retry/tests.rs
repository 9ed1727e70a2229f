//! The table of decisions.

use std::time::Duration;

use sy_config::{FailoverMode, Retry};
use sy_types::{ErrorKind, Failover, Failure};

use super::{Situation, Step, decide};
use crate::upstream::Missed;

const HERE: Situation = Situation {
    retry: Retry {
        max_retries: 3,
        base_delay: 1000,
        max_delay: 60_000,
        backoff_multiplier: 2.0,
        failover: FailoverMode::Immediate,
    },
    calls: 1,
    mended: false,
    has_next: false,
    failover: Failover::Immediate,
    time_left: Duration::MAX,
};

fn step(kind: ErrorKind, asked: Option<u64>, situation: Situation) -> Step {
    let failure = Failure::provider(kind, "x").with_retry_after(asked.map(Duration::from_secs));
    decide(&Missed { failure, broke: false }, &situation)
}

#[track_caller]
fn waits(step: Step, from_ms: u64, to_ms: u64) {
    let Step::Again(wait) = step else { panic!("{step:?}") };
    assert!(
        (Duration::from_millis(from_ms)..=Duration::from_millis(to_ms)).contains(&wait),
        "{wait:?}"
    );
}

#[test]
fn every_kind_has_its_place() {
    let chained = Situation { has_next: true, ..HERE };
    let check = |kind: ErrorKind, alone: Option<Step>, with_next: Step| {
        match alone {
            Some(expected) => assert_eq!(step(kind, None, HERE), expected, "{kind:?}"),
            None => waits(step(kind, None, HERE), 800, 1000),
        }
        assert_eq!(step(kind, None, chained), with_next, "{kind:?}");
    };
    for kind in [ErrorKind::Invalid, ErrorKind::ContentFiltered, ErrorKind::Cancelled] {
        check(kind, Some(Step::Stop), Step::Stop);
    }
    check(ErrorKind::ContextOverflow, Some(Step::Larger), Step::Larger);
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::QuotaExceeded,
        ErrorKind::Unsupported,
        ErrorKind::TooLarge,
        ErrorKind::Internal,
    ] {
        check(kind, Some(Step::Next), Step::Next);
    }
    for kind in [
        ErrorKind::RateLimited,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Malformed,
        ErrorKind::Conflict,
    ] {
        check(kind, None, Step::Next);
    }
}

#[test]
fn a_rate_limit_is_waited_for_where_the_provider_says_how_long() {
    let chained = Situation { has_next: true, ..HERE };
    let rate = ErrorKind::RateLimited;
    waits(step(rate, Some(7), HERE), 7000, 7000);
    waits(step(rate, Some(7), Situation { failover: Failover::Wait, ..HERE }), 7000, 7000);
    assert_eq!(step(rate, Some(7), chained), Step::Next);
    let chained = Situation { failover: Failover::Wait, ..chained };
    waits(step(rate, Some(7), chained), 7000, 7000);
    assert_eq!(step(rate, None, chained), Step::Next);
    assert_eq!(step(rate, Some(61), chained), Step::Next);
    assert_eq!(step(rate, Some(61), HERE), Step::Next);
    assert_eq!(
        step(rate, Some(7), Situation { time_left: Duration::from_secs(5), ..HERE }),
        Step::Next
    );
    assert_eq!(step(rate, Some(7), Situation { calls: 4, ..HERE }), Step::Next);
    waits(step(ErrorKind::Unavailable, Some(7), HERE), 7000, 7000);
    assert_eq!(step(ErrorKind::Unavailable, Some(7), chained), Step::Next);
}

#[test]
fn waits_grow_to_their_cap() {
    let unavailable = |calls: u32| {
        let retry = Retry { max_retries: 10, ..HERE.retry };
        step(ErrorKind::Unavailable, None, Situation { calls, retry, ..HERE })
    };
    waits(unavailable(2), 1600, 2000);
    waits(unavailable(4), 6400, 8000);
    waits(unavailable(10), 48_000, 60_000);
    assert_eq!(unavailable(11), Step::Next);
}

#[test]
fn a_broken_connection_is_mended_once_at_once() {
    let missed = Missed { failure: Failure::provider(ErrorKind::Unavailable, "x"), broke: true };
    let chained = Situation { has_next: true, ..HERE };
    assert_eq!(decide(&missed, &chained), Step::Again(Duration::ZERO));
    assert_eq!(decide(&missed, &Situation { mended: true, ..chained }), Step::Next);
}
