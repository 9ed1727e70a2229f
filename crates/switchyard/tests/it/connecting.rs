//! `auth`: keys go in and are never seen again.

use std::path::Path;

use serde_json::{Value, json};

use crate::world::{CANARY, World, answering, provider};

/// Asserts that no file below a folder holds the canary.
fn assert_sealed(folder: &Path) {
    for entry in
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            assert_sealed(&entry);
            continue;
        }
        let content = String::from_utf8_lossy(&std::fs::read(&entry).expect("a file")).into_owned();
        assert!(!content.contains(CANARY), "{}", entry.display());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&entry).expect("a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.display());
        }
    }
}

#[test]
fn a_key_from_standard_input_is_stored_encrypted_and_shown_masked() {
    let world = World::new();
    let login = world.run_with_input(&["auth", "login", "anthropic"], &format!("{CANARY}\n"));
    assert!(
        login.err.contains("anthropic is connected") && !login.all().contains(CANARY),
        "{login:?}"
    );
    login.good();
    assert_sealed(&world.path("home/data"));
    for arguments in [
        &["auth", "list"][..],
        &["auth", "list", "--json"],
        &["auth", "status", "anthropic"],
        &["--debug", "auth", "list"],
    ] {
        let outcome = world.run(arguments);
        assert!(outcome.out.contains("anthropic") && outcome.out.contains("…efgh"), "{outcome:?}");
        assert!(!outcome.all().contains(CANARY), "{outcome:?}");
        outcome.good();
    }
    assert!(world.run(&["models"]).good().contains("anthropic/"));
    world.run(&["auth", "logout", "anthropic"]).good();
    world.run(&["auth", "status", "anthropic"]).bad(4);
    assert!(world.run(&["auth", "logout", "anthropic"]).bad(5).contains("no stored key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_reaches_its_provider() {
    let upstream = answering(1).await;
    let world = World::new();
    let mut fake = provider(&upstream.url());
    fake["options"].as_object_mut().expect("options").remove("apiKey");
    world.configure(&json!({"provider": {"fake": fake}}));
    world.run_with_input(&["auth", "add", "fake", "--label", "work"], CANARY).good();
    let Value::Array(list) = world.run(&["auth", "list", "--json"]).json() else {
        panic!("expected a list")
    };
    assert_eq!(
        list,
        [
            json!({"provider": "fake", "account": "default", "label": "work", "source": "vault", "key": "…efgh", "problem": null})
        ]
    );
    world.run(&["run", "-m", "fake/m", "hi"]).good();
    assert_eq!(upstream.requests()[0].header("x-api-key"), CANARY);
}

#[test]
fn keys_of_the_environment_are_listed_with_their_variable() {
    let world = World::new().with("ANTHROPIC_API_KEY", CANARY);
    let out = world.run(&["auth", "list"]).good();
    assert!(
        out.contains("environment variable ANTHROPIC_API_KEY")
            && out.contains("…efgh")
            && !out.contains(CANARY),
        "{out}"
    );
}

#[test]
fn a_key_is_never_an_argument() {
    World::new().run(&["auth", "login", "anthropic", CANARY]).bad(2);
}

#[test]
fn what_is_missing_is_said() {
    let world = World::new();
    let cases: [(&[&str], &str, i32, &str); 5] = [
        (&["login"], "", 2, "switchyard auth login PROVIDER"),
        (&["login", "anthropic"], "", 2, "expected the key of anthropic"),
        (&["login", "anthropic"], "two words", 2, "anthropic"),
        (&["login", "nobody"], "key", 5, "there is no provider \"nobody\""),
        (&["status"], "", 4, "no provider is connected"),
    ];
    for (arguments, input, code, words) in cases {
        let err = world.run_with_input(&[&["auth"], arguments].concat(), input).bad(code);
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn an_unreadable_record_is_no_connection() {
    let world = World::new();
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    world.write("home/data/credentials/profiles/default/anthropic@default.json", "{}");
    let outcome = world.run(&["auth", "status", "anthropic"]);
    assert!(outcome.out.contains("anthropic"), "{outcome:?}");
    outcome.bad(4);
}

#[test]
fn keys_go_to_opencode_and_back() {
    let world = World::new();
    let theirs = format!(
        r#"{{"anthropic": {{"type": "api", "key": "{CANARY}"}}, "odd": {{"type": "telepathy"}}}}"#
    );
    let file = world.write("project/auth.json", &theirs);
    let file = file.to_str().expect("a path");
    let imported = world.run(&["auth", "import", file]);
    assert!(
        imported.err.contains("imported: anthropic") && imported.err.contains("passed over odd"),
        "{imported:?}"
    );
    assert!(!imported.all().contains(CANARY), "{imported:?}");
    assert_sealed(&world.path("home/data"));
    let exported = world.run(&["auth", "export", "out.json"]);
    assert!(!exported.all().contains(CANARY), "{exported:?}");
    exported.good();
    let written: Value = serde_json::from_str(&world.read("project/out.json")).expect("JSON");
    assert_eq!(written, json!({"anthropic": {"type": "api", "key": CANARY}}));
    let missing = world.run(&["auth", "import", "nowhere.json"]);
    assert!(missing.bad(1).contains("nowhere.json"));
}

#[test]
fn rotation_keeps_every_key_usable() {
    let world = World::new();
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    let before = world.read("home/data/credentials/profiles/default/anthropic@default.json");
    let rotated = world.run(&["auth", "rotate"]);
    assert!(rotated.err.contains("encrypted 1 keys anew"), "{rotated:?}");
    assert_ne!(world.read("home/data/credentials/profiles/default/anthropic@default.json"), before);
    world.run(&["auth", "status", "anthropic"]).good();
}

#[test]
fn another_encryption_key_is_named_as_the_reason() {
    let world = World::new().with("SWITCHYARD_ENCRYPTION_KEY", &"11".repeat(32));
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    let mut command = world.command(&["auth", "list"]);
    let output =
        command.env("SWITCHYARD_ENCRYPTION_KEY", "22".repeat(32)).output().expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{err}");
    assert!(err.contains("SWITCHYARD_ENCRYPTION_KEY"), "{err}");
}
