//! The sites that may show pages of this site in a frame, by path (Content-Security-Policy: frame-ancestors).

/// The rules in their given order. The first that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameAncestors(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Without the final `*` of a prefix.
    path: String,
    is_prefix: bool,
    /// The directive: `frame-ancestors 'self' https://partner.example`.
    directive: String,
}

const KEYWORDS: [&str; 2] = ["'self'", "'none'"];

impl FrameAncestors {
    /// Reads rules separated by `;` or line ends: `/book/*='self' https://partner.example; /*='self'`. A path that ends with `*`
    /// is a prefix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules = text.split([';', '\n']).map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(parse_rule).collect::<Result<_, _>>().map(Self)
    }

    /// The directive for a path, given as in the request.
    pub fn directive(&self, path: &str) -> Option<&str> {
        // A browser resolves dots before it sends a path. Whatever sends them must not choose another path's rule.
        let has_dots = path.contains("..") || path.to_ascii_lowercase().contains("%2e");
        let rule = self.0.iter().find(|rule| rule.matches(path))?;
        (!has_dots).then_some(&rule.directive)
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        if self.is_prefix { path.starts_with(&self.path) } else { path == self.path }
    }
}

fn parse_rule(rule: &str) -> Result<Rule, String> {
    let (path, sources) = rule.split_once('=').ok_or_else(|| format!("`{rule}` is not path=sources"))?;
    let path = path.trim();
    let (path, is_prefix) = path.strip_suffix('*').map_or((path, false), |prefix| (prefix, true));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"*?#\"'<>\\".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(is_plain) {
        return Err(format!("`{rule}` does not begin with a path"));
    }
    let sources: Vec<&str> = sources.split_whitespace().collect();
    if let Some(bad) = sources.iter().find(|source| !is_source(source)) {
        return Err(format!("`{bad}` is neither an origin nor 'self', 'none' or *"));
    }
    if sources.is_empty() || (sources.contains(&"'none'") && sources.len() > 1) {
        return Err(format!("`{rule}` has no origins, or 'none' beside others"));
    }
    let directive = format!("frame-ancestors {}", sources.join(" "));
    Ok(Rule { path: path.into(), is_prefix, directive })
}

/// True for a source of `frame-ancestors`: a keyword, `*`, a scheme, or a host with or without scheme and port.
fn is_source(source: &str) -> bool {
    // Without their quotes these would be names of hosts.
    let is_bare_keyword = ["self", "none"].contains(&source);
    if KEYWORDS.contains(&source) || ["*", "https:", "http:"].contains(&source) {
        return true;
    }
    let rest = source.strip_prefix("https://").or_else(|| source.strip_prefix("http://")).unwrap_or(source);
    let host = rest.strip_prefix("*.").unwrap_or(rest);
    let (name, port) = host.split_once(':').unwrap_or((host, "*"));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    !is_bare_keyword && is_name && (port == "*" || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_path_decides() {
        let text = "/book/new='self'; /book/*=https://*.partner.example:8443  'self'\n/status='none';/*=*;";
        let rules = FrameAncestors::parse(text).unwrap();
        for (path, sources) in [
            ("/book/new", "'self'"),
            ("/book/other", "https://*.partner.example:8443 'self'"),
            ("/book/", "https://*.partner.example:8443 'self'"),
            ("/status", "'none'"),
            ("/", "*"),
        ] {
            assert_eq!(rules.directive(path), Some(&*format!("frame-ancestors {sources}")), "{path}");
        }
        for dots in ["/book/../app", "/book/%2e%2e/app", "/book/.%2E/app"] {
            assert_eq!(rules.directive(dots), None, "{dots}");
        }
        let one = FrameAncestors::parse("/book/*=*").unwrap();
        assert_eq!([one.directive("/book"), one.directive("/app"), one.directive("*")], [None; 3]);
        assert_eq!(FrameAncestors::default().directive("/"), None);
    }

    #[test]
    fn other_values_are_refused() {
        for bad in [
            "https://partner.example",
            "book=*",
            "/book",
            "/book=",
            "/book=self",
            "/book='none' https://a.example",
            "/book='unsafe-inline'",
            "/book=https://a.example/path",
            "/book=https://a.example, https://b.example",
            "/book=javascript:",
            "/a*b=*",
            "/a b=*",
            "/a=https://a.example:99999",
            "/a=b\u{1}",
        ] {
            assert!(FrameAncestors::parse(bad).is_err(), "{bad}");
        }
    }
}
