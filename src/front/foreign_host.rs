//! A Host that nobody configured. Frappe makes links of Host, for a guest's reset_password too: what a stranger
//! writes there would be mailed. So Frappe gets the site's own name in its place, and the request is answered.

use std::time::Instant;

use hyper::Response;
use hyper::header::{self, HeaderValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::address::Client;
use super::seldom::Seldom;
use crate::config::hosts::Hosts;
use crate::status::metrics::help;

/// How many such requests there were.
#[derive(Debug, Default)]
pub struct ForeignHosts {
    counter: Counter,
    lines: Seldom,
}

impl ForeignHosts {
    /// The client as Frappe is to see it; none where its host is one that was configured.
    pub fn replaced(&self, hosts: &Hosts, client: &Client, site: &str) -> Option<Client> {
        if hosts.is_named(&client.host, site) {
            return None;
        }
        let own = hosts.own_name(site);
        // An HTTP/1.0 client may name none.
        if !client.host.is_empty() {
            self.counter.inc();
            if let Some(requests) = self.lines.due(Instant::now()) {
                let (host, address) = (&client.host, client.address);
                tracing::info!(host, passed_on = own, client = %address, requests, "host is not configured");
            }
        }
        Some(Client { host: own.into(), ..client.clone() })
    }

    pub fn register(&self, registry: &mut Registry) {
        let name = "http_foreign_host_requests";
        registry.register(name, help("http_foreign_host_requests_total"), self.counter.clone());
    }
}

/// A redirect to the name that Frappe was given is one to this very host: said without a host, so that it leads
/// back to where the client came from.
pub fn make_redirect_relative<B>(response: &mut Response<B>, passed_on: &Client) {
    let Some(location) = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok())
    else {
        return;
    };
    if let Some(relative) = relative(location, passed_on).and_then(|path| HeaderValue::try_from(path).ok()) {
        response.headers_mut().insert(header::LOCATION, relative);
    }
}

fn relative(location: &str, passed_on: &Client) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let is_here = scheme.eq_ignore_ascii_case(passed_on.scheme) && host.eq_ignore_ascii_case(&passed_on.host);
    // `//host` and `/\host` would be another host's.
    let is_another = path.starts_with("//") || path.starts_with("/\\");
    match path {
        _ if !is_here || is_another => None,
        path if path.starts_with('/') => Some(path.into()),
        path => Some(format!("/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_the_sites_own_name_leads_back_to_the_client() {
        let passed_on = Client {
            address: [1, 2, 3, 4].into(),
            scheme: "http",
            host: "web.local".into(),
            by_proxy: false,
        };
        let relative = |location| relative(location, &passed_on);
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
