//! Which layer wins, how layers are merged, and how origins are told.

use serde_json::{Value, json};
use sy_config::{Config, Environment, LayerKind, Paths};

use crate::sandbox::{OPENCODE, Sandbox, USER, leaf};

/// Makes a layer say that the small model is the given word.
type Say = fn(&mut Sandbox, &str);

/// Every layer from low to high, with what makes it say that the small model is `word`.
const LAYERS: [(LayerKind, Say); 12] = [
    (LayerKind::OpenCode, |sandbox, word| {
        sandbox.write("home/.config/opencode/config.json", &small_model(word))
    }),
    (LayerKind::OpenCode, |sandbox, word| sandbox.write(OPENCODE, &small_model(word))),
    (LayerKind::OpenCode, |sandbox, word| {
        sandbox.write("home/.config/opencode/opencode.jsonc", &small_model(word))
    }),
    (LayerKind::User, |sandbox, word| sandbox.write(USER, &small_model(word))),
    (LayerKind::Project, |sandbox, word| {
        sandbox.write("project/opencode.json", &small_model(word))
    }),
    (LayerKind::Project, |sandbox, word| {
        sandbox.write("project/opencode.jsonc", &small_model(word))
    }),
    (LayerKind::Project, |sandbox, word| {
        sandbox.write("project/switchyard.jsonc", &small_model(word))
    }),
    (LayerKind::ConfigFile, |sandbox, word| {
        sandbox.write("named.jsonc", &small_model(word));
        sandbox.set("SWITCHYARD_CONFIG", sandbox.path("named.jsonc").display().to_string());
    }),
    (LayerKind::ConfigContent, |sandbox, word| {
        sandbox.set("SWITCHYARD_CONFIG_CONTENT", small_model(word))
    }),
    (LayerKind::Overlay, |sandbox, word| {
        sandbox.set("SWITCHYARD_ENV", "ci");
        sandbox.write("home/.config/switchyard/switchyard.ci.jsonc", &small_model(word));
    }),
    (LayerKind::Overlay, |sandbox, word| {
        sandbox.set("SWITCHYARD_ENV", "ci");
        sandbox.write("project/switchyard.ci.jsonc", &small_model(word));
    }),
    (LayerKind::Flags, |sandbox, word| sandbox.flags.overlay = json!({ "small_model": word })),
];

fn small_model(word: &str) -> String {
    format!("{{ \"small_model\": \"{word}\" }}")
}

#[test]
fn every_layer_beats_the_ones_below() {
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.config().small_model, None);
    for (index, (kind, say)) in LAYERS.into_iter().enumerate() {
        let word = format!("p/{index}");
        say(&mut sandbox, &word);
        let loaded = sandbox.load();
        assert_eq!(loaded.config.small_model.as_deref(), Some(word.as_str()), "{kind:?}");
        assert_eq!(loaded.provenance["/small_model"].layer, kind);
    }
}

#[test]
fn variables_for_one_key_are_above_files_and_below_flags() {
    let mut sandbox =
        Sandbox::with_user(r#"{ "log": { "level": "warn" }, "catalog": { "offline": false } }"#);
    sandbox.set("SWITCHYARD_CONFIG_CONTENT", r#"{ "log": { "level": "error" } }"#);
    sandbox.set("SWITCHYARD_LOG", "debug");
    sandbox.set("SWITCHYARD_OFFLINE", "1");
    let config = sandbox.config();
    assert_eq!((config.log.level.as_str(), config.catalog.offline), ("debug", true));
    sandbox.flags.overlay = json!({ "log": { "level": "trace" } });
    assert_eq!(sandbox.config().log.level, "trace");
    sandbox.set("SWITCHYARD_OFFLINE", "maybe");
    assert_eq!(sandbox.problems(), ["SWITCHYARD_OFFLINE: expected 1, true, 0 or false"]);
}

#[test]
fn the_port_comes_from_the_flag_then_the_variable_then_the_files() {
    let mut sandbox = Sandbox::with_user(r#"{ "server": { "port": 1000 } }"#);
    assert_eq!(sandbox.config().server.port, 1000);
    sandbox.set("SWITCHYARD_PORT", "2000");
    assert_eq!(sandbox.config().server.port, 2000);
    sandbox.flags.overlay = json!({ "server": { "port": 3000 } });
    assert_eq!(sandbox.config().server.port, 3000);
    for wrong in ["65536", "-1", "http"] {
        sandbox.set("SWITCHYARD_PORT", wrong);
        let expected = format!("SWITCHYARD_PORT: expected a port from 0 to 65535, got {wrong:?}");
        assert_eq!(sandbox.problems(), [expected]);
    }
}

#[test]
fn a_flag_replaces_the_file_that_the_variable_names() {
    let mut sandbox = Sandbox::new();
    sandbox.write("project/src/a.jsonc", r#"{ "model": "p/a" }"#);
    sandbox.write("project/src/b.jsonc", r#"{ "model": "p/b", "small_model": "p/b" }"#);
    sandbox.set("SWITCHYARD_CONFIG", "b.jsonc");
    sandbox.flags.config_file = Some("a.jsonc".into());
    let config = sandbox.config();
    assert_eq!((config.model.as_deref(), config.small_model), (Some("p/a"), None));
    sandbox.flags.config_file = Some("none.jsonc".into());
    assert_eq!(sandbox.problems(), ["none.jsonc: expected a configuration file here, found none"]);
}

#[test]
fn the_users_opencode_files_can_be_switched_off_from_above() {
    let mut sandbox = Sandbox::new();
    sandbox.write(OPENCODE, r#"{ "model": "p/opencode", "nonsense": 1 }"#);
    assert_eq!(sandbox.problems(), ["opencode.json:1:26: unknown key `nonsense`"]);
    sandbox.write(USER, r#"{ "opencode_config": false, /* and */ }"#);
    let loaded = sandbox.load();
    assert_eq!(loaded.config.model, None);
    assert!(
        loaded.layers.iter().all(|layer| layer.kind != LayerKind::OpenCode),
        "{:?}",
        loaded.layers
    );
    sandbox.set("SWITCHYARD_CONFIG_CONTENT", r#"{ "opencode_config": true }"#);
    assert_eq!(sandbox.problems().len(), 1);
    sandbox.write(OPENCODE, r#"{ "opencode_config": false }"#);
    assert_eq!(
        sandbox.problems(),
        ["opencode.json:1:22: `opencode_config` has no effect in the file that it switches off"]
    );
}

#[test]
fn objects_are_merged_lists_are_replaced_and_null_removes() {
    let mut sandbox = Sandbox::with_user(
        r#"{
          "disabled_providers": ["a", "b"],
          "retry": { "maxRetries": 5, "baseDelay": 500 },
          "alias": { "fast": ["p/1", "p/2"], "slow": "p/3" },
          "provider": { "x": { "name": "X", "options": { "reasoning": { "effort": "low", "summary": "auto" } } } },
          "model": "p/1",
        }"#,
    );
    sandbox.write(
        "project/switchyard.jsonc",
        r#"{
          "disabled_providers": ["c"],
          "retry": { "baseDelay": null },
          "alias": { "fast": "p/9" },
          "provider": { "x": { "name": null, "options": { "reasoning": { "effort": "high" } } } },
          "model": null,
          "server": null,
        }"#,
    );
    sandbox.trust();
    let Config { disabled_providers, retry, alias, provider, model, server, .. } = sandbox.config();
    assert_eq!(disabled_providers, ["c"]);
    assert_eq!((retry.max_retries, retry.base_delay), (5, 1000));
    assert_eq!(
        (alias["fast"].names(), alias["slow"].names()),
        (&["p/9".to_owned()][..], &["p/3".to_owned()][..])
    );
    assert_eq!((provider["x"].name.as_ref(), model, server.port), (None, None, 8080));
    assert_eq!(
        provider["x"].options.extra["reasoning"],
        json!({ "effort": "high", "summary": "auto" })
    );
}

#[test]
fn the_nearest_project_folder_counts_and_the_search_ends_at_the_repository() {
    let sandbox = Sandbox::new();
    sandbox.write("opencode.json", r#"{ "model": "p/outside" }"#);
    assert_eq!(sandbox.config().model, None);
    sandbox.write("project/opencode.json", r#"{ "model": "p/root", "small_model": "p/root" }"#);
    assert_eq!(sandbox.config().model.as_deref(), Some("p/root"));
    sandbox.write("project/src/switchyard.jsonc", r#"{ "model": "p/near" }"#);
    let config = sandbox.config();
    assert_eq!((config.model.as_deref(), config.small_model), (Some("p/near"), None));
}

#[test]
fn the_users_own_folder_is_no_project() {
    let mut sandbox = Sandbox::with_user(r#"{ "model": "p/user" }"#);
    sandbox.directory = sandbox.path("home/.config/switchyard");
    let kinds: Vec<LayerKind> = sandbox.load().layers.iter().map(|layer| layer.kind).collect();
    assert_eq!(kinds, [LayerKind::BuiltIn, LayerKind::User]);
}

#[test]
fn the_name_of_an_environment_leads_to_no_other_folder() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SWITCHYARD_ENV", "../../etc");
    assert_eq!(sandbox.problems(), ["SWITCHYARD_ENV: expected only letters, digits, `-` and `_`"]);
}

#[test]
fn an_environment_without_overlay_is_told() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SWITCHYARD_ENV", "prod");
    let expected =
        "SWITCHYARD_ENV: there is no switchyard.prod.jsonc beside the user's or the project's file";
    assert_eq!(sandbox.notices(), [expected]);
}

#[test]
fn every_leaf_tells_where_it_comes_from() {
    let sandbox = Sandbox::with_user(
        "{\n  \"server\": {\n    \"port\": 9000,\n    \"allowed_hosts\": [\"a\"],\n  },\n}",
    );
    let loaded = sandbox.load();
    let place = |pointer: &str| {
        let origin = &loaded.provenance[pointer];
        (origin.layer, origin.line, origin.column)
    };
    assert_eq!(place("/server/port"), (LayerKind::User, 3, 13));
    assert_eq!(place("/server/allowed_hosts"), (LayerKind::User, 4, 22));
    assert_eq!(place("/server/host"), (LayerKind::BuiltIn, 0, 0));
    assert_eq!(leaf(&loaded, "/server/host"), json!("127.0.0.1"));
    assert_eq!(loaded.provenance["/server/port"].source, sandbox.path(USER).display().to_string());
    for pointer in loaded.provenance.keys() {
        assert!(loaded.value.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn built_in_defaults_are_those_of_the_types() {
    let loaded = Sandbox::new().load();
    assert_eq!(*loaded.config, Config::default());
    assert_eq!(
        leaf(&loaded, "/retry"),
        json!({ "maxRetries": 3, "baseDelay": 1000, "maxDelay": 60000, "backoffMultiplier": 2.0,
            "failover": "immediate" })
    );
    assert_eq!(leaf(&loaded, "/opencode_config"), Value::Bool(true));
}

#[test]
fn one_folder_holds_everything_when_it_is_named() {
    let mut sandbox = Sandbox::new();
    let all = sandbox.path("all");
    sandbox.write("all/config/switchyard.jsonc", r#"{ "model": "p/all" }"#);
    sandbox.set("SWITCHYARD_HOME", all.display().to_string());
    assert_eq!(sandbox.config().model.as_deref(), Some("p/all"));
    let paths = Paths::resolve(&Environment::of([("SWITCHYARD_HOME", all.display().to_string())]))
        .expect("paths");
    assert_eq!(paths, Paths::below(&all));
}

#[test]
fn a_file_may_say_its_version() {
    let sandbox = Sandbox::with_user(r#"{ "$schema": "x", "version": "1.2", "model": "p/m" }"#);
    assert_eq!(sandbox.config().model.as_deref(), Some("p/m"));
}
