//! Checks which host the links of the site contain.

use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;

/// Checks that a host is configured. Frappe builds links from host_name, else from the request's Host, which the web
/// port replaces unless it is a configured host.
pub fn check(inputs: &Inputs) -> Finding {
    let id = Id::SiteUrl;
    let Some(site) = inputs.config.site.as_deref() else {
        return Finding::skipped(id, "SITE_NAME", "SITE_NAME is not known");
    };
    let hosts = &inputs.config.front.hosts;
    if hosts.has_configured_hosts() {
        return Finding::ok(id, site, format!("links by other hosts name {}", hosts.link_host(site)));
    }
    let detail = format!("no host is configured: links contain {site}, not the host that users visit");
    let hint = "set CAULDRON_SITE_URL=https://…, or list the hosts in CAULDRON_HOSTS";
    Finding::warning(id, site, detail, hint)
}
