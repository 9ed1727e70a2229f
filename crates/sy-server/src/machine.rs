//! How much memory there is for this process: of the machine, of its container, and by its own limits.
//!
//! Read once at start and at each reload, to derive the memory budget where none is configured. It deliberately believes what
//! it can read: where nothing can be read (another system than Linux), a modest machine is assumed.

use std::path::Path;

use sy_config::section::Server;
use sy_types::memory::megabytes;

const MIB: u64 = 1 << 20;
/// What is assumed where the system does not say.
const UNKNOWN: u64 = 2048 * MIB;
/// The most that is taken without being told to.
const MOST: u64 = 4096 * MIB;
/// The most that one request may take without being told to.
const MOST_FOR_REQUEST: u64 = 512 * MIB;

/// Returns the memory budget and the bound of one request, in bytes.
pub(crate) fn memory_limits(server: &Server) -> (u64, u64) {
    limits_on(server, available(Path::new("/")))
}

fn limits_on(server: &Server, available: u64) -> (u64, u64) {
    let bytes = |megabytes: u64| megabytes.saturating_mul(MIB);
    let all = server.memory_mb.map_or((available / 2).min(MOST), bytes);
    let one = server.request_memory_mb.map_or((all / 4).min(MOST_FOR_REQUEST), bytes);
    (all, one.min(all))
}

/// Returns the smallest of the limits that hold for this process, in bytes. `root` is where the system's files are.
fn available(root: &Path) -> u64 {
    let found = [machine(root), address_space(root), container(root)];
    let smallest = found.into_iter().flatten().min().unwrap_or(UNKNOWN);
    tracing::debug!(available = %megabytes(smallest), "memory of this machine or container");
    smallest
}

fn machine(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// `RLIMIT_AS`, as `ulimit -v` sets it: all of it cannot be used, since the allocator and the threads' stacks reserve some.
fn address_space(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let bytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(bytes / 2)
}

/// The limit of the control group, or of any group that it is in.
fn container(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            named if named.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let base = root.join(folder);
        let own = base.join(group.trim_start_matches('/'));
        // In a container the group's own path is often not visible; then the base is what holds.
        let groups = own.ancestors().take_while(|path| path.starts_with(&base));
        groups.filter_map(|group| limit_in(&group.join(file))).min()
    });
    limits.min()
}

fn limit_in(file: &Path) -> Option<u64> {
    // `max`, and what version 1 writes for it, mean that there is none.
    let bytes: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes > 0 && bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sy_config::section::Server;

    use super::{MIB, UNKNOWN, available, limits_on};

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    #[test]
    fn the_smallest_limit_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(available(root), UNKNOWN);
        write(root, "proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
        assert_eq!(available(root), 16 * MIB);
        write(root, "proc/self/cgroup", "0::/app/own\n");
        write(root, "sys/fs/cgroup/app/own/memory.max", "max\n");
        assert_eq!(available(root), 16 * MIB);
        write(root, "sys/fs/cgroup/app/memory.max", "8388608\n");
        assert_eq!(available(root), 8 * MIB);
        write(root, "proc/self/limits", "Max address space         4194304    8388608     bytes\n");
        assert_eq!(available(root), 2 * MIB);
    }

    #[test]
    fn groups_of_the_first_version_count_too() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/self/cgroup", "5:cpu:/a\n4:memory,x:/docker/1\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n");
        assert_eq!(available(root), MIB);
    }

    #[test]
    fn what_is_configured_wins() {
        let server = Server::default();
        assert_eq!(limits_on(&server, 1024 * MIB), (512 * MIB, 128 * MIB));
        assert_eq!(limits_on(&server, 1 << 50), (4096 * MIB, 512 * MIB));
        let server =
            Server { memory_mb: Some(100), request_memory_mb: Some(200), ..Server::default() };
        assert_eq!(limits_on(&server, 1 << 50), (100 * MIB, 100 * MIB));
    }
}
