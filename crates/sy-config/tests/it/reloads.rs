//! Reloading: what is valid comes into force at once, what is not never does.

use std::sync::Arc;
use std::time::Duration;

use sy_config::Live;
use tokio::sync::{mpsc, oneshot};

use crate::sandbox::{Sandbox, USER};

#[test]
fn a_reload_puts_a_changed_file_into_force() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/one" }"#);
    let live = Live::new(sandbox.load());
    let before = live.config();
    assert_eq!(live.reload(), Ok(false));
    assert!(Arc::ptr_eq(&before, &live.config()), "an unchanged configuration stays the same value");
    sandbox.write(USER, "// a comment\n{ \"model\": \"p/one\" }");
    assert_eq!(live.reload(), Ok(false));
    assert_eq!(live.current().provenance["/model"].line, 2);
    sandbox.write(USER, r#"{ "model": "p/two" }"#);
    assert_eq!(live.reload(), Ok(true));
    assert_eq!((live.config().model.as_deref(), before.model.as_deref()), (Some("p/two"), Some("p/one")));
}

#[test]
fn a_bad_file_keeps_the_last_good_configuration() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/good", "retry": { "maxRetries": 1 } }"#);
    let live = Live::new(sandbox.load());
    for bad in [r#"{ "model": 5, "x": 1 }"#, "{", r#"{ "model": "{env:MISSING}" }"#] {
        sandbox.write(USER, bad);
        assert!(!live.reload().expect_err("problems").is_empty());
        assert_eq!((live.config().model.as_deref(), live.config().retry.max_retries), (Some("p/good"), 1));
    }
    sandbox.write(USER, r#"{ "model": "p/mended" }"#);
    assert_eq!(live.reload(), Ok(true));
    assert_eq!(live.config().model.as_deref(), Some("p/mended"));
}

/// Waits for a result that `wanted` accepts. The real clock is needed here: the events come from the system.
async fn wait_for<T>(results: &mut mpsc::UnboundedReceiver<T>, wanted: impl Fn(&T) -> bool) {
    let wait = async {
        while let Some(result) = results.recv().await {
            if wanted(&result) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("a result in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_is_reloaded_when_it_is_written_replaced_or_made() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/one" }"#);
    let live = Live::new(sandbox.load());
    let (tell, mut results) = mpsc::unbounded_channel();
    let (cancel, cancelled) = oneshot::channel::<()>();
    let stopped = async move {
        cancelled.await.ok();
    };
    let on_change = move |result: Result<bool, Vec<sy_config::Problem>>| {
        tell.send(result).ok();
    };
    let watching = live.clone().watch(stopped, on_change);
    let acting = async {
        // The first poll of `watch`, which starts the watcher, happened before this one.
        tokio::task::yield_now().await;
        sandbox.write(USER, r#"{ "model": "p/two" }"#);
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model.as_deref(), Some("p/two"));

        sandbox.write("home/.config/switchyard/new", r#"{ "model": 3 }"#);
        std::fs::rename(sandbox.path("home/.config/switchyard/new"), sandbox.path(USER)).expect("a rename");
        wait_for(&mut results, Result::is_err).await;
        assert_eq!(live.config().model.as_deref(), Some("p/two"));

        sandbox.write(USER, "{}");
        wait_for(&mut results, |result| *result == Ok(true)).await;
        sandbox.write("project/src/switchyard.jsonc", r#"{ "model": "p/project" }"#);
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model.as_deref(), Some("p/project"));
        cancel.send(()).expect("still watching");
    };
    tokio::join!(watching, acting);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reloads() {
    let sandbox = Sandbox::with_user("{}");
    let live = Live::new(sandbox.load());
    let (tell, mut results) = mpsc::unbounded_channel();
    let watching = live.watch(std::future::pending(), move |result| {
        tell.send(result).ok();
    });
    let acting = async {
        // The first poll of `watch`, which listens to the signal, happened before this one.
        tokio::task::yield_now().await;
        let process = std::process::id().to_string();
        std::process::Command::new("kill").args(["-HUP", &process]).status().expect("the command kill");
        wait_for(&mut results, |result| *result == Ok(false)).await;
    };
    tokio::select! {
        biased;
        () = watching => panic!("it stopped"),
        () = acting => {}
    }
}
