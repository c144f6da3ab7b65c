//! Maps host names to sites.

mod names;

use self::names::{authority_of, is_authority, is_local, is_name};
pub use self::names::{is_internal, name_of};
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
    /// without `=` belongs to `site`. A host that no rule matches is refused, and so is one with two sites.
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
            let site = parse_site(site)?;
            let earlier = hosts.rules.iter().find(|(given, _)| *given == pattern);
            if let Some((_, other)) = earlier.filter(|(_, other)| *other != site) {
                let host = word.split('=').next().unwrap_or(word);
                return Err(format!("`{host}` has two sites, {other} and {site}"));
            }
            hosts.rules.push((pattern, site));
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

#[cfg(test)]
mod tests;
