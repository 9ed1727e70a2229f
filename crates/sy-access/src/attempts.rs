//! Wrong tokens by address: how many of them are answered before the address must wait.
//!
//! Called by [`crate::Access::authenticate_from`] for each wrong token, and for nothing else. A right token is always
//! accepted: a neighbour behind the same address, or another program on this machine, must not be able to lock a client
//! out. That costs no safety, since a server on an open address refuses to start with a token that can be guessed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many addresses are remembered; then the one that was quiet for longest is forgotten.
const ADDRESSES: usize = 4096;
/// Wrong tokens that are answered at once, from another machine and from this one, and the time until one more is.
const BURST: u32 = 20;
const LOCAL_BURST: u32 = 200;
const REFILL: Duration = Duration::from_secs(3);
const LOCAL_REFILL: Duration = Duration::from_millis(300);

/// The addresses that sent wrong tokens.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Until when each address is in debt: a wrong token adds one refill time.
    debts: Mutex<HashMap<IpAddr, Instant>>,
}

impl Attempts {
    /// Notes a wrong token. Returns how long the address must wait when it sent too many.
    pub(crate) fn wrong(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let (burst, refill) = match peer.to_canonical().is_loopback() {
            true => (LOCAL_BURST, LOCAL_REFILL),
            false => (BURST, REFILL),
        };
        let address = network(peer);
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);

        if debts.len() >= ADDRESSES && !debts.contains_key(&address) {
            debts.retain(|_, until| *until > now);
            let quietest = debts.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            if let Some(peer) = quietest.filter(|_| debts.len() >= ADDRESSES) {
                debts.remove(&peer);
            }
        }

        let until = debts.entry(address).or_insert(now);
        let owed = until.saturating_duration_since(now);
        // A refused attempt adds nothing: whoever asks on is not punished for ever.
        if owed > refill * (burst - 1) {
            return Some(owed - refill * (burst - 1));
        }
        *until = now + owed + refill;
        None
    }
}

/// Returns what counts as one address: of IPv6 the network, within which one host has as many addresses as it likes.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{ADDRESSES, Attempts, BURST, LOCAL_BURST, REFILL};

    /// Sends wrong tokens until one is refused; returns how many were answered and how long to wait.
    fn exhaust(attempts: &Attempts, peer: IpAddr, now: Instant) -> (u32, Duration) {
        for count in 0..10_000 {
            if let Some(wait) = attempts.wrong(peer, now) {
                return (count, wait);
            }
        }
        (10_000, Duration::ZERO)
    }

    #[test]
    fn each_address_has_its_own_burst_and_gets_it_back() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(exhaust(&attempts, peer, now), (BURST, REFILL));
        assert_eq!(exhaust(&attempts, peer, now + REFILL), (1, REFILL));
        assert_eq!(exhaust(&attempts, peer, now + REFILL * 100).0, BURST);
        assert_eq!(exhaust(&attempts, "::ffff:127.0.0.1".parse().unwrap(), now).0, LOCAL_BURST);
        assert_eq!(exhaust(&attempts, "2001:db8::1".parse().unwrap(), now).0, BURST);
        assert_eq!(exhaust(&attempts, "2001:db8::2".parse().unwrap(), now).0, 0);
    }

    #[test]
    fn the_table_is_bounded() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..2 * ADDRESSES as u32 {
            attempts.wrong(Ipv4Addr::from(0x0a00_0000 + number).into(), now);
        }
        assert_eq!(attempts.debts.lock().unwrap().len(), ADDRESSES);
    }
}
