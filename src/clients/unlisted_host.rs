//! The site of a request by its host, and the hosts that nobody listed.
//!
//! ```text
//!   CAULDRON_HOSTS            listed: its site     not listed: 404, unless it is internal
//!   CAULDRON_INGRESS_HOSTS    every host is the site; one that is not listed is counted and logged
//!   neither                   every host is the site
//! ```
//!
//! Internal requests are always answered: probes and other pods use addresses and Service names.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nix::ifaddrs::getifaddrs;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::address::Client;
use crate::config::front::FrontConfig;
use crate::config::hosts::{is_internal, name_of};
use crate::status::metrics::{LabelSet, register};
use crate::telemetry::log_throttle::LogThrottle;

const PING: &str = "/api/method/ping";
/// The release that answers 404 to a host that the Ingress does not name.
const REFUSED_FROM: &str = "0.4.0";
/// Names that are counted by themselves: clients invent names without end.
const MAX_NAMES: usize = 16;
const ADDRESS: &str = "(address)";
const OTHERS: &str = "(others)";

#[derive(Debug)]
pub struct UnlistedHosts {
    own_addresses: Vec<IpAddr>,
    counters: Family<LabelSet, Counter>,
    names: Mutex<BTreeSet<String>>,
    log_throttle: LogThrottle,
}

impl UnlistedHosts {
    pub fn new() -> Self {
        Self {
            own_addresses: own_addresses(),
            counters: Family::default(),
            names: Mutex::default(),
            log_throttle: LogThrottle::default(),
        }
    }

    /// Returns the site of a request. None for a host that is refused. `bootstrapped` is the site that is bootstrapped.
    pub fn site(
        &self,
        settings: &FrontConfig,
        bootstrapped: Option<&str>,
        client: &Client,
        path: &str,
    ) -> Option<String> {
        let hosts = &settings.hosts;
        let site = hosts.site(&client.host);
        let is_internal = || self.is_internal(&name_of(&client.host)) || path == PING;
        if site.is_none() {
            return bootstrapped.map(String::from).filter(|_| hosts.refuses_others() && is_internal());
        }
        if let (Some(listed), Some(site)) = (&settings.ingress_hosts, &site)
            && listed.site(&client.host).is_none()
            && !hosts.is_named(&client.host, site)
            && !is_internal()
        {
            self.note(client);
        }
        site
    }

    fn is_internal(&self, name: &str) -> bool {
        is_internal(name) || name.parse().is_ok_and(|address| self.own_addresses.contains(&address))
    }

    fn note(&self, client: &Client) {
        let label = self.label(&name_of(&client.host));
        self.counters.get_or_create(&LabelSet(vec![("host", label)])).inc();
        if let Some(requests) = self.log_throttle.due(Instant::now()) {
            tracing::warn!(
                event = "request.unlisted_host",
                host = client.host,
                client = %client.address,
                requests,
                refused_from = REFUSED_FROM,
                hint = "add the host to frappe.ingress.hosts, or list all hosts in CAULDRON_HOSTS (frappe.web.hosts)",
                "the Ingress does not name this host; a later release answers 404 to it"
            );
        }
    }

    fn label(&self, name: &str) -> String {
        if name.parse::<IpAddr>().is_ok() {
            return ADDRESS.into();
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MAX_NAMES {
            names.insert(name.into());
        }
        if names.contains(name) { name.into() } else { OTHERS.into() }
    }

    pub fn register(&self, registry: &mut Registry) {
        register(registry, "http_unlisted_host_requests_total", self.counters.clone());
    }
}

/// The addresses of this pod.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    interfaces.filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_names_are_counted_together() {
        let unlisted = UnlistedHosts::new();
        assert_eq!(unlisted.label("10.0.0.1"), ADDRESS);
        for number in 0..MAX_NAMES {
            let name = format!("a{number}.example");
            assert_eq!(unlisted.label(&name), name);
        }
        assert_eq!([unlisted.label("b.example"), unlisted.label("a3.example")], [OTHERS, "a3.example"]);
        assert_eq!([unlisted.label("::1"), unlisted.label("b.example")], [ADDRESS, OTHERS]);
    }

    #[test]
    fn own_addresses_are_internal() {
        let unlisted = UnlistedHosts { own_addresses: vec![[10, 1, 2, 3].into()], ..UnlistedHosts::new() };
        assert!(unlisted.is_internal("10.1.2.3") && !unlisted.is_internal("10.1.2.4"));
        assert!(own_addresses().contains(&IpAddr::from([127, 0, 0, 1])));
    }
}
