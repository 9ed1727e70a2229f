//! `auth`: keys go in and are never seen again.

use std::path::Path;

use serde_json::{Value, json};

use crate::world::{CANARY, World, answering, provider, refusing};

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
        login.err.contains("stored the key of anthropic (not verified: offline)")
            && !login.all().contains(CANARY),
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
            json!({"provider": "fake", "account": "default", "label": "work", "source": "vault", "key": "…efgh", "problem": null,
                "used": true, "last_use": null})
        ]
    );
    world.run(&["run", "-m", "fake/m", "hi"]).good();
    let requests = upstream.requests();
    let asked = requests.iter().find(|request| request.method == "POST").expect("a request");
    assert_eq!(asked.header("x-api-key"), CANARY);
    let list = world.run(&["auth", "list", "--format", "json"]).json();
    assert_eq!(list[0]["last_use"]["outcome"], "ok", "{list}");
    let doctor = world.run(&["doctor", "--check", "auth", "--json"]).json();
    assert!(
        doctor[0]["message"].as_str().is_some_and(|text| text.starts_with("fake: ok at ")),
        "{doctor}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_key_is_not_stored_unless_it_must_be() {
    let upstream = refusing(401, "invalid x-api-key").await;
    let world = World::new();
    let mut fake = provider(&upstream.url());
    fake["options"].as_object_mut().expect("options").remove("apiKey");
    world.configure(&json!({"provider": {"fake": fake}}));
    let err = world.run_with_input(&["auth", "login", "fake"], CANARY).bad(4);
    assert!(err.contains("fake rejected the key (401): invalid x-api-key"), "{err}");
    assert_eq!(
        world.run(&["auth", "list", "--json"]).json()[0]["source"],
        "configuration, needs no key"
    );

    let forced = world.run_with_input(&["auth", "login", "fake", "--force"], CANARY);
    assert!(forced.err.contains("though it was rejected with status 401"), "{forced:?}");
    forced.good();
    assert!(world.run(&["auth", "list"]).good().contains("rejected at "));
    world.run(&["auth", "status", "fake"]).bad(4);
    world.run(&["doctor", "--check", "auth"]).bad(1);
}

#[test]
fn a_second_sign_in_says_what_it_replaces() {
    let world = World::new().with("ANTHROPIC_API_KEY", "sk-ant-of-the-environment-0000");
    let first = world.run_with_input(&["auth", "login", "anthropic"], CANARY);
    assert!(
        first.err.contains("instead of …0000 (environment variable ANTHROPIC_API_KEY)"),
        "{first:?}"
    );
    let second = world.run_with_input(&["auth", "login", "anthropic"], "sk-another-0123456789");
    assert!(second.err.contains("replaces the stored key …efgh"), "{second:?}");
    let list = world.run(&["auth", "list", "--json"]).json();
    let used: Vec<_> =
        list.as_array().expect("a list").iter().map(|key| (&key["source"], &key["used"])).collect();
    assert_eq!(
        used,
        [
            (&json!("vault"), &json!(true)),
            (&json!("environment variable ANTHROPIC_API_KEY"), &json!(false))
        ]
    );
}

#[test]
fn a_key_that_cannot_be_decrypted_is_the_fault_that_is_told() {
    let world = World::new();
    world.run_with_input(&["auth", "login", "anthropic"], CANARY).good();
    let keys = world.path("home/data/credentials/keys");
    std::fs::remove_dir_all(keys).expect("removed");
    for arguments in [&["run", "hello"][..], &["models"], &["doctor", "--check", "models"]] {
        let outcome = world.run(arguments);
        assert!(outcome.all().contains("cannot be read"), "{outcome:?}");
    }
    world.run(&["run", "hello"]).bad(4);
}

#[test]
fn a_command_line_that_says_nothing_is_refused() {
    let world = World::new();
    let cases: [(&[&str], &str); 4] = [
        (&["run", "-m", "", "hi"], "expected the name of a model"),
        (&["run", "--max-tokens", "0", "hi"], "at least 1"),
        (&["auth", "login", "ftp://a.test"], "expected an address like"),
        (&["auth", "login", "openai", "--name", "x"], "--name is for a server"),
    ];
    for (arguments, words) in cases {
        let err = world.run(arguments).bad(2);
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let err = world.run(&["auth", "login", "opneai"]).bad(5);
    assert!(err.contains("did you mean `openai`"), "{err}");
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
        imported.err.contains("imported: anthropic") && imported.err.contains("skipped odd"),
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
    assert!(rotated.err.contains("re-encrypted 1 key"), "{rotated:?}");
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
