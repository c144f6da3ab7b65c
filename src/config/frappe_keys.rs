//! The keys of common_site_config.json and site_config.json that this program and Frappe's processes both depend on:
//! one row for each, with the variable of Frappe that overrides it (docs/frappe-contract.md#configuration-order).
//!
//! ```text
//!   a row ─┬─▶ judge.rs          what a value in a file means: used, named in one warning, or refused
//!          ├─▶ frappe_environment.rs     FRAPPE_* in our environment
//!          ├─▶ frappe/common_config.rs   FRAPPE_* in a child's environment, where a file has another value
//!          └─▶ docs/configuration.md     the table
//! ```
//!
//! Every key without a row is Frappe's or an app's own: it is kept, and nothing here reads it.

mod judge;
mod value;

pub use self::judge::{check, port_of};
pub use self::value::{cint, is_same, is_same_in_file, is_true};

use serde_json::Value;

use super::bench_files::{COMMON, SITE};

/// The file in which Frappe's processes agree on a key. In the other file, some of them would not find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Common,
    Site,
    Both,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Url,
    Port,
    Number,
    /// Frappe takes what Python counts as true for on: the text `"0"`, too.
    Switch,
    Object,
    List,
}

/// What this program does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It has the meaning of this setting, which counts if it is set.
    Setting(&'static str),
    /// It is read as Frappe reads it, for this purpose.
    Read(&'static str),
    /// It is refused (78) where Frappe could not work with it; the cause.
    Refused(&'static str),
    /// It is not used, or has another effect than it seems to: named in one warning, with this hint.
    Warned(&'static str),
}

/// A variable that overrides a key in Frappe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    None,
    /// Every process that reads the key reads this variable first, from this major version on.
    All(&'static str, u32),
    /// Only node reads it; Python knows the key from the file only, or not at all.
    Node(&'static str),
}

/// One key.
#[derive(Debug)]
pub struct FrappeKey {
    pub name: &'static str,
    pub place: Place,
    pub kind: Kind,
    pub treatment: Treatment,
    pub variable: Override,
}

const fn key(name: &'static str, place: Place, kind: Kind, treatment: Treatment) -> FrappeKey {
    FrappeKey { name, place, kind, treatment, variable: Override::None }
}

impl FrappeKey {
    const fn over(self, variable: Override) -> Self {
        Self { variable, ..self }
    }

    /// Returns the setting with the same meaning.
    pub fn setting(&self) -> Option<&'static str> {
        match self.treatment {
            Treatment::Setting(setting) => Some(setting),
            _ => None,
        }
    }

    /// Returns the name of the variable that overrides it.
    pub fn variable(&self) -> Option<&'static str> {
        match self.variable {
            Override::All(name, _) | Override::Node(name) => Some(name),
            Override::None => None,
        }
    }
}

const LINK_PORT: &str = "remove it: Frappe appends it to the links in mails and PDFs";
const PYTHON_SOCKETIO: &str = "set it to node, or remove it: the role socketio runs Frappe's node server, which delivers \
     the same events; an app's handlers in Python (realtime/handlers.py) do not run there";
const SENTINEL: &str =
    "remove it, and name the server in REDIS_CACHE and REDIS_QUEUE: only Python would use sentinels";

use Kind::{List, Number, Object, Port, Switch, Text, Url};
use Override::{All, Node};
use Place::{Both, Common, Site};
use Treatment::{Read, Refused, Setting, Warned};

pub const KEYS: [FrappeKey; 36] = [
    key("default_site", Common, Text, Setting("SITE_NAME")).over(All("FRAPPE_SITE", 14)),
    key("db_type", Both, Text, Setting("DB_TYPE")).over(All("FRAPPE_DB_TYPE", 15)),
    key("db_host", Both, Text, Setting("DB_HOST")).over(All("FRAPPE_DB_HOST", 15)),
    key("db_port", Both, Port, Setting("DB_PORT")).over(All("FRAPPE_DB_PORT", 15)),
    key("db_name", Site, Text, Setting("DB_NAME")).over(All("FRAPPE_DB_NAME", 16)),
    key("db_user", Site, Text, Read("the site's login")).over(All("FRAPPE_DB_USER", 16)),
    key("db_password", Site, Text, Read("the site's login")).over(All("FRAPPE_DB_PASSWORD", 16)),
    key(
        "db_socket",
        Both,
        Text,
        Refused("psql and pg_dump would use that socket, and Python port 5432 of DB_HOST"),
    )
    .over(All("FRAPPE_DB_SOCKET", 15)),
    key("redis_cache", Both, Url, Setting("REDIS_CACHE")).over(All("FRAPPE_REDIS_CACHE", 15)),
    key("redis_queue", Both, Url, Setting("REDIS_QUEUE")).over(All("FRAPPE_REDIS_QUEUE", 15)),
    key("redis_socketio", Both, Url, Warned("remove it: Frappe 15 and later do not read it")),
    key("redis_cache_sentinel_enabled", Both, Switch, Warned(SENTINEL)),
    key("redis_queue_sentinel_enabled", Both, Switch, Warned(SENTINEL)),
    key(
        "use_rq_auth",
        Both,
        Switch,
        Warned("remove it, and write the login into REDIS_QUEUE: only Python would use rq_username"),
    ),
    key("socketio_port", Common, Port, Setting("SOCKETIO_PORT")).over(Node("FRAPPE_SOCKETIO_PORT")),
    key("socketio_uds", Common, Text, Warned("remove it: socketio listens at SOCKETIO_PORT"))
        .over(Node("FRAPPE_SOCKETIO_UDS")),
    key("socketio_backend", Common, Text, Warned(PYTHON_SOCKETIO)),
    key("host_name", Both, Text, Setting("CAULDRON_SITE_URL")),
    key("hostname", Both, Text, Read("as host_name, if that is not set")),
    key("webserver_port", Both, Port, Warned(LINK_PORT)),
    key("http_port", Both, Port, Warned(LINK_PORT)),
    key("domains", Site, List, Read("the hosts of the site")),
    key("encryption_key", Both, Text, Setting("ENCRYPTION_KEY")),
    key("maintenance_mode", Both, Switch, Read("migrations, readiness and the status page")),
    key("allow_reads_during_maintenance", Both, Switch, Read("doctor")),
    key("pause_scheduler", Both, Switch, Read("the scheduler's state")),
    key("disable_scheduler", Both, Switch, Read("the scheduler's state")),
    key("developer_mode", Both, Switch, Read("the scheduler's state")),
    key("mute_emails", Both, Number, Read("copies of a site")),
    key("scheduler_tick_interval", Common, Number, Read("the scheduler")),
    key("bench_id", Common, Text, Read("the names of the queues")),
    key("workers", Common, Object, Read("the queues and their time limits")),
    key(
        "rate_limit",
        Both,
        Object,
        Refused("every request would fail: Frappe needs {\"limit\": seconds, \"window\": whole seconds}"),
    ),
    key("gunicorn_workers", Common, Number, Warned("set GUNICORN_WORKERS")),
    key("background_workers", Common, Number, Warned("set CAULDRON_POOL")),
    key(
        "extra_config",
        Both,
        List,
        Warned("remove it: what its functions return is known to Frappe's Python processes only"),
    ),
];

/// Returns the row of a key.
pub fn named(name: &str) -> Option<&'static FrappeKey> {
    KEYS.iter().find(|key| key.name == name)
}

/// Returns the variable with which a child is given another value than the files have, if every process of this
/// Frappe that reads the key reads it.
pub fn override_of(name: &str, frappe_major: Option<u32>) -> Option<&'static str> {
    match named(name)?.variable {
        Override::All(variable, since) if frappe_major.is_none_or(|major| major >= since) => Some(variable),
        _ => None,
    }
}

/// True if Frappe takes the value of a key for on: by Python's truth, or by `cint` for a number.
pub fn is_on(name: &str, value: Option<&Value>) -> bool {
    match named(name).map(|key| key.kind) {
        Some(Kind::Number) => value.is_some_and(|value| cint(value) != 0),
        _ => value.is_some_and(is_true),
    }
}

impl Kind {
    /// For docs/configuration.md.
    #[cfg(test)]
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "URL",
            Self::Port => "port",
            Self::Number => "number",
            Self::Switch => "0 or 1",
            Self::Object => "object",
            Self::List => "list",
        }
    }
}

impl Place {
    /// For docs/configuration.md.
    #[cfg(test)]
    pub fn words(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Site => "site",
            Self::Both => "both",
        }
    }

    fn has(self, file: &str) -> bool {
        match self {
            Self::Common => file == COMMON,
            Self::Site => file == SITE,
            Self::Both => true,
        }
    }
}

#[cfg(test)]
mod tests;
