//! The order of the sources, and what each of them takes.

use std::sync::Arc;
use std::thread;

use sy_credentials::{Credentials, DEFAULT_ACCOUNT, Kind, Settings, Source};
use sy_types::{AuthScheme, CallBody, ErrorKind, HttpCall, Side};

use crate::{Home, config_with_key, key, names, put, text};

#[test]
fn configuration_then_vault_then_opencode_then_environment() {
    let home = Home::new();
    let variables = names(&["P_API_KEY"]);
    let environment = [("P_API_KEY", "of-environment")];
    let check = |credentials: &Credentials, expected: &str, source: Source| {
        let lease = credentials.lease("p", &variables, None).unwrap();
        assert_eq!(
            (text(&lease).as_str(), &lease.source, lease.account.as_str()),
            (expected, &source, DEFAULT_ACCOUNT)
        );
        assert!(credentials.is_connected("p", &variables));
    };
    let credentials = home.open_with(&environment);
    check(&credentials, "of-environment", Source::Environment("P_API_KEY".to_owned()));
    home.write_auth_file(r#"{"p": {"type": "api", "key": "of-opencode"}}"#);
    credentials.refresh();
    check(&credentials, "of-opencode", Source::OpenCode);
    put(&credentials, "p", "of-vault");
    check(&credentials, "of-vault", Source::Vault);
    credentials.reconfigure(&config_with_key("p", "of-configuration"));
    check(&credentials, "of-configuration", Source::Configuration);

    let mut without_opencode = config_with_key("p", "");
    without_opencode.credentials.opencode_auth = false;
    credentials.reconfigure(&without_opencode);
    check(&credentials, "of-vault", Source::Vault);
    credentials.remove("p", None).unwrap();
    check(&credentials, "of-environment", Source::Environment("P_API_KEY".to_owned()));
}

#[test]
fn a_named_account_is_never_another_source() {
    let home = Home::new();
    let config = Arc::new(config_with_key("p", "of-configuration"));
    let credentials =
        Credentials::open(Settings { config, ..home.settings(&[("P_API_KEY", "of-environment")]) })
            .unwrap();
    let failure = credentials.lease("p", &names(&["P_API_KEY"]), Some("work")).unwrap_err();
    assert!(failure.message.contains("`work`"), "{failure}");
    credentials.put("p", Some("work"), key("of-work"), None).unwrap();
    assert_eq!(text(&credentials.lease("p", &[], Some("work")).unwrap()), "of-work");
}

#[track_caller]
fn check_environment(variables: &[&str], environment: &[(&str, &str)], expected: Option<&str>) {
    let home = Home::new();
    let credentials = home.open_with(environment);
    let variables = names(variables);
    let lease = credentials.lease("p", &variables, None);
    assert_eq!(
        lease.as_ref().ok().map(|lease| text(lease)).as_deref(),
        expected,
        "{variables:?} {environment:?}"
    );
    assert_eq!(credentials.is_connected("p", &variables), expected.is_some());
    if let Ok(lease) = lease {
        let again = credentials.lease("p", &variables, None).unwrap();
        assert!(Arc::ptr_eq(&lease, &again), "a lease is made once");
    }
}

#[test]
fn the_first_variable_that_holds_a_key_counts() {
    let three = ["G_API_KEY", "G_GENERATIVE_AI_API_KEY", "GEM_API_KEY"];
    check_environment(&three, &[("GEM_API_KEY", "third")], Some("third"));
    check_environment(&three, &[("GEM_API_KEY", "third"), ("G_API_KEY", "first")], Some("first"));
    check_environment(&three, &[("G_API_KEY", " "), ("GEM_API_KEY", "third")], Some("third"));
    check_environment(&["P_API_KEY"], &[("P_API_KEY", "  padded\n")], Some("padded"));
    check_environment(&["C_ACCOUNT_ID", "C_API_TOKEN"], &[("C_ACCOUNT_ID", "account")], None);
    check_environment(
        &["C_ACCOUNT_ID", "C_API_TOKEN"],
        &[("C_ACCOUNT_ID", "account"), ("C_API_TOKEN", "token")],
        Some("token"),
    );
    check_environment(&["P_API_KEY"], &[("OTHER_API_KEY", "other")], None);
    check_environment(&[], &[("P_API_KEY", "key")], None);
}

#[test]
fn an_unusable_key_is_named_and_not_shown() {
    let home = Home::new();
    let credentials = home.open_with(&[("P_API_KEY", "canary with space")]);
    let variables = names(&["P_API_KEY"]);
    let failure = credentials.lease("p", &variables, None).unwrap_err();
    assert!(
        failure.message.contains("P_API_KEY") && !failure.message.contains("canary"),
        "{failure}"
    );
    assert!(!credentials.is_connected("p", &variables));
    credentials.reconfigure(&config_with_key("p", "canary\u{1}"));
    let failure = credentials.lease("p", &variables, None).unwrap_err();
    assert!(
        failure.message.contains("provider.p.options.apiKey")
            && !failure.message.contains("canary"),
        "{failure}"
    );
    assert!(credentials.list()[0].problem.is_some());
}

#[test]
fn a_missing_credential_says_what_to_do() {
    let failure =
        Home::new().open().lease("openai", &names(&["OPENAI_API_KEY"]), None).unwrap_err();
    assert_eq!((failure.kind, failure.side), (ErrorKind::Unauthenticated, Side::Gateway));
    for step in ["switchyard auth login openai", "provider.openai.options.apiKey", "OPENAI_API_KEY"]
    {
        assert!(failure.message.contains(step), "{failure}");
    }
}

#[test]
fn the_list_shows_each_source_in_its_order() {
    let home = Home::new();
    home.write_auth_file(r#"{"b": {"type": "oauth", "refresh": "r", "access": "at-0123456789abcd", "expires": 0}, "a": {"type": "api", "key": "k"}}"#);
    let config = Arc::new(config_with_key("b", "sk-0123456789efgh"));
    let credentials = Credentials::open(Settings { config, ..home.settings(&[]) }).unwrap();
    credentials.put("b", Some("work"), key("k"), None).unwrap();
    credentials.put("b", None, key("k"), None).unwrap();
    let list = credentials.list();
    let shown: Vec<_> = list
        .iter()
        .map(|row| {
            (
                row.provider.as_str(),
                row.account.as_str(),
                &row.source,
                row.kind,
                row.masked.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("a", "default", &Source::OpenCode, Some(Kind::Token), "…"),
            ("b", "default", &Source::Configuration, Some(Kind::Token), "…efgh"),
            ("b", "default", &Source::Vault, Some(Kind::Token), "…"),
            ("b", "default", &Source::OpenCode, Some(Kind::OAuth), "…abcd"),
            ("b", "work", &Source::Vault, Some(Kind::Token), "…"),
        ]
    );
}

#[test]
fn concurrent_calls_carry_their_own_key_only() {
    let home = Home::new();
    let credentials = home.open();
    for index in 0..50 {
        put(&credentials, &format!("p{index}"), &format!("key-{index}"));
    }
    let threads: Vec<_> = (0..50)
        .map(|index| {
            let credentials = credentials.clone();
            thread::spawn(move || {
                for _ in 0..200 {
                    let lease = credentials.lease(&format!("p{index}"), &[], None).unwrap();
                    let mut call = HttpCall {
                        method: http::Method::POST,
                        url: "https://provider.test/".parse().unwrap(),
                        headers: http::HeaderMap::new(),
                        body: CallBody::default(),
                    };
                    sy_credentials::apply(&lease, AuthScheme::Bearer, &mut call).unwrap();
                    assert_eq!(call.headers["authorization"], format!("Bearer key-{index}"));
                    assert_eq!(call.headers.len(), 1);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
