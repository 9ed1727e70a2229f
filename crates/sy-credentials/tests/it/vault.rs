//! The vault: isolation, hygiene, files and what they show.

use std::collections::HashSet;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use sy_credentials::{Credential, Credentials, Error, Kind, OAuth, Settings, Source};
use sy_types::{ErrorKind, Secret, Side};

use crate::{Home, files_below, key, leased, put, text};

const CANARY: &str = "sk-canary-0123456789-wxyz";

fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn profile_provider_and_account_are_kept_apart() {
    let home = Home::new();
    let work =
        Credentials::open(Settings { profile: "work".to_owned(), ..home.settings(&[]) }).unwrap();
    let private = home.open();
    work.put("a", None, key("key-of-work"), None).unwrap();
    private.refresh();
    assert_eq!(leased(&private, "a"), None);
    assert_eq!(leased(&work, "b"), None);
    assert_eq!(leased(&work, "a").as_deref(), Some("key-of-work"));
    assert!(work.lease("a", &[], Some("second")).is_err());

    work.put("a", Some("second"), key("key-of-second"), None).unwrap();
    private.put("a", None, key("key-of-private"), None).unwrap();
    let of =
        |credentials: &Credentials, account| text(&credentials.lease("a", &[], account).unwrap());
    assert_eq!(of(&work, None), "key-of-work");
    assert_eq!(of(&work, Some("default")), "key-of-work");
    assert_eq!(of(&work, Some("second")), "key-of-second");
    assert_eq!(of(&private, None), "key-of-private");

    assert!(work.remove("a", None).unwrap());
    assert_eq!(of(&private, None), "key-of-private");
    assert_eq!(of(&work, Some("second")), "key-of-second");
}

#[test]
fn an_only_account_needs_no_name_and_several_do() {
    let home = Home::new();
    let credentials = home.open();
    credentials.put("a", Some("first"), key("key-1"), None).unwrap();
    assert_eq!(leased(&credentials, "a").as_deref(), Some("key-1"));
    credentials.put("a", Some("second"), key("key-2"), None).unwrap();
    let failure = credentials.lease("a", &[], None).unwrap_err();
    assert!(failure.message.contains("first") && failure.message.contains("second"), "{failure}");
}

#[test]
fn credentials_survive_a_restart_and_removal_takes_the_file() {
    let home = Home::new();
    put(&home.open(), "openai", CANARY);
    let credentials = home.open();
    assert_eq!(leased(&credentials, "openai").as_deref(), Some(CANARY));
    let file = home.record("openai@default.json");
    assert!(file.exists());
    assert!(credentials.remove("openai", None).unwrap());
    assert!(!file.exists());
    assert!(!credentials.remove("openai", None).unwrap(), "nothing is left to remove");
    assert_eq!(leased(&credentials, "openai"), None);
    assert_eq!(leased(&home.open(), "openai"), None);
}

#[test]
fn every_kind_is_stored_whole() {
    let home = Home::new();
    let sign_in = Credential::OAuth(OAuth {
        access: Secret::new("at-canary"),
        refresh: Secret::new("rt-canary"),
        expires_at_ms: Some(4_102_444_800_000),
        account_id: Some("acc".to_owned()),
        enterprise_url: Some("git.example.org".to_owned()),
    });
    home.open().put("copilot", None, sign_in.clone(), None).unwrap();
    let lease = home.open().lease("copilot", &[], None).unwrap();
    assert_eq!(lease.credential, sign_in);
    let record = read_json(&home.record("copilot@default.json"));
    assert_eq!(
        (&record["kind"], &record["expiresAt"]),
        (&json!("oauth"), &json!("2100-01-01T00:00:00Z"))
    );
}

#[test]
fn an_expired_sign_in_is_not_sent() {
    let home = Home::new();
    let credentials = home.open();
    let tokens = |expires_at_ms| {
        Credential::OAuth(OAuth {
            access: Secret::new("at-canary"),
            refresh: Secret::new("rt-canary"),
            expires_at_ms: Some(expires_at_ms),
            account_id: None,
            enterprise_url: None,
        })
    };
    credentials.put("a", None, tokens(1_700_000_000_000), None).unwrap();
    let failure = credentials.lease("a", &[], None).unwrap_err();
    assert_eq!((failure.kind, failure.side), (ErrorKind::Unauthenticated, Side::Gateway));
    assert!(
        failure.message.contains("expired") && !failure.message.contains("canary"),
        "{failure}"
    );
    assert!(!credentials.is_connected("a", &[]));
    assert_eq!(credentials.list()[0].problem.as_deref(), Some("expired"));
}

#[test]
fn the_record_has_the_documented_form() {
    let home = Home::new();
    home.open().put("zai", None, key(CANARY), Some("of the team")).unwrap();
    let record = read_json(&home.record("zai@default.json"));
    let fields: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "v",
        "providerId",
        "profileId",
        "accountId",
        "kind",
        "label",
        "masked",
        "fingerprint",
        "enc",
        "createdAt",
        "updatedAt",
        "expiresAt",
    ];
    assert_eq!(fields, expected);
    assert_eq!(
        (&record["v"], &record["kind"], &record["masked"]),
        (&json!(1), &json!("token"), &json!("…wxyz"))
    );
    assert_eq!((&record["label"], &record["expiresAt"]), (&json!("of the team"), &json!(null)));
    assert!(record["fingerprint"].as_str().unwrap().starts_with("hmac-sha256:"));
    let enc = &record["enc"];
    assert_eq!((&enc["alg"], &enc["kid"]), (&json!("AES-256-GCM"), &json!("k1")));
    let length = |field: &str| enc[field].as_str().unwrap().len();
    assert_eq!((length("iv"), length("tag")), (24, 32));
}

#[test]
fn the_secret_shows_nowhere() {
    let home = Home::new();
    let credentials = home.open();
    let stored = credentials.put("openai", None, key(CANARY), Some("label")).unwrap();
    let lease = credentials.lease("openai", &[], None).unwrap();
    let mut shown = format!("{credentials:?} {stored:?} {lease:?} {:?}", credentials.list());
    for file in files_below(&home.vault()) {
        shown.push_str(&fs::read_to_string(&file).unwrap());
        shown.push_str(&file.display().to_string());
    }
    let bad =
        credentials.put("openai", None, key(&format!("{CANARY} {CANARY}")), None).unwrap_err();
    shown.push_str(&format!("{bad} {bad:?}"));
    let file = home.record("openai@default.json");
    let whole = fs::read_to_string(&file).unwrap();
    for damage in [
        format!("{{\"v\": \"{CANARY}\"}}"),
        format!("{CANARY}{whole}"),
        whole.replace("\"k1\"", &format!("\"{CANARY}\"")),
    ] {
        fs::write(&file, damage).unwrap();
        credentials.refresh();
        let failure = credentials.lease("openai", &[], None).unwrap_err();
        shown.push_str(&format!("{failure} {:?} {:?}", failure, credentials.list()));
    }
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains(&hex(CANARY)), "{shown}");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
#[test]
fn folders_and_files_are_private() {
    let home = Home::new();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    put(&home.open(), "openai", CANARY);
    for folder in ["", "keys", "profiles", "profiles/default"] {
        assert_eq!(mode(&home.vault().join(folder)), 0o700, "{folder}");
    }
    let files = files_below(&home.vault());
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    fs::set_permissions(home.vault(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.vault().join("keys/k1.json"), fs::Permissions::from_mode(0o644))
        .unwrap();
    home.open();
    assert_eq!(
        (mode(&home.vault()), mode(&home.vault().join("keys/k1.json"))),
        (0o700, 0o600),
        "made private again"
    );
}

#[test]
fn nothing_is_written_before_the_first_credential() {
    let home = Home::new();
    let credentials = home.open();
    assert!(!credentials.is_connected("openai", &[]) && credentials.list().is_empty());
    assert!(!credentials.remove("openai", None).unwrap());
    assert!(!home.vault().exists());
}

#[test]
fn every_sealing_has_another_nonce() {
    let home = Home::new();
    let credentials = home.open();
    let mut nonces = HashSet::new();
    for _ in 0..100 {
        put(&credentials, "a", "the-same-key");
        let record = read_json(&home.record("a@default.json"));
        assert!(nonces.insert(record["enc"]["iv"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn the_same_secret_has_the_same_fingerprint() {
    let home = Home::new();
    let credentials = home.open();
    put(&credentials, "a", "the-same-key");
    put(&credentials, "b", "the-same-key");
    put(&credentials, "c", "another-key");
    let fingerprint = |name: &str| read_json(&home.record(name))["fingerprint"].clone();
    assert_eq!(fingerprint("a@default.json"), fingerprint("b@default.json"));
    assert_ne!(fingerprint("a@default.json"), fingerprint("c@default.json"));
}

/// Changes a record in its file and expects that it is refused while its neighbour is not.
#[track_caller]
fn check_tampered(change: impl Fn(&mut Value)) {
    let home = Home::new();
    let credentials = home.open();
    put(&credentials, "good", "key-good");
    put(&credentials, "bad", "key-bad-canary");
    let file = home.record("bad@default.json");
    let mut record = read_json(&file);
    change(&mut record);
    fs::write(&file, record.to_string()).unwrap();
    let credentials = home.open();
    assert_eq!(leased(&credentials, "good").as_deref(), Some("key-good"));
    let failure = credentials.lease("bad", &[], None).unwrap_err();
    assert_eq!((failure.kind, failure.side), (ErrorKind::Unauthenticated, Side::Gateway));
    assert!(
        failure.message.contains("bad@default.json") && !failure.message.contains("canary"),
        "{failure}"
    );
    assert!(!credentials.is_connected("bad", &[]));
    put(&credentials, "bad", "key-new");
    assert_eq!(
        leased(&credentials, "bad").as_deref(),
        Some("key-new"),
        "storing it again repairs it"
    );
}

fn flipped(value: &Value) -> Value {
    let text = value.as_str().unwrap();
    let first = if text.starts_with('0') { '1' } else { '0' };
    json!(format!("{first}{}", &text[1..]))
}

#[test]
fn a_changed_record_does_not_open() {
    for part in ["iv", "data", "tag"] {
        check_tampered(|record| record["enc"][part] = flipped(&record["enc"][part]));
        check_tampered(|record| record["enc"][part] = json!("zz"));
        check_tampered(|record| record["enc"][part] = json!(""));
    }
    check_tampered(|record| record["kind"] = json!("oauth"));
    check_tampered(|record| record["providerId"] = json!("good"));
    check_tampered(|record| record["accountId"] = json!("other"));
    check_tampered(|record| record["v"] = json!(9));
    check_tampered(|record| record["enc"]["alg"] = json!("none"));
    check_tampered(|record| record["enc"] = json!(null));
    check_tampered(|record| *record = json!([]));
}

#[test]
fn a_record_under_another_name_does_not_open() {
    let home = Home::new();
    let credentials = home.open();
    put(&credentials, "rich", CANARY);
    let record = fs::read_to_string(home.record("rich@default.json")).unwrap();
    let adapted =
        |from: &str, to: &str| record.replace(&format!("\"{from}\""), &format!("\"{to}\""));
    fs::create_dir_all(home.vault().join("profiles/other")).unwrap();
    fs::write(home.record("poor@default.json"), &record).unwrap();
    fs::write(home.record("poor2@default.json"), adapted("rich", "poor2")).unwrap();
    let account = record.replace("\"accountId\": \"default\"", "\"accountId\": \"second\"");
    fs::write(home.record("rich@second.json"), account).unwrap();
    let profile = record.replace("\"profileId\": \"default\"", "\"profileId\": \"other\"");
    fs::write(home.vault().join("profiles/other/rich@default.json"), profile).unwrap();

    credentials.refresh();
    assert_eq!(leased(&credentials, "rich").as_deref(), Some(CANARY));
    let error = |provider, account| credentials.lease(provider, &[], account).unwrap_err().message;
    assert!(error("poor", None).contains("another provider"));
    assert!(error("poor2", None).contains("changed, or moved"));
    assert!(error("rich", Some("second")).contains("changed, or moved"));
    let other =
        Credentials::open(Settings { profile: "other".to_owned(), ..home.settings(&[]) }).unwrap();
    assert!(other.lease("rich", &[], None).unwrap_err().message.contains("changed, or moved"));
}

#[test]
fn another_process_is_seen() {
    let home = Home::new();
    let server = home.open();
    let other = home.open();
    put(&other, "a", "key-1");
    server.refresh();
    assert_eq!(leased(&server, "a").as_deref(), Some("key-1"));
    put(&other, "a", "key-2");
    other.remove("b", None).unwrap();
    server.refresh();
    assert_eq!(leased(&server, "a").as_deref(), Some("key-2"));
    other.rotate().unwrap();
    server.refresh();
    assert_eq!(leased(&server, "a").as_deref(), Some("key-2"));
    put(&server, "c", "key-3");
    other.refresh();
    assert_eq!(leased(&other, "c").as_deref(), Some("key-3"));
}

#[test]
fn bad_keys_and_names_are_refused_and_odd_ones_warned_of() {
    let home = Home::new();
    let credentials = home.open();
    for text in ["", "  ", "sk canary", "sk-canary\nsecond", "sk-\u{1}canary"] {
        let error = credentials.put("a", None, key(text), None).unwrap_err();
        assert!(
            matches!(error, Error::Invalid(_)) && error.kind() == ErrorKind::Invalid,
            "{error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    for (provider, account) in
        [("", None), ("/", None), ("a\n", None), ("a", Some("")), ("a", Some("\t"))]
    {
        assert!(
            matches!(credentials.put(provider, account, key("k"), None), Err(Error::Invalid(_))),
            "{provider:?} {account:?}"
        );
    }
    let wide = "ü".repeat(45);
    assert!(
        matches!(credentials.put(&wide, Some(&wide), key("k"), None), Err(Error::Invalid(_))),
        "no file name is so long"
    );
    assert!(credentials.list().is_empty() && !home.vault().exists());

    let stored = credentials.put("openai", None, key(" sk-ant-canary-0123\n"), None).unwrap();
    assert!(
        stored
            .warning
            .is_some_and(|warning| warning.contains("anthropic") && !warning.contains("canary"))
    );
    assert_eq!(leased(&credentials, "openai").as_deref(), Some("sk-ant-canary-0123"));
}

#[test]
fn labels_stay_until_they_are_changed() {
    let home = Home::new();
    let credentials = home.open();
    credentials.put("a", None, key(CANARY), Some("first")).unwrap();
    put(&credentials, "a", "sk-another-0123456789-abcd");
    let list = credentials.list();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].label.as_deref(), list[0].masked.as_str()), (Some("first"), "…abcd"));
    assert_eq!((list[0].kind, &list[0].source), (Some(Kind::Token), &Source::Vault));
    assert!(list[0].updated_at.is_some() && list[0].problem.is_none());
    let record = read_json(&home.record("a@default.json"));
    assert!(record["createdAt"].as_str() < record["updatedAt"].as_str());
}

#[test]
fn odd_names_are_stored_under_safe_file_names() {
    let home = Home::new();
    let credentials = home.open();
    let odd = ["../../escape", "https://corp.example.org/", "A", "a", "ü@b%", ".hidden"];
    for (index, provider) in odd.iter().enumerate() {
        put(&credentials, provider, &format!("key-{index}"));
    }
    let reopened = home.open();
    for (index, provider) in odd.iter().enumerate() {
        assert_eq!(leased(&reopened, provider), Some(format!("key-{index}")), "{provider}");
    }
    assert_eq!(fs::read_dir(home.vault().join("profiles/default")).unwrap().count(), odd.len());
    assert_eq!(
        leased(&reopened, "https://corp.example.org").as_deref(),
        Some("key-1"),
        "a trailing slash is no other name"
    );
}

#[test]
fn foreign_files_in_the_folder_do_no_harm() {
    let home = Home::new();
    put(&home.open(), "a", "key-1");
    for name in ["notes.txt", ".writing-0011", "A@default.json", "noat.json"] {
        fs::write(home.record(name), "not ours").unwrap();
    }
    let credentials = home.open();
    assert_eq!(credentials.list().len(), 1);
    put(&credentials, "a", "key-2");
    assert!(!home.record(".writing-0011").exists(), "what a killed writer left is removed");
    assert!(home.record("notes.txt").exists());
}

#[test]
fn records_of_the_older_forms_are_read_and_renewed_by_a_rotation() {
    let home = Home::new();
    let environment = [("SWITCHYARD_ENCRYPTION_KEY", "correct horse battery staple")];
    fs::create_dir_all(home.vault().join("profiles/default")).unwrap();
    let plain = json!({"providerId": "plain", "profileId": "default", "kind": "token", "secret": "sk-plain-canary", "updatedAt": "2025-01-01T00:00:00Z"});
    let sealed = json!({"providerId": "sealed", "profileId": "default", "kind": "token", "updatedAt": "2025-01-01T00:00:00Z",
        "secret": {"iv": "000102030405060708090a0b0c0d0e0f", "data": "70e7941eaea747656244537a82dacb962ce6045c2d0f3eaf5626b1", "tag": "947489cdd4992210ab35ea05efbe8dbb"}});
    let broken = json!({"providerId": "broken", "profileId": "default", "kind": "token",
        "secret": {"iv": "000102030405060708090a0b0c0d0e0f", "data": "70e7941eaea747656244537a82dacb962ce6045c2d0f3eaf5626b1", "tag": "00"}});
    for (name, record) in [("plain", &plain), ("sealed", &sealed), ("broken", &broken)] {
        fs::write(home.record(&format!("{name}@default.json")), record.to_string()).unwrap();
    }
    let credentials = home.open_with(&environment);
    let check = |credentials: &Credentials| {
        assert_eq!(leased(credentials, "plain").as_deref(), Some("sk-plain-canary"));
        assert_eq!(leased(credentials, "sealed").as_deref(), Some("sk-legacy-canary-0123456789"));
    };
    check(&credentials);
    assert!(credentials.lease("broken", &[], None).unwrap_err().message.contains("does not open"));
    assert!(credentials.rotate().is_err(), "a record that does not open stops a rotation");
    credentials.remove("broken", None).unwrap();
    assert_eq!(credentials.rotate().unwrap().records, 2);
    check(&home.open_with(&environment));
    for file in files_below(&home.vault()) {
        assert!(!fs::read_to_string(&file).unwrap().contains("canary"), "{}", file.display());
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_ours_is_not_read() {
    let home = Home::new();
    put(&home.open(), "a", "sk-one-0123456789");
    let (record, kept) = (home.record("a@default.json"), home.folder.path().join("kept.json"));
    fs::rename(&record, &kept).unwrap();
    std::os::unix::fs::symlink(&kept, &record).unwrap();
    let list = home.open().list();
    assert!(list[0].problem.as_deref().is_some_and(|text| text.contains("is a link")), "{list:?}");

    let (vault, moved) = (home.vault(), home.folder.path().join("moved"));
    fs::rename(&vault, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &vault).unwrap();
    let refused = Credentials::open(home.settings(&[])).unwrap_err();
    assert!(refused.to_string().contains("is a link, so it is not used"), "{refused}");
}
