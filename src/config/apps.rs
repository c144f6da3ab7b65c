//! The list of wanted apps, in every form that people's manifests have.
//!
//! `CAULDRON_APPS` is JSON and says all. `STANDARD_APPS` and `CUSTOM_APPS` are the chart's strings:
//! `name:branch` and `name:URL:branch`, between commas or white space. The chart's template ends an
//! entry with no separator (`erpnext:version-15hrms:version-15`, SEED.md); such an entry is refused
//! by name, never guessed.

use serde::Deserialize;

/// One wanted app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedApp {
    /// The Python package's name; where a URL is given it may be left to the repository.
    pub name: Option<String>,
    pub url: Option<String>,
    pub path: Option<String>,
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub commit: Option<String>,
    pub subfolder: Option<String>,
    pub install: Option<bool>,
    pub build: Option<bool>,
}

/// What to write instead, for every form.
pub const MEND: &str = r#"write it as CAULDRON_APPS='[{"name":"erpnext","branch":"version-15"},{"url":"https://host/x.git","branch":"main"}]'"#;

/// Reads the JSON form; an app needs a name, a URL or a path.
pub fn parse_json(text: &str) -> Result<Vec<WantedApp>, String> {
    let apps: Vec<WantedApp> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON list of apps: {error}"))?;
    for (index, app) in apps.iter().enumerate() {
        if app.name.is_none() && app.url.is_none() && app.path.is_none() {
            return Err(format!("entry {} has no name, url or path", index + 1));
        }
        if let Some(name) = &app.name {
            check_name(name, &format!("entry {}", index + 1))?;
        }
    }
    Ok(apps)
}

/// Reads the chart's `name[:branch]` list.
pub fn parse_standard(text: &str) -> Result<Vec<WantedApp>, String> {
    entries(text)
        .map(|entry| {
            let mut parts = entry.split(':');
            let name = parts.next().unwrap_or_default();
            let branch = parts.next();
            if parts.next().is_some() || branch == Some("") {
                return Err(unreadable(entry, "it should be name:branch"));
            }
            check_name(name, entry)?;
            Ok(WantedApp {
                name: Some(name.into()),
                branch: branch.map(str::to_string),
                ..WantedApp::default()
            })
        })
        .collect()
}

/// Reads the chart's `name:URL[:branch]` list, from both ends since a URL has colons of its own.
pub fn parse_custom(text: &str) -> Result<Vec<WantedApp>, String> {
    entries(text)
        .map(|entry| {
            let Some((name, rest)) = entry.split_once(':') else {
                return Err(unreadable(entry, "it should be name:URL:branch"));
            };
            check_name(name, entry)?;
            let (url, branch) = split_branch(rest);
            let location = url.split_once("://").map_or(url, |(_, after)| after);
            let looks_like_a_source = url.starts_with('/') || location.contains('/');
            if !looks_like_a_source || url.matches("://").count() > 1 {
                return Err(unreadable(entry, "it should be name:URL:branch"));
            }
            Ok(WantedApp {
                name: Some(name.into()),
                url: Some(url.into()),
                branch: branch.map(str::to_string),
                ..WantedApp::default()
            })
        })
        .collect()
}

/// A branch is what follows the last colon, unless that colon belongs to the URL: to `://`, to
/// a port (`:8443/…`) or to `git@host:path`.
fn split_branch(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        Some((url, branch))
            if !branch.is_empty()
                && !branch.starts_with("//")
                && url.contains('/')
                && !branch.split('/').next().is_some_and(is_port) =>
        {
            (url, Some(branch))
        }
        _ => (rest, None),
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty())
}

/// A Python package's name.
fn check_name(name: &str, entry: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if starts_well && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(unreadable(entry, &format!("`{name}` is not an app's name")))
    }
}

fn unreadable(entry: &str, why: &str) -> String {
    // A token in a URL stays out of the message: everything between `//` and `@` goes.
    let shown = match (entry.find("://"), entry.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}://***{}", &entry[..start], &entry[at..]),
        _ => entry.to_string(),
    };
    format!("cannot read the entry `{shown}`: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(text: &str) -> (String, String, Option<String>) {
        let app = parse_custom(text).unwrap().remove(0);
        (app.name.unwrap(), app.url.unwrap(), app.branch)
    }

    #[test]
    fn reads_the_charts_forms_from_both_ends() {
        let apps = parse_standard("erpnext:version-15, hrms:version-15\npayments").unwrap();
        assert_eq!(apps.len(), 3);
        assert_eq!(apps[2].branch, None);
        for (text, url, branch) in [
            ("a:https://host/x.git:main", "https://host/x.git", Some("main")),
            ("a:https://host:8443/x.git:main", "https://host:8443/x.git", Some("main")),
            ("a:https://host:8443/x.git", "https://host:8443/x.git", None),
            ("a:https://host/x.git", "https://host/x.git", None),
            ("a:git@host:org/x.git", "git@host:org/x.git", None),
            ("a:git@host:org/x.git:dev", "git@host:org/x.git", Some("dev")),
            ("a:ssh://git@host:22/x.git:dev", "ssh://git@host:22/x.git", Some("dev")),
            ("a:/srv/x:dev", "/srv/x", Some("dev")),
        ] {
            assert_eq!(custom(text), ("a".into(), url.into(), branch.map(Into::into)), "{text}");
        }
    }

    #[test]
    fn names_the_mangled_entry_and_never_guesses() {
        let error = parse_standard("erpnext:version-15hrms:version-15").unwrap_err();
        assert!(error.contains("erpnext:version-15hrms:version-15"), "{error}");
        for bad in ["x", "a:https://h/x.git:mainb:https://h/y.git:main", "a b:c:d", "a:main"] {
            assert!(parse_custom(bad).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn a_token_in_a_url_is_not_repeated() {
        let error = parse_custom("a-b:https://canary@host/x.git:main").unwrap_err();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn json_needs_a_name_or_a_source() {
        assert_eq!(parse_json(r#"[{"url":"https://h/x","branch":"main"}]"#).unwrap().len(), 1);
        for bad in ["{}", "[{}]", r#"[{"name":"a b"}]"#, r#"[{"nam":"x"}]"#, "x"] {
            assert!(parse_json(bad).is_err(), "{bad} was read");
        }
    }
}
