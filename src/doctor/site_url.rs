//! Which host the site's links name.

use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;

/// Links are made from host_name, else from the request's Host, which is replaced where nobody configured it.
pub fn look(known: &Known) -> Finding {
    let id = Id::SiteUrl;
    let Some(site) = known.config.site.as_deref() else {
        return Finding::skipped(id, "SITE_NAME", "SITE_NAME is not known");
    };
    let hosts = &known.config.front.hosts;
    if hosts.are_configured() {
        return Finding::ok(id, site, format!("links by other hosts name {}", hosts.own_name(site)));
    }
    let detail = format!("no host is configured: links name {site}, whatever host people use");
    let hint = "set CAULDRON_SITE_URL=https://…, or list the hosts in CAULDRON_HOSTS";
    Finding::warning(id, site, detail, hint)
}
