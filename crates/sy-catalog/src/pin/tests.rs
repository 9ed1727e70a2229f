//! Catalogs that lie, one after the other.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Change, Difference, differences, is_plain_https};
use crate::bundle::{Bundle, pack_quickly};

fn bundle(text: &Value) -> Bundle {
    Bundle::new(Bytes::from(pack_quickly(text.to_string().as_bytes(), b"").unwrap()))
}

fn provider(api: Value, npm: &str, env: &[&str], model: Value) -> Value {
    let models = Value::from_iter([("m", model)]);
    Value::from_iter([("api", api), ("npm", npm.into()), ("env", env.into()), ("models", models)])
}

const COMPATIBLE: &str = "@ai-sdk/openai-compatible";

#[track_caller]
fn check(known: Value, offered: Value, expected: &[Change]) {
    let [known, offered] = [known, offered].map(|entry| bundle(&Value::from_iter([("p", entry)])));
    let found: Vec<Change> =
        differences(&known, &offered).into_iter().map(|difference| difference.change).collect();
    assert_eq!(found, expected);
}

fn moved(pinned: &str, offered: &str) -> Change {
    Change::Address { pinned: pinned.to_owned(), offered: offered.to_owned() }
}

#[test]
fn a_known_provider_stays_where_it_is() {
    let known = || provider(json!("https://a.test/v1"), COMPATIBLE, &["A_KEY"], json!({}));
    let row = |api: &str| provider(json!(api), COMPATIBLE, &["A_KEY"], json!({}));
    check(known(), row("https://a.test/v2/other"), &[]);
    for elsewhere in [
        "https://evil.test",
        "http://a.test",
        "https://a.test.evil.test",
        "https://a.test@evil.test",
        "https://a.test:444",
        "https://a.test\\.evil.test",
    ] {
        check(known(), row(&format!("{elsewhere}/v1")), &[moved("https://a.test", elsewhere)]);
    }
    let leak = row("https://a.test/${AWS_SECRET_ACCESS_KEY}/v1");
    check(known(), leak, &[moved("https://a.test", "https://a.test")]);
    let package = provider(Value::Null, "@ai-sdk/groq", &["A_KEY"], json!({}));
    check(known(), package, &[]);
    let known = provider(Value::Null, "@ai-sdk/openai", &["A_KEY"], json!({}));
    let package = provider(Value::Null, "@ai-sdk/groq", &["A_KEY"], json!({}));
    check(known, package, &[moved("https://api.openai.com", "https://api.groq.com")]);
}

#[test]
fn its_models_stay_as_well() {
    let known = || provider(json!("https://a.test/v1"), COMPATIBLE, &[], json!({}));
    let model = |own: Value| {
        provider(json!("https://a.test/v1"), COMPATIBLE, &[], json!({"provider": own}))
    };
    check(known(), model(json!({"npm": "@ai-sdk/anthropic"})), &[]);
    check(known(), model(json!({"api": "https://a.test/anthropic"})), &[]);
    let evil = model(json!({"api": "https://evil.test/v1"}));
    check(known(), evil, &[moved("https://a.test", "https://evil.test")]);
    let two = model(json!({"api": "https://b.test/v1"}));
    check(two.clone(), two, &[]);
}

#[test]
fn variables_stay_those_of_the_snapshot() {
    let row = |env: &[&str]| provider(json!("https://a.test/v1"), COMPATIBLE, env, json!({}));
    check(row(&["A_KEY", "B_KEY"]), row(&["A_KEY"]), &[]);
    let (pinned, offered) = (vec!["A_KEY".to_owned()], vec!["HOME".to_owned()]);
    check(row(&["A_KEY"]), row(&["HOME"]), &[Change::Variables { pinned, offered }]);
}

#[test]
fn a_new_provider_gets_nothing_by_itself() {
    let offered = bundle(
        &json!({"new": provider(json!("https://n.test/${HOME}"), COMPATIBLE, &["HOME"], json!({}))}),
    );
    let known = bundle(&json!({"p": provider(Value::Null, COMPATIBLE, &[], json!({}))}));
    let found = differences(&known, &offered);
    assert_eq!(found.len(), 2, "{found:?}");
    let texts: Vec<String> = found.iter().map(Difference::to_string).collect();
    assert!(texts.iter().all(|text| text.starts_with("new: a new provider")), "{texts:?}");
    assert!(texts[1].contains("wants HOME; no variable is read for it"), "{texts:?}");
}

#[test]
fn a_new_address_is_https_and_takes_nothing_in() {
    assert!(is_plain_https("https://n.test/v1"));
    for address in ["http://n.test", "https://${X}.test", "https://u:p@n.test", "n.test", ""] {
        assert!(!is_plain_https(address), "{address}");
    }
}
