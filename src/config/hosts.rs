//! Maps host names to sites.

use std::net::{IpAddr, Ipv6Addr};

use super::value::parse_site;

/// The rules in their given order. The first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    rules: Vec<(Pattern, String)>,
    fallback: Fallback,
    /// Host names of the site in its own configuration.
    known: Vec<String>,
    /// A site, and the host (with port) for its links.
    public: Option<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    /// `.example.com`, from `*.example.com`: matches all names that end with it.
    Suffix(String),
    Any,
}

/// The site of a host that no rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    Site(String),
    /// The site with the host's name (Frappe's own multi-tenancy).
    SameName,
    /// No site: 404.
    Refused,
}

impl Hosts {
    pub fn new(fallback: Fallback) -> Self {
        Self { rules: Vec::new(), fallback, known: Vec::new(), public: None }
    }

    /// Reads rules separated by blanks or commas: `erp.example.com=site1 *.example.com=site2 www.example.com`. A host
    /// without `=` belongs to `site`. A host that no rule matches is refused.
    pub fn parse(text: &str, site: &str) -> Result<Self, String> {
        let mut hosts = Self::new(Fallback::Refused);
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            let (host, site) = word.split_once('=').unwrap_or((word, site));
            let host = host.to_ascii_lowercase();
            let pattern = match host.strip_prefix('*') {
                Some("") => Pattern::Any,
                Some(tail) if tail.starts_with('.') && is_name(&tail[1..]) => Pattern::Suffix(tail.into()),
                None if is_name(&host) => Pattern::Name(host),
                _ => return Err(format!("`{word}` does not begin with a host name")),
            };
            hosts.rules.push((pattern, parse_site(site)?));
        }
        Ok(hosts)
    }

    /// Returns the site of a host, given as in a Host header. None for a host that is refused.
    pub fn site(&self, host: &str) -> Option<String> {
        let name = name_of(host);
        if let Some((_, site)) = self.rules.iter().find(|(pattern, _)| pattern.matches(&name)) {
            return Some(site.clone());
        }
        match &self.fallback {
            Fallback::Site(site) => Some(site.clone()),
            Fallback::SameName => parse_site(&name).ok(),
            Fallback::Refused => None,
        }
    }

    /// True if a host that no rule matches has no site.
    pub fn refuses_others(&self) -> bool {
        self.fallback == Fallback::Refused
    }

    /// Adds the hosts in the site's configuration: `urls` (CAULDRON_SITE_URL, host_name) and `domains`. The first URL
    /// is the one for links.
    pub fn with_names(mut self, site: &str, urls: &[String], domains: &[String]) -> Self {
        let authorities: Vec<String> = urls.iter().filter_map(|url| authority_of(url)).collect();
        self.known = authorities.iter().chain(domains).map(|host| name_of(host)).collect();
        self.public = authorities.into_iter().next().map(|authority| (site.into(), authority));
        self
    }

    /// True if this host, given as in a Host header, is configured for that site, so that links may contain it. `*`
    /// configures no host. Local names such as `localhost` are safe in a link: they lead to the user's own machine.
    pub fn is_named(&self, host: &str, site: &str) -> bool {
        let name = name_of(host);
        let by_rule =
            || self.rules.iter().any(|(pattern, _)| *pattern != Pattern::Any && pattern.matches(&name));
        is_authority(host)
            && (is_local(&name) || name == name_of(site) || self.known.contains(&name) || by_rule())
    }

    /// Returns the host for links of a site if the request's own host is not configured.
    pub fn link_host<'a>(&'a self, site: &'a str) -> &'a str {
        match &self.public {
            Some((of, authority)) if of == site => authority,
            _ => site,
        }
    }

    /// True if any host is configured.
    pub fn has_configured_hosts(&self) -> bool {
        !self.known.is_empty() || !self.rules.is_empty() || self.fallback == Fallback::SameName
    }

    /// True if all hosts belong to one site.
    pub fn is_single_site(&self) -> bool {
        self.rules.is_empty() && matches!(self.fallback, Fallback::Site(_))
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(given) => given == name,
            Self::Suffix(suffix) => name.ends_with(suffix.as_str()) && name.len() > suffix.len(),
            Self::Any => true,
        }
    }
}

/// True for a name or an address of the client's own machine.
fn is_local(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// True for a name that only this machine or this network resolves: a local one, a Service of Kubernetes, or a short
/// name, as compose's services and pods of the same namespace have.
pub fn is_internal(name: &str) -> bool {
    let is_short = !name.is_empty() && !name.contains(['.', ':']);
    is_local(name) || is_short || [".svc", ".svc.cluster.local"].iter().any(|end| name.ends_with(end))
}

/// Returns the host of a URL with its port. host_name may have no scheme.
fn authority_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_authority(authority).then(|| authority.to_ascii_lowercase())
}

/// True for exactly a name or an address, with or without a port.
fn is_authority(host: &str) -> bool {
    let port = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => port,
            _ => return false,
        },
        None => {
            let end = host.find(':').unwrap_or(host.len());
            if !is_name(&host[..end]) {
                return false;
            }
            &host[end..]
        }
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    port.is_empty() || port.strip_prefix(':').is_some_and(is_port)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Returns the bare name or address: `ERP.example.com.:8000` → `erp.example.com`; `[::1]:8000` → `::1`.
pub fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(hosts: &Hosts, host: &str) -> String {
        hosts.site(host).unwrap_or_default()
    }

    #[test]
    fn without_rules_every_host_is_the_one_site() {
        let hosts = Hosts::new(Fallback::Site("a".into()));
        assert!(hosts.is_single_site());
        assert_eq!([site(&hosts, "x"), site(&hosts, "10.0.0.1:8000")], ["a", "a"]);
    }

    #[test]
    fn the_first_matching_rule_decides_and_other_hosts_are_refused() {
        let hosts = Hosts::parse("erp.example.com=one, *.example.com=two www.example.org", "main").unwrap();
        assert_eq!(site(&hosts, "ERP.example.com:443"), "one");
        assert_eq!(site(&hosts, "a.b.example.com"), "two");
        assert_eq!(site(&hosts, "www.example.org."), "main");
        for foreign in ["example.com", "xexample.com", "example.org", "", "[::1]:8000"] {
            assert_eq!(hosts.site(foreign), None, "{foreign}");
        }
        assert_eq!(site(&Hosts::parse("a=one *", "main").unwrap(), "b"), "main");
    }

    #[test]
    fn a_host_that_is_its_own_site_must_be_a_valid_site_name() {
        let hosts = Hosts::new(Fallback::SameName);
        assert_eq!(site(&hosts, "Erp.Example.com:8000"), "erp.example.com");
        for bad in ["assets", "..", "../x", "a/b", ".cauldron", ""] {
            assert_eq!(hosts.site(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_configured_hosts_are_named() {
        let bare = Hosts::new(Fallback::Site("web.local".into()));
        let local =
            ["web.local", "WEB.local:8000", "localhost:8080", "demo.localhost:8000", "127.0.0.1", "[::1]:80"];
        for host in local {
            assert!(bare.is_named(host, "web.local"), "{host}");
        }
        let foreign = [
            "evil.example",
            "10.0.0.1:8000",
            "web.local.evil.example",
            "xweb.local",
            "localhost.evil.example",
            "web.local:evil.example",
            "web.local:80:evil.example",
            "web.local:+80",
            "[web.local].evil.example",
            "[::1].evil.example",
            "[::1]evil.example",
            "",
        ];
        for host in foreign {
            assert!(!bare.is_named(host, "web.local"), "{host}");
            let ruled = Hosts::parse("erp.example.com *", "web.local").unwrap();
            assert!(!ruled.is_named(host, "web.local"), "{host}");
        }
        assert!(!bare.has_configured_hosts());
        let ruled = Hosts::parse("*.example.com=other", "web.local").unwrap();
        assert!(ruled.is_named("a.example.com:1", "other") && !ruled.is_named("example.com", "other"));
    }

    #[test]
    fn internal_names_are_local_short_or_services() {
        for name in [
            "localhost",
            "a.localhost",
            "127.0.0.2",
            "::1",
            "web",
            "erp-web.prod.svc",
            "w.p.svc.cluster.local",
        ] {
            assert!(is_internal(name), "{name}");
        }
        for name in
            ["", "erp.example.com", "10.0.0.1", "fd00::1", "svc.example.com", "a.svc.example.com", "web.prod"]
        {
            assert!(!is_internal(name), "{name}");
        }
    }

    #[test]
    fn links_for_foreign_hosts_use_the_sites_url() {
        let urls =
            ["https://ERP.example.com:8443/".to_string(), "old.example.com".into(), "http://a b".into()];
        let domains = ["shop.example.com".to_string()];
        let hosts = Hosts::new(Fallback::Site("web.local".into())).with_names("web.local", &urls, &domains);
        for host in ["erp.example.com", "old.example.com:80", "shop.example.com"] {
            assert!(hosts.is_named(host, "web.local"), "{host}");
        }
        assert!(!hosts.is_named("a b", "web.local") && hosts.has_configured_hosts());
        assert_eq!(hosts.link_host("web.local"), "erp.example.com:8443");
        assert_eq!(hosts.link_host("other.local"), "other.local");
    }

    #[test]
    fn invalid_hosts_and_sites_are_refused() {
        for bad in ["*x=a", "a/b=c", "=a", "a=../b", "a=assets", "*.=a"] {
            assert!(Hosts::parse(bad, "main").is_err(), "{bad}");
        }
    }
}
