//! The address of a repository: a URL, git's short form of ssh, or a path, and the login that it may contain.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// A repository's address in the form that git gets, without secrets.
#[derive(Clone, Debug)]
pub struct Location {
    /// Without any password or token.
    pub url: String,
    pub login: Option<UrlLogin>,
}

/// The text before the `@` of an http URL.
#[derive(Clone, Debug)]
pub struct UrlLogin {
    /// None for `https://TOKEN@host/`: with a token, git hosts accept any user name.
    pub user: Option<String>,
    pub password: SecretString,
}

/// The schemes for which git runs no program of the URL's choice (`ext::` does).
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

impl Location {
    /// Reads a URL (git-clone(1), GIT URLS). A message never repeats the text, since it may contain a token.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) || text.starts_with('-') {
            return Err("git cannot read its url".into());
        }
        if text.starts_with("//") {
            return Err("its url has no scheme".into());
        }
        if text.starts_with('/') {
            return without_colon(text).map(|()| Self { url: text.into(), login: None });
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Self::parse_url(scheme, rest);
        }
        // [user@]host:path
        let Some((host, path)) = text.split_once(':') else {
            return Err("its url has no scheme and no host".into());
        };
        if host.is_empty() || host.contains('/') || path.is_empty() || path.starts_with(':') {
            return Err("git cannot read its url".into());
        }
        without_login(path)?;
        without_colon(path)?;
        Ok(Self { url: text.into(), login: None })
    }

    fn parse_url(scheme: &str, rest: &str) -> Result<Self, String> {
        if !SCHEMES.contains(&scheme) {
            return Err(format!("the scheme of its url is not one of {}", SCHEMES.join(", ")));
        }
        let slash = rest.find('/').ok_or("its url has no path")?;
        let (authority, path) = rest.split_at(slash);
        if scheme != "file" || !authority.is_empty() {
            without_login(path)?;
        }
        without_colon(path)?;
        if scheme.starts_with("http") && path.contains(['?', '#']) {
            return Err(
                "its path contains a ? or a #: write only an address, with a login before the host".into()
            );
        }
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        if host.is_empty() && scheme != "file" {
            return Err("its url has no host".into());
        }
        if !host.is_empty() && !is_host(host) {
            return Err("its url has no valid host; percent-encode / ? # : in a login".into());
        }
        let Some(user_info) = user_info else {
            return Ok(Self { url: format!("{scheme}://{rest}"), login: None });
        };
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        if !scheme.starts_with("http") {
            // ssh does not use a password, so it is removed.
            let user = user.unwrap_or(user_info);
            return Ok(Self { url: format!("{scheme}://{user}@{host}{path}"), login: None });
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login = UrlLogin {
            user: user.filter(|user| !user.is_empty()).map(decoded),
            password: decoded(password.unwrap_or(user_info)).into(),
        };
        Ok(Self { url: format!("{scheme}://{host}{path}"), login: Some(login) })
    }
}

/// Refuses a colon in the path: two entries without a separator have one, a repository has none.
fn without_colon(path: &str) -> Result<(), String> {
    if path.contains(':') {
        Err("its path contains a colon: is the separator between two entries missing?".into())
    } else {
        Ok(())
    }
}

/// Refuses an `@` in the path: it belongs to a login that contains a `/`, and git would get half of a token.
fn without_login(path: &str) -> Result<(), String> {
    if path.contains('@') {
        return Err("its path contains an @: percent-encode a / in the login as %2F, or set the token as a \
                    token_file in CAULDRON_GIT_AUTH"
            .into());
    }
    Ok(())
}

/// True for `host`, `host:port` or `[address]:port`.
pub fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_bare_address = host.contains(':') && !host.starts_with('[');
    !is_bare_address
        && crate::config::host::parse(host).is_ok()
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Returns host and port of a URL, as git writes them when it asks for a login. None for a path.
pub fn host(url: &str) -> Option<&str> {
    if url.starts_with('/') {
        return None;
    }
    let authority = match url.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split('/').next()?,
        None => url.split(':').next()?,
    };
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_login_is_removed() {
        let split = |text: &str| {
            let location = Location::parse(text).unwrap();
            let login = location.login.map(|l| (l.user, l.password.expose_secret().to_string()));
            (location.url, login)
        };
        let with = |user: Option<&str>, password: &str| Some((user.map(String::from), password.to_string()));
        let url = || "https://h:8443/o/x.git".to_string();
        assert_eq!(split("https://h:8443/o/x.git"), (url(), None));
        assert_eq!(split("https://t%2Fk@h:8443/o/x.git"), (url(), with(None, "t/k")));
        assert_eq!(split("https://u:p@w@h:8443/o/x.git"), (url(), with(Some("u"), "p@w")));
        assert_eq!(split("https://:p@h:8443/o/x.git"), (url(), with(None, "p")));
        assert_eq!(split("ssh://git:p@h:22/x.git"), ("ssh://git@h:22/x.git".into(), None));
        for same in ["git@h:o/x.git", "h:x", "/srv/x.git", "file:///srv/x.git", "ssh://git@h/x", "git://h/x"]
        {
            assert_eq!(split(same), (same.to_string(), None));
        }
        for bad in
            ["x", "x/y", "https://h", "https:///x", "ext::sh -c x", "ext::sh", "ftp://h/x", "-x:y", ":x"]
        {
            assert!(Location::parse(bad).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn a_login_that_would_be_split_is_refused_and_not_repeated() {
        for bad in [
            "https://user:gl/canary@h/x.git",
            "https://gl/canary@h/x.git",
            "https://user@gl/canary@h/x.git",
            "https://user:canary/x.git",
            "https://user:1?canary@h",
            "https://h/x.git?private_token=canary",
            "https://h/x.git#canary",
            "https:/canary@h/x.git",
            "//canary@h/x.git",
            "user:canary@h/x.git",
            "ssh://git:a/canary@h/x.git",
            "file://u:a/canary@h/x.git",
        ] {
            let error = Location::parse(bad).map(|location| location.url).unwrap_err();
            assert!(!error.contains("canary"), "{bad}: {error}");
        }
        assert!(Location::parse("https://[fd00::1]:8443/x.git").is_ok());
        assert!(Location::parse("file:///srv/x@y.git").is_ok() && Location::parse("/srv/x@y.git").is_ok());
    }

    #[test]
    fn a_host_has_its_port() {
        for (url, expected) in [
            ("https://h:8443/x", Some("h:8443")),
            ("ssh://git@h:22/x", Some("h:22")),
            ("git@h:o/x.git", Some("h")),
            ("file:///x", None),
            ("/x", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
