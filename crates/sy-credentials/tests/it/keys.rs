//! The vault's own keys: where they come from, a wrong one, and rotation.

use std::fs;

use serde_json::Value;
use sy_credentials::{Credentials, Error, Settings};
use sy_types::ErrorKind;

use crate::{Home, files_below, key, leased, put};

const RAW: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_RAW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const RAW_BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PASSPHRASE: &str = "correct horse battery staple";
const CURRENT: &str = "SWITCHYARD_ENCRYPTION_KEY";
const PREVIOUS: &str = "SWITCHYARD_ENCRYPTION_KEY_PREVIOUS";

fn header(home: &Home, kid: &str) -> Value {
    serde_json::from_str(
        &fs::read_to_string(home.vault().join(format!("keys/{kid}.json"))).unwrap(),
    )
    .unwrap()
}

fn kids(home: &Home) -> Vec<String> {
    let names = files_below(&home.vault().join("keys")).into_iter();
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Returns the key that each record of the profile `default` names.
fn sealed_with(home: &Home) -> Vec<String> {
    let records = files_below(&home.vault().join("profiles/default")).into_iter();
    let kid = |path| {
        serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()["enc"]["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    records.map(kid).collect()
}

#[test]
fn without_a_setting_a_random_key_is_kept_in_a_private_file() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        put(&home.open(), "a", "key-1");
        assert_eq!(header(home, "k1")["source"], "file");
    }
    let key = header(&home, "k1")["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 64);
    assert_ne!(header(&other, "k1")["key"], key.as_str());
}

#[test]
fn a_given_key_is_used_and_never_written_down() {
    for (value, again) in [(RAW, RAW_BASE64), (RAW_BASE64, RAW), (PASSPHRASE, PASSPHRASE)] {
        let home = Home::new();
        put(&home.open_with(&[(CURRENT, value)]), "a", "key-1");
        assert_eq!(leased(&home.open_with(&[(CURRENT, again)]), "a").as_deref(), Some("key-1"));
        for file in files_below(&home.vault()) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains(RAW) && !text.contains(RAW_BASE64) && !text.contains(PASSPHRASE),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn a_passphrase_is_stretched_with_a_random_salt() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        put(&home.open_with(&[(CURRENT, PASSPHRASE)]), "a", "key-1");
    }
    let header_of = |home| header(home, "k1");
    assert_eq!(header_of(&home)["source"], "passphrase");
    assert!(header_of(&home)["iterations"].as_u64().unwrap() >= 210_000);
    assert_eq!(header_of(&home)["salt"].as_str().unwrap().len(), 64);
    assert_ne!(header_of(&home)["salt"], header_of(&other)["salt"]);
    assert_ne!(header_of(&home)["check"], header_of(&other)["check"]);
}

#[test]
fn a_wrong_key_stops_the_start_with_a_next_step() {
    for (right, wrong) in
        [(RAW, OTHER_RAW), (RAW, PASSPHRASE), (PASSPHRASE, "wrong-canary"), (PASSPHRASE, RAW)]
    {
        let home = Home::new();
        put(&home.open_with(&[(CURRENT, right)]), "a", "key-1");
        let error = Credentials::open(home.settings(&[(CURRENT, wrong)])).unwrap_err();
        assert!(
            matches!(error, Error::WrongKey(_)) && error.kind() == ErrorKind::Conflict,
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains(CURRENT) && text.contains(PREVIOUS), "{text}");
        assert!(!text.contains(right) && !text.contains(wrong), "{text}");
    }
}

#[test]
fn a_missing_key_leaves_the_records_alone_and_refuses_new_ones() {
    let home = Home::new();
    put(&home.open_with(&[(CURRENT, RAW)]), "a", "key-1");
    let credentials = home.open();
    let failure = credentials.lease("a", &[], None).unwrap_err();
    assert!(failure.message.contains(CURRENT) && failure.message.contains("not set"), "{failure}");
    assert!(matches!(credentials.put("b", None, key("key-2"), None), Err(Error::WrongKey(_))));
    assert_eq!(kids(&home), ["k1"], "no other key is made behind the operator's back");
    assert_eq!(leased(&home.open_with(&[(CURRENT, RAW)]), "a").as_deref(), Some("key-1"));
}

#[test]
fn a_lost_key_file_is_told_as_such() {
    let home = Home::new();
    put(&home.open(), "a", "key-1");
    fs::remove_file(home.vault().join("keys/k1.json")).unwrap();
    let failure = home.open().lease("a", &[], None).unwrap_err();
    assert!(
        failure.message.contains("k1") && failure.message.contains("does not have"),
        "{failure}"
    );
}

#[test]
fn rotation_seals_every_record_of_every_profile_anew() {
    for environment in [&[][..], &[(CURRENT, PASSPHRASE)]] {
        let home = Home::new();
        let credentials = home.open_with(environment);
        let work = Credentials::open(Settings {
            profile: "work".to_owned(),
            ..home.settings(environment)
        })
        .unwrap();
        put(&credentials, "a", "key-a");
        put(&credentials, "b", "key-b");
        put(&work, "a", "key-of-work");
        let before: Vec<Value> = vec![header(&home, "k1")];
        let rotation = credentials.rotate().unwrap();
        assert_eq!((rotation.records, rotation.kid.as_str()), (3, "k2"));
        assert_eq!(
            (kids(&home), sealed_with(&home)),
            (vec!["k2".to_owned()], vec!["k2".to_owned(); 2])
        );
        assert_ne!(header(&home, "k2")["check"], before[0]["check"]);
        let reopened = home.open_with(environment);
        assert_eq!(leased(&reopened, "a").as_deref(), Some("key-a"));
        assert_eq!(leased(&reopened, "b").as_deref(), Some("key-b"));
        work.refresh();
        assert_eq!(leased(&work, "a").as_deref(), Some("key-of-work"));
        assert_eq!(credentials.rotate().unwrap().kid, "k3");
    }
}

#[test]
fn an_interrupted_rotation_keeps_the_old_key_and_can_be_ended() {
    let home = Home::new();
    let credentials = home.open();
    put(&credentials, "a", "key-a");
    put(&credentials, "z", "key-z");
    let damaged = home.record("m@default.json");
    fs::write(&damaged, "{}").unwrap();
    assert!(credentials.rotate().is_err());
    assert_eq!(kids(&home), ["k1", "k2"]);
    let reopened = home.open();
    assert_eq!(leased(&reopened, "a").as_deref(), Some("key-a"));
    assert_eq!(leased(&reopened, "z").as_deref(), Some("key-z"));
    assert_eq!(sealed_with_of(&home, "a"), "k2");
    assert_eq!(sealed_with_of(&home, "z"), "k1");
    fs::remove_file(damaged).unwrap();
    reopened.rotate().unwrap();
    assert_eq!(
        (kids(&home), sealed_with(&home)),
        (vec!["k3".to_owned()], vec!["k3".to_owned(); 2])
    );
}

fn sealed_with_of(home: &Home, provider: &str) -> String {
    let text = fs::read_to_string(home.record(&format!("{provider}@default.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["enc"]["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_given_key_is_changed_by_way_of_the_previous_one() {
    for (old, new) in
        [(RAW, OTHER_RAW), (RAW, PASSPHRASE), (PASSPHRASE, RAW), (PASSPHRASE, "another passphrase")]
    {
        let home = Home::new();
        put(&home.open_with(&[(CURRENT, old)]), "a", "key-1");
        let both = home.open_with(&[(CURRENT, new), (PREVIOUS, old)]);
        assert_eq!(leased(&both, "a").as_deref(), Some("key-1"));
        put(&both, "b", "key-2");
        both.rotate().unwrap();
        let after = home.open_with(&[(CURRENT, new)]);
        assert_eq!(leased(&after, "a").as_deref(), Some("key-1"));
        assert_eq!(leased(&after, "b").as_deref(), Some("key-2"));
        assert_eq!(kids(&home).len(), 1);
        assert!(Credentials::open(home.settings(&[(CURRENT, old)])).is_err());
    }
}

#[test]
fn a_raw_key_can_only_be_changed_by_the_operator() {
    let home = Home::new();
    let credentials = home.open_with(&[(CURRENT, RAW)]);
    put(&credentials, "a", "key-1");
    let error = credentials.rotate().unwrap_err();
    assert!(error.to_string().contains(PREVIOUS), "{error}");
    assert_eq!(leased(&credentials, "a").as_deref(), Some("key-1"));
}

#[test]
fn a_vault_moves_from_a_file_key_to_a_given_one() {
    let home = Home::new();
    put(&home.open(), "a", "key-1");
    let credentials = home.open_with(&[(CURRENT, RAW)]);
    assert_eq!(leased(&credentials, "a").as_deref(), Some("key-1"));
    assert_eq!(credentials.rotate().unwrap().records, 1);
    assert_eq!(kids(&home), ["k2"]);
    assert_eq!(header(&home, "k2")["source"], "environment");
    assert_eq!(leased(&home.open_with(&[(CURRENT, RAW)]), "a").as_deref(), Some("key-1"));
}
