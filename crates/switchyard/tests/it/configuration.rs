//! `config` and `--version`: what is in force, where it comes from, and changes that keep a file as its owner wrote it.

use serde_json::{Value, json};

use crate::world::{CANARY, World};

const FILE: &str = r#"{
  // The port that the firewall knows.
  "server": { "port": 9000 }, /* ours */
  "provider": {
    "mine": { "npm": "@ai-sdk/openai-compatible", "options": { "baseURL": "http://10.0.0.7/v1", "apiKey": "KEY" }, "models": { "m-1.5": {} } },
  },
}
"#;

fn world() -> World {
    let world = World::new();
    world.write("home/config/switchyard.jsonc", &FILE.replace("KEY", CANARY));
    world
}

#[test]
fn view_shows_values_with_their_places_and_masks_secrets() {
    let world = world();
    let outcome = world.run(&["config", "view"]);
    assert!(!outcome.all().contains(CANARY), "{outcome:?}");
    let out = outcome.good();
    let line = |key: &str| {
        out.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key} in {out}"))
    };
    assert!(
        line("server.port ").contains("9000")
            && line("server.port ").ends_with("switchyard.jsonc:3"),
        "{out}"
    );
    assert!(line("server.host ").ends_with("built-in"), "{out}");
    assert!(line("provider.mine.options.apiKey ").contains('…'), "{out}");
    assert!(out.contains(r#"provider.mine.models."m-1.5""#), "{out}");
    let whole = world.run(&["--offline", "config", "view", "--json"]);
    assert!(!whole.all().contains(CANARY), "{whole:?}");
    let whole = whole.json();
    assert_eq!(whole["config"]["server"]["port"], 9000);
    assert_eq!(whole["provenance"]["/server/port"]["line"], 3);
    assert_eq!(whole["provenance"]["/catalog/offline"]["layer"], "flags");
}

#[test]
fn path_names_every_layer() {
    let world = world();
    world.write("project/switchyard.jsonc", "{}");
    let out = world.run(&["config", "path"]).good();
    let kinds: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(kinds, ["built-in", "user", "project", "environment", "flags"], "{out}");
    assert!(out.contains(&world.user_file().display().to_string()), "{out}");
}

#[test]
fn schema_is_a_json_schema() {
    let schema = World::new().run(&["config", "schema"]).json();
    assert!(schema["properties"]["provider"].is_object(), "{schema}");
}

#[test]
fn mistakes_are_named_with_file_line_and_column() {
    let world = World::new();
    let file = world
        .write("home/config/switchyard.jsonc", "{\n  \"server\": {\n    \"prot\": 1\n  }\n}\n");
    let place = format!("error: {}:3:5: ", file.display());
    for arguments in [
        &["config", "validate"][..],
        &["models"],
        &["config", "view"],
        &["run", "-m", "a/b", "hi"],
        &["serve", "--port", "0"],
        &["env"],
    ] {
        let err = world.run(arguments).bad(3);
        assert!(err.starts_with(&place) && err.contains("prot"), "{arguments:?}: {err}");
        assert!(err.contains("help: "), "{arguments:?}: {err}");
    }
    // The file to correct is named all the same.
    let err = world.run(&["config", "path"]).bad(3);
    assert!(err.contains(&format!("your own file: {}", file.display())), "{err}");
}

#[test]
fn every_mistake_is_an_error_of_its_own() {
    let world = World::new();
    world.write("home/config/switchyard.jsonc", "{\"a\": 1,\n\"b\": 2}");
    let err = world.run(&["config", "validate"]).bad(3);
    assert_eq!(err.matches("error: ").count(), 2, "{err}");
}

#[test]
fn validate_takes_another_file_on_top() {
    let world = world();
    world.write("project/good.jsonc", "{\"server\": {\"port\": 1}}");
    world.write("project/bad.jsonc", "{\"server\": {\"port\": \"one\"}}");
    world.run(&["config", "validate"]).good();
    world.run(&["config", "validate", "good.jsonc"]).good();
    assert!(world.run(&["config", "validate", "bad.jsonc"]).bad(3).contains("bad.jsonc:1:"));
    assert!(world.run(&["config", "validate", "nowhere.jsonc"]).bad(3).contains("nowhere.jsonc"));
}

#[test]
fn set_keeps_comments_and_everything_else() {
    let world = world();
    world.run(&["config", "set", "server.port", "9001"]).good();
    world.run(&["config", "set", "model", "mine/m-1.5"]).good();
    world.run(&["config", "set", r#"provider.mine.models."m-1.5".name"#, "My model"]).good();
    let text = world.read("home/config/switchyard.jsonc");
    for kept in [
        "// The port that the firewall knows.",
        "/* ours */",
        "\"port\": 9001",
        "\"model\": \"mine/m-1.5\"",
        "\"My model\"",
        CANARY,
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    world.run(&["config", "validate"]).good();
    world.run(&["config", "reset", "server.port"]).good();
    assert!(!world.read("home/config/switchyard.jsonc").contains("9001"));
}

#[test]
fn set_refuses_what_would_be_wrong_and_leaves_the_file() {
    let world = world();
    let before = world.read("home/config/switchyard.jsonc");
    for (key, value) in
        [("server.port", "lots"), ("no.such.key", "1"), ("server..port", "1"), ("server", "-1")]
    {
        world.run(&["config", "set", key, value]).bad(3);
    }
    assert_eq!(world.read("home/config/switchyard.jsonc"), before);
}

#[test]
fn set_makes_a_file_that_only_its_owner_reads_and_keeps_the_mode_of_another() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let mode =
        || std::fs::metadata(world.user_file()).expect("the file").permissions().mode() & 0o777;
    world.run(&["config", "set", "server.port", "9000"]).good();
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(world.user_file(), std::fs::Permissions::from_mode(0o640))
        .expect("changed");
    world.run(&["config", "set", "server.port", "9001"]).good();
    assert_eq!(mode(), 0o640);
}

#[test]
fn set_follows_a_link_to_where_the_file_is_kept() {
    let world = World::new();
    let kept = world.write("dotfiles/switchyard.jsonc", "{ /* mine */ }\n");
    std::fs::create_dir_all(world.path("home/config")).expect("a folder");
    std::os::unix::fs::symlink(&kept, world.user_file()).expect("a link");
    world.run(&["config", "set", "server.port", "9000"]).good();
    assert!(std::fs::symlink_metadata(world.user_file()).expect("the link").is_symlink());
    let text = world.read("dotfiles/switchyard.jsonc");
    assert!(text.contains("/* mine */") && text.contains("9000"), "{text}");
}

#[test]
fn set_for_the_project_changes_the_projects_file() {
    let world = world();
    let before = world.read("home/config/switchyard.jsonc");
    world.run(&["config", "set", "--project", "model", "mine/m-1.5"]).good();
    assert_eq!(world.read("home/config/switchyard.jsonc"), before);
    assert!(world.read("project/switchyard.jsonc").contains("mine/m-1.5"));
    // From a folder within, it is the same file.
    std::fs::create_dir(world.path("project/src")).expect("a folder");
    let mut command = world.command(&["config", "set", "--project", "small_model", "mine/m-1.5"]);
    assert!(command.current_dir(world.path("project/src")).status().expect("it runs").success());
    assert!(world.read("project/switchyard.jsonc").contains("small_model"));
}

#[test]
fn edit_opens_the_editor_and_checks_the_result() {
    let world = World::new();
    let edit = |editor: &str| {
        let output =
            world.command(&["config", "edit"]).env("EDITOR", editor).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(edit("true").0, Some(0));
    assert!(world.user_file().exists());
    let (code, err) = edit("false");
    assert!(code == Some(1) && err.contains("the editor ended with"), "{err}");
    let (code, err) = edit("no-such-editor-anywhere");
    assert!(code == Some(1) && err.contains("set EDITOR"), "{err}");
    let (code, err) = edit("sed -i s/[{]/oops/");
    assert!(code == Some(3) && err.contains("switchyard.jsonc:1:"), "{err}");
}

#[test]
fn reset_keeps_the_old_file_beside_the_new_one() {
    let world = world();
    world.run(&["config", "reset"]).good();
    world.run(&["config", "reset"]).good();
    assert_eq!(world.read("home/config/switchyard.jsonc.old"), FILE.replace("KEY", CANARY));
    world.run(&["config", "set", "server.port", "9000"]).good();
    world.run(&["config", "reset"]).good();
    assert!(world.read("home/config/switchyard.jsonc.old1").contains("9000"));
    assert_eq!(
        world.run(&["config", "view", "--json"]).json()["config"]["server"]["port"],
        json!(8080)
    );
}

#[test]
fn the_version_warns_of_a_configuration_that_is_not_valid() {
    let world = World::new();
    let version = concat!("switchyard ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["--version", "-V"] {
        let outcome = world.run(&[flag]);
        assert_eq!((outcome.out.as_str(), outcome.err.as_str()), (version, ""));
    }
    world.write("home/config/switchyard.jsonc", "{\"nope\": 1}");
    let outcome = world.run(&["--version"]);
    assert!(
        outcome.err.starts_with("warning: ") && outcome.err.contains("switchyard.jsonc:1:2: "),
        "{outcome:?}"
    );
    assert_eq!(outcome.good(), version);
    let homeless = world
        .command(&["--version"])
        .env_remove("HOME")
        .env_remove("SWITCHYARD_HOME")
        .output()
        .expect("it runs");
    assert_eq!((homeless.status.code(), homeless.stdout.as_slice()), (Some(0), version.as_bytes()));
}

#[test]
fn flags_speak_above_every_file() {
    let world = world();
    world.write(
        "project/more.jsonc",
        "{\"server\": {\"port\": 7}, \"catalog\": {\"offline\": false}}",
    );
    let view: Value =
        world.run(&["--config", "more.jsonc", "--offline", "config", "view", "--json"]).json();
    assert_eq!(
        (&view["config"]["server"]["port"], &view["config"]["catalog"]["offline"]),
        (&json!(7), &json!(true))
    );
}

#[test]
fn get_prints_one_value_and_names_the_near_key() {
    let world = world();
    assert_eq!(world.run(&["config", "get", "server.port"]).good(), "9000\n");
    assert_eq!(world.run(&["config", "get", "server.host", "--json"]).json(), json!("127.0.0.1"));
    let outcome = world.run(&["config", "get", "provider.mine.options.apiKey"]);
    assert!(outcome.out.contains('…') && !outcome.all().contains(CANARY), "{outcome:?}");
    let err = world.run(&["config", "get", "server.prot"]).bad(3);
    assert!(
        err.starts_with("error: unknown key `server.prot`\n") && err.contains("`server.port`"),
        "{err}"
    );
    let err = world.run(&["config", "get", "model"]).bad(1);
    assert!(err.contains("model is not set"), "{err}");
}

#[test]
fn view_shows_one_key_and_what_is_below_it() {
    let world = world();
    let out = world.run(&["config", "view", "server"]).good();
    assert!(out.contains("server.port") && !out.contains("retry."), "{out}");
    let part = world.run(&["config", "view", "server", "--format", "json"]).json();
    assert_eq!(part["config"]["port"], 9000);
    assert!(part["provenance"].get("/retry/maxRetries").is_none(), "{part}");
    world.run(&["config", "view", "nosuch"]).bad(3);
}

#[test]
fn reset_of_no_key_fails_and_names_the_near_one() {
    let world = world();
    let before = world.read("home/config/switchyard.jsonc");
    let err = world.run(&["config", "reset", "mdoel"]).bad(3);
    assert!(err.contains("unknown key `mdoel`") && err.contains("`model`"), "{err}");
    assert_eq!(world.read("home/config/switchyard.jsonc"), before);
    // One that is wrongly there can be taken out, and a known one need not be there.
    world.write("home/config/switchyard.jsonc", "{\"nosuch\": 1}");
    world.run(&["config", "reset", "nosuch"]).good();
    world.run(&["config", "reset", "model"]).good();
}

#[test]
fn validate_names_what_leads_nowhere() {
    let world = World::new();
    let check = |config: Value, code: i32, words: &[&str]| {
        world.configure(&config);
        let outcome = world.run(&["config", "validate"]);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(words.iter().all(|word| outcome.err.contains(word)), "{words:?}: {outcome:?}");
        let report = world.run(&["config", "validate", "--json"]);
        let report: Value = serde_json::from_str(&report.out).expect("JSON");
        assert_eq!(report["ok"], code == 0, "{report}");
    };
    check(
        json!({"alias": {"a": "nosuch/m"}}),
        3,
        &["switchyard.jsonc:3:", "`alias.a`: leads nowhere"],
    );
    check(json!({"model": "zzz-nothing"}), 3, &["`model`: leads nowhere"]);
    check(json!({"provider": {"x": {"models": {"m": {}}}}}), 3, &["`provider.x`: has no address"]);
    let near = json!({"provider": {"x": {"npm": "@ai-sdk/grok", "api": "http://127.0.0.1:9/v1"}}});
    check(near, 0, &["unknown npm package", "names no models", "configuration OK (read: "]);
    check(json!({"alias": {"a": "b", "b": "openai/gpt-5"}}), 0, &["configuration OK"]);
}

#[test]
fn a_project_is_trusted_listed_and_forgotten() {
    let world = world();
    world.write("project/opencode.json", "{\"alias\": {\"fast\": \"mine/m-1.5\"}}");
    let get = || world.run(&["config", "get", "alias.fast"]);
    let err = get().bad(1);
    assert!(err.lines().next().is_some_and(|line| line.contains("switchyard trust /")), "{err}");
    let mut command = world.command(&["trust"]);
    std::fs::create_dir(world.path("project/src")).expect("a folder");
    assert!(command.current_dir(world.path("project/src")).status().expect("it runs").success());
    assert_eq!(get().good(), "mine/m-1.5\n");
    let listed = world.run(&["trust", "--list", "--json"]).json();
    assert_eq!(
        (listed[0]["state"].as_str(), listed.as_array().map(Vec::len)),
        (Some("trusted"), Some(1))
    );
    world.run(&["trust", "--remove"]).good();
    get().bad(1);
    world.run(&["trust", "--remove"]).bad(2);
    world.run(&["trust", "no/such/folder"]).bad(1);
    world.run(&["config", "set", "--project", "server.port", "1"]).bad(2);
}
