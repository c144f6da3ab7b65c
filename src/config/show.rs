//! `--print-config`: every value with its source, secrets redacted.
//!
//! A value is shown only in its parsed form: an invalid one may be anything, even a password.

use super::apps;
use super::login_signs::contains_login;
use super::reader::Reader;
use super::redis_url::RedisUrl;
use super::source::Given;
use super::variable::kind::Kind;
use super::variable::{VARIABLES, Variable};

/// Returns one line for each variable of the table, also for those without a value.
pub fn render(reader: &Reader<'_>) -> String {
    let is_invalid = |name: &str| reader.problems.iter().any(|problem| problem.variable == name);
    let rows: Vec<[String; 3]> = VARIABLES
        .iter()
        .map(|variable| match reader.values.iter().find(|(v, _)| v.name == variable.name) {
            Some((_, given)) if is_invalid(variable.name) => {
                [variable.name.into(), "(cannot be used)".into(), given.source.to_string()]
            }
            Some((_, given)) => [variable.name.into(), shown(variable, given), given.source.to_string()],
            None => [variable.name.into(), "-".into(), format!("default: {}", variable.default)],
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name_width, value_width) = (width(0), width(1).min(60));
    rows.iter()
        .map(|[name, value, source]| format!("{name:name_width$}  {value:value_width$}  {source}\n"))
        .collect()
}

/// Returns the value in a form that is safe to show: `***` for a secret, a URL or an app list without logins, and
/// nothing of any other value that may contain a login.
fn shown(variable: &Variable, given: &Given) -> String {
    let value = given.value.trim();
    let parsed = match variable.kind {
        Kind::Secret | Kind::SecretForm(_) => Some("***".into()),
        Kind::RedisUrl => RedisUrl::parse(value).ok().map(|url| url.to_string()),
        Kind::AppList | Kind::AppWords => apps::redacted(variable.name, value),
        Kind::GitLogins | Kind::ConfigKeys => Some("(set)".into()),
        Kind::Ignored => Some("(set; ignored)".into()),
        _ => (!contains_login(value)).then(|| value.replace(char::is_control, " ")),
    };
    parsed.unwrap_or_else(|| "(set; not shown: it may contain a login)".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::{Needs, Reader, load};

    #[test]
    fn shows_value_and_source_but_no_secret() {
        let flags = BTreeMap::from([("db-host".to_string(), "pg".to_string())]);
        let environment = BTreeMap::from([
            ("DB_PASSWORD", "canary"),
            ("REDIS_CACHE", "redis://:canary@cache:1/0"),
            ("CUSTOM_APPS", "a:https://canary@h/x.git:main"),
            // [{"url":"https://canary@h/x.git"}]
            ("CAULDRON_APPS", "W3sidXJsIjoiaHR0cHM6Ly9jYW5hcnlAaC94LmdpdCJ9XQ=="),
        ]);
        let mut reader = Reader::new(&flags, &environment);
        load(&mut reader, Needs::NOTHING, false).unwrap();
        let text = super::render(&reader);
        assert!(!text.contains("canary") && !text.contains("W3sid"), "{text}");
        let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_string();
        assert!(line("DB_HOST ").contains("pg") && line("DB_HOST ").ends_with("--db-host"));
        assert!(line("DB_PASSWORD ").contains("***"));
        assert!(line("DB_PORT ").contains("5432") && line("DB_PORT ").ends_with("default"));
        assert!(line("REDIS_CACHE ").contains("redis://:***@cache:1/0"));
        assert!(line("CUSTOM_APPS ").contains(r#"[{"name":"a","url":"https://h/x.git","branch":"main"}]"#));
        assert!(reader.problems[0].cause.contains("base64"), "{:?}", reader.problems);
    }
}
