//! The clock over one attempt: first byte, first content, idle and total limits with a single
//! timer.
//!
//! Used by `upstream` while it waits for headers and by `stream` and `whole` while they wait for a chunk. The timer is
//! moved only when it fires or when it stands too late, so a chunk costs one look at the clock. The connect limit is the
//! connector's. What counts as content is for the reader of the answer to say.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sy_types::{ErrorKind, Failure, Timeouts};
use tokio::time::{Instant, Sleep, sleep_until};

/// Stands for "never": far enough not to matter, near enough not to overflow.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);
/// How far signs of life put the idle limit off, as a multiple of it: models that think are silent
/// for long, and dead ones for ever.
const PATIENCE: u32 = 3;

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Headers,
    Chunk,
    Drain,
}

/// Which of the limits passes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// Nothing came.
    Silence,
    /// Only signs of life came.
    Blanks,
    /// A stream did not come to its first content.
    FirstContent,
    Total,
}

/// The clock over one attempt.
#[derive(Debug)]
pub(crate) struct Watch {
    timer: Pin<Box<Sleep>>,
    phase: Phase,
    began: Instant,
    /// How long the phase may last without news.
    limit: Duration,
    idle: Duration,
    first_content: Duration,
    /// Whether the first content of a stream is still awaited.
    awaits_content: bool,
    /// When something last happened.
    last: Instant,
    /// When content last came, or the headers did.
    content: Instant,
    deadline: Option<Instant>,
}

impl Watch {
    /// Starts the clock of an attempt whose target was first called at `since`: the total limit counts from there.
    pub(crate) fn start(timeouts: &Timeouts, since: Instant) -> Self {
        let now = Instant::now();
        let mut watch = Self {
            timer: Box::pin(sleep_until(now)),
            phase: Phase::Headers,
            began: now,
            limit: timeouts.first_byte.min(FAR),
            idle: timeouts.idle.min(FAR),
            first_content: timeouts.first_content.min(FAR),
            awaits_content: false,
            last: now,
            content: now,
            deadline: timeouts.total.and_then(|total| since.checked_add(total)),
        };
        watch.rearm();
        watch
    }

    /// The answer is to be a stream: its first content has a limit, which counts from the start.
    pub(crate) fn await_content(&mut self) {
        self.awaits_content = true;
    }

    /// Something came: the idle limit counts from now.
    pub(crate) fn touch(&mut self) {
        if self.phase == Phase::Drain {
            return;
        }
        self.last = Instant::now();

        if self.phase == Phase::Headers {
            self.phase = Phase::Chunk;
            self.limit = self.idle;
            self.content = self.last;
        }
    }

    /// What came last was content.
    pub(crate) fn touch_content(&mut self) {
        self.touch();
        self.content = self.last;
        self.awaits_content = false;
    }

    /// Returns true when the last content is so long ago that it matters whether what comes is
    /// content.
    pub(crate) fn is_stale(&self) -> bool {
        self.last > self.content + self.idle
    }

    /// The rest hardly matters: at most `limit` is spent on it, whatever comes.
    pub(crate) fn drain(&mut self, limit: Duration) {
        self.phase = Phase::Drain;
        self.awaits_content = false;
        self.limit = limit;
        self.last = Instant::now();
    }

    /// Is ready with the failure once a limit has passed. Poll it when the awaited thing is pending.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let (_, due) = self.due();
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

    /// Returns the failure when a limit had passed by the time when something last came: a peer
    /// that never pauses gives [`Watch::poll_expired`] no turn.
    pub(crate) fn expired(&self) -> Option<Failure> {
        let (_, due) = self.due();
        (self.last >= due).then(|| self.failure())
    }

    /// Returns the limit that passes first, and when it does.
    fn due(&self) -> (Limit, Instant) {
        let mut first = (Limit::Silence, self.last + self.limit);
        let mut take = |limit: Limit, at: Instant| {
            if at < first.1 {
                first = (limit, at);
            }
        };

        if self.phase == Phase::Chunk {
            take(Limit::Blanks, self.content + self.idle * PATIENCE);
        }
        if self.awaits_content {
            take(Limit::FirstContent, self.began + self.first_content);
        }
        if let Some(deadline) = self.deadline {
            take(Limit::Total, deadline);
        }
        first
    }

    fn rearm(&mut self) {
        let (_, due) = self.due();
        self.timer.as_mut().reset(due);
    }

    fn failure(&self) -> Failure {
        let text = match (self.due().0, self.phase) {
            (Limit::Total, _) => {
                "the provider did not finish its answer within the total time limit \
                 (options.timeout)"
                    .to_owned()
            }
            (Limit::FirstContent, _) => format!(
                "the provider sent no content within {:?} (options.firstContentTimeout)",
                self.first_content
            ),
            (Limit::Blanks, _) => format!(
                "the provider sent only signs of life for {:?}, three times \
                 options.chunkTimeout",
                self.idle * PATIENCE
            ),
            (Limit::Silence, Phase::Headers) => format!(
                "the provider did not begin to answer within {:?} (options.headerTimeout)",
                self.limit
            ),
            (Limit::Silence, Phase::Chunk | Phase::Drain) => {
                format!("the provider sent nothing for {:?} (options.chunkTimeout)", self.limit)
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
            first_content: Duration::from_secs(60),
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
    async fn content_puts_the_idle_limit_off() {
        let mut watch = Watch::start(&timeouts(3, 3, None), Instant::now());
        let began = Instant::now();
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            watch.touch_content();
        }
        poll_fn(|context| watch.poll_expired(context)).await;
        assert_eq!(began.elapsed().as_secs(), 23);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_put_the_idle_limit_off_but_not_for_ever() {
        let (seconds, text) =
            expires(Watch::start(&timeouts(3, 5, None), Instant::now()), 7, 2).await;
        // The headers came at 2, and the last sign of life at 14.
        assert!(seconds == 17 && text.contains("signs of life for 15s"), "{seconds} {text}");
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_are_no_first_content() {
        let mut watch = Watch::start(&timeouts(30, 30, None), Instant::now());
        watch.await_content();
        let (seconds, text) = expires(watch, 29, 2).await;
        assert!(seconds == 60 && text.contains("no content within 60s"), "{seconds} {text}");

        let mut watch = Watch::start(&timeouts(30, 30, None), Instant::now());
        watch.await_content();
        watch.touch_content();
        let (seconds, text) = expires(watch, 29, 2).await;
        assert!(seconds == 88 && text.contains("nothing for"), "{seconds} {text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_pauses_is_seen_to_be_late() {
        let mut watch = Watch::start(&timeouts(3, 5, None), Instant::now());
        for _ in 0..8 {
            tokio::time::advance(Duration::from_secs(2)).await;
            watch.touch();
            assert!(watch.expired().is_none());
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        watch.touch();
        assert_eq!(watch.expired().map(|failure| failure.kind), Some(ErrorKind::Timeout));
    }
}
