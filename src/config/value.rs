//! Parsers of single values, and the hints for invalid ones.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::duration;
use super::reader::Reader;

pub const PORT_HINT: &str = "write a number from 1 to 65535";
pub const DURATION_HINT: &str = "write a number with its unit: 500ms, 10s, 5m";

pub fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is not a port")),
    }
}

pub fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("`{text}` is not an absolute path")) }
}

/// Reads a site's name, which is also a folder under sites/ and a Host header.
pub fn parse_site(text: &str) -> Result<String, String> {
    let plain = text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !text.contains("..");
    if !plain || text == "assets" {
        return Err(format!("`{text}` is not a site's name"));
    }
    Ok(text.into())
}

pub fn parse_site_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("`{text}` is not an http URL"));
    }
    if text.contains('@') {
        return Err("it contains a login, which would be in every link that Frappe writes".into());
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it contains white space or a control character".into());
    }
    // Frappe appends the path of a page to it.
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it has more than a scheme, a host and a port".into());
    }
    Ok(text.trim_end_matches('/').into())
}

/// Reads an origin: a URL without a path, such as `http://web:8000`.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text.trim()).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it is not an http URL".into());
    }
    if !url.username().is_empty() || url.password().is_some() || !matches!(url.path(), "" | "/") {
        return Err("it has more than a scheme, a host and a port".into());
    }
    Ok(url.origin().ascii_serialization())
}

pub fn read_path(reader: &mut Reader<'_>, name: &'static str) -> Option<PathBuf> {
    read_parsed(reader, name, absolute_path, "write an absolute path")
}

pub fn read_secret(reader: &mut Reader<'_>, name: &'static str) -> Option<SecretString> {
    reader.given(name).map(|given| SecretString::from(given.value))
}

pub fn read_parsed<T>(
    reader: &mut Reader<'_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
    hint: &str,
) -> Option<T> {
    let given = reader.given(name);
    reader.parsed(name, given, parse, hint)
}

pub fn read_duration(reader: &mut Reader<'_>, name: &'static str, default: &str) -> Option<Duration> {
    let given = reader.given_or(name, None, Some(default));
    reader.parsed(name, given, duration::parse, DURATION_HINT)
}

/// Reads a limit; 0 is no limit.
pub fn read_limit(reader: &mut Reader<'_>, name: &'static str, default: &str) -> Option<Duration> {
    let given = reader.given_or(name, None, Some(default));
    reader.parsed(name, given, duration::parse_limit, DURATION_HINT)
}

/// Reads one of several words. The first is the default.
pub fn read_choice<T: Copy>(reader: &mut Reader<'_>, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
    let given = reader.given_or(name, None, Some(choices[0].0));
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let parse = |text: &str| {
        choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("`{text}` is not a valid choice"))
    };
    reader.parsed(name, given, parse, &format!("write one of: {}", words.join(", ")))
}
