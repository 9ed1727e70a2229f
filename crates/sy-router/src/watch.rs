//! The clock over one attempt: first byte, idle and total limits with a single timer.
//!
//! Used by `upstream` while it waits for headers and by `stream` and `whole` while they wait for a chunk. The timer is
//! moved only when it fires or when it stands too late, so a chunk costs one look at the clock. The connect limit is the
//! connector's.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sy_types::{ErrorKind, Failure, Timeouts};
use tokio::time::{Instant, Sleep, sleep_until};

/// Stands for "never": far enough not to matter, near enough not to overflow.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Headers,
    Chunk,
    Drain,
}

/// The clock over one attempt.
#[derive(Debug)]
pub(crate) struct Watch {
    timer: Pin<Box<Sleep>>,
    phase: Phase,
    /// How long the phase may last without news.
    limit: Duration,
    idle: Duration,
    /// When something last happened.
    last: Instant,
    deadline: Option<Instant>,
}

impl Watch {
    /// Starts the clock of an attempt whose target was first called at `since`: the total limit counts from there.
    pub(crate) fn start(timeouts: &Timeouts, since: Instant) -> Self {
        let last = Instant::now();
        let deadline = timeouts.total.and_then(|total| since.checked_add(total));
        let limit = timeouts.first_byte.min(FAR);
        let mut watch = Self {
            timer: Box::pin(sleep_until(last)),
            phase: Phase::Headers,
            limit,
            idle: timeouts.idle.min(FAR),
            last,
            deadline,
        };
        watch.rearm();
        watch
    }

    /// Something came: the idle limit counts from now.
    pub(crate) fn touch(&mut self) {
        self.phase = Phase::Chunk;
        self.limit = self.idle;
        self.last = Instant::now();
    }

    /// The answer is complete: at most `limit` is spent on what follows it.
    pub(crate) fn drain(&mut self, limit: Duration) {
        self.phase = Phase::Drain;
        self.limit = limit;
        self.last = Instant::now();
    }

    /// Is ready with the failure once a limit has passed. Poll it when the awaited thing is pending.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let due = self.due();
            if self.timer.deadline() > due {
                self.rearm();
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(self.failure());
            }
            self.rearm();
        }
    }

    fn due(&self) -> Instant {
        let due = self.last + self.limit;
        self.deadline.map_or(due, |deadline| due.min(deadline))
    }

    fn rearm(&mut self) {
        let due = self.due();
        self.timer.as_mut().reset(due);
    }

    fn failure(&self) -> Failure {
        let is_total = self.deadline.is_some_and(|deadline| deadline <= self.last + self.limit);
        let text = match (is_total, self.phase) {
            (true, _) => {
                "the provider did not finish its answer within the total time limit".to_owned()
            }
            (false, Phase::Headers) => {
                format!("the provider did not begin to answer within {:?}", self.limit)
            }
            (false, Phase::Chunk | Phase::Drain) => {
                format!("the provider sent nothing for {:?}", self.limit)
            }
        };
        Failure::provider(ErrorKind::Timeout, text)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use sy_types::{ErrorKind, Timeouts};
    use tokio::time::Instant;

    use super::Watch;

    fn timeouts(first_byte: u64, idle: u64, total: Option<u64>) -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(first_byte),
            idle: Duration::from_secs(idle),
            total: total.map(Duration::from_secs),
        }
    }

    async fn expires(mut watch: Watch, after_touches: u32, every: u64) -> (u64, String) {
        let began = Instant::now();
        for _ in 0..after_touches {
            tokio::time::sleep(Duration::from_secs(every)).await;
            watch.touch();
        }
        let failure = poll_fn(|context| watch.poll_expired(context)).await;
        assert_eq!(failure.kind, ErrorKind::Timeout);
        (began.elapsed().as_secs(), failure.message)
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_has_its_own_clock() {
        let now = Instant::now;
        let (seconds, text) = expires(Watch::start(&timeouts(5, 100, None), now()), 0, 0).await;
        assert!(seconds == 5 && text.contains("begin to answer"), "{seconds} {text}");
        let (seconds, text) = expires(Watch::start(&timeouts(100, 7, None), now()), 3, 2).await;
        assert!(seconds == 13 && text.contains("nothing for"), "{seconds} {text}");
        let (seconds, text) = expires(Watch::start(&timeouts(100, 7, Some(9)), now()), 3, 2).await;
        assert!(seconds == 9 && text.contains("total"), "{seconds} {text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_puts_the_idle_limit_off() {
        let (seconds, _) =
            expires(Watch::start(&timeouts(3, 3, None), Instant::now()), 10, 2).await;
        assert_eq!(seconds, 23);
    }
}
