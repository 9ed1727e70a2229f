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

/// Metadata addresses within the link-local range, which IPv6 forms may carry: of most clouds, of AWS's containers (ECS), and
/// of its pod identities (EKS).
const LINK_LOCAL_METADATA: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
];

/// Metadata addresses of AWS (instances, pod identities) and Google Cloud in IPv6.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23),
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
        IpAddr::V6(address) => judge_v6(address),
    };
    if always {
        return Err(Denied::Always);
    }
    if private && reach == Reach::Public { Err(Denied::Private) } else { Ok(()) }
}

/// Returns whether an address is refused always, and whether it is private.
fn judge_v6(address: Ipv6Addr) -> (bool, bool) {
    let carried = embedded(address);
    // A translator's own prefix can be any; that an address of the internet repeats one of these by chance is out of the
    // question.
    let is_translated_metadata = translated(address)
        .iter()
        .any(|inner| LINK_LOCAL_METADATA.contains(inner) || METADATA_V4.contains(inner));
    let always = is_always_v6(address)
        || is_translated_metadata
        || carried.iter().any(|inner| is_always_v4(*inner));

    // An address that is a form of an IPv4 one is as private as that; what a Teredo address carries is only its way.
    let private = match carried.is_empty() || is_teredo(address) {
        true => is_private_v6(address),
        false => is_local_translation(address) || carried.iter().any(|inner| is_private_v4(*inner)),
    };
    (always, private)
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

/// Returns the IPv4 addresses inside an IPv6 one: mapped, compatible, SIIT, NAT64 (both prefixes), 6to4, Teredo, ISATAP.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => vec![join(g, h)],
        // `::` and `::1` are addresses of their own.
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => vec![join(g, h)],
        // SIIT's translated form, ::ffff:0:a.b.c.d.
        (0, 0, 0, 0, 0xffff, 0) => vec![join(g, h)],
        // RFC 8215: a network chooses where behind this prefix the address stands.
        (0x64, 0xff9b, 1, ..) => translated(address).to_vec(),
        (0x2002, high, low, ..) => vec![join(high, low)],
        // RFC 4380: the server, and the client with all bits turned.
        (0x2001, 0, high, low, ..) => vec![join(high, low), join(!g, !h)],
        // RFC 5214: the interface's name says so.
        (_, _, _, _, 0 | 0x200, 0x5efe) => vec![join(g, h)],
        _ => Vec::new(),
    }
}

/// Returns the IPv4 addresses that a translator could read from an address, by the length of its prefix: RFC 6052,
/// section 2.2, for 32, 40, 48, 56, 64 and 96 bits. Bits 64 to 71 are left out.
fn translated(address: Ipv6Addr) -> [Ipv4Addr; 6] {
    let [_, _, _, _, a, b, c, d, _, e, f, g, w, x, y, z] = address.octets();
    [
        Ipv4Addr::new(a, b, c, d),
        Ipv4Addr::new(b, c, d, e),
        Ipv4Addr::new(c, d, e, f),
        Ipv4Addr::new(d, e, f, g),
        Ipv4Addr::new(e, f, g, w),
        Ipv4Addr::new(w, x, y, z),
    ]
}

fn is_teredo(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x2001, 0, ..])
}

/// RFC 8215: for networks of one's own only.
fn is_local_translation(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 1, ..])
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
            // Pod identities.
            "169.254.170.2",
            "169.254.170.23",
            "[fd00:ec2::23]",
            "[64:ff9b::169.254.170.23]",
            // Translated behind prefixes of 48, 56 and 64 bits.
            "[64:ff9b:1:a9fe:00a9:fe00::]",
            "[64:ff9b:1:ffa9:00fe:a9fe::]",
            "[64:ff9b:1:ffff:00a9:fea9:fe00::]",
            // Translated behind prefixes of a network's own, of 32, 40 and 96 bits.
            "[2001:67c:a9fe:a9fe::]",
            "[2001:67c:22a9:fea9:fe::]",
            "[2001:67c:2e8:2a::a9fe:aa17]",
            // Teredo: as the server, and as the client.
            "[2001:0:a9fe:a9fe::1]",
            "[2001:0:4136:e378:8000:63bf:5601:5601]",
            // ISATAP.
            "[2001:67c::5efe:169.254.169.254]",
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
            "[64:ff9b:1::808:808]",
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
            "[2001:4860:4860::8888]",
            "[64:ff9b::1.1.1.1]",
            "[::ffff:1.1.1.1]",
            "[2002:0101:0101::1]",
        ] {
            check(host, '-');
        }
    }
}
