//! Which site a host name means.

use super::value::parse_site;

/// The rules, in the order in which they were given; the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    rules: Vec<(Pattern, String)>,
    otherwise: Otherwise,
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
        Self { rules: Vec::new(), otherwise }
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
        let fits = |pattern: &Pattern| match pattern {
            Pattern::Name(given) => *given == name,
            Pattern::Below(below) => name.ends_with(below.as_str()) && name.len() > below.len(),
            Pattern::Any => true,
        };
        if let Some((_, site)) = self.rules.iter().find(|(pattern, _)| fits(pattern)) {
            return Some(site.clone());
        }
        match &self.otherwise {
            Otherwise::Site(site) => Some(site.clone()),
            Otherwise::SameName => parse_site(&name).ok(),
            Otherwise::Refused => None,
        }
    }

    /// Whether every host is the same site.
    pub fn is_any(&self) -> bool {
        self.rules.is_empty() && matches!(self.otherwise, Otherwise::Site(_))
    }
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
    fn what_is_no_host_is_refused() {
        for bad in ["*x=a", "a/b=c", "=a", "a=../b", "a=assets", "*.=a"] {
            assert!(Hosts::parse(bad, "main").is_err(), "{bad}");
        }
    }
}
