//! Detects a proxy that is missing in CAULDRON_TRUSTED_PROXIES: one peer that brings nearly all requests, with
//! X-Forwarded-For. All of its clients then have its address, in the log and for the login limit.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::telemetry::log_throttle::LogThrottle;

/// Below this number of requests nothing is known.
const MIN_REQUESTS: u32 = 100;
/// Counts are halved here, so that they follow the traffic.
const MAX_REQUESTS: u32 = 1_000;
const MIN_PERCENT: u32 = 90;

#[derive(Debug, Default)]
pub struct UnlistedProxy {
    traffic: Mutex<Traffic>,
    log_throttle: LogThrottle,
}

/// The share of one peer in all requests.
#[derive(Debug, Default)]
struct Traffic {
    peer: Option<IpAddr>,
    of_peer: u32,
    total: u32,
}

impl Traffic {
    /// Counts a request. `unlisted` is its peer if that sent X-Forwarded-For without being trusted.
    fn count(&mut self, unlisted: Option<IpAddr>) {
        self.total += 1;
        if self.of_peer == 0 {
            self.peer = unlisted;
        }
        self.of_peer += u32::from(unlisted.is_some() && unlisted == self.peer);
        if self.total >= MAX_REQUESTS {
            // A peer without the majority makes room for another one.
            self.of_peer = if self.of_peer * 2 < self.total { 0 } else { self.of_peer / 2 };
            self.total /= 2;
        }
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.peer == Some(peer)
            && self.total >= MIN_REQUESTS
            && self.of_peer * 100 >= self.total * MIN_PERCENT
    }
}

impl UnlistedProxy {
    /// Counts a request, and warns if its peer seems to be a proxy.
    pub fn count(&self, peer: IpAddr, is_forwarded: bool) {
        let peer = peer.to_canonical();
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.count(is_forwarded.then_some(peer));
        let is_proxy = is_forwarded && traffic.is_proxy(peer);
        drop(traffic);
        if is_proxy && let Some(requests) = self.log_throttle.due(Instant::now()) {
            tracing::warn!(
                event = "web.proxy_unlisted",
                %peer,
                requests,
                hint = "add it to CAULDRON_TRUSTED_PROXIES",
                "nearly all requests come from one peer with X-Forwarded-For; its clients' addresses and https are ignored"
            );
        }
    }

    /// True if this is the address of such a proxy in a private network. One peer on the internet could send that much
    /// itself in order to have no limit.
    pub fn is_shared(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        is_private(peer) && self.traffic.lock().unwrap_or_else(PoisonError::into_inner).is_proxy(peer)
    }
}

/// True for addresses that no client on the internet has.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_carrier_grade = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_carrier_grade
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The state after these requests: how many, from which peer, with X-Forwarded-For or not.
    fn after(requests: &[(u32, &str, bool)]) -> UnlistedProxy {
        let proxy = UnlistedProxy::default();
        for (times, peer, is_forwarded) in requests {
            (0..*times).for_each(|_| proxy.count(ip(peer), *is_forwarded));
        }
        proxy
    }

    #[test]
    fn one_peer_with_nearly_all_requests_is_a_proxy() {
        let shared = |requests: &[_], peer| after(requests).is_shared(ip(peer));
        assert!(shared(&[(100, "10.0.0.1", true)], "10.0.0.1"));
        assert!(shared(&[(10, "10.0.0.2", false), (90, "10.0.0.1", true)], "::ffff:10.0.0.1"));
        assert!(shared(&[(5_000, "10.0.0.2", false), (5_000, "10.0.0.1", true)], "10.0.0.1"));
        assert!(shared(&[(5_000, "10.0.0.2", true), (5_000, "10.0.0.1", true)], "10.0.0.1"));
        assert!(shared(&[(9_000, "fd00::1", true)], "fd00::1"));
    }

    #[test]
    fn other_peers_have_their_limit() {
        let shared = |requests: &[_], peer| after(requests).is_shared(ip(peer));
        assert!(!shared(&[(99, "10.0.0.1", true)], "10.0.0.1"));
        assert!(!shared(&[(9_000, "10.0.0.1", false)], "10.0.0.1"));
        assert!(!shared(&[(100, "10.0.0.1", true), (20, "10.0.0.2", false)], "10.0.0.1"));
        assert!(!shared(&[(900, "10.0.0.1", true)], "10.0.0.2"));
        assert!(!shared(&[(9_000, "10.0.0.1", true), (5_000, "10.0.0.2", false)], "10.0.0.1"));
        // It could be a client that wants no limit.
        assert!(!shared(&[(9_000, "203.0.113.9", true)], "203.0.113.9"));
        assert!(!shared(&[(9_000, "2001:db8::1", true)], "2001:db8::1"));
    }
}
