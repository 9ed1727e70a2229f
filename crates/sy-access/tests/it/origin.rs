//! Which hosts and origins pass, with the bind address and the lists as data.

use http::{HeaderMap, HeaderName, HeaderValue};
use sy_access::{Access, Error, Settings};
use sy_types::{ErrorKind, Secret};

use crate::settings;

fn open(bind: &str, hosts: &[&str], origins: &[&str]) -> Result<Access, Error> {
    let folder = tempfile::tempdir().unwrap();
    Access::open(Settings {
        bind: bind.parse().unwrap(),
        token: Some(Secret::new("sy-of-the-operator")),
        allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        ..settings(folder.path())
    })
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[track_caller]
fn check_host(bind: &str, hosts: &[&str], host: &str, expected: bool) {
    let access = open(bind, hosts, &[]).unwrap();
    let by_header = access.check_origin(&headers(&[("host", host)]), None);
    let by_authority = access.check_origin(&HeaderMap::new(), Some(host));
    assert_eq!(by_header.is_ok(), expected, "{bind} {hosts:?} {host}");
    assert_eq!(by_authority.is_ok(), expected, "{bind} {hosts:?} {host}");
    if let Err(failure) = by_header {
        assert_eq!(failure.kind, ErrorKind::Forbidden);
        assert!(failure.message.contains("server.allowed_hosts"), "{failure}");
    }
}

#[track_caller]
fn check_origin(origins: &[&str], host: &str, origin: &str, expected: bool) {
    let access = open("127.0.0.1", &["gw.example.org"], origins).unwrap();
    let result = access.check_origin(&headers(&[("host", host), ("origin", origin)]), None);
    assert_eq!(result.is_ok(), expected, "{origins:?} {host} {origin}");
    if let Err(failure) = result {
        assert_eq!(failure.kind, ErrorKind::Forbidden);
        assert!(failure.message.contains("server.allowed_origins"), "{failure}");
    }
}

#[test]
fn loopback_names_pass_with_any_port() {
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:9",
        "127.1.2.3:80",
        "[::1]",
        "[::1]:8080",
        "[::ffff:127.0.0.1]:1",
    ] {
        check_host("127.0.0.1", &[], host, true);
        check_host("0.0.0.0", &[], host, true);
        check_host("192.168.1.5", &[], host, true);
    }
}

#[test]
fn a_rebound_name_is_refused_unless_listed() {
    for bind in ["127.0.0.1", "0.0.0.0", "::", "192.168.1.5"] {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "gw.example.org.evil.example",
        ] {
            check_host(bind, &["gw.example.org"], host, false);
        }
        check_host(bind, &["GW.example.org"], "gw.example.org:8080", true);
        check_host(bind, &["gw.example.org"], "gw.Example.org.", true);
        check_host(bind, &["gw.example.org:8443"], "gw.example.org:8443", true);
        check_host(bind, &["gw.example.org:8443"], "gw.example.org:1", false);
        check_host(bind, &["gw.example.org:8443"], "gw.example.org", false);
    }
}

#[test]
fn addresses_pass_where_the_server_is_bound() {
    check_host("192.168.1.5", &[], "192.168.1.5:8080", true);
    check_host("192.168.1.5", &[], "192.168.1.6:8080", false);
    check_host("127.0.0.1", &[], "192.168.1.5", false);
    check_host("127.0.0.1", &[], "0.0.0.0:8080", false);
    check_host("0.0.0.0", &[], "192.168.1.5", true);
    check_host("::", &[], "[fd00::1]:8080", true);
    check_host("127.0.0.1", &["fd00::1"], "[fd00::1]:8080", true);
    check_host("127.0.0.1", &["192.168.1.5"], "192.168.1.5:8080", true);
}

#[test]
fn malformed_and_missing_hosts_are_refused() {
    for host in [
        "",
        "localhost:",
        "localhost:port",
        "user@localhost",
        "evil.example@localhost",
        "localhost/x",
        "localhost:80:80",
        "local host",
        "[::1",
        "localhost#",
    ] {
        check_host("127.0.0.1", &[], host, false);
    }
    let access = open("127.0.0.1", &[], &[]).unwrap();
    assert!(access.check_origin(&HeaderMap::new(), None).is_err());
    assert!(
        access
            .check_origin(&headers(&[("host", "localhost"), ("host", "localhost")]), None)
            .is_err()
    );
    assert!(access.check_origin(&headers(&[("host", "evil.example")]), Some("localhost")).is_err());
    assert!(access.check_origin(&headers(&[("host", "localhost")]), Some("evil.example")).is_err());
    assert!(
        access.check_origin(&headers(&[("host", "localhost")]), Some("localhost:8080")).is_ok()
    );
}

#[test]
fn pages_of_this_server_pass() {
    check_origin(&[], "localhost:8080", "http://localhost:8080", true);
    check_origin(&[], "127.0.0.1:8080", "http://127.0.0.1:8080", true);
    check_origin(&[], "[::1]:8080", "http://[::1]:8080", true);
    check_origin(&[], "localhost", "http://localhost:80", true);
    check_origin(&[], "localhost:80", "http://localhost", true);
    check_origin(&[], "gw.example.org", "https://gw.example.org", true);
    check_origin(&[], "gw.example.org:443", "https://GW.example.org", true);
}

#[test]
fn foreign_pages_are_refused_unless_listed() {
    check_origin(&[], "localhost:8080", "http://localhost:3000", false);
    check_origin(&[], "localhost:8080", "http://evil.example", false);
    check_origin(&[], "localhost:8080", "http://evil.example:8080", false);
    check_origin(&[], "localhost:8080", "https://localhost", false);
    check_origin(&[], "localhost:8080", "http://localhost:8080.evil.example", false);
    check_origin(&[], "localhost:8080", "http://localhost:8080@evil.example", false);
    check_origin(&[], "localhost:8080", "ftp://localhost:8080", false);
    check_origin(&[], "localhost:8080", "localhost:8080", false);
    check_origin(&[], "localhost:8080", "", false);
    check_origin(&["http://localhost:3000/"], "localhost:8080", "http://localhost:3000", true);
    check_origin(&["HTTPS://App.example.org"], "localhost:8080", "https://app.example.org", true);
    check_origin(&["https://app.example.org"], "localhost:8080", "http://app.example.org", false);
    check_origin(&["vscode-webview://abc"], "localhost:8080", "vscode-webview://abc", true);
}

#[test]
fn the_null_origin_is_always_refused() {
    check_origin(&["http://localhost:3000"], "localhost:8080", "null", false);
    check_origin(&[], "localhost:8080", "NULL", false);
    assert!(matches!(open("127.0.0.1", &[], &["null"]), Err(Error::BadEntry { .. })));
}

#[test]
fn several_origins_are_refused() {
    let access = open("127.0.0.1", &[], &[]).unwrap();
    let pairs =
        [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://localhost")];
    assert!(access.check_origin(&headers(&pairs), None).is_err());
}

#[test]
fn entries_that_could_never_match_stop_the_start() {
    for entry in ["", "https://gw.example.org", "*.example.org", "*", "a b"] {
        assert!(
            matches!(open("127.0.0.1", &[entry], &[]), Err(Error::BadEntry { .. })),
            "host {entry}"
        );
    }
    for entry in ["", "gw.example.org", "*", "https://*", "https://gw.example.org/path"] {
        assert!(
            matches!(open("127.0.0.1", &[], &[entry]), Err(Error::BadEntry { .. })),
            "origin {entry}"
        );
    }
}
