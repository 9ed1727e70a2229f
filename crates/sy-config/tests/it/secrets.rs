//! Secrets are shown nowhere: not in debug forms, not in views, not in problems.

use serde_json::json;
use sy_config::{Live, view};

use crate::sandbox::{OPENCODE, Sandbox, USER, leaf};

const CANARY: &str = "sk-canary-0123456789";

const CONFIG: &str = r#"{
  "provider": {
    "x": {
      "options": {
        "apiKey": "sk-canary-0123456789",
        "headers": { "Authorization": "Bearer sk-canary-0123456789", "X-Team": "{env:CANARY}", "X-Title": "shown" },
        "secretAccessKey": "sk-canary-0123456789",
        "nested": { "access_token": "sk-canary-0123456789" },
      },
      "models": {
        "m": {
          "headers": { "x-api-key": "sk-canary-0123456789", "X-Plain": "{env:CANARY}" },
          "options": { "password": "sk-canary-0123456789" },
          "variants": { "v": { "client_secret": "sk-canary-0123456789" } },
        },
      },
    },
    "y": { "options": { "apiKey": "{env:CANARY}" } },
    "z": { "options": { "apiKey": "{file:canary.txt}" } },
  },
}"#;

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::with_user(CONFIG);
    sandbox.set("CANARY", CANARY);
    sandbox.write("home/.config/switchyard/canary.txt", CANARY);
    sandbox.flags.overlay = json!({ "provider": { "w": { "options": { "apiKey": CANARY } } } });
    sandbox
}

#[track_caller]
fn check_is_silent(text: &str) {
    assert!(!text.contains("canary-0123"), "{text}");
}

#[test]
fn secrets_reach_the_configuration_but_not_what_is_shown() {
    let sandbox = sandbox();
    let loaded = sandbox.load();
    let options = &loaded.config.provider["x"].options;
    assert_eq!(options.api_key.as_ref().map(|key| key.expose()), Some(CANARY));
    assert_eq!(options.headers["Authorization"].expose(), "Bearer sk-canary-0123456789");
    for id in ["w", "y", "z"] {
        assert_eq!(
            loaded.config.provider[id].options.api_key.as_ref().map(|key| key.expose()),
            Some(CANARY),
            "{id}"
        );
    }
    check_is_silent(&format!("{loaded:?} {:?}", sandbox.inputs()));
    check_is_silent(&view(&loaded).to_string());
    check_is_silent(&format!("{:?}", Live::new(loaded)));
}

#[test]
fn headers_from_the_environment_are_secret_whatever_their_name() {
    let config = sandbox().config();
    let provider = &config.provider["x"];
    assert!(provider.options.headers["X-Team"].is_secret());
    assert!(provider.options.headers["Authorization"].is_secret());
    assert!(!provider.options.headers["X-Title"].is_secret());
    assert!(provider.models["m"].headers["X-Plain"].is_secret());
}

#[test]
fn a_view_masks_secrets_and_keeps_references() {
    let loaded = sandbox().load();
    assert_eq!(leaf(&loaded, "/provider/x/options/apiKey"), json!("…6789"));
    assert_eq!(leaf(&loaded, "/provider/x/options/headers/X-Title"), json!("shown"));
    assert_eq!(leaf(&loaded, "/provider/y/options/apiKey"), json!("{env:CANARY}"));
    assert_eq!(leaf(&loaded, "/provider/z/options/apiKey"), json!("{file:canary.txt}"));
    let shown = view(&loaded);
    assert_eq!(shown["provenance"]["/provider/x/options/apiKey"]["line"], json!(5));
    assert_eq!(
        shown["provenance"]["/provider/w/options/apiKey"],
        json!({ "layer": "flags", "source": "flags" })
    );
}

#[test]
fn problems_never_repeat_a_value() {
    let texts = [
        r#"{"model": {"x": "sk-canary-0123456789"}, "server": "sk-canary-0123456789"}"#,
        r#"{"provider": {"x": {"options": {"apikey": "sk-canary-0123456789", "timeout": "sk-canary-0123456789"}}}}"#,
        r#"{"provider": {"x": {"options": {"baseURL": "https://u:sk-canary-0123456789@x"}}}}"#,
        r#"{"provider": {"x": {"options": {"baseURL": "sk-canary-0123456789"}}}}"#,
        r#"{"provider": {"x": {"models": {"m": {"status": "sk-canary-0123456789", "modalities": {"input": ["{env:CANARY}"]}}}}}}"#,
        r#"{"provider": {"x": {"options": {"headers": {"Authorization": "sk-canary-0123456789\n"}}}}}"#,
        r#"{"apiKey" "sk-canary-0123456789"}"#,
        r#"{"log": {"level": "{env:CANARY}"}, "server": {"host": "{env:CANARY}"}}"#,
        r#"{"alias": {"a": ["{env:CANARY}", ""]}}"#,
    ];
    for file in [USER, OPENCODE] {
        for text in texts {
            let mut sandbox = Sandbox::new();
            sandbox.set("CANARY", CANARY);
            sandbox.write(file, text);
            match sandbox.try_load() {
                Ok(loaded) => assert!(file == OPENCODE, "{text}: {:?}", loaded.notices),
                Err(problems) => check_is_silent(&format!("{problems:?}")),
            }
        }
    }
}

#[test]
fn a_secret_that_stands_in_a_file_in_clear_is_noticed() {
    let sandbox = Sandbox::with_user(
        r#"{"provider": {"x": {"options": {"apiKey": "sk-canary-0123456789"}}}}"#,
    );
    let expected = "switchyard.jsonc:1:43: `provider.x.options.apiKey` is plain text; use {env:NAME} or {file:path} instead";
    assert_eq!(sandbox.notices(), [expected]);
}
