//! The FRAPPE_* variables that Frappe's own configuration reader puts over every file (frappe/config.py,
//! node_utils.js).
//!
//! ```text
//!   FRAPPE_DB_HOST ─┬─ a service link of Kubernetes (tcp://…) ──▶ dropped
//!                   ├─ DB_HOST is not given ────────────────────▶ read as DB_HOST
//!                   ├─ DB_HOST says the same ───────────────────▶ nothing to do
//!                   └─ DB_HOST says otherwise ──────────────────▶ refused: Frappe would follow the other one
//! ```
//!
//! No child inherits any of them (`frappe::environment`): one place decides which servers a site has.

use secrecy::{ExposeSecret, SecretString};

use super::bench_files::BenchFiles;
use super::database::DatabaseConfig;
use super::host;
use super::redis::RedisConfig;
use super::redis_url::RedisUrl;
use super::source::{Reader, Source};

/// Frappe's variable, and the setting that means the same.
pub const OVERRIDES: [(&str, &str); 8] = [
    ("FRAPPE_SITE", "SITE_NAME"),
    ("FRAPPE_DB_TYPE", "DB_TYPE"),
    ("FRAPPE_DB_HOST", "DB_HOST"),
    ("FRAPPE_DB_PORT", "DB_PORT"),
    ("FRAPPE_DB_NAME", "DB_NAME"),
    ("FRAPPE_REDIS_CACHE", "REDIS_CACHE"),
    ("FRAPPE_REDIS_QUEUE", "REDIS_QUEUE"),
    ("FRAPPE_SOCKETIO_PORT", "SOCKETIO_PORT"),
];

/// The site's own login, which Frappe 16 takes from the environment and earlier ones do not.
pub const LOGIN: [&str; 2] = ["FRAPPE_DB_USER", "FRAPPE_DB_PASSWORD"];

/// Sockets that nothing of ours reaches: with one, psql goes to another server than DB_HOST, and
/// socketio listens where the web port does not look.
pub const SOCKETS: [&str; 2] = ["FRAPPE_DB_SOCKET", "FRAPPE_SOCKETIO_UDS"];

/// The first Frappe that reads the names in [`LOGIN`], and `db_user` in site_config.json.
pub const READS_DB_USER: u32 = 16;

/// Every name that no child of ours inherits.
pub fn names() -> impl Iterator<Item = &'static str> {
    OVERRIDES.into_iter().map(|(name, _)| name).chain(LOGIN).chain(SOCKETS)
}

/// Frappe's name for a setting.
pub fn name_of(setting: &str) -> Option<&'static str> {
    OVERRIDES.into_iter().find(|(_, ours)| *ours == setting).map(|(name, _)| name)
}

/// `FRAPPE_DB_PORT=tcp://10.96.0.7:5432`: Kubernetes sets it for a Service called frappe-db.
pub fn is_service_link(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

/// What the settings came to.
pub struct Settled<'a> {
    pub site: Option<&'a str>,
    pub database: Option<&'a DatabaseConfig>,
    pub redis: &'a RedisConfig,
    pub socketio_port: Option<u16>,
    pub site_db_password: Option<&'a SecretString>,
    pub frappe_major: Option<u32>,
}

/// Records a problem for each variable that says otherwise than the settings do.
pub fn check(reader: &mut Reader<'_>, files: &BenchFiles, settled: &Settled<'_>) {
    for (name, setting) in OVERRIDES {
        let Some(theirs) = reader.frappes_own(setting) else { continue };
        // Whatever is wrong with the setting itself was said.
        let ours = settled.value(setting).filter(|_| !reader.problems.iter().any(|p| p.variable == setting));
        if ours.is_none_or(|ours| is_same(setting, &ours, &theirs.value)) {
            continue;
        }
        let cause = format!("it says otherwise than {setting}, and Frappe would follow it");
        let hint = format!("unset {name}, or give it the value of {setting}");
        reader.problem(name, Some(Source::Environment(name.into())), cause, hint);
    }
    if settled.frappe_major.is_none_or(|major| major >= READS_DB_USER) {
        check_login(reader, files, settled);
    }
}

fn check_login(reader: &mut Reader<'_>, files: &BenchFiles, settled: &Settled<'_>) {
    let [user, password] = LOGIN;
    let in_file = |key: &str| files.site(key).map(|given| given.value);
    let own_user = in_file("db_user").or(in_file("db_name")).or_else(|| settled.value("DB_NAME"));
    let own_password = settled.site_db_password.map(|password| password.expose_secret().to_string());
    let own_password = own_password.or_else(|| in_file("db_password"));
    let user_hint = "unset it: the site's role stands in its site_config.json, and is DB_NAME for a new site";
    let password_hint = "unset it, and set SITE_DB_PASSWORD (or SITE_DB_PASSWORD_FILE) instead";
    for (name, own, hint) in [(user, own_user, user_hint), (password, own_password, password_hint)] {
        if reader.frappes(name).is_some_and(|theirs| own.as_deref() != Some(theirs.value.trim())) {
            let cause = "Frappe would log in with it, whatever the site's own login is";
            reader.problem(name, Some(Source::Environment(name.into())), cause, hint);
        }
    }
}

/// Names of what is given and reaches no child, with the reason.
pub fn dropped(reader: &Reader<'_>) -> Vec<(&'static str, &'static str)> {
    let is_link = |name: &&str| reader.environment(name).is_some_and(|value| is_service_link(&value));
    let links = names().filter(is_link).map(|name| (name, "a service link of Kubernetes, not a setting"));
    let sockets = SOCKETS.into_iter().filter(|name| reader.frappes(name).is_some());
    links.chain(sockets.map(|name| (name, "DB_HOST and SOCKETIO_PORT say where the servers are"))).collect()
}

impl Settled<'_> {
    fn value(&self, setting: &str) -> Option<String> {
        match setting {
            "SITE_NAME" => self.site.map(str::to_string),
            "DB_TYPE" => Some("postgres".into()),
            "DB_HOST" => self.database.map(|database| database.host.clone()),
            "DB_PORT" => self.database.map(|database| database.port.to_string()),
            "DB_NAME" => self.database.and_then(|database| database.name.clone()),
            "REDIS_CACHE" => self.redis.cache.as_ref().map(|url| url.reveal().to_string()),
            "REDIS_QUEUE" => self.redis.queue.as_ref().map(|url| url.reveal().to_string()),
            "SOCKETIO_PORT" => self.socketio_port.map(|port| port.to_string()),
            _ => None,
        }
    }
}

/// Two ways to write one value are the same.
fn is_same(setting: &str, ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (ours.trim(), theirs.trim());
    let is_same_url = || match (RedisUrl::parse(ours), RedisUrl::parse(theirs)) {
        (Ok(ours), Ok(theirs)) => ours.means(&theirs),
        _ => false,
    };
    let is_same_host = || host::parse(theirs).is_ok_and(|theirs| theirs.eq_ignore_ascii_case(ours));
    match setting {
        "REDIS_CACHE" | "REDIS_QUEUE" => is_same_url(),
        "DB_HOST" => ours == theirs || is_same_host(),
        "DB_PORT" | "SOCKETIO_PORT" => theirs.parse::<u16>().ok() == ours.parse().ok(),
        _ => ours == theirs,
    }
}

/// Says which variables Frappe's processes do not get, and why.
pub fn tell_dropped(reader: &Reader<'_>) {
    for (variable, why) in dropped(reader) {
        tracing::info!(variable, why, "Frappe's processes do not get this variable");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Config, Needs, load};
    use super::*;

    fn read(environment: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
        let flags = BTreeMap::new();
        let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
        let mut reader = Reader::new(&flags, &environment);
        let config = load(&mut reader, Needs { bench: false, ..Needs::SERVERS }, false);
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    const OURS: [(&str, &str); 7] = [
        ("SITE_NAME", "s.local"),
        ("DB_PORT", "5432"),
        ("DB_HOST", "pg"),
        ("DB_NAME", "erp"),
        ("REDIS_CACHE_HOST", "r"),
        ("REDIS_QUEUE", "redis://:p@r/1"),
        ("SOCKETIO_PORT", "9000"),
    ];

    #[test]
    fn equal_values_pass_in_any_spelling() {
        let theirs = [
            ("FRAPPE_SITE", "s.local"),
            ("FRAPPE_DB_TYPE", "postgres"),
            ("FRAPPE_DB_HOST", "PG"),
            ("FRAPPE_DB_PORT", "5432"),
            ("FRAPPE_DB_NAME", "erp"),
            ("FRAPPE_REDIS_CACHE", "redis://r"),
            ("FRAPPE_REDIS_QUEUE", "redis://:p@r:6379/1"),
            ("FRAPPE_SOCKETIO_PORT", "9000"),
            ("FRAPPE_DB_USER", "erp"),
        ];
        assert_eq!(read(&[OURS.as_slice(), &theirs].concat()).1, Vec::<String>::new());
    }

    #[test]
    fn another_value_is_refused_and_not_repeated() {
        for (name, value) in [
            ("FRAPPE_SITE", "canary.local"),
            ("FRAPPE_DB_TYPE", "mariadb"),
            ("FRAPPE_DB_HOST", "canary"),
            ("FRAPPE_DB_PORT", "5433"),
            ("FRAPPE_DB_NAME", "canary"),
            ("FRAPPE_REDIS_CACHE", "redis://:canary@r"),
            ("FRAPPE_REDIS_QUEUE", "redis://:canary@r:6379/1"),
            ("FRAPPE_REDIS_QUEUE", "canary"),
            ("FRAPPE_SOCKETIO_PORT", "9001"),
            ("FRAPPE_DB_USER", "canary"),
            ("FRAPPE_DB_PASSWORD", "canary"),
        ] {
            let (_, problems) = read(&[OURS.as_slice(), &[(name, value), ("DB_TYPE", "postgres")]].concat());
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert!(problems[0].starts_with(name) && !problems[0].contains("canary"), "{problems:?}");
        }
    }

    #[test]
    fn a_service_link_is_none_of_these() {
        let links =
            [("FRAPPE_DB_PORT", "tcp://10.96.0.7:5432"), ("FRAPPE_REDIS_CACHE", "tcp://10.0.0.1:6379")];
        let (config, problems) = read(&[OURS.as_slice(), &links].concat());
        assert_eq!((config.unwrap().database.unwrap().port, problems), (5432, Vec::new()));
    }

    #[test]
    fn alone_they_are_the_settings() {
        let (config, problems) = read(&[
            ("FRAPPE_SITE", "s.local"),
            ("FRAPPE_DB_HOST", "pg"),
            ("FRAPPE_DB_PORT", "6432"),
            ("FRAPPE_DB_NAME", "erp"),
            ("FRAPPE_REDIS_CACHE", "redis://r/0"),
            ("FRAPPE_REDIS_QUEUE", "redis://r/1"),
            ("FRAPPE_SOCKETIO_PORT", "9001"),
        ]);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let database = config.database.unwrap();
        assert_eq!(
            (database.host.as_str(), database.port, database.name.as_deref()),
            ("pg", 6432, Some("erp"))
        );
        assert_eq!((config.site.as_deref(), config.socketio_port), (Some("s.local"), Some(9001)));
        assert_eq!(config.redis.queue.unwrap().reveal(), "redis://r:6379/1");
    }
}
