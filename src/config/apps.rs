//! The list of wanted apps, in every form that existing manifests use.
//!
//! `CAULDRON_APPS` is JSON and has every option; frappe_docker's apps.json is in this form. `STANDARD_APPS` and
//! `CUSTOM_APPS` are strings of the chart (see [`chart`]).

mod chart;
pub mod location;
mod spec;

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

pub use self::chart::{parse_custom, parse_standard};
use self::location::Location;
pub use self::spec::{AppSpec, AppSpecs};
use super::login_signs::from_base64;
use super::reader::Reader;
use super::source::{Given, Source};
use super::value::read_parsed;

/// The list that `apps fetch` wrote into the image, in the form of CAULDRON_APPS. It is used if no list is set.
pub const IMAGE_APP_LIST: &str = "apps.json";

/// The hint for every form.
const HINT: &str = r#"write it as CAULDRON_APPS='[{"name":"erpnext","branch":"version-15"},{"url":"https://host/x.git","branch":"main"}]'"#;

/// Reads all three variables and joins the lists. `image` is the folder in which `apps fetch` wrote its list.
pub fn read(reader: &mut Reader<'_>, image: &Path) -> AppSpecs {
    let mut wanted: Vec<AppSpec> = Vec::new();
    let given = ["CAULDRON_APPS", "STANDARD_APPS", "CUSTOM_APPS"].map(|name| reader.given(name).is_some());
    let baked =
        if given.contains(&true) { None } else { read_image_list(reader, &image.join(IMAGE_APP_LIST)) };
    let list = reader.given_or("CAULDRON_APPS", baked, None);
    wanted.extend(reader.parsed("CAULDRON_APPS", list, parse_json, HINT).unwrap_or_default());
    wanted.extend(read_parsed(reader, "STANDARD_APPS", parse_standard, HINT).unwrap_or_default());
    wanted.extend(read_parsed(reader, "CUSTOM_APPS", parse_custom, HINT).unwrap_or_default());
    let names: Vec<&String> = wanted.iter().filter_map(|app| app.name.as_ref()).collect();
    let duplicate = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    if let Some((_, name)) = duplicate {
        let cause = format!("`{name}` is listed twice");
        reader.problem("CAULDRON_APPS", None, cause, "list each app once");
    }
    wanted.into()
}

/// Reads the image's own list. None if no app was fetched into the image.
fn read_image_list(reader: &mut Reader<'_>, path: &Path) -> Option<Given> {
    match std::fs::read_to_string(path) {
        Ok(value) => Some(Given { value, source: Source::Bench("the image's .cauldron/apps.json") }),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => {
            let hint = "make it readable for this user: `apps fetch` wrote it readable for all users";
            reader.problem(path.display().to_string(), None, format!("cannot be read: {error}"), hint);
            None
        }
    }
}

/// An entry of the JSON form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    commit: Option<String>,
    subfolder: Option<String>,
    install: Option<bool>,
    build: Option<bool>,
}

/// Reads the JSON form; an app needs a name, a URL or a path.
fn parse_json(text: &str) -> Result<Vec<AppSpec>, String> {
    // The message contains neither the text nor serde's excerpt of a value: a URL may contain a token.
    let values: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| match is_base64(text) {
            true => "it is base64, like APPS_JSON_BASE64: write the JSON itself (base64 -d)".to_string(),
            false => format!("not a JSON list of apps (line {}, column {})", error.line(), error.column()),
        })?;
    let mut apps = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let in_entry = |why: String| format!("entry {}: {why}", index + 1);
        let unknown = unknown_keys(&value);
        let entry: Entry = serde_json::from_value(value).map_err(|_| {
            in_entry(match unknown {
                Some(key) => format!("unknown key `{key}`"),
                None => "not an object of strings, with install and build true or false".into(),
            })
        })?;
        apps.push(entry.check().map_err(in_entry)?);
    }
    Ok(apps)
}

/// True for JSON in base64, as frappe_docker's builds take the list.
fn is_base64(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(&from_base64(text)).is_ok()
}

/// Returns the list without logins, safe to show.
pub fn redacted(variable: &str, text: &str) -> Option<String> {
    let apps = match variable {
        "CUSTOM_APPS" => parse_custom(text),
        _ => parse_json(text),
    };
    serde_json::to_string(&apps.ok()?).ok()
}

const KEYS: [&str; 9] = ["name", "url", "path", "branch", "tag", "commit", "subfolder", "install", "build"];

fn unknown_keys(value: &serde_json::Value) -> Option<String> {
    value.as_object()?.keys().find(|key| !KEYS.contains(&key.as_str())).cloned()
}

impl Entry {
    fn check(self) -> Result<AppSpec, String> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        if self.name.is_none() && self.url.is_none() && self.path.is_none() {
            return Err("it has no name, url or path".into());
        }
        if self.url.is_some() && self.path.is_some() {
            return Err("it has both a url and a path".into());
        }
        if self.branch.is_some() && self.tag.is_some() {
            return Err("it has both a branch and a tag".into());
        }
        for reference in self.branch.iter().chain(&self.tag) {
            check_reference(reference)?;
        }
        if self.commit.as_ref().is_some_and(|commit| !is_commit(commit)) {
            return Err("a commit is written with all of its 40 hex digits".into());
        }
        let subfolder = self.subfolder.map(|folder| check_subfolder(&folder)).transpose()?.flatten();
        let location = self.url.as_deref().map(Location::parse).transpose()?;
        if self.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err("its path is not absolute".into());
        }
        let (url, login) = location.map_or((None, None), |location| (Some(location.url), location.login));
        let Self { name, path, branch, tag, commit, install, build, .. } = self;
        Ok(AppSpec { name, url, login, path, branch, tag, commit, subfolder, install, build })
    }
}

/// Checks the name of an app, which is a Python package.
fn check_name(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let starts_with_letter = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if starts_with_letter && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(format!("`{name}` is not an app's name"))
    }
}

/// Checks a branch or tag as in git-check-ref-format(1), so that git cannot take it for an option or several names.
fn check_reference(name: &str) -> Result<(), String> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    if name.is_empty() || name.starts_with('-') || name.contains("..") || name.contains(refused) {
        return Err(format!("`{name}` is not the name of a branch or a tag"));
    }
    Ok(())
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Checks a folder within the repository. None for the repository's root.
fn check_subfolder(folder: &str) -> Result<Option<String>, String> {
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if folder.starts_with('/') || parts.contains(&"..") {
        return Err(format!("the subfolder `{folder}` is not within the repository"));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_needs_a_name_or_a_source() {
        let apps = parse_json(r#"[{"url":"https://h/x","branch":"main"},{"name":"a","subfolder":"./b/"}]"#);
        let apps = apps.unwrap();
        assert_eq!((apps.len(), apps[1].subfolder.as_deref()), (2, Some("b")));
        for bad in [
            "{}",
            "[{}]",
            "x",
            r#"[{"name":"a b"}]"#,
            r#"[{"nam":"x"}]"#,
            r#"[{"name":"x","install":"yes"}]"#,
            r#"[{"url":"https://h/x","path":"/x"}]"#,
            r#"[{"url":"https://h/x","branch":"a","tag":"b"}]"#,
            r#"[{"url":"https://h/x","branch":"--upload-pack=x"}]"#,
            r#"[{"url":"https://h/x","commit":"abc"}]"#,
            r#"[{"url":"https://h/x","subfolder":"../x"}]"#,
            r#"[{"path":"x"}]"#,
            r#"[{"url":"ext::sh"}]"#,
        ] {
            assert!(parse_json(bad).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn frappe_dockers_apps_json_is_read_and_its_token_is_separated() {
        let text = r#"[{"url":"https://github.com/frappe/erpnext","branch":"version-15"},
            {"url":"https://user:canary@git.example.com/project/repository.git","branch":"main"}]"#;
        let apps = parse_json(text).unwrap();
        assert_eq!(apps[1].url.as_deref(), Some("https://git.example.com/project/repository.git"));
        assert!(apps[1].login.is_some() && !format!("{apps:?}").contains("canary"));
    }

    #[test]
    fn an_invalid_list_is_reported_without_its_token() {
        for bad in [
            r#"[{"url":"https://canary@h/x","brunch":"main"}]"#,
            r#"[{"url":"https://canary@h/x" "branch":"main"}]"#,
            r#"["https://canary@h/x"]"#,
            r#"[{"url":"https://canary@h"}]"#,
        ] {
            let error = parse_json(bad).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(parse_json(r#"[{"name":"a"},{"nam":"x"}]"#).unwrap_err().contains("entry 2"));
        assert!(parse_json(r#"[{"name":"a"},{"nam":"x"}]"#).unwrap_err().contains("`nam`"));
    }
}
