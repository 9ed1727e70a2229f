//! Which addresses a call may go to.
//!
//! Asked by `upstream` before each call (names and literal addresses in the URL) and after each name look-up. Metadata
//! services and link-local addresses are refused always; private and loopback ones only where the operator did not
//! configure the provider. It deliberately looks nothing up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sy_types::{ErrorKind, Failure, Side};
use url::{Host, Url};

/// Names under which clouds offer their metadata service, whatever they resolve to.
const METADATA_NAMES: [&str; 7] = [
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Metadata addresses outside the link-local range: Alibaba Cloud, Oracle Cloud, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Metadata addresses of AWS and Google Cloud in IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

/// How far calls may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// The public internet only.
    Public,
    /// Also private and loopback addresses: the operator wrote the address.
    Operator,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("it is a metadata or link-local address, which is never called")]
    Always,
    #[error(
        "it is a private address: to use it, set the provider's options.baseURL in the configuration"
    )]
    Private,
}

/// Judges the host of a URL as far as it can be judged without a look-up.
///
/// # Errors
/// `Forbidden` on the gateway's side.
pub(crate) fn check_url(url: &Url, reach: Reach) -> Result<(), Failure> {
    let denied = match url.host() {
        None => return Err(refusal("without a host", Denied::Always)),
        Some(Host::Ipv4(address)) => judge(IpAddr::V4(address), reach).err(),
        Some(Host::Ipv6(address)) => judge(IpAddr::V6(address), reach).err(),
        Some(Host::Domain(name)) => judge_name(name, reach).err(),
    };
    match denied {
        None => Ok(()),
        Some(denied) => Err(refusal(url.host_str().unwrap_or_default(), denied)),
    }
}

/// Makes the failure for a refused host.
pub(crate) fn refusal(host: &str, denied: Denied) -> Failure {
    Failure::new(
        ErrorKind::Forbidden,
        Side::Gateway,
        format!("the provider's address {host} is refused: {denied}"),
    )
}

/// Judges a host name.
fn judge_name(name: &str, reach: Reach) -> Result<(), Denied> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if METADATA_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Err(Denied::Always);
    }
    let is_local =
        name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    if is_local && reach == Reach::Public { Err(Denied::Private) } else { Ok(()) }
}

/// Judges an address. Forms of IPv6 that carry an IPv4 address are judged by it too.
pub(crate) fn judge(address: IpAddr, reach: Reach) -> Result<(), Denied> {
    let (always, private) = match address {
        IpAddr::V4(address) => (is_always_v4(address), is_private_v4(address)),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => (is_always_v4(inner), is_private_v4(inner)),
            None => (is_always_v6(address), is_private_v6(address)),
        },
    };
    if always {
        return Err(Denied::Always);
    }
    if private && reach == Reach::Public { Err(Denied::Private) } else { Ok(()) }
}

fn is_always_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || METADATA_V4.contains(&address)
        || address.is_multicast()
        || address.is_broadcast()
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (second == 18 || second == 19))
        || address.is_documentation()
}

fn is_always_v6(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() || address.is_multicast() || METADATA_V6.contains(&address)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        // Site-local, deprecated but still routed in places.
        || first & 0xffc0 == 0xfec0
        // Teredo, documentation and the discard prefix lead to no provider.
        || (first == 0x2001 && (second == 0 || second == 0xdb8))
        || (first == 0x0100 && second == 0)
}

/// Returns the IPv4 address inside an IPv6 one: mapped, compatible, NAT64 (both prefixes), ISATAP-free 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(join(g, h)),
        // `::` and `::1` are addresses of their own.
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(join(g, h)),
        // SIIT's translated form, ::ffff:0:a.b.c.d.
        (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 1, _, _, _) => Some(join(g, h)),
        (0x2002, high, low, _, _, _) => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Reach, check_url};

    /// `a` refused always, `p` refused unless the operator configured it, `-` allowed.
    #[track_caller]
    fn check(host: &str, expected: char) {
        let url = Url::parse(&format!("https://{host}/v1")).unwrap();
        let allowed =
            (check_url(&url, Reach::Public).is_ok(), check_url(&url, Reach::Operator).is_ok());
        let found = match allowed {
            (false, false) => 'a',
            (false, true) => 'p',
            (true, true) => '-',
            (true, false) => '?',
        };
        assert_eq!(found, expected, "{host}");
    }

    #[test]
    fn metadata_and_link_local_are_refused_always() {
        for host in [
            "169.254.169.254",
            "169.254.0.1",
            "2852039166",
            "0xa9.0xfe.0xa9.0xfe",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "metadata.google.internal",
            "METADATA.google.internal.",
            "instance-data",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "[ff02::1]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
            "[::ffff:0:169.254.169.254]",
        ] {
            check(host, 'a');
        }
    }

    #[test]
    fn private_and_loopback_are_the_operators() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "localhost",
            "a.localhost",
            "[::1]",
            "[::]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        ] {
            check(host, 'p');
        }
    }

    #[test]
    fn the_public_internet_is_open() {
        for host in [
            "1.1.1.1",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "169.253.0.1",
            "api.example.com",
            "metadata.example.com",
            "[2606:4700::1111]",
            "[64:ff9b::1.1.1.1]",
            "[::ffff:1.1.1.1]",
            "[2002:0101:0101::1]",
        ] {
            check(host, '-');
        }
    }
}
