//! Where a token is accepted and what a refused caller reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use sy_access::{Access, Settings};
use sy_types::{ErrorKind, Principal, Side};

use crate::{access_with, settings};

const TOKEN: &str = "sy-right-token-0123456789";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[track_caller]
fn check(pairs: &[(&str, &str)], query: Option<&str>, expected: bool) {
    let result = access_with(TOKEN).authenticate(&headers(pairs), query);
    assert_eq!(result.is_ok(), expected, "{pairs:?} {query:?}");
    match result {
        Ok(principal) => assert_eq!(principal, Principal::Owner),
        Err(failure) => {
            assert_eq!((failure.kind, failure.side), (ErrorKind::Unauthenticated, Side::Caller))
        }
    }
}

#[test]
fn accepts_the_token_in_every_known_place() {
    check(&[("authorization", &format!("Bearer {TOKEN}"))], None, true);
    check(&[("authorization", &format!("bearer   {TOKEN}"))], None, true);
    check(&[("authorization", TOKEN)], None, true);
    check(&[("authorization", &basic(&format!("anybody:{TOKEN}")))], None, true);
    check(&[("authorization", &basic(&format!(":{TOKEN}")))], None, true);
    check(&[("x-api-key", TOKEN)], None, true);
    check(&[("x-goog-api-key", TOKEN)], None, true);
    check(&[("api-key", TOKEN)], None, true);
    check(&[], Some(&format!("alt=sse&key={TOKEN}")), true);
    check(&[], Some(&format!("k%65y={}", TOKEN.replace('-', "%2D"))), true);
}

#[test]
fn one_right_token_beside_placeholders_is_enough() {
    check(&[("authorization", "Bearer placeholder"), ("x-api-key", TOKEN)], None, true);
    check(&[("x-api-key", "placeholder")], Some(&format!("key={TOKEN}")), true);
    check(
        &[("authorization", "Bearer placeholder"), ("authorization", &format!("Bearer {TOKEN}"))],
        None,
        true,
    );
}

#[test]
fn refuses_everything_else() {
    check(&[], None, false);
    check(&[("authorization", "")], Some("key="), false);
    check(&[("authorization", "Bearer ")], None, false);
    check(&[("authorization", &format!("Bearer {TOKEN}x"))], None, false);
    check(&[("authorization", &format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]))], None, false);
    check(&[("authorization", &format!("Digest {TOKEN}"))], None, false);
    check(&[("authorization", &basic(&format!("{TOKEN}:wrong")))], None, false);
    check(&[("authorization", "Basic !!!")], None, false);
    check(&[("x-api-key", &TOKEN.to_uppercase())], None, false);
    check(&[("x-other", TOKEN)], Some(&format!("token={TOKEN}")), false);
}

#[test]
fn a_refusal_names_the_place_of_the_token_and_never_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(settings(folder.path())).unwrap();
    let file = folder.path().join("state/token");
    let missing = access.authenticate(&HeaderMap::new(), None).unwrap_err().message;
    let wrong = access
        .authenticate(&headers(&[("x-api-key", "canary-77")]), Some("key=canary-78"))
        .unwrap_err()
        .message;
    for message in [&missing, &wrong] {
        assert!(message.contains("switchyard env"), "{message}");
        assert!(!message.contains(&folder.path().display().to_string()), "{message}");
        assert!(
            message.contains("x-api-key") && message.contains("Authorization: Bearer"),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
        assert!(!message.contains(std::fs::read_to_string(&file).unwrap().trim()), "{message}");
    }
    assert_ne!(missing, wrong);
}

#[test]
fn strangers_from_other_machines_do_not_learn_the_path() {
    let folder = tempfile::tempdir().unwrap();
    Access::open(settings(folder.path())).unwrap();
    let public =
        Access::open(Settings { bind: [0, 0, 0, 0].into(), ..settings(folder.path()) }).unwrap();
    let message = public.authenticate(&HeaderMap::new(), None).unwrap_err().message;
    assert!(!message.contains(&folder.path().display().to_string()), "{message}");
}

#[test]
fn wrong_tokens_in_number_are_told_to_wait_and_the_right_one_never_is() {
    let access = access_with(TOKEN);
    let peer = Some([192, 0, 2, 1].into());
    let wrong = headers(&[("x-api-key", "wrong")]);
    let kinds: Vec<ErrorKind> = (0..100)
        .map(|_| access.authenticate_from(peer, &wrong, None).unwrap_err())
        .map(|failure| {
            assert_eq!(failure.retry_after.is_some(), failure.kind == ErrorKind::RateLimited);
            failure.kind
        })
        .collect();
    assert_eq!(kinds.first(), Some(&ErrorKind::Unauthenticated));
    assert_eq!(kinds.last(), Some(&ErrorKind::RateLimited));

    let right = headers(&[("x-api-key", TOKEN)]);
    assert_eq!(access.authenticate_from(peer, &right, None), Ok(Principal::Owner));
    let none = access.authenticate_from(peer, &HeaderMap::new(), None).unwrap_err();
    assert_eq!(none.kind, ErrorKind::Unauthenticated);
}

#[test]
fn everybody_on_loopback_is_anonymous_when_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let access =
        Access::open(Settings { unauthenticated: true, ..settings(folder.path()) }).unwrap();
    assert_eq!(access.authenticate(&HeaderMap::new(), None), Ok(Principal::Anonymous));
    assert!(!folder.path().join("state").exists(), "no token is made that nobody asks for");
}

#[test]
fn debug_shows_no_token() {
    let text = format!("{:?}", access_with(TOKEN));
    assert!(!text.contains(TOKEN), "{text}");
}
