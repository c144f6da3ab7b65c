//! The environment of every Frappe child: ours without its secrets, plus the variables that libpq and Frappe need.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::config::database::{DatabaseConfig, SslMode};
use crate::config::redis::RedisConfig;
use crate::config::{foreign_environment, frappe_environment, variable};

/// Variables by name; a later `set` wins.
#[derive(Clone, Debug, Default)]
pub struct ChildEnvironment(BTreeMap<OsString, OsString>);

/// The files with the system's CAs in common distributions; libpq has no default for it.
const SYSTEM_CA_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

impl ChildEnvironment {
    /// Our environment without secrets: the administrator's password reaches no child, and Frappe reads its own
    /// from the site's files. Variables that override these files in Frappe are removed too: they were read as our
    /// settings. So are those of libpq and gunicorn (`config::foreign_environment`).
    pub fn inherited() -> Self {
        let overrides = frappe_environment::names().map(str::to_string);
        let removed: Vec<String> = variable::secret_names().chain(overrides).collect();
        let is_foreign = |name: &OsStr| name.to_str().and_then(foreign_environment::reason_to_drop).is_some();
        let is_removed =
            |name: &OsStr| removed.iter().any(|other| OsStr::new(other) == name) || is_foreign(name);
        Self(std::env::vars_os().filter(|(name, _)| !is_removed(name)).collect())
    }

    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.0.insert(name.into(), value.as_ref().into());
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.0.remove(OsStr::new(name));
        self
    }

    /// Adds the variables that every Frappe process needs.
    pub fn for_frappe(mut self, database: &DatabaseConfig, redis: &RedisConfig) -> Self {
        // Without it Python buffers its log lines.
        self.set("PYTHONUNBUFFERED", "1");
        // libpq's GSSAPI is not fork-safe: RQ's work-horses crash
        // (docs/frappe-contract.md#libpq-environment).
        self.set("PGGSSENCMODE", "disable");
        self.set("PGSSLMODE", database.tls.mode.name());
        match &database.tls.root_certificate {
            Some(path) => {
                self.set("PGSSLROOTCERT", path);
            }
            None if matches!(database.tls.mode, SslMode::VerifyCa | SslMode::VerifyFull) => {
                if let Some(path) = SYSTEM_CA_FILES.iter().find(|path| Path::new(path).exists()) {
                    self.set("PGSSLROOTCERT", path);
                }
            }
            None => {}
        }
        if let Some((certificate, key)) = &database.tls.client {
            self.set("PGSSLCERT", certificate).set("PGSSLKEY", key);
        }
        // Node reads no CA from a URL, and none from OpenSSL's variable (docs/frappe-contract.md#redis-over-tls).
        if let Some(ca) = &redis.tls_ca {
            self.set("NODE_EXTRA_CA_CERTS", ca);
        } else if let Some(queue) = redis.queue.as_ref().filter(|queue| queue.is_tls())
            && !self.0.contains_key(OsStr::new("NODE_EXTRA_CA_CERTS"))
        {
            let of_openssl = || self.0.get(OsStr::new("SSL_CERT_FILE")).cloned();
            if let Some(ca) = queue.ca().map(OsString::from).or_else(of_openssl) {
                self.set("NODE_EXTRA_CA_CERTS", ca);
            }
        }
        self
    }

    pub fn into_map(self) -> BTreeMap<OsString, OsString> {
        self.0
    }
}
