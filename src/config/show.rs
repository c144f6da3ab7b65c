//! `--print-config`: every value, where it came from, secrets redacted.

use super::redis_url::RedisUrl;
use super::source::Given;
use super::variable::{VARIABLES, Variable};

/// A line for each variable of the table, those without a value too.
pub fn print(seen: &[(&'static Variable, Given)]) -> String {
    let rows: Vec<[String; 3]> = VARIABLES
        .iter()
        .map(|variable| match seen.iter().find(|(v, _)| v.name == variable.name) {
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

/// The value as it may be seen: `***` for a secret, a URL without its password, an app list
/// without the tokens that its URLs may hold.
fn shown(variable: &Variable, given: &Given) -> String {
    let value = &given.value;
    match variable.name {
        _ if variable.secret => "***".into(),
        "REDIS_CACHE" | "REDIS_QUEUE" | "REDIS_SOCKETIO" => {
            RedisUrl::parse(value).map_or_else(|_| "(unreadable)".into(), |url| url.to_string())
        }
        "CAULDRON_GIT_AUTH" => "(set)".into(),
        "CAULDRON_APPS" | "CUSTOM_APPS" if value.contains('@') => "(set; may hold a token)".into(),
        _ => value.replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::source::Reader;
    use crate::config::{Needs, load};

    #[test]
    fn shows_value_and_source_but_no_secret() {
        let flags = BTreeMap::from([("db-host".to_string(), "pg".to_string())]);
        let environment = BTreeMap::from([
            ("DB_PASSWORD", "canary"),
            ("REDIS_CACHE", "redis://:canary@cache:1/0"),
            ("CUSTOM_APPS", "a:https://canary@h/x.git:main"),
        ]);
        let mut reader = Reader::new(&flags, &environment);
        load(&mut reader, Needs { site: false, bench: false, servers: false, many_roles: false }, false)
            .unwrap();
        let text = super::print(&reader.seen);
        assert!(!text.contains("canary"), "{text}");
        let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_string();
        assert!(line("DB_HOST ").contains("pg") && line("DB_HOST ").ends_with("--db-host"));
        assert!(line("DB_PASSWORD ").contains("***"));
        assert!(line("DB_PORT ").contains("5432") && line("DB_PORT ").ends_with("default"));
        assert!(line("REDIS_CACHE ").contains("redis://:***@cache:1/0"));
    }
}
