//! The chart's strings: `name:branch` and `name:URL:branch`, separated by commas or white space.
//!
//! The chart's template puts no separator between entries (`erpnext:version-15hrms:version-15`;
//! docs/before.md#app-lists). Such an entry is refused and named in the message, never guessed.

use super::super::login_signs::contains_login;
use super::location::Location;
use super::{AppSpec, check_name, check_reference};

/// Reads the chart's `name[:branch]` list.
pub fn parse_standard(text: &str) -> Result<Vec<AppSpec>, String> {
    entries(text)
        .enumerate()
        .map(|(index, entry)| standard(entry).map_err(|why| entry_problem(index, entry, &why)))
        .collect()
}

fn standard(entry: &str) -> Result<AppSpec, String> {
    let (name, branch) = match entry.split_once(':') {
        Some((name, branch)) => (name, Some(branch)),
        None => (entry, None),
    };
    if branch.is_some_and(|branch| branch.is_empty() || branch.contains(':')) {
        return Err("it should be name:branch".into());
    }
    check_name(name)?;
    branch.map_or(Ok(()), check_reference)?;
    if contains_login(entry) {
        return Err("list an app with a URL in CUSTOM_APPS or CAULDRON_APPS, and do not write base64".into());
    }
    Ok(AppSpec { name: Some(name.into()), branch: branch.map(str::to_string), ..AppSpec::default() })
}

/// Reads the chart's `name:URL[:branch]` list. Entries are split from both ends, since a URL contains colons.
pub fn parse_custom(text: &str) -> Result<Vec<AppSpec>, String> {
    entries(text)
        .enumerate()
        .map(|(index, entry)| custom(entry).map_err(|why| entry_problem(index, entry, &why)))
        .collect()
}

fn custom(entry: &str) -> Result<AppSpec, String> {
    let Some((name, rest)) = entry.split_once(':') else {
        return Err("it should be name:URL:branch".into());
    };
    check_name(name)?;
    let (url, branch) = split_branch(rest).ok_or("it should be name:URL:branch")?;
    branch.map_or(Ok(()), check_reference)?;
    let location = Location::parse(url)?;
    Ok(AppSpec {
        name: Some(name.into()),
        url: Some(location.url),
        login: location.login,
        branch: branch.map(str::to_string),
        ..AppSpec::default()
    })
}

/// Splits off the branch: the text after the last colon of the path. Earlier colons belong to the scheme, the port, or
/// `git@host:path`.
fn split_branch(rest: &str) -> Option<(&str, Option<&str>)> {
    let path_at = if rest.starts_with('/') {
        0
    } else if let Some(scheme) = rest.find("://") {
        let authority = scheme + "://".len();
        authority + rest[authority..].find('/')?
    } else {
        rest.find(':')? + 1
    };
    let (before, path) = rest.split_at(path_at);
    if !path.contains('/') {
        // `main` or `main:x` is not a repository.
        return None;
    }
    if !rest.starts_with('/') && path.contains('@') {
        // A login that contains a `/`: the branch would be the second half of the login.
        return None;
    }
    match path.rfind(':') {
        Some(colon) if colon + 1 < path.len() => {
            Some((&rest[..before.len() + colon], Some(&path[colon + 1..])))
        }
        Some(_) => None,
        None => Some((rest, None)),
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty())
}

fn entry_problem(index: usize, entry: &str, why: &str) -> String {
    // Everything between `//` and `@` is removed, so that a token in a URL is not in the message.
    let shown = match (entry.find("://"), entry.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}://***{}", &entry[..start], &entry[at..]),
        _ => entry.to_string(),
    };
    // The cause may contain the token as well.
    let why = if shown == entry { why } else { "it should be name:URL:branch" };
    format!("cannot read entry {}, `{shown}`: {why}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(text: &str) -> (String, String, Option<String>) {
        let app = parse_custom(text).unwrap().remove(0);
        (app.name.unwrap(), app.url.unwrap(), app.branch)
    }

    #[test]
    fn reads_the_charts_forms() {
        let apps = parse_standard("erpnext:version-15, hrms:version-15\npayments").unwrap();
        assert_eq!(apps.len(), 3);
        assert_eq!(apps[2].branch, None);
        for (text, url, branch) in [
            ("a:https://host/x.git:main", "https://host/x.git", Some("main")),
            ("a:https://host:8443/x.git:main", "https://host:8443/x.git", Some("main")),
            ("a:https://host:8443/x.git", "https://host:8443/x.git", None),
            ("a:https://host:8443/x.git:15/fix", "https://host:8443/x.git", Some("15/fix")),
            ("a:https://host/x.git", "https://host/x.git", None),
            ("a:git@host:org/x.git", "git@host:org/x.git", None),
            ("a:git@host:org/x.git:dev", "git@host:org/x.git", Some("dev")),
            ("a:ssh://git@host:22/x.git:dev", "ssh://git@host:22/x.git", Some("dev")),
            ("a:https://token@host/x.git:dev", "https://host/x.git", Some("dev")),
            ("a:https://u:token@host/x.git", "https://host/x.git", None),
            ("a:/srv/x:dev", "/srv/x", Some("dev")),
            ("a:file:///srv/x.git:dev", "file:///srv/x.git", Some("dev")),
        ] {
            assert_eq!(custom(text), ("a".into(), url.into(), branch.map(Into::into)), "{text}");
        }
    }

    #[test]
    fn a_mangled_entry_is_named_and_never_guessed() {
        let error = parse_standard("payments, erpnext:version-15hrms:version-15").unwrap_err();
        assert!(error.contains("`erpnext:version-15hrms:version-15`"), "{error}");
        for bad in [
            "x",
            "a:https://h/x.git:mainb:https://h/y.git:main",
            "a:git@h:o/x.git:mainb:git@h:o/y.git:main",
            "a:https://h/x.git:mainb:git@h:o/y.git:main",
            "a b:c:d",
            "a:main",
            "a:https://h/x.git:",
            "a:git@h:x",
        ] {
            assert!(parse_custom(bad).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn a_token_in_a_url_is_not_repeated() {
        for bad in ["a-b:https://canary@host/x.git:main", "a:https://canary@h/x.git:mb:https://canary@h/y:m"]
        {
            let error = parse_custom(bad).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
