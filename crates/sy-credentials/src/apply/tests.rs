//! What stands on a call after a credential was applied.

use std::collections::HashSet;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use sy_types::{AuthScheme, CallBody, HttpCall, Secret};

use super::{apply, signed};
use crate::credential::{Credential, Lease, OAuth, Source, WellKnown};

fn call() -> HttpCall {
    let mut headers = HeaderMap::new();
    headers.append("authorization", HeaderValue::from_static("Bearer foreign-1"));
    headers.append("authorization", HeaderValue::from_static("Bearer foreign-2"));
    headers.insert("x-api-key", HeaderValue::from_static("foreign-3"));
    HttpCall {
        method: Method::POST,
        url: "https://provider.test/v1".parse().unwrap(),
        headers,
        body: CallBody::default(),
    }
}

fn key(text: &str) -> Lease {
    Lease::new(Credential::ApiKey(Secret::new(text)), Source::Vault, "default")
}

fn sign_in(access: &str) -> Lease {
    let tokens = OAuth {
        access: Secret::new(access),
        refresh: Secret::new("refresh-canary"),
        expires_at_ms: None,
        account_id: None,
        enterprise_url: None,
    };
    Lease::new(Credential::OAuth(tokens), Source::OpenCode, "default")
}

fn well_known(token: &str) -> Lease {
    let known = WellKnown { variable: "CORP_TOKEN".to_owned(), token: Secret::new(token) };
    Lease::new(Credential::WellKnown(known), Source::OpenCode, "default")
}

/// Applies twice, because the second time takes what the first one prepared.
#[track_caller]
fn check(lease: &Lease, scheme: AuthScheme, header: &str, expected: &[&str]) {
    for _ in 0..2 {
        let mut call = call();
        apply(lease, scheme, &mut call).unwrap();
        let values: Vec<&str> =
            call.headers.get_all(header).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(values, expected, "{scheme:?} {header}");
        assert!(!format!("{call:?} {lease:?}").contains("canary"));
    }
}

#[test]
fn a_key_replaces_every_header_of_its_name() {
    check(&key("sk-canary"), AuthScheme::Bearer, "authorization", &["Bearer sk-canary"]);
    check(&key("sk-canary"), AuthScheme::Header("x-api-key"), "x-api-key", &["sk-canary"]);
    check(
        &key("sk-canary"),
        AuthScheme::Header("x-goog-api-key"),
        "x-goog-api-key",
        &["sk-canary"],
    );
}

#[test]
fn no_scheme_adds_nothing() {
    let mut call = call();
    let before = call.headers.clone();
    apply(&key("sk-canary"), AuthScheme::None, &mut call).unwrap();
    assert_eq!(call.headers, before);
}

#[test]
fn tokens_go_as_bearer_in_place_of_the_keys_header() {
    for lease in [sign_in("at-canary"), well_known("at-canary")] {
        for scheme in
            [AuthScheme::Bearer, AuthScheme::Header("x-api-key"), AuthScheme::SignedIdSecret]
        {
            check(&lease, scheme, "authorization", &["Bearer at-canary"]);
        }
        check(&lease, AuthScheme::Header("x-api-key"), "x-api-key", &[]);
    }
}

#[test]
fn values_are_sensitive() {
    let mut call = call();
    apply(&key("sk-canary"), AuthScheme::Bearer, &mut call).unwrap();
    apply(&key("sk-canary"), AuthScheme::Header("api-key"), &mut call).unwrap();
    apply(&key("id.canary"), AuthScheme::SignedIdSecret, &mut call).unwrap();
    assert!(call.headers["authorization"].is_sensitive() && call.headers["api-key"].is_sensitive());
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_showing_it() {
    for scheme in [AuthScheme::Bearer, AuthScheme::Header("x-api-key"), AuthScheme::SignedIdSecret]
    {
        let failure = apply(&key("canary\nX-Evil: 1"), scheme, &mut call()).unwrap_err();
        assert!(
            failure.message.contains("header") && !failure.message.contains("canary"),
            "{failure}"
        );
    }
}

fn decoded(value: &HeaderValue, secret: &str) -> Value {
    let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims = HashSet::new();
    decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &validation)
        .unwrap()
        .claims
}

#[test]
fn an_id_secret_key_is_signed_as_the_vendor_expects() {
    let mut call = call();
    let before = crate::credential::now_ms();
    apply(&key("some-id.canary-secret"), AuthScheme::SignedIdSecret, &mut call).unwrap();
    let value = &call.headers[AUTHORIZATION];
    let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(
        serde_json::to_value(&header).unwrap(),
        json!({"alg": "HS256", "sign_type": "SIGN"})
    );
    let claims = decoded(value, "canary-secret");
    let timestamp = claims["timestamp"].as_i64().unwrap();
    assert!((before..=crate::credential::now_ms()).contains(&timestamp));
    assert_eq!(
        claims,
        json!({"api_key": "some-id", "exp": timestamp + 210_000, "timestamp": timestamp})
    );
}

#[test]
fn a_signed_token_is_reused_for_three_minutes_and_per_key() {
    let start = 1_772_359_200_000;
    let (lease, other) = (key("id.secret"), key("id2.secret"));
    let first = signed(&lease, start).unwrap();
    assert_eq!(signed(&lease, start + 179_999).unwrap(), first);
    let second = signed(&lease, start + 180_000).unwrap();
    assert_ne!(second, first);
    assert_eq!(decoded(&second, "secret")["exp"], json!(start + 180_000 + 210_000));
    assert_eq!(decoded(&signed(&other, start).unwrap(), "secret")["api_key"], json!("id2"));
    assert_eq!(
        signed(&lease, start + 180_001).unwrap(),
        second,
        "another key does not push it out"
    );
}

#[test]
fn a_signed_token_is_made_anew_when_the_clock_was_set() {
    let start = 1_772_359_200_000;
    let lease = key("id.secret");
    let first = signed(&lease, start).unwrap();
    // Back: to the provider the token would be of the future.
    let back = signed(&lease, start - 3_600_000).unwrap();
    assert_eq!(decoded(&back, "secret")["timestamp"], json!(start - 3_600_000));
    // Forward: it would have expired.
    let forward = signed(&lease, start).unwrap();
    assert_eq!(forward, first, "the same times make the same token");
    assert_ne!(forward, back);
}

#[test]
fn keys_of_another_form_go_as_they_are() {
    for text in ["plain", "a.b.c", ".b", "a.", "."] {
        check(
            &key(text),
            AuthScheme::SignedIdSecret,
            "authorization",
            &[&format!("Bearer {text}")],
        );
    }
}
