//! What a project's files may say before and after the user trusts their folder.

use std::collections::BTreeMap;

use serde_json::json;
use sy_config::{Config, TrustedFolders};

use crate::sandbox::{Sandbox, USER};

const PROJECT: &str = "project/opencode.json";
const CANARY: &str = "canary-0123456789";

/// Everything that a project's file has been used for, each with a key that it must not set.
const ATTACKS: [&str; 14] = [
    r#"{ "provider": { "p": { "options": { "baseURL": "http://127.0.0.1:9/v1" } } } }"#,
    r#"{ "provider": { "p": { "api": "https://evil.test" } } }"#,
    r#"{ "provider": { "p": { "env": ["SECRET"] } } }"#,
    r#"{ "provider": { "p": { "options": { "headers": { "x": "{env:SECRET}" } } } } }"#,
    r#"{ "provider": { "p": { "options": { "x": ["{file:~/secret}"] } } } }"#,
    r#"{ "provider": { "p": { "options": { "resourceName": "evil.test/#" } } } }"#,
    r#"{ "provider": { "p": { "models": { "m": { "provider": { "api": "https://evil.test" } } } } } }"#,
    r#"{ "alias": { "openai/gpt-5": "evil/m" } }"#,
    r#"{ "models": { "defaults": { "fallbacks": ["evil/m"] } } }"#,
    r#"{ "disabled_providers": ["openai"] }"#,
    r#"{ "enabled_providers": ["evil"] }"#,
    r#"{ "retry": { "maxRetries": 0 } }"#,
    r#"{ "model": "{env:SECRET}", "small_model": "{file:~/secret}" }"#,
    r#"{ "model": null, "nonsense": 1 }"#,
];

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::with_user(
        r#"{ "model": "p/own", "provider": { "p": { "options": { "apiKey": "key-of-the-user" } } } }"#,
    );
    sandbox.write("home/secret", CANARY);
    sandbox.set("SECRET", CANARY);
    sandbox
}

#[track_caller]
fn notice(sandbox: &Sandbox) -> String {
    let project = sandbox.load().project.expect("a project");
    project.notice.unwrap_or_default()
}

#[test]
fn nothing_of_an_untrusted_project_takes_effect_but_its_choices() {
    // Where a key was written is no setting, and each sandbox has a folder of its own.
    let settings = |config: &Config| Config { key_places: BTreeMap::new(), ..config.clone() };
    let untouched = settings(&sandbox().config());
    for file in ["opencode.json", "opencode.jsonc", "switchyard.jsonc"] {
        for attack in ATTACKS {
            let sandbox = sandbox();
            sandbox.write(&format!("project/{file}"), attack);
            let loaded = sandbox.load();
            assert_eq!(settings(&loaded.config), untouched, "{file}: {attack}");
            assert!(!format!("{} {:?}", loaded.value, loaded.project).contains(CANARY), "{attack}");
            let told = notice(&sandbox);
            assert!(
                told.contains("is not trusted: left out `") && told.contains("switchyard trust /"),
                "{attack}: {told}"
            );
            assert_eq!(told.lines().count(), 1);
        }
    }
    let sandbox = sandbox();
    sandbox.write(PROJECT, r#"{ "model": "p/other", "small_model": "p/small", "agent": {} }"#);
    let config = sandbox.config();
    assert_eq!(
        (config.model.as_deref(), config.small_model.as_deref()),
        (Some("p/other"), Some("p/small"))
    );
    assert_eq!(notice(&sandbox), "", "choices and what has no effect are no reason to ask");
}

#[test]
fn mistakes_in_an_untrusted_project_stop_nothing() {
    for text in ["{", "[]", "{\"model\": \"a\", \"model\": \"b\"}", "\u{0}"] {
        let sandbox = sandbox();
        sandbox.write(PROJECT, text);
        assert_eq!(sandbox.config().model.as_deref(), Some("p/own"), "{text}");
    }
    let sandbox = sandbox();
    sandbox.write(PROJECT, "{\n\"model\"");
    let told = notice(&sandbox);
    assert!(told.contains("opencode.json is not read: line 2: not valid JSON"), "{told}");
}

#[test]
fn a_trusted_folder_counts_and_what_is_below_only_where_a_tree_is_named() {
    let moved = ATTACKS[0];
    let is_moved = |sandbox: &Sandbox| {
        sandbox.config().provider["p"].options.base_url.as_deref() == Some("http://127.0.0.1:9/v1")
    };
    let sandbox = Sandbox::new();
    sandbox.write(PROJECT, moved);
    for (folder, expected) in [
        (sandbox.path("project").display().to_string(), true),
        (sandbox.path("").display().to_string(), true),
        ("~/../project".to_owned(), true),
        (sandbox.path("home").display().to_string(), false),
        (sandbox.path("proj").display().to_string(), false),
        ("project".to_owned(), false),
        (".".to_owned(), false),
    ] {
        sandbox.write(USER, &json!({ "trusted_projects": [folder] }).to_string());
        let counts = sandbox.config().provider.contains_key("p");
        assert_eq!(counts, expected, "{folder}");
        let mut by_variable = Sandbox::with_user("{}");
        by_variable.write(PROJECT, moved);
        let folder = folder.replace(
            &sandbox.path("").display().to_string(),
            &by_variable.path("").display().to_string(),
        );
        by_variable.set("SWITCHYARD_TRUSTED_PROJECTS", folder.clone());
        assert_eq!(by_variable.config().provider.contains_key("p"), expected, "{folder}");
    }

    let mut named = Sandbox::new();
    named.write(PROJECT, moved);
    named.set("SWITCHYARD_CONFIG", named.path(PROJECT).display().to_string());
    assert!(is_moved(&named), "a file that the operator names");
    assert_eq!(named.load().project.and_then(|project| project.notice), None);
}

#[test]
fn the_record_counts_for_its_folder_as_long_as_the_owner_is_the_same() {
    let sandbox = sandbox();
    sandbox.write(PROJECT, ATTACKS[7]);
    let paths = sandbox.inputs().paths;
    let file = TrustedFolders::file(&paths).strip_prefix(sandbox.path("")).unwrap().to_owned();
    let write = |text: &str| sandbox.write(file.to_str().unwrap(), text);
    let is_trusted = || sandbox.config().alias.contains_key("openai/gpt-5");

    let mut record = TrustedFolders::read(&paths).expect("an empty record");
    record.note(&sandbox.path("project"), true).expect("a folder");
    write(&record.to_text());
    assert!(is_trusted());

    let other_owner = record.to_text().replace("\"owner\": ", "\"owner\": 1");
    write(&other_owner);
    assert!(!is_trusted());
    assert!(notice(&sandbox).contains("has another owner than when it was trusted"));

    record.note(&sandbox.path("project"), false).expect("a folder");
    write(&record.to_text());
    assert!(!is_trusted());
    assert!(sandbox.load().project.is_some_and(|project| project.was_declined));

    // Trust in the folder above does not reach one that came to lie in it.
    record.forget(&sandbox.path("project"));
    record.note(&sandbox.path(""), true).expect("a folder");
    write(&record.to_text());
    assert!(!is_trusted());

    write("{ broken");
    assert!(!is_trusted());
    let notices = sandbox.notices();
    assert!(notices.iter().any(|told| told.starts_with("trusted-projects.json: ")), "{notices:?}");
}

#[test]
fn some_things_are_never_a_projects_to_say() {
    let mut sandbox = sandbox();
    sandbox.trust();
    let untouched = sandbox.config();
    for (key, value) in [
        ("server", json!({ "host": "0.0.0.0", "allowed_origins": ["https://evil.test"] })),
        ("log", json!({ "level": "off" })),
        ("credentials", json!({ "profile": "other" })),
        ("catalog", json!({ "url": "https://evil.test" })),
        ("trusted_projects", json!(["/"])),
        ("opencode_config", json!(false)),
    ] {
        sandbox.write("project/switchyard.jsonc", &json!({ key: value }).to_string());
        assert_eq!(sandbox.config(), untouched, "{key}");
        let told = notice(&sandbox);
        assert!(told.contains(&format!("left out `{key}`")), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn references_stay_in_the_folder_even_where_it_is_trusted() {
    use std::os::unix::fs::symlink;
    let mut sandbox = sandbox();
    sandbox.trust();
    symlink(sandbox.path("home/secret"), sandbox.path("project/link")).expect("a link");
    symlink(sandbox.path("home"), sandbox.path("project/folder")).expect("a link");
    let outside = sandbox.path("home/secret").display().to_string();
    for file in
        ["~/secret", "../home/secret", "link", "folder/secret", "/proc/self/environ", &outside]
    {
        let header = json!({ "x": format!("{{file:{file}}}") });
        let text = json!({ "provider": { "p": { "options": { "headers": header } } } });
        sandbox.write(PROJECT, &text.to_string());
        let problems = sandbox.problems();
        assert!(problems[0].contains("expected a file in the project's folder"), "{problems:?}");
        assert!(!problems[0].contains(CANARY));
    }
    sandbox.write("project/keys/own", "of-the-project");
    let text = r#"{ "provider": { "p": { "options": { "apiKey": "{file:keys/own}" } } } }"#;
    sandbox.write(PROJECT, text);
    let key = sandbox.config().provider["p"].options.api_key.clone().expect("a key");
    assert_eq!(key.expose(), "of-the-project");
}

#[test]
fn a_projects_overlay_is_the_projects_word() {
    let mut sandbox = sandbox();
    sandbox.set("SWITCHYARD_ENV", "ci");
    sandbox.write(PROJECT, "{}");
    sandbox.write("home/.config/switchyard/switchyard.ci.jsonc", ATTACKS[7]);
    assert!(sandbox.config().alias.contains_key("openai/gpt-5"), "the user's own");
    let mut sandbox = Sandbox::new();
    sandbox.set("SWITCHYARD_ENV", "ci");
    sandbox.write(PROJECT, "{}");
    sandbox.write("project/switchyard.ci.jsonc", ATTACKS[7]);
    assert!(sandbox.config().alias.is_empty());
    sandbox.trust();
    assert!(sandbox.config().alias.contains_key("openai/gpt-5"));
}

#[cfg(unix)]
#[test]
fn what_others_can_change_is_not_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |sandbox: &Sandbox, name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sandbox.path(name), permissions).expect("a mode");
    };
    let sandbox = sandbox();
    sandbox.write(PROJECT, r#"{ "model": "p/other" }"#);
    mode(&sandbox, PROJECT, 0o666);
    assert_eq!(sandbox.config().model.as_deref(), Some("p/own"));
    assert!(notice(&sandbox).contains("opencode.json is not read: can be changed by every user"));

    mode(&sandbox, PROJECT, 0o644);
    assert_eq!(sandbox.config().model.as_deref(), Some("p/other"));
    mode(&sandbox, "project", 0o777);
    assert_eq!(sandbox.config().model.as_deref(), Some("p/own"));
    assert!(notice(&sandbox).contains("can be changed by every user, so its files are not read"));

    // The search does not go past such a folder either.
    mode(&sandbox, "project", 0o755);
    mode(&sandbox, "project/src", 0o777);
    let loaded = sandbox.load();
    assert_eq!((loaded.config.model.as_deref(), loaded.project), (Some("p/own"), None));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_stops_nothing_before_and_is_an_error_after_trust() {
    let mut sandbox = sandbox();
    std::os::unix::fs::symlink("/dev/zero", sandbox.path(PROJECT)).expect("a link");
    assert_eq!(sandbox.config().model.as_deref(), Some("p/own"));
    assert!(notice(&sandbox).contains("expected a regular file, got a device"));
    sandbox.trust();
    assert_eq!(sandbox.problems(), ["opencode.json: expected a regular file, got a device"]);
}
