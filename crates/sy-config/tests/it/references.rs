//! References to the environment and to files.

use crate::sandbox::{OPENCODE, Sandbox, USER, leaf};

fn provider(options: &str) -> String {
    format!(r#"{{"provider": {{"x": {{"options": {{{options}}}}}}}}}"#)
}

#[track_caller]
fn key_of(sandbox: &Sandbox) -> String {
    sandbox.config().provider["x"].options.api_key.as_ref().expect("a key").expose().to_owned()
}

#[test]
fn every_form_is_replaced() {
    for (written, expected) in [
        ("{env:ONE}", "first"),
        ("${ONE}", "first"),
        ("a-{env:ONE}-${TWO}-b", "a-first-{env:ONE}-b"),
        ("{file:key.txt}", "from a file"),
        ("{file:~/key.txt}", "from home"),
        ("$ONE {ONE} ${ONE", "$ONE {ONE} ${ONE"),
    ] {
        let mut sandbox = Sandbox::with_user(&provider(&format!(r#""apiKey": "{written}""#)));
        sandbox.set("ONE", "first");
        sandbox.set("TWO", "{env:ONE}");
        sandbox.write("home/.config/switchyard/key.txt", "  from a file\n");
        sandbox.write("home/key.txt", "from home");
        assert_eq!(key_of(&sandbox), expected, "{written}");
    }
}

#[test]
fn an_absolute_file_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("elsewhere/key", "absolute");
    let file = sandbox.path("elsewhere/key").display().to_string();
    sandbox.write(USER, &provider(&format!(r#""apiKey": "{{file:{file}}}""#)));
    assert_eq!(key_of(&sandbox), "absolute");
}

#[test]
fn an_unset_variable_is_a_problem_with_its_place() {
    for written in ["{env:MISSING}", "${MISSING}", "x{env:MISSING}"] {
        let sandbox = Sandbox::with_user(&provider(&format!(r#""apiKey": "{written}""#)));
        let expected = "switchyard.jsonc:1:43: `provider.x.options.apiKey`: environment variable MISSING is not set";
        assert_eq!(sandbox.problems(), [expected], "{written}");
    }
    let sandbox = Sandbox::with_user(r#"{"server": {"host": "{env:MISSING}"}}"#);
    assert_eq!(
        sandbox.problems()[0],
        "switchyard.jsonc:1:21: `server.host`: environment variable MISSING is not set"
    );
}

#[test]
fn an_unset_variable_in_an_address_stays_for_the_catalog() {
    let text = provider(r#""baseURL": "https://${ACCOUNT}.example.com/${REGION}""#);
    let mut sandbox = Sandbox::with_user(&text);
    sandbox.set("REGION", "eu");
    let config = sandbox.config();
    assert_eq!(
        config.provider["x"].options.base_url.as_deref(),
        Some("https://${ACCOUNT}.example.com/eu")
    );
    let sandbox = Sandbox::with_user(&provider(r#""baseURL": "{env:MISSING}""#));
    assert_eq!(sandbox.problems().len(), 1);
}

#[test]
fn in_opencode_files_an_unset_variable_leaves_a_key_out() {
    let sandbox = Sandbox::new();
    sandbox.write(OPENCODE, &provider(r#""apiKey": "{env:MISSING}", "headers": {"Authorization": "Bearer {env:MISSING}", "X-Team": "t{env:MISSING}"}"#));
    let options = sandbox.config().provider["x"].options.clone();
    assert_eq!((options.api_key, options.headers.len()), (None, 1));
    assert_eq!(options.headers["X-Team"].expose(), "t");
    assert_eq!(
        sandbox.notices(),
        [
            "opencode.json:1:43: `provider.x.options.apiKey` is left out: environment variable MISSING is not set",
            "opencode.json:1:89: `provider.x.options.headers.Authorization` is left out: environment variable MISSING is not set",
        ]
    );
}

#[test]
fn in_opencode_files_an_address_with_an_unset_variable_is_left_out() {
    let sandbox = Sandbox::new();
    sandbox.write(OPENCODE, &provider(r#""baseURL": "https://{env:MISSING}/v1""#));
    assert_eq!(sandbox.config().provider["x"].options.base_url, None);
    let expected = "opencode.json:1:44: `provider.x.options.baseURL` is left out: environment variable MISSING is not set";
    assert_eq!(sandbox.notices(), [expected]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_everywhere() {
    for file in [USER, OPENCODE] {
        let sandbox = Sandbox::new();
        sandbox.write(file, &provider(r#""apiKey": "{file:none.txt}""#));
        let problems = sandbox.problems();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains(":1:43: `provider.x.options.apiKey`: cannot read "),
            "{}",
            problems[0]
        );
    }
}

#[test]
fn what_references_stand_for_is_checked_too() {
    let mut sandbox = Sandbox::with_user(
        r#"{"log": {"format": "{env:FORMAT}"}, "server": {"port": "{env:PORT}"}}"#,
    );
    sandbox.set("FORMAT", "yaml");
    sandbox.set("PORT", "80");
    let problems = sandbox.try_load().expect_err("problems");
    assert_eq!(problems[0].message, "`log.format`: expected one of auto, json, text, got a string");
    assert_eq!(problems[1].help.as_deref(), Some("a reference always gives a string"));
}

#[test]
fn the_merged_value_shows_references_as_they_were_written() {
    let mut sandbox = Sandbox::with_user(r#"{"model": "{env:MODEL}"}"#);
    sandbox.set("MODEL", "p/m");
    let loaded = sandbox.load();
    assert_eq!(
        (loaded.config.model.as_deref(), leaf(&loaded, "/model").as_str()),
        (Some("p/m"), Some("{env:MODEL}"))
    );
}

#[test]
fn references_have_a_budget() {
    let sandbox = Sandbox::new();
    sandbox.write("home/.config/switchyard/big", &"x".repeat(1_000_000));
    let many: Vec<String> = (0..4000).map(|n| format!("\"h{n}\": \"{{file:big}}\"")).collect();
    sandbox.write(USER, &provider(&format!("\"headers\": {{{}}}", many.join(","))));
    let problems = sandbox.problems();
    assert!(problems[0].contains("all references to stand for at most"), "{}", problems[0]);
    assert!(problems.len() < 60, "{}", problems.len());
}

#[cfg(unix)]
#[test]
fn a_reference_leads_to_regular_files_only() {
    let sandbox = Sandbox::with_user(&provider(r#""apiKey": "{file:link}""#));
    std::os::unix::fs::symlink("/dev/zero", sandbox.path("home/.config/switchyard/link"))
        .expect("a link");
    assert!(sandbox.problems()[0].contains("expected a regular file, got a device"));
}
