//! Problems: exact places, what was expected, the nearest key, and all of them at once.

use sy_config::{Environment, parse};

use crate::sandbox::Sandbox;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(
        Sandbox::with_user(text).problems(),
        expected.iter().map(|line| format!("switchyard.jsonc:{line}")).collect::<Vec<_>>()
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check("{\n  \"servr\": {}\n}", &["2:3: unknown key `servr`, did you mean `server`?"]);
    check(
        r#"{"retry": {"max_retries": 1}}"#,
        &["1:12: unknown key `retry.max_retries`, did you mean `maxRetries`?"],
    );
    check(r#"{"zzz": 1}"#, &["1:2: unknown key `zzz`"]);
    check(
        r#"{"provider": {"x": {"models": {"glm-4.7": {"limits": {}}}}}}"#,
        &["1:44: unknown key `provider.x.models.\"glm-4.7\".limits`, did you mean `limit`?"],
    );
}

#[test]
fn names_near_an_option_are_no_body_options() {
    check(
        r#"{"provider": {"x": {"options": {"apikey": "a", "base_url": "b", "timeot": 1, "top_k": 4}}}}"#,
        &[
            "1:33: unknown key `provider.x.options.apikey`, did you mean `apiKey`?",
            "1:48: unknown key `provider.x.options.base_url`, did you mean `baseURL`?",
            "1:65: unknown key `provider.x.options.timeot`, did you mean `timeout`?",
        ],
    );
}

#[test]
fn ill_typed_values_say_what_was_expected() {
    check(
        r#"{"server": {"port": "80"}}"#,
        &["1:21: `server.port`: expected a whole number from 0 to 65535, got a string"],
    );
    check(
        r#"{"server": {"port": 80.5}}"#,
        &["1:21: `server.port`: expected a whole number from 0 to 65535, got 80.5"],
    );
    check(r#"{"server": []}"#, &["1:12: `server`: expected an object, got an empty list"]);
    check(
        r#"{"disabled_providers": "x"}"#,
        &["1:24: `disabled_providers`: expected a list of strings, got a string"],
    );
    check(
        r#"{"disabled_providers": ["x", null, 3]}"#,
        &[
            "1:30: `disabled_providers`: expected a string, got null",
            "1:36: `disabled_providers`: expected a string, got 3",
        ],
    );
    check(
        r#"{"alias": {"a": 1, "b": []}}"#,
        &[
            "1:17: `alias.a`: expected a string, or a non-empty list of strings, got 1",
            "1:25: `alias.b`: expected a non-empty list of strings, got an empty list",
        ],
    );
    check(
        r#"{"log": {"format": "jsn"}}"#,
        &["1:20: `log.format`: expected one of auto, json, text, got a string"],
    );
    check(
        r#"{"provider": {"x": {"models": {"m": {"interleaved": {"fild": "x"}}}}}}"#,
        &[
            "1:53: `provider.x.models.m.interleaved`: expected the key `field`",
            "1:54: unknown key `provider.x.models.m.interleaved.fild`, did you mean `field`?",
        ],
    );
    check("[]", &["1:1: expected the configuration to be an object, got an empty list"]);
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_lines() {
    let text = "{
  // a comment with ümläuts
  \"modle\": \"x\",
  \"server\": { \"port\": true, /* ü */ \"hots\": 1 },
  \"retry\": { \"maxRetries\": 11 },
  \"log\": 3,
}";
    check(
        text,
        &[
            "3:3: unknown key `modle`, did you mean `model`?",
            "4:23: `server.port`: expected a whole number from 0 to 65535, got true",
            "4:37: unknown key `server.hots`, did you mean `host`?",
            "5:28: `retry.maxRetries`: expected a whole number from 0 to 10, got 11",
            "6:10: `log`: expected an object, got 3",
        ],
    );
}

#[test]
fn problems_of_several_files_are_told_together() {
    let mut sandbox = Sandbox::with_user(r#"{"a1": 1}"#);
    sandbox.trust();
    sandbox.write("project/opencode.json", r#"{"b1": 1}"#);
    sandbox.set("SWITCHYARD_CONFIG_CONTENT", r#"{"c1": 1"#);
    sandbox.flags.overlay = serde_json::json!({ "server": { "port": -1 } });
    let problems = sandbox.problems();
    assert_eq!(
        problems[..2],
        ["switchyard.jsonc:1:2: unknown key `a1`", "opencode.json:1:2: unknown key `b1`"]
    );
    assert!(
        problems[2].starts_with("SWITCHYARD_CONFIG_CONTENT:1:1: not valid JSON with comments: "),
        "{}",
        problems[2]
    );
    assert_eq!(
        problems[3..],
        ["flags: `server.port`: expected a whole number from 0 to 65535, got -1"]
    );
}

#[test]
fn broken_syntax_is_told_with_its_place() {
    check(
        "{\n  \"model\": \"a\"\n  \"small_model\": \"b\"\n}",
        &["2:15: not valid JSON with comments: expected comma"],
    );
    check(
        "{ 'model': 1 }",
        &["1:3: not valid JSON with comments: single-quoted strings are not allowed"],
    );
    check(r#"{"model": "a", "model": "b"}"#, &["1:16: key `model` is set twice, first in line 1"]);
}

#[test]
fn limits_hold_to_the_last_unit() {
    let timeout = |name: &str, value: &str| {
        format!(r#"{{"provider": {{"x": {{"options": {{"{name}": {value}}}}}}}}}"#)
    };
    for name in ["timeout", "headerTimeout", "firstContentTimeout", "chunkTimeout"] {
        check_limit(|value| timeout(name, value), "1000", true);
        check_limit(|value| timeout(name, value), "300000", true);
        check_limit(|value| timeout(name, value), "false", true);
        for wrong in ["999", "300001", "true", "0", "-1", "1000.5", "\"1000\""] {
            check_limit(|value| timeout(name, value), wrong, false);
        }
    }
    let retry =
        |name: &'static str| move |value: &str| format!(r#"{{"retry": {{"{name}": {value}}}}}"#);
    let limits: [(&str, &[&str], &[&str]); 4] = [
        ("maxRetries", &["0", "10"], &["-1", "11"]),
        ("baseDelay", &["100", "60000"], &["99", "60001"]),
        ("maxDelay", &["1000"], &["999"]),
        ("backoffMultiplier", &["1", "1.5"], &["0.99", "0"]),
    ];
    for (name, right, wrong) in limits {
        right.iter().for_each(|value| check_limit(retry(name), value, true));
        wrong.iter().for_each(|value| check_limit(retry(name), value, false));
    }
    let port = |value: &str| format!(r#"{{"server": {{"port": {value}}}}}"#);
    [("0", true), ("65535", true), ("65536", false), ("-1", false)]
        .iter()
        .for_each(|(value, is_right)| check_limit(port, value, *is_right));
}

#[track_caller]
fn check_limit(text: impl Fn(&str) -> String, value: &str, is_right: bool) {
    let text = text(value);
    let result = parse(&text, &Environment::default());
    assert_eq!(result.is_ok(), is_right, "{text}: {result:?}");
}

#[test]
fn time_limits_say_their_bounds() {
    check(
        r#"{"provider": {"x": {"options": {"timeout": 300001}}}}"#,
        &[
            "1:44: `provider.x.options.timeout`: expected a whole number from 1000 to 300000, or false, got 300001",
        ],
    );
}

#[test]
fn sections_are_checked_against_each_other() {
    check(
        r#"{"retry": {"baseDelay": 2000, "maxDelay": 1000}}"#,
        &["1:25: `retry.baseDelay`: expected at most retry.maxDelay (1000), got 2000"],
    );
    check(
        r#"{"alias": {"a": "b", "b": ["x/y", "a"], "c": "a"}}"#,
        &[
            "1:17: `alias.a`: expected to end at a model, but it goes in a circle: a → b → a",
            "1:27: `alias.b`: expected to end at a model, but it goes in a circle: b → a → b",
        ],
    );
    check(
        r#"{"server": {"host": "example.com"}}"#,
        &["1:21: `server.host`: expected an IP address or localhost"],
    );
    check(
        r#"{"catalog": {"url": "ftp://x"}}"#,
        &["1:21: `catalog.url`: expected an http or https address"],
    );
    check(
        r#"{"credentials": {"profile": "../x"}}"#,
        &[
            "1:29: `credentials.profile`: expected letters, digits, `-`, `_` and `.`, not beginning with `.`",
        ],
    );
    check(
        r#"{"log": {"level": "loud"}}"#,
        &[
            "1:19: `log.level`: expected off, error, warn, info, debug, trace, or directives such as info,sy_router=debug",
        ],
    );
    check(
        r#"{"provider": {"x": {"options": {"headers": {"a b": "c", "d": "e\nf"}}}}}"#,
        &[
            "1:52: `provider.x.options.headers.\"a b\"`: expected a header name of letters, digits and -",
            "1:62: `provider.x.options.headers.d`: expected a header value without line breaks and control characters",
        ],
    );
}

#[test]
fn keys_of_opencode_are_unknown_in_our_own_files() {
    let sandbox = Sandbox::with_user(
        r#"{"agent": {}, "theme": "x", "provider": {"x": {"options": {"setCacheKey": true}}}}"#,
    );
    let problems = sandbox.try_load().expect_err("problems");
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown key `agent`",
            "unknown key `theme`",
            "unknown key `provider.x.options.setCacheKey`"
        ]
    );
    assert!(problems[0].help.as_deref().is_some_and(|help| help.contains("OpenCode")));
}

#[test]
fn second_spellings_mean_the_first() {
    let text = r#"{
      "models": { "defaults": { "model": { "primary": "a/b", "fallbacks": ["c/d"] } } },
      "provider": { "x": { "models": { "m": { "supports": { "function-calling": false, "vision": true } } } } },
    }"#;
    let config = Sandbox::with_user(text).config();
    assert_eq!(config.primary_model(), Some("a/b"));
    assert_eq!(config.models.defaults.fallbacks, ["c/d"]);
    assert_eq!(config.provider["x"].models["m"].supports.function_calling, Some(false));
    check(
        r#"{"provider": {"x": {"models": {"m": {"supports": {"function-calling": true, "function_calling": true}}}}}}"#,
        &["1:51: `provider.x.models.m.supports.function_calling` is set twice, in two spellings"],
    );
}

#[track_caller]
fn check_help(text: &str, message: &str, help: &str) {
    let problems = Sandbox::with_user(text).try_load().expect_err("problems");
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(problem.message.contains(message), "{problem:?}");
    assert!(problem.help.as_deref().is_some_and(|told| told.contains(help)), "{problem:?}");
}

#[test]
fn keys_under_the_wrong_parent_are_told_where_they_belong() {
    let in_provider = |text: &str| format!(r#"{{"provider": {{"x": {{{text}}}}}}}"#);
    check_help(
        &in_provider(r#""apiKey": "canary""#),
        "unknown key `provider.x.apiKey`",
        "it belongs in `provider.x.options.apiKey`",
    );
    check_help(
        &in_provider(r#""options": {"npm": "@ai-sdk/groq"}"#),
        "unknown key `provider.x.options.npm`",
        "it belongs in `provider.x.npm`",
    );
    check_help(r#"{"port": 1}"#, "unknown key `port`", "it belongs in `server.port`");
}

#[test]
fn a_lone_backslash_is_explained() {
    for text in [
        r#"{"server": {"host": "C:\Users\me"}}"#,
        r#"{"model": "C:\dir"}"#,
        r#"{"model": "C:\users"}"#,
        r#"{"model": "C:\temp\"}"#,
    ] {
        check_help(
            text,
            "not valid JSON with comments",
            r#"write a Windows path as "C:\\Users\\me""#,
        );
    }
    let text = r#"{"provider": {"x": {"options": {"apiKey": "{file:C:\temp\new}"}}}}"#;
    check_help(text, "control characters", "a single backslash is an escape");
}

/// What must end soon and in few words, however it is written.
#[test]
fn excess_is_refused_in_few_words() {
    let unknown: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":1")).collect();
    let circle: Vec<String> =
        (0..3000).map(|n| format!("\"a{n}\":\"a{}\"", (n + 1) % 3000)).collect();
    let some: Vec<String> = unknown.iter().take(40_000).cloned().collect();
    for (text, expected) in [
        (format!("{{{}}}", unknown.join(",")), "at most 50000 values"),
        (format!("{{{}}}", some.join(",")), "unknown key `k0`"),
        (format!("{{\"alias\":{{{}}}}}", circle.join(",")), "it goes in a circle"),
        (format!("{{\"x\":{}", "[".repeat(100_000)), "at most 64 levels"),
        (format!("{{\"{}\":1}}", "k".repeat(1_000_000)), "unknown key `kkk"),
    ] {
        let problems = Sandbox::with_user(&text).problems();
        let length: usize = problems.iter().map(String::len).sum();
        assert!(problems[0].contains(expected) && length < 20_000, "{expected}: {length}");
    }
}
