//! What the server starts with, and when it refuses to start.

use std::fs;
use std::net::IpAddr;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;

use http::{HeaderMap, HeaderValue};
use sy_access::{Access, Error, Settings, TokenSource, read_token};
use sy_types::Secret;

use crate::settings;

const EVERYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[test]
fn first_start_makes_a_random_private_token_that_later_starts_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/token");
    let first = Access::open(settings(folder.path())).unwrap();
    assert_eq!(first.token_source(), &TokenSource::NewFile(file.clone()));
    let token = read_token(&file).unwrap().unwrap();
    assert!(token.expose().starts_with("sy-"));
    assert_eq!(token.expose().len(), "sy-".len() + 43, "256 bits in base64");
    let second = Access::open(settings(folder.path())).unwrap();
    assert_eq!(second.token_source(), &TokenSource::File(file));
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(token.expose()).unwrap());
    assert!(
        first.authenticate(&headers, None).is_ok() && second.authenticate(&headers, None).is_ok()
    );
    let names: Vec<_> = fs::read_dir(folder.path().join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["token"], "no temporary file stays");

    let other = tempfile::tempdir().unwrap();
    Access::open(settings(other.path())).unwrap();
    assert_ne!(read_token(&other.path().join("state/token")).unwrap().unwrap(), token);
}

#[cfg(unix)]
#[test]
fn the_token_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/token");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    Access::open(settings(folder.path())).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&folder.path().join("state")), 0o700);
}

#[cfg(unix)]
#[test]
fn a_token_file_that_others_read_or_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/token");
    Access::open(settings(folder.path())).unwrap();
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let error = Access::open(settings(folder.path())).unwrap_err();
        assert!(matches!(error, Error::ExposedTokenFile { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "a-token-that-somebody-else-knows").unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    let error = Access::open(settings(folder.path())).unwrap_err();
    assert!(matches!(error, Error::IrregularTokenFile { .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_that_cannot_be_written_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere; then there is nothing to see here.
    if let Err(error) = Access::open(settings(folder.path())) {
        assert!(matches!(error, Error::File { doing: "write", .. }), "{error}");
        assert!(!state.join("token").exists());
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_token_that_can_be_guessed_is_for_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let weak = Some(Secret::new("my-secret-password"));
    let local = Settings { token: weak, ..settings(folder.path()) };
    Access::open(local.clone()).unwrap();
    let error = Access::open(Settings { bind: EVERYWHERE, ..local }).unwrap_err();
    assert!(matches!(error, Error::WeakToken { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("SWITCHYARD_TOKEN") && !text.contains("my-secret"), "{text}");
}

#[test]
fn starts_at_the_same_moment_agree_on_one_token() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let folder = Arc::clone(&folder);
            thread::spawn(move || Access::open(settings(folder.path())).unwrap())
        })
        .collect();
    let accesses: Vec<Access> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let token = read_token(&folder.path().join("state/token")).unwrap().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(token.expose()).unwrap());
    assert!(accesses.iter().all(|access| access.authenticate(&headers, None).is_ok()));
}

#[test]
fn the_setting_wins_and_leaves_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let token = Some(Secret::new("sy-of-the-operator"));
    let access =
        Access::open(Settings { token, bind: EVERYWHERE, ..settings(folder.path()) }).unwrap();
    assert_eq!(access.token_source(), &TokenSource::Setting);
    assert!(!folder.path().join("state").exists());
}

#[test]
fn a_bind_outside_loopback_without_a_token_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    for token in [None, Some(Secret::new(" "))] {
        for bind in [EVERYWHERE, "192.168.1.5".parse().unwrap(), "::".parse().unwrap()] {
            let error =
                Access::open(Settings { bind, token: token.clone(), ..settings(folder.path()) })
                    .unwrap_err();
            assert!(matches!(error, Error::NoToken { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("SWITCHYARD_TOKEN") && text.contains("help:"), "{text}");
        }
    }
    assert!(!folder.path().join("state").exists(), "a refused start makes no token");
    Access::open(settings(folder.path())).unwrap();
    Access::open(Settings { bind: EVERYWHERE, ..settings(folder.path()) })
        .expect("an existing token file counts");
}

#[test]
fn unauthenticated_works_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    for (bind, expected) in [
        ("127.0.0.1", true),
        ("127.8.0.1", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("0.0.0.0", false),
        ("::", false),
        ("10.0.0.1", false),
    ] {
        for token in [None, Some(Secret::new("sy-set"))] {
            let open = Access::open(Settings {
                bind: bind.parse().unwrap(),
                unauthenticated: true,
                token,
                ..settings(folder.path())
            });
            assert_eq!(open.is_ok(), expected, "{bind}");
        }
    }
}

#[test]
fn unusable_tokens_are_named_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let setting =
        Settings { token: Some(Secret::new("canary with space")), ..settings(folder.path()) };
    let error = Access::open(setting).unwrap_err().to_string();
    assert!(error.contains("SWITCHYARD_TOKEN") && !error.contains("canary"), "{error}");

    let file = folder.path().join("state/token");
    fs::create_dir(folder.path().join("state")).unwrap();
    let write = |text: &str| {
        fs::write(&file, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("canary\nsecond line\n");
    let error = Access::open(settings(folder.path())).unwrap_err().to_string();
    assert!(error.contains("state/token") && !error.contains("canary"), "{error}");
    write("sy-cut-off\n");
    let error = Access::open(settings(folder.path())).unwrap_err();
    assert!(matches!(error, Error::ShortTokenFile { .. }), "{error}");
    write("\n");
    let error = Access::open(settings(folder.path())).unwrap_err();
    assert!(matches!(error, Error::EmptyTokenFile { .. }), "{error}");
}
