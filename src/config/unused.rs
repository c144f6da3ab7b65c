//! Variables, options and keys of Frappe's files that are set and not used: names only, since a value may be a secret.

use std::collections::BTreeMap;

use super::foreign_environment;
use super::frappe_environment::{LOGIN, is_service_link};
use super::reader::Reader;
use super::source::Source;
use super::variable::{VARIABLES, Variable};
use crate::bench::site_login::FIRST_MAJOR_WITH_USER;

/// A name that has no effect, with what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    pub name: String,
    pub hint: String,
}

const NO_SOCKETIO_REDIS: &str = "remove it, Frappe 15 and later do not read it";
const NOT_PASSED_ON: &str = "remove it, gunicorn does not get it";

/// Names that existing manifests use for a purpose that has another setting here.
const KNOWN: [(&str, &str); 12] = [
    ("CAULDRON_BACKUP", "call it CAULDRON_MIGRATE_BACKUPS: a later release does not read the old name"),
    ("UPSTREAM_REAL_IP_HEADER", "set CAULDRON_TRUSTED_PROXIES, whose X-Forwarded-For is read"),
    ("UPSTREAM_REAL_IP_RECURSIVE", "set CAULDRON_TRUSTED_PROXIES to every proxy on the way"),
    (
        "FRAPPE_GUNICORN_COMPANION",
        "remove it: gunicorn starts no companions here, the roles worker, scheduler and socketio do their work",
    ),
    ("BACKEND", "remove it, the web role runs gunicorn itself"),
    ("DB_ROOT_USER", "set DB_USER"),
    ("DB_ROOT_USERNAME", "set DB_USER"),
    ("REDIS_CACHE_PORT", "set REDIS_PORT, or write the port into REDIS_CACHE"),
    ("REDIS_QUEUE_PORT", "set REDIS_PORT, or write the port into REDIS_QUEUE"),
    ("REDIS_SOCKETIO_PORT", NO_SOCKETIO_REDIS),
    ("REDIS_SOCKETIO", NO_SOCKETIO_REDIS),
    ("REDIS_SOCKETIO_HOST", NO_SOCKETIO_REDIS),
];

/// Options of gunicorn that a legacy command line may have, and that have a setting here.
const GUNICORN_OPTIONS: [(&str, &str); 2] =
    [("--graceful-timeout", "set CAULDRON_GRACE"), ("--access-logfile", "set CAULDRON_ACCESS_LOG")];

/// Returns the variables of the environment and the keys of Frappe's files that are not used, not used as they are
/// written, or have a new name.
pub fn find(reader: &Reader<'_>, frappe_major: Option<u32>) -> Vec<Unused> {
    // By name: a variable may be here for two reasons, and the first is the more helpful one.
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |name: &str, hint: String| {
        found.entry(name.to_string()).or_insert(hint);
    };
    for (name, hint) in KNOWN.into_iter().filter(|(name, _)| is_set(reader, name)) {
        add(name, hint.to_string());
    }
    for (name, other) in losing_names(reader) {
        add(&name, format!("remove it, {other} counts"));
    }
    for (name, reason) in foreign_environment::dropped(reader) {
        add(&name, reason.to_string());
    }
    if frappe_major.is_some_and(|major| major < FIRST_MAJOR_WITH_USER) {
        for name in LOGIN.into_iter().filter(|name| is_set(reader, name)) {
            add(name, format!("remove it, Frappe reads it from version {FIRST_MAJOR_WITH_USER} on"));
        }
    }
    for name in reader.environment_names().iter().filter(|name| is_unknown(reader, name)) {
        let nearest = nearest_setting(name).map(|other| format!("set {other} if that was meant"));
        add(name, nearest.unwrap_or_else(|| "remove it, no setting has this name".into()));
    }
    let variables = found.into_iter().map(|(name, hint)| Unused { name, hint });
    variables.chain(reader.unused_keys.iter().cloned()).collect()
}

/// Logs everything that is not used, in one event. `options` are the ignored options of a legacy command.
pub fn log(reader: &Reader<'_>, frappe_major: Option<u32>, options: &[String]) {
    let options = options.iter().map(|option| {
        let known = GUNICORN_OPTIONS.into_iter().find(|(name, _)| option == name);
        Unused { name: option.clone(), hint: known.map_or(NOT_PASSED_ON, |(_, hint)| hint).into() }
    });
    let unused: Vec<Unused> = find(reader, frappe_major).into_iter().chain(options).collect();
    if !unused.is_empty() {
        tracing::warn!(
            event = "config.unused",
            names = names(&unused),
            hint = hints(&unused),
            "these variables, options and keys are not used, not used as they are written, or have a new name"
        );
    }
}

pub fn names(unused: &[Unused]) -> String {
    unused.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Returns what to do for each name.
pub fn hints(unused: &[Unused]) -> String {
    unused.iter().map(|one| format!("{}: {}", one.name, one.hint)).collect::<Vec<_>>().join("; ")
}

fn is_set(reader: &Reader<'_>, name: &str) -> bool {
    reader.environment(name).is_some_and(|value| !is_service_link(&value))
}

/// Returns the names of settings that are set beside the name that counts, each with that name.
fn losing_names(reader: &Reader<'_>) -> Vec<(String, String)> {
    let read = reader.values.iter().filter_map(|(variable, given)| match &given.source {
        Source::Environment(name) => Some((*variable, name.clone())),
        Source::File(name, _) if !name.starts_with("--") => Some((*variable, name.clone())),
        _ => None,
    });
    let pairs = read.flat_map(|(variable, used)| {
        let others =
            variable.aliases.iter().flat_map(|alias| [alias.to_string(), Variable::file_name(alias)]);
        others.map(move |name| (name, used.clone()))
    });
    pairs.filter(|(name, used)| name != used && is_set(reader, name)).collect()
}

/// True for a variable of our prefix that is no setting. Kubernetes adds variables for a Service of that name.
fn is_unknown(reader: &Reader<'_>, name: &str) -> bool {
    const LINKS: [&str; 4] = ["_SERVICE_HOST", "_SERVICE_PORT", "_TCP", "_UDP"];
    name.starts_with("CAULDRON_")
        && is_set(reader, name)
        && !LINKS.iter().any(|part| name.contains(part))
        && !VARIABLES.iter().any(|v| v.name == name || Variable::file_name(v.name) == name)
}

/// Returns the setting with the most similar name, if one is similar.
fn nearest_setting(name: &str) -> Option<&'static str> {
    let bare = |name: &'_ str| name.strip_prefix("CAULDRON_").unwrap_or(name).to_string();
    let wanted = bare(name);
    let distances = VARIABLES.iter().map(|v| (strsim::levenshtein(&wanted, &bare(v.name)), v.name));
    let (least, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (least <= 1 + wanted.len() / 5).then_some(nearest)
}

#[cfg(test)]
mod tests;
