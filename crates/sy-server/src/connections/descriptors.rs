//! How many files, and so connections, the process may have open.
//!
//! Asked once at the start. Each request may need a connection to a provider beside the client's own, and some files are
//! kept for everything else: configuration, vault, catalog, names.

/// Files that are kept for what is no connection.
const RESERVE: u64 = 64;
/// However small the limit: fewer connections would serve nobody.
const FEWEST: u64 = 8;

/// Raises the limit of open files as far as it may be raised and returns how many connections of clients fit; `None` where
/// there is no limit or no way to know it.
#[cfg(unix)]
pub(super) fn room_for_connections() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // macOS refuses more than `kern.maxfilesperproc` here: then what was stays.
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.map(fitting)
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub(super) fn room_for_connections() -> Option<usize> {
    None
}

#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has the limit"))]
fn fitting(files: u64) -> usize {
    let room = (files.saturating_sub(RESERVE) / 2).max(FEWEST);
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn half_of_the_files_behind_the_reserve_are_for_clients() {
        assert_eq!(fitting(256), 96);
        assert_eq!(fitting(1_048_576), 524_256);
        assert_eq!(fitting(16), 8);
    }
}
