//! Changing a file keeps what people wrote around the values.

use sy_config::edit::{reset, set, unset};
use sy_config::{Environment, parse};

const TEXT: &str = r#"{
  // which model answers
  "model": "anthropic/claude-sonnet-4-5", // the good one
  "server": {
    /* where we listen */
    "port": 8080,
  },
}
"#;

#[test]
fn a_value_is_replaced_and_comments_stay() {
    let edited = set(TEXT, "server.port", "9000").expect("an edit");
    assert_eq!(edited, TEXT.replace("8080", "9000"));
    let edited = set(TEXT, "model", "groq/x").expect("an edit");
    assert_eq!(edited, TEXT.replace("anthropic/claude-sonnet-4-5", "groq/x"));
}

#[test]
fn missing_objects_are_created() {
    let edited = set(TEXT, r#"provider.zai.models."glm-4.7".name"#, "GLM").expect("an edit");
    let config = parse(&edited, &Environment::default()).expect("valid");
    assert_eq!(config.provider["zai"].models["glm-4.7"].name.as_deref(), Some("GLM"));
    for comment in ["// which model answers", "// the good one", "/* where we listen */"] {
        assert!(edited.contains(comment), "{edited}");
    }
    let config =
        parse(&set("", "server.strict", "true").expect("an edit"), &Environment::default())
            .expect("valid");
    assert!(config.server.strict);
}

#[test]
fn a_value_is_json_where_that_fits_and_text_elsewhere() {
    #[track_caller]
    fn check(path: &str, value: &str, expected: &str) {
        assert_eq!(
            set("{}", path, value).expect("an edit").split_whitespace().collect::<String>(),
            expected
        );
    }
    check("server.port", "1", r#"{"server":{"port":1}}"#);
    check("server.strict", "true", r#"{"server":{"strict":true}}"#);
    check("model", "5", r#"{"model":"5"}"#);
    check("model", "\"quoted\"", r#"{"model":"quoted"}"#);
    check("alias.fast", "groq/x", r#"{"alias":{"fast":"groq/x"}}"#);
    check("alias.smart", r#"["a/b","c/d"]"#, r#"{"alias":{"smart":["a/b","c/d"]}}"#);
    check(
        "provider.x.options.timeout",
        "false",
        r#"{"provider":{"x":{"options":{"timeout":false}}}}"#,
    );
    check(
        "provider.x.options.apiKey",
        "{env:X}",
        r#"{"provider":{"x":{"options":{"apiKey":"{env:X}"}}}}"#,
    );
}

#[test]
fn a_change_that_would_be_wrong_is_refused() {
    #[track_caller]
    fn check(path: &str, value: &str, expected: &str) {
        assert_eq!(set(TEXT, path, value).expect_err("refused").message, expected);
    }
    check(
        "server.port",
        "70000",
        "`server.port`: expected a whole number from 0 to 65535, got 70000",
    );
    check("server.prot", "1", "unknown key `server.prot`, did you mean `port`?");
    check("model.x", "1", "cannot set `model.x`: expected `model` to be an object");
    check(
        "server..port",
        "1",
        "expected names separated by dots, got an empty name in `server..port`",
    );
    assert_eq!(set("{ \"model\" 1 }", "model", "x").expect_err("refused").line, 1);
}

#[test]
fn a_file_that_is_wrong_elsewhere_can_still_be_mended() {
    let wrong = r#"{ "servr": {}, "retry": { "maxRetries": 99 } }"#;
    let edited = set(wrong, "retry.maxRetries", "3").expect("an edit");
    let edited = unset(&edited, "servr").expect("an edit");
    parse(&edited, &Environment::default()).expect("valid");
}

#[test]
fn a_key_is_removed_and_comments_stay() {
    let edited = unset(TEXT, "server.port").expect("an edit");
    assert!(!edited.contains("8080") && edited.contains("// which model answers"), "{edited}");
    assert_eq!(unset(TEXT, "server.host").expect("an edit"), TEXT);
    assert_eq!(unset(TEXT, "retry.maxDelay").expect("an edit"), TEXT);
    parse(&edited, &Environment::default()).expect("valid");
}

#[test]
fn a_reset_file_sets_nothing() {
    assert_eq!(
        parse(&reset(), &Environment::default()).expect("valid"),
        sy_config::Config::default()
    );
}
