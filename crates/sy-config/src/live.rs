//! The configuration in force, and its reload.
//!
//! Owned by the server; readers take one snapshot per request. It swaps whole configurations only: a configuration with a
//! problem never comes into force, the one before stays. It does not restart anything.

#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::layer::Loaded;
use crate::load::load;
use crate::problem::Problem;
use crate::section::Config;

/// The time between two looks at the files. They are read once two looks agree: an editor's save is several steps.
const PAUSE: Duration = Duration::from_millis(250);

/// A handle on the configuration in force. Clones share it.
#[derive(Clone, Debug)]
pub struct Live {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    loaded: ArcSwap<Loaded>,
    /// Held during a reload, so that an older reading never replaces a newer one.
    reloading: Mutex<()>,
}

impl Live {
    /// Puts a configuration into force.
    pub fn new(loaded: Loaded) -> Self {
        Self {
            state: Arc::new(State {
                loaded: ArcSwap::from_pointee(loaded),
                reloading: Mutex::new(()),
            }),
        }
    }

    /// Returns what is in force, with layers, origins and notices.
    pub fn current(&self) -> Arc<Loaded> {
        self.state.loaded.load_full()
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state.loaded.load().config)
    }

    /// Reads the same inputs again and puts the result into force. Returns true when the configuration changed. Reads
    /// files: not for the hot path.
    ///
    /// # Errors
    /// Every problem found; the configuration before stays in force.
    pub fn reload(&self) -> Result<bool, Vec<Problem>> {
        let _reloading = self.state.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let mut next = load(&before.inputs)?;
        let emptied = emptied(&before, &next);
        if !emptied.is_empty() {
            return Err(emptied);
        }
        let is_changed = next.config != before.config;
        if !is_changed {
            // Positions and notices may differ, but readers that compare pointers must see no change.
            next.config = Arc::clone(&before.config);
        }
        self.state.loaded.store(Arc::new(next));
        Ok(is_changed)
    }

    /// Reloads when a file changes or the process gets SIGHUP, until `cancelled` is done, and tells the result each time:
    /// `Ok(true)` when the configuration changed, `Ok(false)` when not, the problems when it stays as it was. To be spawned
    /// on the server's task tracker. A change is noticed within half a second; what happens to other files in the same
    /// folders costs nothing.
    pub async fn watch(
        self,
        cancelled: impl Future<Output = ()> + Send,
        mut on_change: impl FnMut(Result<bool, Vec<Problem>>) + Send,
    ) {
        let mut stamps = Stamps::take(&self.current().files);
        let mut hangups = Hangups::listen();
        tokio::pin!(cancelled);
        loop {
            let is_asked = tokio::select! {
                () = &mut cancelled => return,
                () = hangups.next() => true,
                () = tokio::time::sleep(PAUSE) => false,
            };
            let live = self.clone();
            let look = move || {
                let is_due = stamps.have_changed(&live.current().files) || is_asked;
                (stamps, is_due.then(|| live.reload()))
            };
            let Ok((back, result)) = tokio::task::spawn_blocking(look).await else { return };
            stamps = back;
            if let Some(result) = result {
                on_change(result);
            }
        }
    }
}

/// Returns a problem for each file that said something before and is empty now: a save that was interrupted, a full disk or
/// a `>` too many is not the wish to unset everything.
fn emptied(before: &Loaded, next: &Loaded) -> Vec<Problem> {
    let had_content = |file: &PathBuf| {
        !before.blank_files.contains(file)
            && before.layers.iter().any(|layer| layer.path.as_ref() == Some(file))
    };
    next.blank_files
        .iter()
        .filter(|file| had_content(file))
        .map(|file| Problem {
            file: file.display().to_string(),
            line: 0,
            column: 0,
            message: "is empty, so the settings from before stay in force".to_owned(),
            help: Some("write {} into it if it shall set nothing".to_owned()),
        })
        .collect()
}

/// What the file system says about the files, at the last reading and at the last look.
///
/// The files are looked at again and again: watching their folders would wake this process for every line of a log that is
/// kept beside them, and would not see through links or into network folders.
struct Stamps {
    read: Vec<Option<Stamp>>,
    seen: Vec<Option<Stamp>>,
}

impl Stamps {
    fn take(files: &[PathBuf]) -> Self {
        let seen = stamps(files);
        Self { read: seen.clone(), seen }
    }

    /// Looks at the files and returns true when they should be read again.
    fn have_changed(&mut self, files: &[PathBuf]) -> bool {
        let now = stamps(files);
        let is_quiet = now == self.seen;
        self.seen = now;
        let is_due = is_quiet && self.seen != self.read;
        if is_due {
            self.read.clone_from(&self.seen);
        }
        is_due
    }
}

/// What tells two states of a file apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Number, and time of the last change of content, name or rights: nobody can set that back.
    #[cfg(unix)]
    node: (u64, i64, i64),
}

/// Returns the stamp of each file that is there, links followed.
fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |metadata: std::fs::Metadata| Stamp {
        length: metadata.len(),
        modified: metadata.modified().ok(),
        #[cfg(unix)]
        node: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
    };
    files.iter().map(|file| file.metadata().ok().map(stamp)).collect()
}

/// SIGHUP as a stream of moments; on systems without it, or when it cannot be had, it never comes.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn listen() -> Self {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        if let Err(error) = &signal {
            tracing::warn!(%error, "cannot listen for SIGHUP, so only file changes reload the configuration");
        }
        Self { signal: signal.ok() }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
