//! Known answers, made with another implementation (OpenSSL by way of Python's `cryptography`).

use serde_json::{Value, json};
use sy_types::Secret;
use zeroize::Zeroizing;

use super::{open_gcm, read};
use crate::credential::Credential;
use crate::entry::Entry;
use crate::error::Error;
use crate::vault::header::KeySettings;

const PASSPHRASE: &str = "correct horse battery staple";

fn settings(current: Option<&str>, previous: Option<&str>) -> KeySettings {
    KeySettings { current: current.map(Secret::new), previous: previous.map(Secret::new) }
}

fn sealed_key() -> Value {
    json!({"iv": "000102030405060708090a0b0c0d0e0f", "data": "70e7941eaea747656244537a82dacb962ce6045c2d0f3eaf5626b1",
        "tag": "947489cdd4992210ab35ea05efbe8dbb"})
}

fn sealed_tokens() -> Value {
    json!({"iv": "101112131415161718191a1b1c1d1e1f", "tag": "9105064cc7df360062b02166144cc69c",
        "data": "e922729affca6bba3169721000ded15b72a0a50b85c58181437cf4ec1928ed3de0e5ce59ac3588d45befc7ba10c412fff7aef7a46f\
                 8ab1c5bb8b85c71540bde82e2d105b10dda92a507ce6469d04106939d565ef3c02d4c18440bd941d629751956a377a"})
}

#[track_caller]
fn check_gcm(iv: &str, aad: &[u8], plain: &[u8], data: &str, tag: &str) {
    let key = Zeroizing::new(std::array::from_fn(|index| index as u8));
    let [iv, data, mut tag] = [iv, data, tag].map(|digits| hex::decode(digits).unwrap());
    assert_eq!(open_gcm(&key, &iv, aad, &data, &tag).as_deref().map(Vec::as_slice), Some(plain));
    tag[15] ^= 1;
    assert!(open_gcm(&key, &iv, aad, &data, &tag).is_none(), "a changed tag");
    tag[15] ^= 1;
    assert!(open_gcm(&key, &iv, b"other", &data, &tag).is_none(), "other associated data");
    assert!(open_gcm(&key, &iv, aad, &data, &tag[..12]).is_none(), "a shortened tag");
    assert!(open_gcm(&key, &iv[1..], aad, &data, &tag).is_none(), "another nonce");
    if let Some((_, rest)) = data.split_first() {
        assert!(open_gcm(&key, &iv, aad, rest, &tag).is_none(), "shortened data");
    }
}

#[test]
fn opens_gcm_with_a_nonce_of_any_length() {
    check_gcm("080f161d242b3239", b"", b"", "", "55448f6a53e9440926d5366e0bace9fe");
    check_gcm(
        "080f161d242b3239",
        b"header",
        &[b'y'; 37],
        "11566ce4309e24b69d428801f1fbab575b9da8cbf86d3e9fcea357deed9c7ec90a830135e2",
        "3f5c35f3ef1b7887f1c1781faab07dba",
    );
    check_gcm(
        "0c131a21282f363d444b5259",
        b"",
        &[b'x'; 16],
        "4eb6a7ef5dc64cdc7a47e843b06294ac",
        "b4a46092730db412b7675a562820a059",
    );
    check_gcm("10171e252c333a41484f565d646b7279", b"", b"", "", "43bed5edea4fe8ceacb82eb03ef6947d");
    check_gcm(
        "10171e252c333a41484f565d646b7279",
        b"",
        &[b'x'; 16],
        "4c3fb35fcd6f6355cd64293b5d26ba48",
        "8aede61bd149220f21e966cf9fac553f",
    );
    check_gcm(
        "10171e252c333a41484f565d646b7279",
        b"header",
        &[b'y'; 37],
        "4d3eb25ecc6e6254cc65283a5c27bb49b345b430526ad7a921641043f4510fec09b8e73573",
        "882b3d509325ba425004bcd24024ec3f",
    );
    check_gcm(
        "3c434a51585f666d747b828990979ea5acb3bac1c8cfd6dde4ebf2f900070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9",
        b"header",
        &[b'y'; 37],
        "333c40f23fde941b8031a3a64aab0d69c430b6edfa10d7f39c74881fc6867a9f1098561440",
        "7f06bc57507a49fc8e6b472489a32ca3",
    );
}

#[test]
fn reads_the_older_sealed_form_with_the_current_or_the_previous_passphrase() {
    for settings in [settings(Some(PASSPHRASE), None), settings(Some("other"), Some(PASSPHRASE))] {
        let entry = read(&sealed_key(), "token", &settings).unwrap();
        assert_eq!(
            entry,
            Entry::from(Credential::ApiKey(Secret::new("sk-legacy-canary-0123456789")))
        );
        let Credential::OAuth(tokens) =
            read(&sealed_tokens(), "oauth", &settings).unwrap().credential
        else {
            panic!("expected a sign-in")
        };
        assert_eq!((tokens.access.expose(), tokens.refresh.expose()), ("at-canary", "rt-canary"));
        assert_eq!(
            (tokens.expires_at_ms, tokens.account_id.as_deref()),
            (Some(4_102_444_800_000), Some("me"))
        );
    }
}

#[test]
fn plain_text_passes_through() {
    let entry = read(&json!("sk-plain-canary"), "token", &settings(None, None)).unwrap();
    assert_eq!(entry.credential.secret().expose(), "sk-plain-canary");
}

#[test]
fn what_carries_the_marker_and_does_not_open_is_an_error() {
    let given = settings(Some(PASSPHRASE), None);
    let mut changed = sealed_key();
    changed["tag"] = json!("947489cdd4992210ab35ea05efbe8dbc");
    let mut no_hex = sealed_key();
    no_hex["data"] = json!("canary");
    for secret in [changed, no_hex, json!({"iv": "00"}), json!(5), json!(null)] {
        let error = read(&secret, "token", &given).unwrap_err();
        assert!(
            matches!(error, Error::Invalid(_)) && !error.to_string().contains("canary"),
            "{error}"
        );
    }
    assert!(matches!(
        read(&sealed_key(), "token", &settings(Some("wrong"), None)),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(read(&sealed_key(), "token", &settings(None, None)), Err(Error::WrongKey(_))));
    assert!(matches!(read(&json!("x"), "oauth", &given), Err(Error::Invalid(_))));
    assert!(matches!(read(&json!("x"), "other", &given), Err(Error::Invalid(_))));
}
