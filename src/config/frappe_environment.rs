//! The FRAPPE_* variables, which override every file in Frappe's own configuration reader (frappe/config.py,
//! node_utils.js): the `variable` of each row of `frappe_keys`.
//!
//! ```text
//!   FRAPPE_DB_HOST ─┬─ a service link of Kubernetes (tcp://…) ──▶ dropped
//!                   ├─ DB_HOST is not set ──────────────────────▶ read as DB_HOST
//!                   ├─ DB_HOST has the same value ──────────────▶ nothing to do
//!                   └─ DB_HOST has another value ───────────────▶ refused: Frappe would use FRAPPE_DB_HOST
//! ```
//!
//! No child inherits any of them (`frappe::environment`), so that the servers of a site are set in one place.

use secrecy::ExposeSecret;

use super::addresses::Addresses;
use super::foreign_environment;
use super::frappe_keys::{FrappeKey, KEYS, Treatment, is_same};
use super::place::Place;
use super::reader::Reader;
use super::secrets::SiteSecrets;
use super::servers::Servers;
use super::source::Source;
use super::variable::named;
use crate::bench::site_login::FIRST_MAJOR_WITH_USER;

/// Returns each of Frappe's variables with our setting of the same meaning.
fn overrides() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().filter_map(|key| Some((key.variable()?, key.setting()?)))
}

/// The site's own login. Frappe reads it from the environment from [`FIRST_MAJOR_WITH_USER`] on.
pub const LOGIN: [&str; 2] = ["FRAPPE_DB_USER", "FRAPPE_DB_PASSWORD"];

/// Returns the variables of keys that this program does not use: sockets. With them, psql would connect to another
/// server than DB_HOST, and socketio would listen where the web port does not connect.
fn unused() -> impl Iterator<Item = &'static str> {
    let is_unused = |key: &&FrappeKey| matches!(key.treatment, Treatment::Refused(_) | Treatment::Warned(_));
    KEYS.iter().filter(is_unused).filter_map(FrappeKey::variable)
}

/// All variables that child processes do not inherit.
pub fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(FrappeKey::variable)
}

/// The variables that may contain a secret: those of a setting that may, and the site's password.
pub fn secret_names() -> impl Iterator<Item = &'static str> {
    let overrides = overrides().filter(|(_, setting)| named(setting).may_hold_secret());
    overrides.map(|(name, _)| name).chain([LOGIN[1]])
}

/// Returns Frappe's name of a setting.
pub fn name_of(setting: &str) -> Option<&'static str> {
    overrides().find(|(_, ours)| *ours == setting).map(|(name, _)| name)
}

/// True for a service link such as `FRAPPE_DB_PORT=tcp://10.96.0.7:5432`, which Kubernetes sets for a Service called
/// frappe-db.
pub fn is_service_link(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

/// The values of the settings, from all sources.
pub struct EffectiveSettings<'a> {
    pub place: &'a Place,
    pub servers: &'a Servers,
    pub addresses: &'a Addresses,
    pub secrets: &'a SiteSecrets,
}

/// Records a problem for each variable that contradicts a setting.
pub fn check(reader: &mut Reader<'_>, effective: &EffectiveSettings<'_>) {
    for (name, setting) in overrides() {
        let Some(theirs) = reader.frappe_override(setting) else { continue };
        // If the setting itself has a problem, that one is enough.
        let ours =
            effective.value(setting).filter(|_| !reader.problems.iter().any(|p| p.variable == setting));
        if ours.is_none_or(|ours| is_same(setting, &ours, &theirs.value)) {
            continue;
        }
        let cause = format!("it contradicts {setting}, and Frappe would use it");
        let hint = format!("unset {name}, or set it to the value of {setting}");
        reader.problem(name, Some(Source::Environment(name.into())), cause, hint);
    }
    let frappe_major = effective.place.bench_folder().frappe_major();
    if frappe_major.is_none_or(|major| major >= FIRST_MAJOR_WITH_USER) {
        check_login(reader, effective);
    }
}

fn check_login(reader: &mut Reader<'_>, effective: &EffectiveSettings<'_>) {
    let [user, password] = LOGIN;
    let in_file = effective.place.files.login();
    let own_user = in_file.user.or_else(|| effective.value("DB_NAME"));
    let own_password = effective.secrets.site_db_password.clone().or(in_file.password);
    let own_password = own_password.map(|password| password.expose_secret().to_string());
    let user_hint = "unset it: the site's role is in its site_config.json, and is DB_NAME for a new site";
    let password_hint = "unset it, and set SITE_DB_PASSWORD (or SITE_DB_PASSWORD_FILE) instead";
    for (name, own, hint) in [(user, own_user, user_hint), (password, own_password, password_hint)] {
        if reader.frappe_variable(name).is_some_and(|theirs| own.as_deref() != Some(theirs.value.trim())) {
            let cause = "Frappe would log in with it instead of the site's own login";
            reader.problem(name, Some(Source::Environment(name.into())), cause, hint);
        }
    }
}

/// Returns the set variables that child processes do not get, each with the reason.
pub fn dropped(reader: &Reader<'_>) -> Vec<(String, &'static str)> {
    let is_link = |name: &&str| reader.environment(name).is_some_and(|value| is_service_link(&value));
    let links = names().filter(is_link).map(|name| (name, "a service link of Kubernetes, not a setting"));
    let sockets = unused().filter(|name| reader.frappe_variable(name).is_some());
    let frappes =
        links.chain(sockets.map(|name| (name, "the servers' addresses are DB_HOST and SOCKETIO_PORT")));
    frappes.map(|(name, why)| (name.to_string(), why)).chain(foreign_environment::dropped(reader)).collect()
}

impl EffectiveSettings<'_> {
    pub fn value(&self, setting: &str) -> Option<String> {
        let Servers { database, redis } = self.servers;
        let database = database.as_ref();
        match setting {
            "SITE_NAME" => self.place.site.clone(),
            "DB_TYPE" => Some("postgres".into()),
            "DB_HOST" => database.map(|database| database.host.clone()),
            "DB_PORT" => database.map(|database| database.port.to_string()),
            "DB_NAME" => database.and_then(|database| database.name.clone()),
            "REDIS_CACHE" => redis.cache.as_ref().map(|url| url.reveal().to_string()),
            "REDIS_QUEUE" => redis.queue.as_ref().map(|url| url.reveal().to_string()),
            "SOCKETIO_PORT" => self.addresses.socketio_port.map(|port| port.to_string()),
            "CAULDRON_SITE_URL" => self.addresses.site_url.clone(),
            "ENCRYPTION_KEY" => {
                self.secrets.encryption_key.as_ref().map(|key| key.expose_secret().to_string())
            }
            _ => None,
        }
    }
}

/// Logs the variables that Frappe's processes do not get, with the reason.
pub fn log_dropped(reader: &Reader<'_>) {
    for (variable, why) in dropped(reader) {
        tracing::info!(
            event = "config.variable_dropped",
            variable,
            why,
            "variable is not passed to Frappe's processes"
        );
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
    fn equal_values_are_accepted_in_any_spelling() {
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
    fn a_service_link_is_ignored() {
        let links =
            [("FRAPPE_DB_PORT", "tcp://10.96.0.7:5432"), ("FRAPPE_REDIS_CACHE", "tcp://10.0.0.1:6379")];
        let (config, problems) = read(&[OURS.as_slice(), &links].concat());
        assert_eq!((config.unwrap().database.unwrap().port, problems), (5432, Vec::new()));
    }

    #[test]
    fn without_our_variables_they_are_the_settings() {
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
