//! Parsers of single values, and the hints for invalid ones.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::duration::{self, NO_LIMIT};
use super::reader::Reader;
use super::size;
use super::source::Given;
use super::variable::kind::{Kind, Zero};
use super::variable::named;

const PORT_HINT: &str = "write a number from 1 to 65535";
const DURATION_HINT: &str = "write a number with its unit: 500ms, 10s, 5m";
const SECONDS_HINT: &str = "write seconds, or a number with its unit: 500ms, 10s, 5m";

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
    expect(name, named(name).kind == Kind::Path);
    read_parsed(reader, name, absolute_path, "write an absolute path")
}

pub fn read_secret(reader: &mut Reader<'_>, name: &'static str) -> Option<SecretString> {
    expect(name, named(name).kind == Kind::Secret);
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

/// Reads a port. `given` is the value with its fallbacks.
pub fn read_port(reader: &mut Reader<'_>, name: &'static str, given: Option<Given>) -> Option<u16> {
    expect(name, named(name).kind == Kind::Port);
    reader.parsed(name, given, parse_port, PORT_HINT)
}

/// Reads a time as the table says: with a unit or also as seconds, and 0 as what it means there.
pub fn read_duration(reader: &mut Reader<'_>, name: &'static str, default: Option<&str>) -> Option<Duration> {
    let given = reader.given_or(name, None, default);
    let kind = named(name).kind;
    expect(name, matches!(kind, Kind::Duration(_) | Kind::Seconds(_)));
    let takes_seconds = matches!(kind, Kind::Seconds(_));
    let parse = |text: &str| {
        let read = if takes_seconds { duration::parse_s(text) } else { duration::parse(text) };
        read.map(|time| match kind.zero() {
            Some(Zero::NoLimit) if time.is_zero() => NO_LIMIT,
            _ => time,
        })
    };
    reader.parsed(name, given, parse, if takes_seconds { SECONDS_HINT } else { DURATION_HINT })
}

/// Reads a whole number within the bounds of the table.
pub fn read_count(reader: &mut Reader<'_>, name: &'static str, default: Option<&str>) -> Option<u32> {
    let given = reader.given_or(name, None, default);
    let kind = named(name).kind;
    let Kind::Count(least, most) = kind else { wrong_reader(name) };
    let parse = |text: &str| match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a {kind}")),
    };
    let unset = if least > 0 { ", or unset it" } else { "; 0: none" };
    reader.parsed(name, given, parse, &format!("write a {kind}{unset}"))
}

/// Reads a size in bytes.
pub fn read_size(reader: &mut Reader<'_>, name: &'static str, default: Option<&str>) -> Option<u64> {
    let given = reader.given_or(name, None, default);
    match named(name).kind {
        Kind::Size => reader.parsed(name, given, size::parse, "write 50m or 512Mi; 0: no limit"),
        Kind::Quantity => reader.parsed(name, given, size::parse_quantity, "write it like 512Mi or 1Gi"),
        _ => wrong_reader(name),
    }
}

/// Reads one of the words of the table. `meanings` gives the value of each word.
pub fn read_choice<T: Copy>(
    reader: &mut Reader<'_>,
    name: &'static str,
    default: &str,
    meanings: &[(&str, T)],
) -> Option<T> {
    let given = reader.given_or(name, None, Some(default));
    let Kind::OneOf(words) = named(name).kind else { wrong_reader(name) };
    let parse = |text: &str| {
        let meaning = meanings.iter().find(|(word, _)| *word == text && words.contains(word));
        meaning.map(|(_, value)| *value).ok_or_else(|| format!("`{text}` is not a valid choice"))
    };
    reader.parsed(name, given, parse, &format!("write one of: {}", words.join(", ")))
}

/// The table gives the setting another type than its reader: a bug, which any test that reads the configuration finds.
fn wrong_reader(name: &str) -> ! {
    panic!("the table gives {name} another type than its reader")
}

fn expect(name: &str, is_kind: bool) {
    if !is_kind {
        wrong_reader(name);
    }
}
