//! Every setting: its variable, its flag, whether it is a secret, its default and what it is for.
//!
//! One table serves the command line, the environment, `--print-config` and the README, which a
//! test holds against it. A flag is its variable in lower case with dashes, without `CAULDRON_`.

/// One setting that an operator can give.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    /// Other names that people's manifests already use for it (docs/before.md#variable-names), tried in this
    /// order.
    pub aliases: &'static [&'static str],
    /// Never shown; kept out of the environment of every child.
    pub secret: bool,
    /// The default as the README tells it. Values are made in `config.rs`.
    pub default: &'static str,
    pub help: &'static str,
}

impl Variable {
    /// `CAULDRON_WEB_ADDR` → `web-addr`.
    pub fn flag(&self) -> String {
        self.name.strip_prefix("CAULDRON_").unwrap_or(self.name).to_ascii_lowercase().replace('_', "-")
    }

    /// The variable that names a file holding the value (a mounted secret).
    pub fn file_name(name: &str) -> String {
        format!("{name}_FILE")
    }
}

const fn plain(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, aliases: &[], secret: false, default, help }
}

const fn also(
    name: &'static str,
    aliases: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Variable {
    Variable { name, aliases, secret: false, default, help }
}

const fn secret(
    name: &'static str,
    aliases: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Variable {
    Variable { name, aliases, secret: true, default, help }
}

const HEALTH_ADDR: Variable = plain(
    "CAULDRON_HEALTH_ADDR",
    "[::]:9180, 0.0.0.0 without IPv6",
    "Where the probes are answered; `off` for none",
);
const LOG_FORMAT: Variable =
    plain("CAULDRON_LOG_FORMAT", "auto", "auto, text or json; auto is text on a terminal");
const LOG_LEVEL: Variable = plain("CAULDRON_LOG_LEVEL", "info", "error, warn, info, debug or trace");
const CHILD_LOGS: Variable = plain(
    "CAULDRON_CHILD_LOGS",
    "inherit; all: prefix",
    "inherit, prefix or json: what happens to a child's output",
);
const GRACE: Variable = plain(
    "CAULDRON_GRACE",
    "web 30s, worker longest queue + 30s, others 10s",
    "From TERM to KILL; 0: no limit",
);

/// What `run` reads; the rest is Frappe's.
pub const RUN_SETTINGS: &[Variable] = &[HEALTH_ADDR, LOG_FORMAT, LOG_LEVEL, CHILD_LOGS, GRACE];

pub const VARIABLES: &[Variable] = &[
    plain("SITE_NAME", "default_site, else required", "The site's name, also its folder under sites/"),
    secret("ADMIN_PASSWORD", &[], "(needed to create a site)", "Administrator's password of a new site"),
    plain("DB_TYPE", "postgres", "Only postgres; anything else is refused"),
    plain("DB_HOST", "common_site_config.json", "PostgreSQL's host"),
    plain("DB_PORT", "5432", "PostgreSQL's port"),
    plain("DB_NAME", "site_config.json", "The site's database, and its role"),
    plain("DB_USER", "DB_NAME", "Login: the server's administrator, or the database's owner"),
    secret("DB_PASSWORD", &["DB_ROOT_PASSWORD", "PGPASSWORD"], "(none)", "That login's password"),
    plain("DB_SSLMODE", "prefer", "disable, prefer, require, verify-ca or verify-full"),
    plain("DB_SSLROOTCERT", "the system's CAs", "CA file for verify-ca and verify-full"),
    plain("DB_SSLCERT", "(none)", "Client certificate file"),
    plain("DB_SSLKEY", "(none)", "Client key file"),
    plain(
        "CAULDRON_DB_ADMIN_DATABASE",
        "DB_USER, then postgres",
        "Maintenance database of the administrator's login",
    ),
    plain(
        "CAULDRON_DB_DIRECT_HOST",
        "DB_HOST",
        "PostgreSQL itself, where DB_HOST is a transaction pooler: for locks, LISTEN and schema changes",
    ),
    plain("CAULDRON_DB_DIRECT_PORT", "5432", "Its port; DB_PORT where neither of the two is set"),
    secret("SITE_DB_PASSWORD", &[], "site_config.json, else made", "The site role's own password"),
    secret("ENCRYPTION_KEY", &[], "made", "The site's encryption key (32 url-safe base64 bytes)"),
    plain(
        "REDIS_CACHE",
        "common_site_config.json",
        "URL of the cache Redis: redis, rediss or unix; host:port works",
    ),
    plain("REDIS_QUEUE", "common_site_config.json", "URL of the queue Redis"),
    plain("REDIS_SOCKETIO", "(none)", "URL of the socketio Redis (Frappe v14 only)"),
    plain("REDIS_CACHE_HOST", "(none)", "The chart's way to name the cache Redis (database 0)"),
    plain("REDIS_QUEUE_HOST", "(none)", "The chart's way to name the queue Redis (database 1)"),
    plain("REDIS_SOCKETIO_HOST", "(none)", "The chart's way to name the socketio Redis (database 2)"),
    plain("REDIS_PORT", "6379", "Port of the three hosts above"),
    plain("REDIS_TLS_CA", "the system's CAs", "CA file for rediss URLs"),
    plain("SOCKETIO_PORT", "(not written)", "socketio_port in common_site_config.json"),
    plain("STANDARD_APPS", "(none)", "The chart's list of apps, name:branch"),
    plain("CUSTOM_APPS", "(none)", "The chart's list of apps, name:URL:branch"),
    plain(
        "CAULDRON_APPS",
        "what the image fetched",
        "Wanted apps as JSON (CAULDRON_APPS_FILE: frappe_docker's apps.json)",
    ),
    plain(
        "CAULDRON_APPS_UPDATE",
        "(none)",
        "Each new value of it moves the wanted branches to their newest commit, once",
    ),
    plain(
        "CAULDRON_GIT_AUTH",
        "(none)",
        "Logins for private repositories by host, as JSON that names files: token_file, ssh_key_file, known_hosts_file",
    ),
    plain(
        "CAULDRON_GIT_TIMEOUT",
        "10m",
        "Deadline of one command of git, pip, yarn or node for an app; 0: no limit",
    ),
    plain(
        "CAULDRON_GIT_SUBMODULES",
        "on",
        "on or off: whether submodules of apps are fetched (one that cannot be had is a warning, unless the app's package needs it)",
    ),
    plain("GUNICORN_WORKERS", "from the cgroup", "gunicorn's worker processes"),
    plain("GUNICORN_THREADS", "from the cgroup", "Threads of each gunicorn worker"),
    plain(
        "GUNICORN_TIMEOUT",
        "120s",
        "gunicorn ends a worker that is silent for so long (seconds or a duration; 0: no limit)",
    ),
    plain("WORKER_QUEUES", "(two pools)", "Queues of one worker process, with commas (also `--queue`)"),
    plain(
        "CAULDRON_POOL",
        "short,default=1 long=1",
        "Worker processes by queues: short,default=2 long=1 (`--pool` may be repeated)",
    ),
    plain("CAULDRON_AUTOSCALE", "(fixed)", "Fewest and most processes of a pool without a number: 1..4"),
    plain(
        "CAULDRON_MAX_MEMORY",
        "(none)",
        "A worker process past it is started anew between two jobs: 512Mi",
    ),
    plain("CAULDRON_MAX_JOBS", "(none)", "A worker process is started anew after so many jobs"),
    plain("CAULDRON_REQUEUE", "(none)", "Methods whose jobs may run again when a stop had to cut them off"),
    plain("CAULDRON_BENCH", "/home/frappe/frappe-bench", "The bench's folder"),
    plain("CAULDRON_RUNTIME_DIR", "/run/cauldron, or a temporary folder", "Short-lived files of this pod"),
    plain("CAULDRON_DATA_DIR", "sites/.cauldron/embedded", "Data of the --embedded servers"),
    plain("CAULDRON_WEB_ADDR", "[::]:8000, 0.0.0.0 without IPv6", "Where the web role listens"),
    plain(
        "CAULDRON_HOSTS",
        "every host is SITE_NAME",
        "Hosts and their sites: `erp.example.com=site *.example.com=other`; others are then refused",
    ),
    plain(
        "FRAPPE_SITE_NAME_HEADER",
        "SITE_NAME",
        "The site of every host; `$host` where a host is its own site",
    ),
    also(
        "CAULDRON_TRUSTED_PROXIES",
        &["UPSTREAM_REAL_IP_ADDRESS", "FORWARDED_ALLOW_IPS"],
        "(none)",
        "Addresses and networks whose X-Forwarded-For, -Proto and -Host are believed; `*` for all",
    ),
    plain(
        "SOCKETIO",
        "127.0.0.1, SOCKETIO_PORT or 9000",
        "host:port of the socketio service, for /socket.io",
    ),
    plain(
        "CAULDRON_WEB_URL",
        "`all`: its own web port; else the page's Origin",
        "Where socketio asks the web role who a page's user is: an address of the inside, such as http://web:8000",
    ),
    plain(
        "CAULDRON_WEB_CA",
        "the system's and NODE_EXTRA_CA_CERTS",
        "CA (PEM file) of the web role's certificate, where CAULDRON_WEB_URL is https",
    ),
    plain("CLIENT_MAX_BODY_SIZE", "50m", "The largest request body; 0 for any"),
    plain(
        "PROXY_READ_TIMEOUT",
        "GUNICORN_TIMEOUT",
        "How long gunicorn may be silent before a request is given up; 0: no limit",
    ),
    plain(
        "CAULDRON_TLS_CERT",
        "(none: no TLS)",
        "Certificate chain for the web port; read again when it changes",
    ),
    plain("CAULDRON_TLS_KEY", "(none)", "Its key"),
    plain("CAULDRON_ACCESS_LOG", "on", "on: a line for each request but those for /assets; all; off"),
    HEALTH_ADDR,
    LOG_FORMAT,
    LOG_LEVEL,
    CHILD_LOGS,
    plain("CAULDRON_BOOTSTRAP", "auto", "auto, lead, follow or off"),
    plain("CAULDRON_ON_FAILURE", "exit", "exit, or hold: stay up, unready, so that one can look"),
    plain(
        "CAULDRON_INSTANCE",
        "(not compared)",
        "Identity of this installation, e.g. cluster/namespace/release",
    ),
    plain("CAULDRON_ADOPT", "(none)", "Id that a refusal printed: make the lost folder of this site anew"),
    plain("CAULDRON_CLONE", "(none)", "Id that a muted copy printed: it is a site of its own from now on"),
    plain(
        "CAULDRON_ALLOW_DOWNGRADE",
        "(none)",
        "Id that a refusal printed: migrate with code that is not known to be newer",
    ),
    plain("CAULDRON_BACKUP", "3", "Backups kept of those taken before migrations; 0 takes none"),
    plain(
        "CAULDRON_MIGRATE_DRAIN",
        "25m",
        "How long a migration waits for running jobs, and for others on the site's tables; 0: no limit",
    ),
    plain("CAULDRON_SITE_URL", "(not written)", "host_name in common_site_config.json"),
    plain("CAULDRON_WAIT_TIMEOUT", "120s", "Deadline of the wait for dependencies; 0 for none"),
    plain("CAULDRON_DRAIN", "0s", "Unready for so long before a stop, so that endpoints follow"),
    GRACE,
];

/// The entry of a variable that the code names.
///
/// # Panics
/// On a name that is not in the table: a bug, which any test that reads configuration finds.
pub fn named(name: &str) -> &'static Variable {
    VARIABLES.iter().find(|v| v.name == name).unwrap_or_else(|| panic!("no variable {name} in the table"))
}

/// Every name under which a secret may stand in the environment, `NAME_FILE` included.
pub fn secret_names() -> impl Iterator<Item = String> {
    // URLs may hold a login.
    let with_urls =
        |name: &str| name.starts_with("REDIS_") || matches!(name, "CAULDRON_APPS" | "CUSTOM_APPS");
    let ours = VARIABLES.iter().filter(move |v| v.secret || with_urls(v.name)).flat_map(|v| {
        std::iter::once(v.name)
            .chain(v.aliases.iter().copied())
            .flat_map(|name| [name.to_string(), Variable::file_name(name)])
    });
    let frappes = ["FRAPPE_DB_PASSWORD", "FRAPPE_REDIS_CACHE", "FRAPPE_REDIS_QUEUE"];
    ours.chain(frappes.map(str::to_string))
}
