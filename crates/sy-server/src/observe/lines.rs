//! Log lines on their way out: gathered for a moment and written together, since a write per request is dear.
//!
//! Used where the log goes to a file or a pipe; a terminal gets each line at once. A line waits at most 50 ms; when
//! 64 KiB wait, whoever logs next writes them itself, so that memory stays bounded and nothing is dropped.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait.
const PAUSE: Duration = Duration::from_millis(50);
/// How many bytes may wait.
const FULL: usize = 64 << 10;

/// Where lines gather.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    waiting: Arc<Mutex<Vec<u8>>>,
}

/// Writes what still waits when it is dropped: to be held as long as the process logs.
#[derive(Debug)]
pub struct LastLines(Option<Lines>);

impl LastLines {
    /// Makes one that has nothing to do.
    pub(super) fn none() -> Self {
        Self(None)
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(lines) = &self.0 {
            write_out(&lines.waiting);
        }
    }
}

impl Lines {
    /// Starts the thread that writes lines out; it ends with the last clone.
    pub(super) fn start() -> (Self, LastLines) {
        let lines = Self::default();
        let waiting = Arc::downgrade(&lines.waiting);
        std::thread::spawn(move || follow(&waiting));
        (lines.clone(), LastLines(Some(lines)))
    }
}

fn follow(waiting: &Weak<Mutex<Vec<u8>>>) {
    while let Some(waiting) = waiting.upgrade() {
        write_out(&waiting);
        drop(waiting);
        std::thread::sleep(PAUSE);
    }
}

/// Writes what waits. The lock is held meanwhile, so that lines keep their order.
fn write_out(waiting: &Mutex<Vec<u8>>) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if !waiting.is_empty() {
        // Nobody is left to tell when standard error is closed.
        std::io::stderr().lock().write_all(&waiting).ok();
        waiting.clear();
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend_from_slice(line);
        let is_full = waiting.len() >= FULL;
        drop(waiting);
        if is_full {
            write_out(&self.waiting);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        write_out(&self.waiting);
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

    use super::{FULL, Lines};

    #[test]
    fn lines_wait_together_and_not_without_bound() {
        let mut lines = Lines::default();
        lines.write_all(b"one\n").unwrap();
        lines.write_all(b"two\n").unwrap();
        assert_eq!(*lines.waiting.lock().unwrap(), b"one\ntwo\n");
        lines.write_all(&vec![b'\n'; FULL]).unwrap();
        assert!(lines.waiting.lock().unwrap().is_empty());
    }
}
