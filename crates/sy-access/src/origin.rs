//! Which names a request may be addressed to, and which web pages may send one.
//!
//! Called by [`crate::Access::check_origin`] on every request. Against DNS rebinding, a `Host` must be an address or a
//! listed name: a foreign name that was made to point here is refused. It deliberately sends no CORS headers.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use sy_types::{ErrorKind, Failure, Side};

use crate::error::Error;

/// The host and origin rules, in comparable form.
#[derive(Debug)]
pub(crate) struct Origins {
    bind: IpAddr,
    hosts: Vec<Place>,
    origins: Vec<String>,
}

/// A host, and a port where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Lower case, without brackets and without the root dot.
    host: String,
    port: Option<u16>,
}

impl Origins {
    pub(crate) fn new(bind: IpAddr, hosts: &[String], origins: &[String]) -> Result<Self, Error> {
        let hosts = hosts.iter().map(|entry| parse_host_entry(entry)).collect::<Result<_, _>>()?;
        let origins =
            origins.iter().map(|entry| parse_origin_entry(entry)).collect::<Result<_, _>>()?;
        Ok(Self { bind: bind.to_canonical(), hosts, origins })
    }

    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Result<(), Failure> {
        let target = self.check_hosts(headers, authority)?;
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let allowed = origins.next().is_none()
            && origin
                .to_str()
                .is_ok_and(|origin| self.allows_origin(&origin.to_ascii_lowercase(), &target));
        if allowed {
            return Ok(());
        }
        Err(forbidden(
            "the Origin of this request is not allowed: web pages of this server and the origins listed in the \
             configuration key `server.allowed_origins` (for example \"http://localhost:3000\") may call",
        ))
    }

    /// Checks the request target's authority and the `Host` header and returns the one that counts (RFC 9112, 3.2.2:
    /// the target's).
    fn check_hosts(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<Place, Failure> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().map(|value| value.to_str().unwrap_or_default());
        if hosts.next().is_some() {
            return Err(forbidden("expected one Host header, got several"));
        }
        let mut target = None;
        for text in [host, authority].into_iter().flatten() {
            let place = Place::parse(text).filter(|place| self.allows_host(place));
            target = Some(place.ok_or_else(|| {
                forbidden(
                    "the Host of this request is not allowed: address the server by localhost, 127.0.0.1 or the \
                     address it is bound to, or list the name in the configuration key `server.allowed_hosts`",
                )
            })?);
        }
        target.ok_or_else(|| forbidden("expected a Host header, got none"))
    }

    fn allows_host(&self, place: &Place) -> bool {
        place.host == "localhost"
            || place
                .host
                .parse()
                .is_ok_and(|address: IpAddr| self.allows_address(address.to_canonical()))
            || self.hosts.iter().any(|entry| {
                entry.host == place.host && entry.port.is_none_or(|port| place.port == Some(port))
            })
    }

    /// An address in `Host` cannot be rebound by DNS, so a server on all interfaces takes any; a server on one address
    /// takes that one.
    fn allows_address(&self, address: IpAddr) -> bool {
        address.is_loopback() || address == self.bind || self.bind.is_unspecified()
    }

    /// `origin` is in lower case.
    fn allows_origin(&self, origin: &str, target: &Place) -> bool {
        // `null` is what sandboxed frames and local files send: anybody's page can have it, so it cannot be listed.
        if origin == "null" {
            return false;
        }
        self.origins.iter().any(|listed| listed == origin) || is_same_origin(origin, target)
    }
}

impl Place {
    /// Reads `host`, `host:port` or `[address]:port`; `None` for anything else, user information included.
    fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => Some(port.parse().ok()?),
            _ => None,
        };
        (!host.is_empty()).then_some(Self { host, port })
    }
}

/// Returns true for a page of this very server. The target's host has been allowed before. Both schemes count, because
/// a proxy in front may have taken the TLS off.
fn is_same_origin(origin: &str, target: &Place) -> bool {
    let (default_port, rest) = match origin.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some(("https", rest)) => (443, rest),
        _ => return false,
    };
    Place::parse(rest).is_some_and(|page| {
        page.host == target.host
            && page.port.unwrap_or(default_port) == target.port.unwrap_or(default_port)
    })
}

fn parse_host_entry(entry: &str) -> Result<Place, Error> {
    // A bare IPv6 address is what people write; in a URL it stands in brackets.
    let bracketed = if entry.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{entry}]")
    } else {
        entry.to_owned()
    };
    let place = Place::parse(&bracketed).filter(|place| !place.host.contains('*'));
    place.ok_or_else(|| Error::BadEntry {
        key: "server.allowed_hosts",
        expected: "a host name or `name:port`, without scheme and wildcard",
        entry: entry.to_owned(),
    })
}

fn parse_origin_entry(entry: &str) -> Result<String, Error> {
    let origin = entry.trim().trim_end_matches('/').to_ascii_lowercase();
    let is_origin = origin.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.contains(['/', '*', '?', '#', '@'])
    });
    if is_origin {
        return Ok(origin);
    }
    Err(Error::BadEntry {
        key: "server.allowed_origins",
        expected: "an origin such as \"https://app.example.org\", without path and wildcard",
        entry: entry.to_owned(),
    })
}

fn forbidden(message: &str) -> Failure {
    Failure::new(ErrorKind::Forbidden, Side::Caller, message)
}
