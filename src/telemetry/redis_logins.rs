//! Takes the logins out of Redis URLs in the output of children. Frappe prints the URL of a Redis that does not answer.
//!
//! Python children do the same themselves (`frappe/sitecustomize.py`), since we do not read inherited output.

use std::borrow::Cow;

const SCHEMES: [&str; 3] = ["redis://", "rediss://", "unix://"];
/// The parameters of a unix socket's URL that hold a login.
const PARAMETERS: [&str; 4] = ["user", "username", "pass", "password"];

/// Replaces the login of each Redis URL by `***`.
pub fn hide(text: &str) -> Cow<'_, str> {
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(start) = SCHEMES.iter().filter_map(|scheme| Some(rest.find(scheme)? + scheme.len())).min()
    {
        let url = &rest[start..];
        let length = url.find(|c: char| c.is_whitespace() || "\"<>".contains(c)).unwrap_or(url.len());
        hidden.push_str(&rest[..start]);
        hidden.push_str(&without_login(&url[..length]));
        rest = &url[length..];
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    hidden.push_str(rest);
    Cow::Owned(hidden)
}

/// The rest of a URL after its scheme, without its login.
fn without_login(url: &str) -> String {
    let (address, prefix) = url.rsplit_once('@').map_or((url, ""), |(_, address)| (address, "***@"));
    let mut parts = address.split_inclusive(['?', '&']);
    let mut hidden = prefix.to_string() + parts.next().unwrap_or_default();
    for part in parts {
        match part.split_once('=') {
            Some((name, value)) if PARAMETERS.contains(&name) => {
                hidden.push_str(name);
                hidden.push_str("=***");
                hidden.push_str(if value.ends_with('&') { "&" } else { "" });
            }
            _ => hidden.push_str(part),
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_each_redis_url_goes() {
        for (text, hidden) in [
            ("no URL, u:p@h", "no URL, u:p@h"),
            ("https://u@h/x redis://h:1/0 x@y", "https://u@h/x redis://h:1/0 x@y"),
            ("runs @ redis://:canary@h:1/1. Redis reported", "runs @ redis://***@h:1/1. Redis reported"),
            ("'rediss://u:ca@na'ry@h:1', \"redis://canary@h\"", "'rediss://***@h:1', \"redis://***@h\""),
            ("unix:///s?db=1&password=canary&x=1", "unix:///s?db=1&password=***&x=1"),
            ("unix:///s?username=canary&password=canary. ü", "unix:///s?username=***&password=*** ü"),
            ("redis://", "redis://"),
        ] {
            assert_eq!(hide(text), hidden);
        }
    }
}
