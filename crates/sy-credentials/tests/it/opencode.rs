//! OpenCode's `auth.json` as a live source, and import and export.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use sy_credentials::{Credential, Error, Skipped, Source};

use crate::{Home, key, leased, names, put, text};

fn auth_file() -> Value {
    json!({
        "anthropic": {"type": "api", "key": "sk-ant-canary"},
        "azure": {"type": "api", "key": "az-canary", "metadata": {"resourceName": "corp"}},
        "github-copilot": {"type": "oauth", "refresh": "r-canary", "access": "a-canary", "expires": 4_102_444_800_000_u64,
            "accountId": "acc", "enterpriseUrl": "git.example.org"},
        "https://corp.example.org": {"type": "wellknown", "key": "CORP_TOKEN", "token": "wk-canary"},
        "future": {"type": "passkey", "blob": "b-canary"},
        "broken": 7
    })
}

fn read(home: &Home) -> Value {
    serde_json::from_str(&fs::read_to_string(home.auth_file()).unwrap()).unwrap()
}

#[test]
fn entries_are_leased_as_they_are_and_foreign_ones_passed_over() {
    let home = Home::new();
    home.write_auth_file(&auth_file().to_string());
    let credentials = home.open();
    assert_eq!(leased(&credentials, "anthropic").as_deref(), Some("sk-ant-canary"));
    assert_eq!(leased(&credentials, "github-copilot").as_deref(), Some("a-canary"));
    assert_eq!(leased(&credentials, "https://corp.example.org/").as_deref(), Some("wk-canary"));
    assert!(leased(&credentials, "future").is_none() && leased(&credentials, "broken").is_none());
    let lease = credentials.lease("corp", &names(&["CORP_TOKEN"]), None).unwrap();
    assert_eq!(
        (text(&lease).as_str(), &lease.source),
        ("wk-canary", &Source::OpenCode),
        "it stands for its variable"
    );
    assert_eq!(read(&home), auth_file(), "reading changes nothing");
    assert!(!home.vault().exists());
}

#[test]
fn an_expired_sign_in_of_opencode_is_named() {
    let home = Home::new();
    home.write_auth_file(
        r#"{"a": {"type": "oauth", "refresh": "r-canary", "access": "a-canary", "expires": 1700000000000}}"#,
    );
    let failure = home.open().lease("a", &[], None).unwrap_err();
    assert!(
        failure.message.contains("start OpenCode once") && !failure.message.contains("canary"),
        "{failure}"
    );
}

#[test]
fn changes_of_the_file_are_seen() {
    let home = Home::new();
    let credentials = home.open();
    home.write_auth_file(r#"{"a": {"type": "api", "key": "one"}}"#);
    credentials.refresh();
    assert_eq!(leased(&credentials, "a").as_deref(), Some("one"));
    fs::remove_file(home.auth_file()).unwrap();
    credentials.refresh();
    assert_eq!(leased(&credentials, "a"), None);
}

#[test]
fn a_file_that_is_no_json_is_left_out() {
    let home = Home::new();
    put(&home.open(), "a", "key-1");
    for text in ["", "canary", "[1]", r#"{"b": {"type": "api", "key": "x"}"#] {
        home.write_auth_file(text);
        let credentials = home.open();
        assert_eq!(leased(&credentials, "a").as_deref(), Some("key-1"));
        assert_eq!(leased(&credentials, "b"), None);
        let error = credentials.import_opencode(&home.auth_file()).unwrap_err();
        assert!(
            matches!(error, Error::Damaged { .. }) && !error.to_string().contains("canary"),
            "{error}"
        );
        assert!(
            credentials.export_opencode(&home.auth_file()).is_err(),
            "what cannot be kept is not overwritten"
        );
        assert_eq!(fs::read_to_string(home.auth_file()).unwrap(), text);
    }
}

#[test]
fn the_content_variable_replaces_the_file() {
    let home = Home::new();
    home.write_auth_file(r#"{"a": {"type": "api", "key": "of-file"}}"#);
    let credentials = home
        .open_with(&[("OPENCODE_AUTH_CONTENT", r#"{"b/": {"type": "api", "key": "of-content"}}"#)]);
    assert_eq!(leased(&credentials, "a"), None);
    assert_eq!(leased(&credentials, "b").as_deref(), Some("of-content"));
}

#[test]
fn import_and_export_return_what_they_took() {
    let home = Home::new();
    home.write_auth_file(&auth_file().to_string());
    let credentials = home.open();
    let report = credentials.import_opencode(&home.auth_file()).unwrap();
    assert_eq!(
        report.imported,
        ["anthropic", "azure", "github-copilot", "https://corp.example.org"]
    );
    assert_eq!(
        report.skipped.iter().map(|skipped| skipped.provider.as_str()).collect::<Vec<_>>(),
        ["future", "broken"]
    );
    assert_eq!(credentials.lease("azure", &[], None).unwrap().source, Source::Vault);
    let again = credentials.import_opencode(&home.auth_file()).unwrap();
    assert_eq!((again.imported.len(), again.unchanged.len()), (0, 4));

    let target = home.folder.path().join("new/folder/auth.json");
    let report = credentials.export_opencode(&target).unwrap();
    assert_eq!(report.exported.len(), 4);
    let mut expected = auth_file();
    expected.as_object_mut().unwrap().retain(|id, _| id != "future" && id != "broken");
    let exported = fs::read_to_string(&target).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&exported).unwrap(), expected);
    assert!(exported.starts_with("{\n  \""), "pretty, by two spaces: {exported}");
    #[cfg(unix)]
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_export_takes_a_bare_file_name() {
    struct Removed<'a>(&'a Path);
    impl Drop for Removed<'_> {
        fn drop(&mut self) {
            fs::remove_file(self.0).ok();
        }
    }
    let home = Home::new();
    let credentials = home.open();
    put(&credentials, "a", "key-1");
    let name = format!("export-of-test-{}.json", std::process::id());
    let file = Removed(Path::new(&name));
    assert_eq!(credentials.export_opencode(file.0).unwrap().exported, ["a"]);
    assert!(fs::read_to_string(file.0).unwrap().contains("key-1"));
}

#[test]
fn an_export_keeps_everything_else_in_the_file() {
    let home = Home::new();
    let mut before = auth_file();
    before["azure/"] = json!({"type": "api", "key": "with-slash"});
    home.write_auth_file(&before.to_string());
    let credentials = home.open();
    put(&credentials, "azure", "az-new");
    put(&credentials, "https://corp.example.org/", "replaced");
    put(&credentials, "fresh", "key-1");
    credentials.put("fresh", Some("work"), key("key-2"), None).unwrap();
    let report = credentials.export_opencode(&home.auth_file()).unwrap();
    assert_eq!(
        report.skipped,
        [Skipped {
            provider: "fresh".to_owned(),
            reason: "OpenCode has one account per provider; this one is `work`".to_owned()
        }]
    );
    let mut expected = auth_file();
    expected["azure"]["key"] = json!("az-new");
    expected["https://corp.example.org"] = json!({"type": "api", "key": "replaced"});
    expected["fresh"] = json!({"type": "api", "key": "key-1"});
    assert_eq!(read(&home), expected);
}

#[test]
fn an_import_never_replaces_a_stored_credential() {
    let home = Home::new();
    home.write_auth_file(&auth_file().to_string());
    let credentials = home.open();
    put(&credentials, "anthropic", "sk-of-mine");
    let report = credentials.import_opencode(&home.auth_file()).unwrap();
    assert!(report.skipped.iter().any(|skipped| skipped.provider == "anthropic"), "{report:?}");
    assert_eq!(leased(&credentials, "anthropic").as_deref(), Some("sk-of-mine"));
    assert!(!format!("{report:?}").contains("canary"));
}

#[test]
fn an_import_passes_over_bad_keys_and_a_missing_file_is_an_error() {
    let home = Home::new();
    let credentials = home.open();
    assert!(matches!(credentials.import_opencode(&home.auth_file()), Err(Error::File { .. })));
    home.write_auth_file(r#"{"a": {"type": "api", "key": "canary two"}, "b": {"type": "api", "key": ""}, "c": {"type": "api", "key": "k"}}"#);
    let report = credentials.import_opencode(&home.auth_file()).unwrap();
    assert_eq!((report.imported, report.skipped.len()), (vec!["c".to_owned()], 2));
    assert!(report.skipped.iter().all(|skipped| !skipped.reason.contains("canary")));
    assert!(matches!(credentials.lease("c", &[], None).unwrap().credential, Credential::ApiKey(_)));
}

#[cfg(unix)]
#[test]
fn an_export_writes_through_a_link() {
    let home = Home::new();
    let real = home.folder.path().join("real.json");
    fs::write(&real, "{}").unwrap();
    fs::create_dir_all(home.auth_file().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&real, home.auth_file()).unwrap();
    let credentials = home.open();
    put(&credentials, "a", "key-1");
    credentials.export_opencode(&home.auth_file()).unwrap();
    assert!(fs::symlink_metadata(home.auth_file()).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("key-1"));
}
