//! Unconfigured hosts. Frappe makes links from the Host header, also for a guest's reset_password: a forged host
//! would be mailed to users. Therefore Frappe gets the site's own name instead, and the request is answered.

use std::time::Instant;

use hyper::Response;
use hyper::header::{self, HeaderValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::address::Client;
use crate::config::hosts::Hosts;
use crate::status::metrics::register;
use crate::telemetry::log_throttle::LogThrottle;

/// Counts and logs requests with an unconfigured host.
#[derive(Debug, Default)]
pub struct ForeignHosts {
    counter: Counter,
    log_throttle: LogThrottle,
}

impl ForeignHosts {
    /// Returns the client as it is presented to Frappe, or None if its host is configured.
    pub fn replacement(&self, hosts: &Hosts, client: &Client, site: &str) -> Option<Client> {
        if hosts.is_named(&client.host, site) {
            return None;
        }
        let own = hosts.link_host(site);
        // An HTTP/1.0 client may send no host.
        if !client.host.is_empty() {
            self.counter.inc();
            if let Some(requests) = self.log_throttle.due(Instant::now()) {
                let (host, address) = (&client.host, client.address);
                tracing::info!(
                    event = "request.foreign_host",
                    host,
                    forwarded_host = own,
                    client = %address,
                    requests,
                    "host is not configured"
                );
            }
        }
        Some(Client { host: own.into(), ..client.clone() })
    }

    pub fn register(&self, registry: &mut Registry) {
        register(registry, "http_foreign_host_requests_total", self.counter.clone());
    }
}

/// Makes a redirect relative if it leads to the name that Frappe was given, so that the client stays on the host
/// that it used.
pub fn make_redirect_relative<B>(response: &mut Response<B>, forwarded: &Client) {
    let Some(location) = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok())
    else {
        return;
    };
    if let Some(relative) = relative(location, forwarded).and_then(|path| HeaderValue::try_from(path).ok()) {
        response.headers_mut().insert(header::LOCATION, relative);
    }
}

fn relative(location: &str, forwarded: &Client) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let is_own = scheme.eq_ignore_ascii_case(forwarded.scheme) && host.eq_ignore_ascii_case(&forwarded.host);
    // `//host` and `/\host` would lead to another host.
    let is_foreign = path.starts_with("//") || path.starts_with("/\\");
    match path {
        _ if !is_own || is_foreign => None,
        path if path.starts_with('/') => Some(path.into()),
        path => Some(format!("/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_the_sites_own_name_becomes_relative() {
        let forwarded = Client::naming("http", "web.local");
        let relative = |location| relative(location, &forwarded);
        assert_eq!(relative("http://web.local/login?a=b#c").as_deref(), Some("/login?a=b#c"));
        assert_eq!(relative("http://WEB.local").as_deref(), Some("/"));
        assert_eq!(relative("http://web.local?a").as_deref(), Some("/?a"));
        for other in [
            "/login",
            "https://web.local/",
            "http://web.local:8000/",
            "http://web.local.evil.example/",
            "http://evil.example/http://web.local/",
            "http://web.local//evil.example",
            "http://web.local/\\evil.example",
            "http://user@web.local/",
        ] {
            assert_eq!(relative(other), None, "{other}");
        }
    }
}
