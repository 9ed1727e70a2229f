//! Which server runs on this machine, and under which address.
//!
//! `serve` writes `server.json` into the state folder when it listens and removes it at the end; commands that need a
//! server read it through [`running`]. A file whose process is gone, or whose number now belongs to another process, counts
//! as absent: a server that was killed cannot remove its own.

use std::fs;
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sy_config::Paths;

/// A file that is longer was not written by us.
const LENGTH_LIMIT: u64 = 4096;

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where clients on this machine reach it, without a path: `http://127.0.0.1:8080`.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// When it began to listen, in unix seconds.
    pub started: i64,
    /// What the system says of when the process began, where it says so: tells it from a later one with the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process_began: Option<String>,
}

/// Returns the server that runs, if one does. It looks at a file and at the process, and calls nobody.
pub fn running(paths: &Paths) -> Option<Running> {
    let found = read(&file(paths))?;
    is_alive(&found).then_some(found)
}

/// The file while the server runs; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Announcement {
    file: PathBuf,
    running: Running,
}

impl Announcement {
    /// Writes the file (mode 0600, complete or not at all). A file of a server that still runs is replaced: the last one to
    /// start is the one that commands find.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub(crate) fn publish(paths: &Paths, url: String) -> io::Result<Self> {
        let pid = std::process::id();
        let running =
            Running { url, pid, started: crate::exchange::unix_now(), process_began: began(pid) };
        let file = file(paths);

        create_private_folder(&paths.state)?;
        let temporary = paths.state.join(format!(".server-{pid}.json"));
        let written =
            write_private(&temporary, &running).and_then(|()| fs::rename(&temporary, &file));
        if written.is_err() {
            fs::remove_file(&temporary).ok();
        }
        written.map(|()| Self { file, running })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Another server that was started meanwhile has its own file there, which stays.
        if read(&self.file).as_ref() == Some(&self.running) {
            fs::remove_file(&self.file).ok();
        }
    }
}

fn file(paths: &Paths) -> PathBuf {
    paths.state.join("server.json")
}

fn read(file: &Path) -> Option<Running> {
    let about = fs::symlink_metadata(file).ok()?;
    if !about.is_file() || about.len() > LENGTH_LIMIT {
        return None;
    }
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn is_alive(found: &Running) -> bool {
    match (&found.process_began, began(found.pid)) {
        (Some(then), Some(now)) => *then == now,
        _ => process_exists(found.pid),
    }
}

#[cfg(unix)]
fn process_exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // A process of somebody else's exists, but is no server of ours.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Without a way to ask, the file is believed: whoever calls the address finds out.
#[cfg(not(unix))]
fn process_exists(_pid: u32) -> bool {
    true
}

/// Returns when a process began, in the system's own ticks: field 22 of `/proc/PID/stat` (proc(5)). `None` where there is
/// no such file.
fn began(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may hold blanks and brackets; the last closing one ends it.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19).map(str::to_owned)
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

fn write_private(file: &Path, running: &Running) -> io::Result<()> {
    // A leftover of a process with our number would stand in the way.
    fs::remove_file(file).ok();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut handle = options.open(file)?;
    handle.write_all(&serde_json::to_vec(running)?)?;
    handle.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sy_config::Paths;

    use super::{Announcement, Running, file, read, running};

    fn paths() -> (tempfile::TempDir, Paths) {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::below(home.path());
        (home, paths)
    }

    fn publish(paths: &Paths) -> Announcement {
        Announcement::publish(paths, "http://127.0.0.1:4000".to_owned()).unwrap()
    }

    #[test]
    fn a_server_is_found_while_it_runs() {
        let (_home, paths) = paths();
        assert_eq!(running(&paths), None);

        let announcement = publish(&paths);
        let found = running(&paths).unwrap();
        assert_eq!((found.url.as_str(), found.pid), ("http://127.0.0.1:4000", std::process::id()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file(&paths)).unwrap().permissions().mode() & 0o777, 0o600);
        }

        drop(announcement);
        assert!(!file(&paths).exists());
    }

    /// Writes a file as a server would have that is gone.
    #[track_caller]
    fn check_stale(change: impl FnOnce(&mut Running)) {
        let (_home, paths) = paths();
        let announcement = publish(&paths);
        let mut left = announcement.running.clone();
        change(&mut left);
        fs::write(file(&paths), serde_json::to_vec(&left).unwrap()).unwrap();
        assert_eq!(running(&paths), None, "{left:?}");
    }

    #[test]
    fn a_server_that_was_killed_is_not_found() {
        // Above the highest number that Linux gives (2^22).
        check_stale(|left| (left.pid, left.process_began) = (99_999_999, None));
        if cfg!(target_os = "linux") {
            check_stale(|left| left.process_began = Some("1".to_owned()));
        }
    }

    #[test]
    fn a_server_leaves_the_file_of_another_one() {
        let (_home, paths) = paths();
        let announcement = publish(&paths);
        let mut other = announcement.running.clone();
        other.url = "http://127.0.0.1:4001".to_owned();
        fs::write(file(&paths), serde_json::to_vec(&other).unwrap()).unwrap();
        drop(announcement);
        assert_eq!(read(&file(&paths)), Some(other));
    }

    #[test]
    fn nonsense_counts_as_no_server() {
        let (_home, paths) = paths();
        fs::create_dir_all(&paths.state).unwrap();
        fs::write(file(&paths), b"{").unwrap();
        assert_eq!(running(&paths), None);
    }
}
