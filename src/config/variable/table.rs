//! The table of variables.

use super::Variable;

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
    "Address on which the probes are answered; `off`: none",
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
    "Grace period from TERM to KILL; 0: no limit",
);

/// The variables that `run` reads. The others are for Frappe.
pub const RUN_SETTINGS: &[Variable] = &[HEALTH_ADDR, LOG_FORMAT, LOG_LEVEL, CHILD_LOGS, GRACE];

/// All variables, in the order of the documentation.
pub const VARIABLES: &[Variable] = &[
    plain("SITE_NAME", "default_site, else required", "The site's name, also its folder under sites/"),
    secret("ADMIN_PASSWORD", &[], "(needed to create a site)", "Administrator's password of a new site"),
    plain("DB_TYPE", "postgres", "Only postgres; anything else is refused"),
    plain("DB_HOST", "common_site_config.json", "PostgreSQL's host"),
    plain("DB_PORT", "5432", "PostgreSQL's port"),
    plain("DB_NAME", "site_config.json", "Name of the site's database and of its role"),
    plain(
        "DB_USER",
        "DB_NAME",
        "Database login: an administrator of the server, or the owner of the database",
    ),
    secret("DB_PASSWORD", &["DB_ROOT_PASSWORD", "PGPASSWORD"], "(none)", "Password of DB_USER"),
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
        "Host of PostgreSQL itself, if DB_HOST is a transaction pooler; used for locks, LISTEN and schema changes",
    ),
    plain(
        "CAULDRON_DB_DIRECT_PORT",
        "5432",
        "Port of CAULDRON_DB_DIRECT_HOST; DB_PORT if neither of the two is set",
    ),
    secret("SITE_DB_PASSWORD", &[], "site_config.json, else made", "The site role's own password"),
    secret("ENCRYPTION_KEY", &[], "made", "The site's encryption key (32 url-safe base64 bytes)"),
    plain(
        "REDIS_CACHE",
        "common_site_config.json",
        "URL of the cache Redis (redis://, rediss:// or unix://), or host:port",
    ),
    plain("REDIS_QUEUE", "common_site_config.json", "URL of the queue Redis"),
    plain("REDIS_SOCKETIO", "(none)", "Ignored, with a warning: only Frappe 14 reads it"),
    plain("REDIS_CACHE_HOST", "(none)", "Host of the cache Redis (database 0), as in the chart"),
    plain("REDIS_QUEUE_HOST", "(none)", "Host of the queue Redis (database 1), as in the chart"),
    plain("REDIS_SOCKETIO_HOST", "(none)", "Ignored, with a warning: only Frappe 14 reads it"),
    plain("REDIS_PORT", "6379", "Port of REDIS_CACHE_HOST and REDIS_QUEUE_HOST"),
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
        "A new value moves the wanted branches to their newest commits, once",
    ),
    plain(
        "CAULDRON_GIT_AUTH",
        "(none)",
        "Logins for private repositories by host: JSON that names files (token_file, ssh_key_file, known_hosts_file)",
    ),
    plain(
        "CAULDRON_GIT_TIMEOUT",
        "10m",
        "Deadline of each git, pip, yarn or node command for an app; 0: no limit",
    ),
    plain(
        "CAULDRON_GIT_SUBMODULES",
        "on",
        "on or off: whether submodules of apps are fetched (one that cannot be fetched is a warning, unless the app's package needs it)",
    ),
    plain("GUNICORN_WORKERS", "from the cgroup", "gunicorn's worker processes"),
    plain("GUNICORN_THREADS", "from the cgroup", "Threads of each gunicorn worker"),
    plain(
        "GUNICORN_TIMEOUT",
        "120s",
        "gunicorn ends a worker that is silent for this long (seconds or a duration; 0: no limit)",
    ),
    plain(
        "WORKER_QUEUES",
        "(two pools)",
        "Queues of one worker process, separated by commas (also `--queue`)",
    ),
    plain(
        "CAULDRON_POOL",
        "short,default=1 long=1",
        "Worker processes per set of queues: short,default=2 long=1 (`--pool` may be repeated)",
    ),
    plain(
        "CAULDRON_AUTOSCALE",
        "(fixed)",
        "Minimum and maximum number of processes of a pool without a number: 1..4",
    ),
    plain(
        "CAULDRON_MAX_MEMORY",
        "(none)",
        "Memory limit of a worker process, such as 512Mi; above it, the process is restarted between two jobs",
    ),
    plain("CAULDRON_MAX_JOBS", "(none)", "Number of jobs after which a worker process is restarted"),
    plain("CAULDRON_REQUEUE", "(none)", "Methods whose jobs may run again after a stop interrupted them"),
    plain("CAULDRON_BENCH", "/home/frappe/frappe-bench", "The bench's folder"),
    plain(
        "CAULDRON_RUNTIME_DIR",
        "/run/cauldron, or a temporary folder",
        "Folder for short-lived files of this pod",
    ),
    plain("CAULDRON_DATA_DIR", "sites/.cauldron/embedded", "Folder for the data of the --embedded servers"),
    plain("CAULDRON_WEB_ADDR", "[::]:8000, 0.0.0.0 without IPv6", "Address on which the web role listens"),
    plain(
        "CAULDRON_HOSTS",
        "every host is SITE_NAME",
        "Hosts and their sites: `erp.example.com=site *.example.com=other`; all other hosts are then refused",
    ),
    plain(
        "FRAPPE_SITE_NAME_HEADER",
        "SITE_NAME",
        "Site of every host; `$host`: the site is named like the host",
    ),
    also(
        "CAULDRON_TRUSTED_PROXIES",
        &["UPSTREAM_REAL_IP_ADDRESS", "FORWARDED_ALLOW_IPS"],
        "(none)",
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are trusted; `*` for all",
    ),
    plain(
        "SOCKETIO",
        "127.0.0.1, SOCKETIO_PORT or 9000",
        "host:port of the socketio service, for /socket.io",
    ),
    plain(
        "CAULDRON_WEB_URL",
        "`all`: its own web port; else the page's Origin",
        "Internal address of the web role that socketio uses to authenticate a page's user, such as http://web:8000",
    ),
    plain(
        "CAULDRON_WEB_CA",
        "the system's and NODE_EXTRA_CA_CERTS",
        "CA (PEM file) of the web role's certificate, if CAULDRON_WEB_URL is https",
    ),
    plain("CLIENT_MAX_BODY_SIZE", "50m", "Largest request body; 0: no limit"),
    plain(
        "PROXY_READ_TIMEOUT",
        "GUNICORN_TIMEOUT",
        "How long gunicorn may be silent before a request fails; 0: no limit",
    ),
    plain(
        "CAULDRON_TLS_CERT",
        "(none: no TLS)",
        "Certificate chain of the web port; reloaded when it changes",
    ),
    plain("CAULDRON_TLS_KEY", "(none)", "Private key of CAULDRON_TLS_CERT"),
    plain(
        "CAULDRON_ACCESS_LOG",
        "on",
        "on: one line per request, except for /assets; all: one line per request; off",
    ),
    HEALTH_ADDR,
    LOG_FORMAT,
    LOG_LEVEL,
    CHILD_LOGS,
    plain("CAULDRON_BOOTSTRAP", "auto", "auto, lead, follow or off"),
    plain("CAULDRON_ON_FAILURE", "exit", "exit, or hold: stay up and unready for inspection"),
    plain(
        "CAULDRON_INSTANCE",
        "(not compared)",
        "Identity of this installation, e.g. cluster/namespace/release",
    ),
    plain("CAULDRON_ADOPT", "(none)", "Id that a refusal printed: create the lost folder of this site again"),
    plain("CAULDRON_CLONE", "(none)", "Id that a muted copy printed: accept the copy as a site of its own"),
    plain(
        "CAULDRON_ALLOW_DOWNGRADE",
        "(none)",
        "Id that a refusal printed: migrate with code that is not known to be newer",
    ),
    plain("CAULDRON_BACKUP", "3", "Number of backups from before migrations to keep; 0 takes none"),
    plain(
        "CAULDRON_MIGRATE_DRAIN",
        "25m",
        "How long a migration waits for running jobs, and for other sessions on the site's tables; 0: no limit",
    ),
    plain(
        "CAULDRON_SITE_URL",
        "(not written)",
        "The site's public URL: host_name in common_site_config.json",
    ),
    plain("CAULDRON_WAIT_TIMEOUT", "120s", "Deadline of the wait for dependencies; 0: no limit"),
    plain("CAULDRON_DRAIN", "0s", "How long a pod is unready before it stops, so that endpoints are updated"),
    GRACE,
];
