//! Holds the type of every setting against the configuration that is really read, from each source.

use std::collections::BTreeMap;

use super::*;
use crate::config::duration::NO_LIMIT;
use crate::config::source::{Problem, Source};
use crate::config::variable::{VARIABLES, Variable, named};
use crate::config::{Config, Needs, Reader, load, log};

/// Two settings of one address exclude each other.
const EITHER: [(&str, &str); 2] = [("REDIS_CACHE", "REDIS_CACHE_HOST"), ("REDIS_QUEUE", "REDIS_QUEUE_HOST")];

#[derive(Clone, Copy, Debug)]
enum By {
    Name(&'static str),
    File,
    Flag,
}

/// Reads the settings of a pod with one more value. Returns the problems of that setting.
fn read(variable: &Variable, by: By, value: &str) -> (Option<Config>, Vec<Problem>, Source) {
    let file = matches!(by, By::File).then(|| tempfile::NamedTempFile::new().unwrap());
    let path = file.as_ref().map(|file| file.path().to_path_buf()).unwrap_or_default();
    let (path_text, file_name) = (path.display().to_string(), Variable::file_name(variable.name));
    let mut environment = BTreeMap::from([
        ("SITE_NAME", "s.local"),
        ("DB_HOST", "pg"),
        ("DB_NAME", "erp"),
        ("REDIS_CACHE_HOST", "r"),
        ("REDIS_QUEUE_HOST", "r"),
    ]);
    environment.remove(variable.name);
    if let Some((_, other)) = EITHER.iter().find(|(one, _)| *one == variable.name) {
        environment.remove(other);
    }
    let mut flags = BTreeMap::new();
    let source = match by {
        By::Name(name) => {
            environment.insert(name, value);
            Source::Environment(name.into())
        }
        By::File => {
            std::fs::write(&path, value).unwrap();
            environment.insert(&file_name, &path_text);
            Source::File(file_name.clone(), path)
        }
        By::Flag => {
            flags.insert(variable.flag(), value.to_string());
            Source::Flag(variable.flag())
        }
    };
    let mut reader = Reader::new(&flags, &environment);
    // Every command reads the settings of the log first.
    let _ = log::read(&mut reader);
    let config = load(&mut reader, Needs { bench: false, backup: true, ..Needs::SERVERS }, false);
    let problems = reader.problems.into_iter().filter(|problem| problem.variable == variable.name);
    (config, problems.collect(), source)
}

fn sources(variable: &'static Variable) -> impl Iterator<Item = By> {
    let names = std::iter::once(variable.name).chain(variable.aliases.iter().copied());
    names.map(By::Name).chain([By::File, By::Flag])
}

fn good(kind: Kind) -> Vec<String> {
    let texts: &[&str] = match kind {
        Kind::Text | Kind::Ignored => &["text"],
        Kind::Form(_, example) => &[example],
        Kind::AppList => &[APP_LIST],
        Kind::AppWords => &[APP_WORDS],
        Kind::OneOf(words) => words,
        Kind::Path => &["/srv/x"],
        Kind::Port => &["1", "65535"],
        Kind::Count(least, most) => return [least, most].map(|number| number.to_string()).to_vec(),
        Kind::Duration(_) => &["0", "0s", "500ms", "10s", "5m", "1h"],
        Kind::Seconds(_) => &["0", "0s", "500ms", "10s", "5m", "1h", "10"],
        Kind::Size => &["0", "50m", "512Mi", "100"],
        Kind::Quantity => &["512Mi", "1G"],
        Kind::Secret => &["a b", "\"a\"", "0"],
        Kind::SecretForm(_) => return vec!["A".repeat(43) + "="],
        Kind::PostgresUrl => &[POSTGRES_URL, "postgresql://u@h:1"],
        Kind::RedisUrl => &["redis://redis:6379/0", "redis:6379", "rediss://:p@h", "unix:///run/r.sock"],
        Kind::GitLogins => &[r#"{"host":{"token_file":"/path"}}"#],
        Kind::Repository => &["/backups/erp", "s3:https://host/bucket/path", "rest:https://host/"],
        Kind::ConfigKeys => &[CONFIG_KEYS, "{}", r#"{"a":null}"#],
    };
    texts.iter().map(ToString::to_string).collect()
}

fn bad(kind: Kind) -> Vec<String> {
    let texts: &[&str] = match kind {
        Kind::Text | Kind::Ignored => &[],
        Kind::Form(..)
        | Kind::AppList
        | Kind::AppWords
        | Kind::RedisUrl
        | Kind::GitLogins
        | Kind::PostgresUrl => &["u:\u{1}@h"],
        Kind::Repository => &["text", "./x", "ftp:h", "u:\u{1}@h", "https://h/x"],
        Kind::ConfigKeys => &["u:\u{1}@h", "[]", r#"{"db_host":"h"}"#],
        Kind::OneOf(_) => &["0", "-1", "other", "ON", "yes"],
        Kind::Path => &["0", "-1", "text", "./x", "~/x"],
        Kind::Port => &["0", "-1", "text", "65536", "80.0", "http"],
        Kind::Count(least, most) => {
            let (below, above) = (i64::from(least) - 1, i64::from(most) + 1);
            return vec![below.to_string(), above.to_string(), "text".into(), "1.5".into(), "1k".into()];
        }
        Kind::Duration(_) => &["10", "-1", "-1s", "text", "1.5s", "1d", "10 s"],
        Kind::Seconds(_) => &["-1", "-1s", "text", "1.5", "1d"],
        Kind::Size => &["-1", "-1m", "text", "1.5g", "10mb"],
        Kind::Quantity => &["0", "-1Mi", "512", "text", "0Mi"],
        Kind::Secret => &["a\tb", " ", "a\n\n"],
        Kind::SecretForm(_) => &["0", "text", " "],
    };
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn every_setting_takes_the_values_of_its_kind() {
    for variable in VARIABLES {
        for text in good(variable.kind) {
            let mut spellings = vec![text.clone(), format!("{text}\r\n")];
            if !variable.is_secret() {
                spellings.extend([format!(" {text}\t"), format!("{text}\r"), format!("\n{text}")]);
            }
            for (value, by) in spellings.iter().flat_map(|v| sources(variable).map(move |by| (v, by))) {
                let (_, problems, _) = read(variable, by, value);
                assert_eq!(problems, Vec::new(), "{}={value:?} by {by:?}", variable.name);
            }
        }
    }
}

/// A refusal names the setting and its source, says what is wrong, and how to write it.
#[test]
fn every_setting_refuses_other_values() {
    for variable in VARIABLES {
        for (value, by) in bad(variable.kind).iter().flat_map(|v| sources(variable).map(move |by| (v, by))) {
            let (_, problems, source) = read(variable, by, value);
            let [problem] = &problems[..] else { panic!("{}={value:?}: {problems:?}", variable.name) };
            assert_eq!(problem.source, Some(source), "{}={value:?}", variable.name);
            assert!(problem.cause.len() > 9 && problem.hint.len() > 9, "{problem:?}");
        }
    }
}

#[test]
fn quotes_around_a_value_are_refused_and_named() {
    for variable in VARIABLES {
        // Old records may contain a quoted CAULDRON_INSTANCE.
        let keeps_quotes = matches!(variable.kind, Kind::Text | Kind::Ignored | Kind::Secret)
            || variable.name == "CAULDRON_INSTANCE";
        for text in good(variable.kind) {
            for quoted in [format!("\"{text}\""), format!("'{text}'")] {
                let (_, problems, _) = read(variable, By::Name(variable.name), &quoted);
                match &problems[..] {
                    [] => assert!(keeps_quotes, "{}={quoted}", variable.name),
                    [problem] => {
                        let says_so = problem.to_string().contains("quotes");
                        assert!(!keeps_quotes && (says_so || variable.is_secret()), "{problem}");
                    }
                    _ => panic!("{problems:?}"),
                }
            }
        }
    }
}

#[test]
fn a_blank_value_is_unset() {
    for variable in VARIABLES.iter().filter(|variable| !variable.is_secret()) {
        for blank in ["", " ", "\r", "\t\n"] {
            let (_, problems, _) = read(variable, By::Name(variable.name), blank);
            let is_required = |problem: &Problem| problem.cause == "not set";
            assert!(problems.iter().all(is_required), "{}: {problems:?}", variable.name);
        }
    }
}

/// What the configuration has for a setting of a numeric kind: ports, counts, sizes in bytes, times in milliseconds.
fn number(config: &Config, name: &str) -> Option<u64> {
    let database = config.database.as_ref().unwrap();
    let port = |url: &crate::config::redis_url::RedisUrl| url.address().unwrap().1;
    let time = match name {
        "CAULDRON_GIT_TIMEOUT" => config.git.timeout,
        "GUNICORN_TIMEOUT" => config.gunicorn.timeout,
        "PROXY_READ_TIMEOUT" => config.front.read_timeout,
        "CAULDRON_MIGRATE_DRAIN" => config.migrate_drain,
        "CAULDRON_WAIT_TIMEOUT" => config.wait_timeout.unwrap_or(NO_LIMIT),
        "CAULDRON_DRAIN" => config.drain,
        "CAULDRON_GRACE" => config.grace.unwrap(),
        "DB_PORT" => return Some(database.port.into()),
        "CAULDRON_DB_DIRECT_PORT" => return database.direct.as_ref().map(|(_, port)| (*port).into()),
        "REDIS_PORT" => return config.redis.queue.as_ref().map(|url| port(url).into()),
        "SOCKETIO_PORT" => return config.socketio_port.map(Into::into),
        "GUNICORN_WORKERS" => return config.gunicorn.workers.map(Into::into),
        "GUNICORN_THREADS" => return config.gunicorn.threads.map(Into::into),
        "CAULDRON_MAX_JOBS" => return config.workers.max_jobs.map(Into::into),
        "CAULDRON_MIGRATE_BACKUPS" => return Some(config.migrate_backups as u64),
        "CAULDRON_BACKUP_RATE" => return (config.backup.rate_bytes > 0).then_some(config.backup.rate_bytes),
        "CAULDRON_MAX_MEMORY" => return config.workers.max_memory_bytes,
        "CAULDRON_RUNTIME_SIZE" => return config.front.runtime_size_bytes,
        "CLIENT_MAX_BODY_SIZE" => return config.front.body_limit_bytes,
        _ => panic!("add {name} here"),
    };
    (time < NO_LIMIT).then_some(time.as_millis() as u64)
}

#[test]
fn zero_and_units_mean_what_the_table_says() {
    for variable in VARIABLES.iter() {
        let Some(zero) = variable.kind.zero() else { continue };
        let value = |text: &str| {
            let (config, problems, _) = read(variable, By::Name(variable.name), text);
            problems.is_empty().then(|| number(&config.unwrap(), variable.name))
        };
        let expected = match zero {
            Zero::NoLimit => Some(None),
            Zero::AtOnce | Zero::None => Some(Some(0)),
            Zero::Refused => None,
        };
        assert_eq!(value("0"), expected, "{}=0", variable.name);
        let cases: &[(&str, u64)] = match variable.kind {
            Kind::Duration(_) => &[("7ms", 7), ("7s", 7_000), ("7m", 420_000)],
            Kind::Seconds(_) => &[("7", 7_000), ("7m", 420_000)],
            Kind::Size => &[("7", 7), ("7k", 7 << 10), ("7Mi", 7 << 20)],
            Kind::Quantity => &[("7k", 7_000), ("7Mi", 7 << 20)],
            _ => &[("7", 7)],
        };
        for (text, expected) in cases {
            assert_eq!(value(text), Some(Some(*expected)), "{}={text}", variable.name);
        }
    }
}

#[test]
fn names_of_secrets_come_from_the_table() {
    assert!(named("REDIS_QUEUE").may_hold_secret() && !named("REDIS_QUEUE").is_secret());
    assert!(named("DB_PASSWORD").is_secret() && !named("DB_HOST").may_hold_secret());
    let names: Vec<String> = super::super::secret_names().collect();
    for name in ["PGPASSWORD", "PGPASSWORD_FILE", "CUSTOM_APPS", "FRAPPE_REDIS_QUEUE", "FRAPPE_DB_PASSWORD"] {
        assert!(names.iter().any(|secret| secret == name), "{name}");
    }
    assert!(!names.iter().any(|name| ["DB_HOST", "REDIS_PORT", "FRAPPE_DB_HOST"].contains(&name.as_str())));
}
