//! Checks which host the links of the site contain, and whether that host resolves in this container.

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::config::hosts::name_of;
use crate::net::dial;

/// Checks that a host is configured. Frappe builds links from host_name, else from the request's Host, which the web
/// port replaces unless it is a configured host.
pub async fn check(inputs: &Inputs, clock: Clock) -> Finding {
    let id = Id::SiteUrl;
    let Some(site) = inputs.config.site.as_deref() else {
        return Finding::skipped(id, "SITE_NAME", "SITE_NAME is not known");
    };
    let hosts = &inputs.config.front.hosts;
    if !hosts.has_configured_hosts() {
        let detail = format!("no host is configured: links contain {site}, not the host that users visit");
        let hint = "set CAULDRON_SITE_URL=https://…, or list the hosts in CAULDRON_HOSTS";
        return Finding::warning(id, site, detail, hint);
    }
    let host = hosts.link_host(site);
    let name = name_of(host);
    match dial::resolve(&name, 0, clock.deadline()).await {
        Ok(_) => Finding::ok(id, site, format!("links by other hosts name {host}")),
        // wkhtmltopdf, a child of Frappe, loads images and styles from there (docs/frappe-contract.md#pdfs).
        Err(error) => Finding::warning(
            id,
            site,
            format!("links name {host}, and PDFs fail or lack images and styles: {}", error.cause),
            format!(
                "make {name} resolve in the containers of web and workers, to what serves that URL: the cluster's \
                 DNS or hostAliases in Kubernetes, extra_hosts with compose (docs/web-port.md#pdfs)"
            ),
        ),
    }
}
