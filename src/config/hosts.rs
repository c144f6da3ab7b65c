//! Which site a host name means.

use std::net::{IpAddr, Ipv6Addr};

use super::value::parse_site;

/// The rules, in the order in which they were given; the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    rules: Vec<(Pattern, String)>,
    otherwise: Otherwise,
    /// Names that the site's own configuration has for it.
    known: Vec<String>,
    /// A site and the host of its links.
    public: Option<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    /// `*.example.com`: `.example.com`, for names below it.
    Below(String),
    Any,
}

/// What a host is that no rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    Site(String),
    /// The site is called like the host (Frappe's own multi-tenancy).
    SameName,
    /// Nobody's: 404.
    Refused,
}

impl Hosts {
    pub fn new(otherwise: Otherwise) -> Self {
        Self { rules: Vec::new(), otherwise, known: Vec::new(), public: None }
    }

    /// `erp.example.com=site1 *.example.com=site2 www.example.com`, by blanks or commas; a host
    /// without `=` is `site`'s. A host that is not in the list is nobody's.
    pub fn parse(text: &str, site: &str) -> Result<Self, String> {
        let mut hosts = Self::new(Otherwise::Refused);
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            let (host, site) = word.split_once('=').unwrap_or((word, site));
            let host = host.to_ascii_lowercase();
            let pattern = match host.strip_prefix('*') {
                Some("") => Pattern::Any,
                Some(below) if below.starts_with('.') && is_name(&below[1..]) => Pattern::Below(below.into()),
                None if is_name(&host) => Pattern::Name(host),
                _ => return Err(format!("`{word}` does not begin with a host name")),
            };
            hosts.rules.push((pattern, parse_site(site)?));
        }
        Ok(hosts)
    }

    /// The site of a host, given as a Host header has it; none for a host that is nobody's.
    pub fn site(&self, host: &str) -> Option<String> {
        let name = name_of(host);
        if let Some((_, site)) = self.rules.iter().find(|(pattern, _)| pattern.fits(&name)) {
            return Some(site.clone());
        }
        match &self.otherwise {
            Otherwise::Site(site) => Some(site.clone()),
            Otherwise::SameName => parse_site(&name).ok(),
            Otherwise::Refused => None,
        }
    }

    /// Adds what the site's configuration says of its hosts: `urls` (CAULDRON_SITE_URL, host_name), of which the
    /// first makes its links, and `domains`.
    pub fn with_names(mut self, site: &str, urls: &[String], domains: &[String]) -> Self {
        let authorities: Vec<String> = urls.iter().filter_map(|url| authority_of(url)).collect();
        self.known = authorities.iter().chain(domains).map(|host| name_of(host)).collect();
        self.public = authorities.into_iter().next().map(|authority| (site.into(), authority));
        self
    }

    /// Whether anybody configured this host, given as a Host header has it, for that site; so that it may stand
    /// in a link. `*` names none. This machine's own names lead a link nowhere else.
    pub fn is_named(&self, host: &str, site: &str) -> bool {
        let name = name_of(host);
        let is_local = name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let by_rule =
            || self.rules.iter().any(|(pattern, _)| *pattern != Pattern::Any && pattern.fits(&name));
        is_authority(host) && (is_local || name == name_of(site) || self.known.contains(&name) || by_rule())
    }

    /// The host for links of a site that a request by a foreign host makes.
    pub fn own_name<'a>(&'a self, site: &'a str) -> &'a str {
        match &self.public {
            Some((of, authority)) if of == site => authority,
            _ => site,
        }
    }

    /// Whether it was said by which hosts people come.
    pub fn are_configured(&self) -> bool {
        !self.known.is_empty() || !self.rules.is_empty() || self.otherwise == Otherwise::SameName
    }

    /// Whether every host is the same site.
    pub fn is_any(&self) -> bool {
        self.rules.is_empty() && matches!(self.otherwise, Otherwise::Site(_))
    }
}

impl Pattern {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Name(given) => given == name,
            Self::Below(below) => name.ends_with(below.as_str()) && name.len() > below.len(),
            Self::Any => true,
        }
    }
}

/// The host of a URL with its port; host_name may be written without a scheme.
fn authority_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_authority(authority).then(|| authority.to_ascii_lowercase())
}

/// A name or an address with a port or none, and nothing that only looks like it.
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

/// `ERP.example.com.:8000` → `erp.example.com`; `[::1]:8000` → `::1`.
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
    fn every_host_is_the_one_site_unless_told_otherwise() {
        let hosts = Hosts::new(Otherwise::Site("a".into()));
        assert!(hosts.is_any());
        assert_eq!([site(&hosts, "x"), site(&hosts, "10.0.0.1:8000")], ["a", "a"]);
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_others_are_nobodys() {
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
    fn a_host_that_is_its_own_site_has_a_sites_name() {
        let hosts = Hosts::new(Otherwise::SameName);
        assert_eq!(site(&hosts, "Erp.Example.com:8000"), "erp.example.com");
        for bad in ["assets", "..", "../x", "a/b", ".cauldron", ""] {
            assert_eq!(hosts.site(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_hosts_that_somebody_configured_are_named() {
        let bare = Hosts::new(Otherwise::Site("web.local".into()));
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
        assert!(!bare.are_configured());
        let ruled = Hosts::parse("*.example.com=other", "web.local").unwrap();
        assert!(ruled.is_named("a.example.com:1", "other") && !ruled.is_named("example.com", "other"));
    }

    #[test]
    fn the_sites_url_makes_the_links_of_foreign_hosts() {
        let urls =
            ["https://ERP.example.com:8443/".to_string(), "old.example.com".into(), "http://a b".into()];
        let domains = ["shop.example.com".to_string()];
        let hosts = Hosts::new(Otherwise::Site("web.local".into())).with_names("web.local", &urls, &domains);
        for host in ["erp.example.com", "old.example.com:80", "shop.example.com"] {
            assert!(hosts.is_named(host, "web.local"), "{host}");
        }
        assert!(!hosts.is_named("a b", "web.local") && hosts.are_configured());
        assert_eq!(hosts.own_name("web.local"), "erp.example.com:8443");
        assert_eq!(hosts.own_name("other.local"), "other.local");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["*x=a", "a/b=c", "=a", "a=../b", "a=assets", "*.=a"] {
            assert!(Hosts::parse(bad, "main").is_err(), "{bad}");
        }
    }
}
