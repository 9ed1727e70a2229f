//! Reloading: what is valid comes into force at once, what is not never does.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sy_config::Live;
use tokio::sync::mpsc;

use crate::sandbox::{Sandbox, USER};

#[test]
fn a_reload_puts_a_changed_file_into_force() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/one" }"#);
    let live = Live::new(sandbox.load());
    let before = live.config();
    assert_eq!(live.reload(), Ok(false));
    assert!(
        Arc::ptr_eq(&before, &live.config()),
        "an unchanged configuration stays the same value"
    );
    sandbox.write(USER, "// a comment\n{ \"model\": \"p/one\" }");
    assert_eq!(live.reload(), Ok(false));
    assert_eq!(live.current().provenance["/model"].line, 2);
    sandbox.write(USER, r#"{ "model": "p/two" }"#);
    assert_eq!(live.reload(), Ok(true));
    assert_eq!(
        (live.config().model.as_deref(), before.model.as_deref()),
        (Some("p/two"), Some("p/one"))
    );
}

#[test]
fn a_bad_file_keeps_the_last_good_configuration() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/good", "retry": { "maxRetries": 1 } }"#);
    let live = Live::new(sandbox.load());
    for bad in [r#"{ "model": 5, "x": 1 }"#, "{", r#"{ "model": "{env:MISSING}" }"#] {
        sandbox.write(USER, bad);
        assert!(!live.reload().expect_err("problems").is_empty());
        assert_eq!(
            (live.config().model.as_deref(), live.config().retry.max_retries),
            (Some("p/good"), 1)
        );
    }
    sandbox.write(USER, r#"{ "model": "p/mended" }"#);
    assert_eq!(live.reload(), Ok(true));
    assert_eq!(live.config().model.as_deref(), Some("p/mended"));
}

#[test]
fn an_emptied_file_keeps_the_last_good_configuration() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/good" }"#);
    let live = Live::new(sandbox.load());
    for empty in ["", " \n", "\u{feff}", "// only a comment\n"] {
        sandbox.write(USER, empty);
        let problems = live.reload().expect_err("problems");
        assert!(problems[0].message.contains("is empty"), "{problems:?}");
        assert_eq!(live.config().model.as_deref(), Some("p/good"), "{empty:?}");
    }
    sandbox.write(USER, "{}");
    assert_eq!(live.reload(), Ok(true));
    assert_eq!(live.config().model, None);

    // One that was empty at the start says nothing new.
    let sandbox = Sandbox::with_user("");
    let live = Live::new(sandbox.load());
    assert_eq!(live.reload(), Ok(false));
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

type Outcome = Result<bool, Vec<sy_config::Problem>>;

/// Watches the configuration while `act` runs. `act` begins once the files were looked at for the first time.
async fn while_watching(live: &Live, act: impl AsyncFnOnce(mpsc::UnboundedReceiver<Outcome>)) {
    let (tell, results) = mpsc::unbounded_channel();
    let watching = live.clone().watch(std::future::pending(), move |result| {
        tell.send(result).ok();
    });
    tokio::select! {
        biased;
        () = watching => panic!("it stopped"),
        () = act(results) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_is_reloaded_when_it_is_written_replaced_removed_or_made() {
    let sandbox = Sandbox::with_user(r#"{ "model": "p/one" }"#);
    let live = Live::new(sandbox.load());
    while_watching(&live, async |mut results| {
        sandbox.write(USER, r#"{ "model": "p/two" }"#);
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model.as_deref(), Some("p/two"));

        sandbox.write("home/.config/switchyard/new", r#"{ "model": 3 }"#);
        std::fs::rename(sandbox.path("home/.config/switchyard/new"), sandbox.path(USER))
            .expect("a rename");
        wait_for(&mut results, Result::is_err).await;
        assert_eq!(live.config().model.as_deref(), Some("p/two"));

        std::fs::remove_file(sandbox.path(USER)).expect("a file to remove");
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model, None);

        sandbox.write("project/src/switchyard.jsonc", r#"{ "model": "p/project" }"#);
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model.as_deref(), Some("p/project"));
    })
    .await;
}

/// Kubernetes mounts a configuration as links through a folder that is swapped.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_swapped_links_is_reloaded() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    let folder = "home/.config/switchyard";
    sandbox.write(&format!("{folder}/..1/switchyard.jsonc"), r#"{ "model": "p/one" }"#);
    sandbox.write(&format!("{folder}/..2/switchyard.jsonc"), r#"{ "model": "p/two" }"#);
    let path = |name: &str| sandbox.path(&format!("{folder}/{name}"));
    symlink("..1", path("..data")).expect("a link");
    symlink("..data/switchyard.jsonc", sandbox.path(USER)).expect("a link");
    let live = Live::new(sandbox.load());
    assert_eq!(live.config().model.as_deref(), Some("p/one"));
    while_watching(&live, async |mut results| {
        symlink("..2", path("..new")).expect("a link");
        std::fs::rename(path("..new"), path("..data")).expect("a swap");
        wait_for(&mut results, |result| *result == Ok(true)).await;
        assert_eq!(live.config().model.as_deref(), Some("p/two"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_in_the_same_folders_are_none_of_its_business() {
    let sandbox = Sandbox::with_user("{}");
    let live = Live::new(sandbox.load());
    while_watching(&live, async |mut results| {
        for folder in ["home/.config/switchyard", "project/src"] {
            let mut log = std::fs::File::create(sandbox.path(folder).join("switchyard.log"))
                .expect("a log file");
            for line in 0..10_000 {
                writeln!(log, "line {line}").expect("a line");
            }
        }
        // Several looks long. The real clock is needed here: what is watched is the file system.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(results.try_recv().is_err(), "it read the configuration again");
        sandbox.write(USER, r#"{ "model": "p/one" }"#);
        wait_for(&mut results, |result| *result == Ok(true)).await;
    })
    .await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reloads() {
    let sandbox = Sandbox::with_user("{}");
    let live = Live::new(sandbox.load());
    while_watching(&live, async |mut results| {
        let process = std::process::id().to_string();
        std::process::Command::new("kill")
            .args(["-HUP", &process])
            .status()
            .expect("the command kill");
        wait_for(&mut results, |result| *result == Ok(false)).await;
    })
    .await;
}
