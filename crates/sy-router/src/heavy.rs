//! Work that takes long, kept away from other requests.
//!
//! Reading and writing JSON of megabytes takes tens of milliseconds, and while a runtime's thread does it, nothing else that
//! waits on this thread goes on. Called around such work by the router and the server. It deliberately starts no task: the work
//! stays where it is, and the other tasks are moved to another thread meanwhile.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does the work; when it is heavy, the other tasks of this thread are handed to another one first.
///
/// On a runtime of one thread the work is done in place: there is nobody to hand them to.
pub fn run_heavy<T>(is_heavy: bool, work: impl FnOnce() -> T) -> T {
    let has_threads = || {
        Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
    };
    if is_heavy && has_threads() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::run_heavy;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_heavy_work_runs() {
        let (ping, pong) = std::sync::mpsc::channel();
        let heavy = async move {
            // Ends only when another task of the one thread has run meanwhile.
            run_heavy(true, || pong.recv_timeout(Duration::from_secs(60)).is_ok())
        };
        let other = async move { ping.send(()) };
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(heavy);
        tasks.spawn(async { other.await.is_ok() });
        assert!(tasks.join_all().await.into_iter().all(|was_so| was_so));
    }

    #[tokio::test]
    async fn one_thread_does_it_in_place() {
        assert_eq!(run_heavy(true, || 7), 7);
    }
}
