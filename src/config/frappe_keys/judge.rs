//! What a key in one of Frappe's files means for this start: it is used, named in the one warning, or refused.

use serde_json::Value;

use super::super::bench_files::{BenchFiles, COMMON, SITE};
use super::super::frappe_environment::EffectiveSettings;
use super::super::reader::Reader;
use super::super::unused::Unused;
use super::super::value::parse_port;
use super::value::{cint, is_same, is_same_in_file, is_true, text_of};
use super::{FrappeKey, KEYS, Kind, Place, Treatment};
use crate::bench::site_login::{DATABASE, FIRST_MAJOR_WITH_USER};

/// The port of libpq, where Python connects if there is a `db_socket`.
const LIBPQ_PORT: &str = "5432";

/// Why a key is not simply used.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// For the one warning: what to do.
    Warned { file: &'static str, hint: String },
    /// 78.
    Refused { file: &'static str, cause: String, hint: String },
}

/// What a judgement depends on.
pub struct Seen<'a> {
    pub files: &'a BenchFiles,
    /// Our value of a setting.
    pub setting: &'a dyn Fn(&str) -> Option<String>,
    pub frappe_major: Option<u32>,
}

/// Judges every key of both files: records the problems, and what is not used.
pub fn check(reader: &mut Reader<'_>, effective: &EffectiveSettings<'_>) {
    let setting = |name: &str| effective.value(name);
    let frappe_major = effective.place.bench_folder().frappe_major();
    let seen = Seen { files: &effective.place.files, setting: &setting, frappe_major };
    for (key, verdict) in KEYS.iter().flat_map(|key| judge(key, &seen).into_iter().map(move |v| (key, v))) {
        match verdict {
            Verdict::Warned { file, hint } => {
                reader.unused_keys.push(Unused { name: format!("{} ({file})", key.name), hint });
            }
            Verdict::Refused { file, cause, hint } => {
                reader.problem(key.name, Some(seen.files.source(file, key.name)), cause, hint);
            }
        }
    }
}

/// Returns what is to be said about a key: about each file, at most once.
pub fn judge(key: &FrappeKey, seen: &Seen<'_>) -> Vec<Verdict> {
    let values = [(COMMON, seen.files.common_value(key.name)), (SITE, seen.files.site_value(key.name))];
    let present = values.into_iter().filter_map(|(file, value)| Some((file, value?)));
    // In Frappe, the site's value hides the other, even if it is empty.
    let is_hidden = |file: &str| key.place == Place::Both && file == COMMON && values[1].1.is_some();
    let counting = present.filter(|(file, _)| !is_hidden(file));
    counting.filter_map(|(file, value)| judge_value(key, file, value, seen)).collect()
}

fn judge_value(key: &FrappeKey, file: &'static str, value: &Value, seen: &Seen<'_>) -> Option<Verdict> {
    let warned = |hint: String| Some(Verdict::Warned { file, hint });
    if !key.place.has(file) {
        if key.name == "db_user" && is_role_of_all_sites(value, seen) {
            return refused(file, ROLE_OF_ALL_SITES, "write db_user into the site's site_config.json");
        }
        let right = if key.place == Place::Common { COMMON } else { SITE };
        return is_true(value).then_some(()).and(warned(format!("it counts in {right} only")));
    }
    match (key.name, key.treatment) {
        // Reported by config/redis.rs.
        ("redis_socketio", _) => None,
        ("encryption_key", _) => encryption_key(file, value, seen),
        ("host_name", _) => host_name(file, value, seen),
        ("webserver_port" | "http_port", Treatment::Warned(hint)) => {
            appends_port(key.name, seen).then(|| hint.to_string()).and_then(warned)
        }
        ("socketio_port", _) => {
            let is_used = (seen.setting)("SOCKETIO_PORT").is_some() || port_of(value).is_some();
            let hint = "it is no port, so 9000 is used: write a number from 1 to 65535";
            (is_true(value) && !is_used).then(|| hint.to_string()).and_then(warned)
        }
        // The default. In an image without the node server, the role is refused (`roles::socketio`).
        ("socketio_backend", _) if value == "node" => None,
        ("scheduler_tick_interval", _) => tick(file, value),
        ("db_socket", Treatment::Refused(cause)) if is_true(value) => socket(file, value, cause, seen),
        ("rate_limit", Treatment::Refused(cause)) if is_true(value) && !is_rate_limit(value) => {
            refused(file, cause, "correct it, or remove it")
        }
        (_, Treatment::Setting(setting)) if file == SITE => {
            unused_in_site(setting, value, seen).and_then(warned)
        }
        (_, Treatment::Warned(hint)) if is_true(value) => warned(hint.into()),
        (_, Treatment::Read(_)) if key.kind == Kind::Switch => {
            let word = value.as_str().filter(|word| OFF.contains(&word.to_ascii_lowercase().as_str()))?;
            warned(format!("the text \"{word}\" counts as on in Frappe: write 0 without quotes"))
        }
        _ => None,
    }
}

fn refused(file: &'static str, cause: &str, hint: &str) -> Option<Verdict> {
    Some(Verdict::Refused { file, cause: cause.into(), hint: hint.into() })
}

/// Texts that mean off to a reader, and are true to Python.
const OFF: [&str; 6] = ["0", "false", "off", "no", "none", "null"];

const ROLE_OF_ALL_SITES: &str = "Frappe 16 would log in to this site as that role, and not as db_name";

/// True if Frappe takes the role of the bench for this site, which has none of its own. `new-site` of Frappe 16 writes
/// one.
fn is_role_of_all_sites(role: &Value, seen: &Seen<'_>) -> bool {
    let reads_user = seen.frappe_major.is_some_and(|major| major >= FIRST_MAJOR_WITH_USER);
    let has_own = seen.files.site_value("db_user").is_some_and(is_true);
    let database = seen.files.site_value(DATABASE).and_then(Value::as_str);
    reads_user && !has_own && database.is_some_and(|name| is_true(role) && role.as_str() != Some(name))
}

/// `db_socket` cannot work: psql takes it for a folder, `migrate` for the socket itself, and Python ignores it together
/// with the port. An existing site is served if the port is libpq's own, and is only warned of.
fn socket(file: &'static str, value: &Value, cause: &str, seen: &Seen<'_>) -> Option<Verdict> {
    let (host, port) = ((seen.setting)("DB_HOST")?, (seen.setting)("DB_PORT")?);
    let exists = seen.files.site_value(DATABASE).is_some();
    if port == LIBPQ_PORT && (exists || value.as_str() == Some(&host)) {
        let hint = format!("remove it: {cause}; backups and migrations of Frappe fail with it");
        return Some(Verdict::Warned { file, hint });
    }
    refused(file, cause, "remove it; a socket's folder may be DB_HOST")
}

/// The key of the bench counts in a site that has none: what is saved can be read with that key only.
fn encryption_key(file: &'static str, value: &Value, seen: &Seen<'_>) -> Option<Verdict> {
    let is_of_site = || seen.files.site_value("encryption_key").is_none_or(|own| !is_true(own));
    let exists = seen.files.site_value(DATABASE).is_some();
    let given = (seen.setting)("ENCRYPTION_KEY")?;
    let contradicts = file == COMMON && exists && is_true(value) && is_of_site();
    (contradicts && value.as_str() != Some(&given)).then(|| {
        let cause =
            "ENCRYPTION_KEY is another key, and the site's saved secrets can be read with this one only";
        refused(file, cause, "set ENCRYPTION_KEY to this key, or unset it")
    })?
}

fn host_name(file: &'static str, value: &Value, seen: &Seen<'_>) -> Option<Verdict> {
    if !is_true(value) {
        return None;
    }
    let Some(theirs) = value.as_str() else {
        return refused(
            file,
            "it is no text, and every link of Frappe would fail",
            "write https://erp.example.com",
        );
    };
    let ours = (seen.setting)("CAULDRON_SITE_URL").filter(|_| file == SITE)?;
    let hint = "links contain it instead of CAULDRON_SITE_URL: remove it, or make them equal";
    (!is_same("CAULDRON_SITE_URL", &ours, theirs)).then(|| Verdict::Warned { file, hint: hint.into() })
}

/// True if Frappe appends the port to links (`frappe.utils.get_url`). Version 16 does so with `webserver_port` in
/// developer mode only.
fn appends_port(name: &str, seen: &Seen<'_>) -> bool {
    let is_on = |key: &str| seen.files.merged_value(key).is_some_and(is_true);
    let is_read =
        name == "http_port" || seen.frappe_major.is_some_and(|major| major < 16) || is_on("developer_mode");
    is_read && is_on(name) && !is_on("restart_supervisor_on_update") && !is_on("restart_systemd_on_update")
}

fn tick(file: &'static str, value: &Value) -> Option<Verdict> {
    match cint(value) {
        ..0 => refused(file, "the scheduler would end at once", "write a number of seconds, such as 60"),
        0 if is_true(value) => {
            let hint = "it is no number of seconds, so Frappe takes 60: write a number".into();
            Some(Verdict::Warned { file, hint })
        }
        _ => None,
    }
}

/// True for what `frappe.rate_limiter` can calculate with.
fn is_rate_limit(value: &Value) -> bool {
    let window = value.get("window").and_then(Value::as_i64);
    value.get("limit").is_some_and(Value::is_number) && window.is_some_and(|seconds| seconds > 0)
}

/// The port that node and this program read.
pub fn port_of(value: &Value) -> Option<u16> {
    parse_port(text_of(value)?.trim()).ok()
}

/// Returns the hint for a value in the site's own file that differs from ours: a child gets ours in its environment.
/// Another database server is refused later, when the database is known (`config-of-other-database`).
fn unused_in_site(setting: &str, value: &Value, seen: &Seen<'_>) -> Option<String> {
    let ours = (seen.setting)(setting)?;
    let is_other_server = match setting {
        "DB_NAME" => true,
        "DB_TYPE" => text_of(value).is_some(),
        "DB_HOST" => value.as_str().is_some_and(|host| !host.is_empty() && !is_same(setting, &ours, host)),
        "DB_PORT" => port_of(value).is_some_and(|port| port.to_string() != ours),
        _ => false,
    };
    (!is_other_server && !is_same_in_file(setting, &ours, value))
        .then(|| format!("remove it, {setting} counts"))
}
