//! Log lines on their way out: a thread of its own writes them, so that a log which nobody reads holds nobody up.
//!
//! Used by servers. Lines wait at most 50 ms, to be written together, since a write per request is dear; on a terminal they
//! are written at once. When more than 1 MiB waits, further lines are dropped and counted, and the log says how many as soon
//! as it is read again.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const PAUSE: Duration = Duration::from_millis(50);
/// So many bytes need not wait for more.
const FULL: usize = 64 << 10;
/// How many bytes may wait for a reader.
const LIMIT: usize = 1 << 20;
/// How long the end of the process waits for a reader.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Lines of this process that were dropped. There is one standard error, so there is one counter.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Returns how many lines were dropped since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Where lines gather.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Dropped since the last time that the log was read.
    dropped: u64,
    is_writing: bool,
    is_over: bool,
}

/// Waits a moment for the last lines to be written when it is dropped: to be held as long as the process logs.
#[derive(Debug)]
pub struct LastLines(Lines);

impl Drop for LastLines {
    fn drop(&mut self) {
        let until = Instant::now() + LAST_WAIT;
        let mut state = self.0.shared.state();
        state.is_over = true;
        self.0.shared.changed.notify_all();

        // Nobody may read: the process ends all the same.
        while !state.waiting.is_empty() || state.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Lines {
    /// Starts the thread that writes lines out. `gathers` says whether lines wait for others.
    pub(super) fn start(
        gathers: bool,
        out: impl Write + Send + 'static,
    ) -> std::io::Result<(Self, LastLines)> {
        let lines = Self::default();
        let shared = Arc::clone(&lines.shared);
        let pause = if gathers { PAUSE } else { Duration::ZERO };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_to(out, pause))?;
        Ok((lines.clone(), LastLines(lines)))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until the process ends. The lock is not held while it writes, which may take for ever.
    fn write_to(&self, mut out: impl Write, pause: Duration) {
        loop {
            let (batch, dropped) = self.next_batch(pause);
            // Nobody is left to tell when standard error is closed.
            out.write_all(&batch).and_then(|()| out.flush()).ok();
            self.state().is_writing = false;
            self.changed.notify_all();

            if dropped > 0 {
                warn!(dropped, "lines of the log were dropped: nobody read it");
            }
        }
    }

    /// Waits for lines and takes them, and the number of those that were dropped meanwhile.
    fn next_batch(&self, pause: Duration) -> (Vec<u8>, u64) {
        let mut state = self.state();
        while state.waiting.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }

        let until = Instant::now() + pause;
        while state.waiting.len() < FULL && !state.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }

        state.is_writing = true;
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.dropped))
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut state = self.shared.state();
        if state.waiting.len() + line.len() > LIMIT {
            state.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }

        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        // The thread sleeps until the first line, and then until there are enough.
        if was_empty || state.waiting.len() >= FULL {
            self.shared.changed.notify_all();
        }
        Ok(line.len())
    }

    /// Lines are written by their thread: to wait for it here would hold up whoever logs.
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::{LIMIT, Lines, dropped};

    /// A reader that takes a write only when it is told to.
    struct Pipe {
        turns: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.turns.recv().map_err(std::io::Error::other)?;
            self.written.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up() {
        let ((turn, turns), (written, read)) = (channel(), channel());
        let (mut lines, last) = Lines::start(true, Pipe { turns, written }).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..4096 {
            lines.write_all(&line).unwrap();
        }
        assert!(dropped() >= 1024, "{}", dropped());
        assert!(lines.shared.state().waiting.len() <= LIMIT);

        // It goes on as soon as it is read.
        turn.send(()).unwrap();
        let first = read.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(first.starts_with(&line));

        // And the process ends though it is not.
        drop(last);
    }

    #[test]
    fn the_last_lines_are_written() {
        let ((turn, turns), (written, read)) = (channel(), channel());
        let (mut lines, last) = Lines::start(true, Pipe { turns, written }).unwrap();
        turn.send(()).unwrap();
        turn.send(()).unwrap();
        lines.write_all(b"one\n").unwrap();
        lines.write_all(b"two\n").unwrap();
        drop(last);
        let text: Vec<u8> = read.try_iter().flatten().collect();
        assert_eq!(text, b"one\ntwo\n");
    }
}
