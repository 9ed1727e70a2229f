//! The configuration in force, and its reload.
//!
//! Owned by the server; readers take one snapshot per request. It swaps whole configurations only: a configuration with a
//! problem never comes into force, the one before stays. It does not restart anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::RecursiveMode;
use notify_debouncer_full::{DebounceEventResult, DebouncedEvent, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::mpsc;

use crate::layer::Loaded;
use crate::load::load;
use crate::problem::Problem;
use crate::section::Config;

/// How long the files must be quiet before they are read: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(200);

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
        Self { state: Arc::new(State { loaded: ArcSwap::from_pointee(loaded), reloading: Mutex::new(()) }) }
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
    /// on the server's task tracker. When files cannot be watched, that is logged and SIGHUP still works.
    pub async fn watch(
        self,
        cancelled: impl Future<Output = ()> + Send,
        mut on_change: impl FnMut(Result<bool, Vec<Problem>>) + Send,
    ) {
        // One slot is enough: a waiting wake-up already covers every later change.
        let (wake, mut woken) = mpsc::channel(1);
        let mut watcher = Watcher::start(&self.current().files, wake);
        let mut hangups = Hangups::listen();
        tokio::pin!(cancelled);
        loop {
            tokio::select! {
                () = &mut cancelled => return,
                // The sender lives in the watcher; without one, this arm waits for ever.
                Some(()) = woken.recv() => {}
                () = hangups.next() => {}
            }
            let live = self.clone();
            let Ok(result) = tokio::task::spawn_blocking(move || live.reload()).await else { return };
            if let Some(watcher) = &mut watcher {
                watcher.follow(&self.current().files);
            }
            on_change(result);
        }
    }
}

/// Watches the folders of files. Folders, because editors replace files and Kubernetes swaps links beside them.
struct Watcher {
    debouncer: Debouncer<notify::RecommendedWatcher, RecommendedCache>,
    folders: BTreeSet<PathBuf>,
    files: Arc<Mutex<Vec<PathBuf>>>,
}

impl Watcher {
    fn start(files: &[PathBuf], wake: mpsc::Sender<()>) -> Option<Self> {
        let followed = Arc::new(Mutex::new(Vec::new()));
        let relevant = Arc::clone(&followed);
        let handler = move |result: DebounceEventResult| {
            let is_relevant = match &result {
                Ok(events) => {
                    let files = relevant.lock().unwrap_or_else(PoisonError::into_inner);
                    events.iter().any(|event| concerns(event, &files))
                }
                // The system lost events: better read once too often.
                Err(_) => true,
            };
            if is_relevant {
                // A full channel means that a reload is due anyway; a closed one that nobody listens any more.
                wake.try_send(()).ok();
            }
        };
        match new_debouncer(QUIET, None, handler) {
            Ok(debouncer) => {
                let mut watcher = Self { debouncer, folders: BTreeSet::new(), files: followed };
                watcher.follow(files);
                Some(watcher)
            }
            Err(error) => {
                tracing::warn!(%error, "configuration files cannot be watched, only SIGHUP reloads them");
                None
            }
        }
    }

    /// Watches the folders of these files, and no longer those of others.
    fn follow(&mut self, files: &[PathBuf]) {
        let mut followed = files.to_vec();
        // A link's target may be written in place, in another folder.
        followed.extend(files.iter().filter_map(|file| file.canonicalize().ok()).filter(|file| !files.contains(file)));
        let folders: BTreeSet<PathBuf> = followed.iter().filter_map(|file| existing_folder(file)).collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = followed;
        for gone in self.folders.difference(&folders) {
            // A folder that was removed is not watched any more anyway.
            self.debouncer.unwatch(gone).ok();
        }
        for added in folders.difference(&self.folders) {
            if let Err(error) = self.debouncer.watch(added, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %added.display(), %error, "folder cannot be watched");
            }
        }
        self.folders = folders;
    }
}

/// Returns the nearest existing folder above a file.
fn existing_folder(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned)
}

/// Returns true when an event may change what the files say. Reading them is an event too, which must not count.
fn concerns(event: &DebouncedEvent, files: &[PathBuf]) -> bool {
    !event.kind.is_access() && event.paths.iter().any(|path| touches(path, files))
}

fn touches(path: &Path, files: &[PathBuf]) -> bool {
    // Kubernetes swaps a link named `..data` beside the files.
    let is_swapped_link = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
    let folder = path.parent();
    files.iter().any(|file| file.starts_with(path) || (is_swapped_link && file.parent() == folder))
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
            tracing::warn!(%error, "SIGHUP cannot be heard, only file changes reload the configuration");
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::touches;

    #[track_caller]
    fn check(path: &str, expected: bool) {
        let files =
            [PathBuf::from("/home/u/.config/switchyard/switchyard.jsonc"), PathBuf::from("/etc/sy/config.jsonc")];
        assert_eq!(touches(Path::new(path), &files), expected, "{path}");
    }

    #[test]
    fn only_events_that_may_change_a_file_count() {
        check("/etc/sy/config.jsonc", true);
        check("/etc/sy/other.jsonc", false);
        check("/etc/sy/..data", true);
        check("/etc/other/..data", false);
        check("/home/u/.config/switchyard", true);
        check("/home/u/.config/other", false);
    }
}
