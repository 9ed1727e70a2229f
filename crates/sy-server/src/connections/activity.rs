//! What one connection does now, and until when it may go on so.
//!
//! Told by the socket and the service, asked by what drives the connection and by the table. A connection that works (a
//! provider is asked for it) may take as long as it needs; every other state has its time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sy_config::Timeouts;
use tokio::time::Instant;

/// How long each state may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the connection, or the first byte of a later request, to the end of the request's head.
    pub(super) head: Duration,
    /// Without a further byte of a request's body.
    pub(super) body: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// Without the client taking a further byte of its answer.
    pub(super) send: Duration,
}

impl Limits {
    pub(super) fn of(timeouts: &Timeouts) -> Self {
        let [head, body, idle, send] =
            [timeouts.head, timeouts.body, timeouts.idle, timeouts.send].map(Duration::from_secs);
        Self { head, body, idle, send }
    }

    /// Returns how often a connection without a deadline is looked at: often enough that none lasts much beyond it.
    fn pause(&self) -> Duration {
        self.head.min(self.idle).min(self.send) / 4
    }
}

/// What one connection does.
#[derive(Debug)]
pub(crate) struct Activity {
    now: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the connection came, or its last request ended.
    rested: Instant,
    /// When bytes last went to the client or a request moved on.
    progress: Instant,
    /// When the first byte behind the last request came.
    head_began: Option<Instant>,
    has_asked: bool,
    is_http2: bool,
    /// HTTP/1.0 knows no interim answers.
    is_http10: bool,
    /// Requests whose answer is not over.
    open: usize,
    /// Those of them for which the client has nothing to do: somebody here or a provider works.
    working: usize,
    /// Those of them whose body has not come as a whole.
    incomplete: usize,
    /// Those of them whose answer has begun.
    answering: usize,
    has_sent: bool,
    /// The client takes no bytes at the moment.
    is_blocked: bool,
    /// A body was left unread.
    has_unread: bool,
    is_expired: bool,
}

/// What is to be done with the end of what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody waits for an answer: it is the end of the connection.
    Connection,
    /// The surface has not taken all of the body: it may yet find it whole.
    WithinBody,
    /// An answer is due and nothing of it was sent.
    BeforeAnswer {
        /// Whether the client understands interim answers.
        knows_interim: bool,
    },
    /// An answer is on its way and the client is slow to take it.
    WithinAnswer,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let state = State {
            rested: now,
            progress: now,
            head_began: None,
            has_asked: false,
            is_http2: false,
            is_http10: false,
            open: 0,
            working: 0,
            incomplete: 0,
            answering: 0,
            has_sent: false,
            is_blocked: false,
            has_unread: false,
            is_expired: false,
        };
        Self { now: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns until when the connection may go on as it does; `None` while somebody works for it.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        if state.working > 0 {
            return None;
        }
        if state.open > 0 || state.is_blocked {
            return Some(state.progress + limits.send);
        }
        Some(match state.head_began {
            _ if !state.has_asked => state.rested + limits.head,
            // Pings and window updates of HTTP/2 are no requests, and none of them keeps a connection.
            Some(began) if !state.is_http2 => began + limits.head,
            _ => state.rested + limits.idle,
        })
    }

    /// Returns when to ask for the deadline again: it may have changed meanwhile.
    pub(super) fn look_again(&self, limits: &Limits) -> Instant {
        let pause = Instant::now() + limits.pause();
        self.deadline(limits).map_or(pause, |deadline| deadline.min(pause))
    }

    /// Returns since when no request is open; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.open == 0 && !state.is_blocked).then_some(state.rested)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle_since().is_some()
    }

    /// Says that the time is over.
    pub(super) fn expire(&self) {
        self.state().is_expired = true;
    }

    /// Returns whether the time is over, and whether part of an HTTP/1 head had come.
    pub(super) fn expired(&self) -> Option<bool> {
        let state = self.state();
        // Something is said before the first request in HTTP/2 only.
        let in_http2 = state.is_http2 || (state.has_sent && !state.has_asked);
        let in_head = state.open == 0 && state.head_began.is_some() && !in_http2;
        state.is_expired.then_some(in_head)
    }

    /// Notes that bytes came.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.open == 0 && state.head_began.is_none() {
            state.head_began = Some(Instant::now());
        }
    }

    /// Notes that the client took bytes, or that it takes none.
    pub(super) fn sent(&self, is_blocked: bool) {
        let mut state = self.state();
        state.has_sent = true;
        // A client that goes on taking nothing makes no progress.
        if !(is_blocked && state.is_blocked) {
            state.progress = Instant::now();
        }
        state.is_blocked = is_blocked;
    }

    /// Returns what the end of what the client sends means.
    pub(super) fn end_of_input(&self) -> End {
        let state = self.state();
        if state.is_http2 {
            return End::Connection;
        }
        if state.is_blocked {
            return End::WithinAnswer;
        }
        if state.incomplete > 0 && state.open > state.answering {
            return End::WithinBody;
        }
        // Of an answer that has begun the client may well have seen enough: it left.
        match state.open > state.answering {
            true => End::BeforeAnswer { knows_interim: !state.is_http10 },
            false => End::Connection,
        }
    }

    /// Returns whether an answer is still due or on its way.
    pub(super) fn is_answering(&self) -> bool {
        let state = self.state();
        state.open > 0 || state.is_blocked
    }

    /// Returns whether the client was answered before all of its request was read.
    pub(super) fn has_unread(&self) -> bool {
        self.state().has_unread
    }

    /// Notes that a request's head has come. `is_whole` says that no body follows.
    pub(super) fn request(&self, version: http::Version, is_whole: bool) {
        let mut state = self.state();
        state.has_asked = true;
        state.is_http2 = version == http::Version::HTTP_2;
        state.is_http10 = version == http::Version::HTTP_10;
        state.head_began = None;
        state.open += 1;
        state.working += 1;
        state.incomplete += usize::from(!is_whole);
        state.progress = Instant::now();
    }

    /// Notes that a request's body is over: wholly read, or given up.
    pub(super) fn body_over(&self, is_whole: bool) {
        let mut state = self.state();
        state.incomplete = state.incomplete.saturating_sub(1);
        state.has_unread |= !is_whole;
    }

    /// Notes that the head of an answer is ready.
    pub(super) fn answer(&self) {
        self.state().answering += 1;
    }

    /// Notes whether somebody works for a request now, or the client is to take what there is.
    pub(super) fn works(&self, works: bool) {
        let mut state = self.state();
        state.working = if works { state.working + 1 } else { state.working.saturating_sub(1) };
        state.progress = Instant::now();
    }

    /// Notes that an answer is over, or was given up.
    pub(super) fn request_over(&self, was_working: bool, was_answered: bool) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        state.working = state.working.saturating_sub(usize::from(was_working));
        state.answering = state.answering.saturating_sub(usize::from(was_answered));
        state.rested = Instant::now();
        state.progress = state.rested;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Version;
    use tokio::time::{Instant, advance};

    use super::{Activity, End, Limits};

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        body: Duration::from_secs(20),
        idle: Duration::from_secs(60),
        send: Duration::from_secs(300),
    };

    #[track_caller]
    fn check(activity: &Activity, seconds: Option<u64>) {
        let left = activity.deadline(&LIMITS).map(|deadline| (deadline - Instant::now()).as_secs());
        assert_eq!(left, seconds);
    }

    #[tokio::test(start_paused = true)]
    async fn each_state_has_its_time() {
        let activity = Activity::new();
        check(&activity, Some(10));
        advance(Duration::from_secs(4)).await;
        activity.received();
        // The time of the first head counts from the connection: a byte now and then wins nothing.
        check(&activity, Some(6));

        activity.request(Version::HTTP_11, false);
        check(&activity, None);
        activity.body_over(true);
        activity.answer();
        activity.works(false);
        check(&activity, Some(300));
        activity.works(true);
        check(&activity, None);
        activity.request_over(true, true);
        check(&activity, Some(60));

        advance(Duration::from_secs(5)).await;
        check(&activity, Some(55));
        activity.received();
        check(&activity, Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_request_keeps_no_http2_connection() {
        let activity = Activity::new();
        activity.request(Version::HTTP_2, true);
        activity.request_over(true, false);
        advance(Duration::from_secs(50)).await;
        activity.received();
        check(&activity, Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_out_of_time_even_behind_its_last_request() {
        let activity = Activity::new();
        activity.request(Version::HTTP_11, true);
        activity.sent(true);
        activity.request_over(true, true);
        check(&activity, Some(300));
        activity.sent(false);
        check(&activity, Some(60));
    }

    #[tokio::test]
    async fn the_end_of_the_input_is_no_end_while_an_answer_is_due() {
        let activity = Activity::new();
        assert_eq!(activity.end_of_input(), End::Connection);
        activity.request(Version::HTTP_11, false);
        assert_eq!(activity.end_of_input(), End::WithinBody);
        activity.body_over(true);
        assert_eq!(activity.end_of_input(), End::BeforeAnswer { knows_interim: true });
        activity.answer();
        assert_eq!(activity.end_of_input(), End::Connection);
        activity.request_over(false, true);
        activity.request(Version::HTTP_10, true);
        assert_eq!(activity.end_of_input(), End::BeforeAnswer { knows_interim: false });
    }
}
