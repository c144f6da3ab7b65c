//! PostgreSQL settings: address, login and TLS.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::bench_files::BenchFiles;
use super::host;
use super::reader::Reader;
use super::text::is_quoted;
use super::value::{read_choice, read_path, read_port, read_secret};

/// libpq's sslmode, except `allow`, which gives no security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    pub(super) const ALL: [Self; 5] =
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// Returns libpq's spelling, for PGSSLMODE.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// TLS settings of the connection.
#[derive(Clone, Debug)]
pub struct DatabaseTls {
    pub mode: SslMode,
    pub root_certificate: Option<PathBuf>,
    /// Client certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A login of the server.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Option<SecretString>,
}

/// The site's database and the connection to it.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub host: String,
    pub port: u16,
    /// Name of the site's database and of its role. None if it is not set: `wait-deps` does not need it.
    pub name: Option<String>,
    /// The configured login: an administrator's or the owner's.
    pub login: Option<Login>,
    pub admin_database: Option<String>,
    pub tls: DatabaseTls,
    /// CAULDRON_DB_DIRECT_HOST and _PORT: the server itself, if DB_HOST is a pooler.
    pub direct: Option<(String, u16)>,
}

impl DatabaseConfig {
    /// A server on a unix socket in this folder.
    pub fn on_socket(folder: String, port: u16) -> Self {
        let tls = DatabaseTls { mode: SslMode::Disable, root_certificate: None, client: None };
        Self { host: folder, port, name: None, login: None, admin_database: None, tls, direct: None }
    }

    /// Returns the settings for a connection to the server itself, where locks, LISTEN and schema changes work.
    pub fn directly(&self) -> Self {
        let mut direct = self.clone();
        if let Some((host, port)) = direct.direct.take() {
            (direct.host, direct.port) = (host, port);
        }
        direct
    }
}

/// PostgreSQL's default port.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// Reads the settings. A password without DB_USER belongs to the role DB_NAME.
pub fn read(reader: &mut Reader<'_>, bench: &BenchFiles, embedded: bool) -> Option<DatabaseConfig> {
    let db_type = reader.given_or("DB_TYPE", bench.common("db_type"), Some("postgres"));
    // The site's own file overrides everything in Frappe, so it is checked as well.
    for given in db_type.into_iter().chain(bench.site("db_type")) {
        let hint = "cauldron-frappe runs Frappe on PostgreSQL only: use postgres";
        reader.parsed("DB_TYPE", Some(given), parse_type, hint);
    }
    let host_given = reader.given_or(
        "DB_HOST",
        bench.site("db_host").or(bench.common("db_host")),
        embedded.then_some("127.0.0.1"),
    );
    let host = reader.parsed("DB_HOST", host_given, parse_host, HOST_HINT);
    let port_given =
        reader.given_or("DB_PORT", bench.site("db_port").or(bench.common("db_port")), Some("5432"));
    let port = read_port(reader, "DB_PORT", port_given);
    let name_given = reader.given_or("DB_NAME", bench.database_name(), None);
    let name = reader.parsed(
        "DB_NAME",
        name_given,
        parse_database_name,
        "name a database of the site's own, such as `frappe`: letters, digits, _ and -",
    );
    let user_given = reader.given("DB_USER");
    let user = reader.parsed("DB_USER", user_given, parse_user, "name a login of the server");
    let password = read_secret(reader, "DB_PASSWORD");
    let login = user
        .or_else(|| password.is_some().then(|| name.clone()).flatten())
        .map(|user| Login { user, password });
    let admin_database_given = reader.given("CAULDRON_DB_ADMIN_DATABASE");
    let admin_database = reader.parsed(
        "CAULDRON_DB_ADMIN_DATABASE",
        admin_database_given,
        parse_identifier,
        "name a database of the server, such as `postgres`",
    );
    let tls = read_tls(reader);
    let direct_host_given = reader.given("CAULDRON_DB_DIRECT_HOST");
    let direct_host =
        reader.parsed("CAULDRON_DB_DIRECT_HOST", direct_host_given, parse_host, DIRECT_HOST_HINT);
    let direct_port_given = reader.given("CAULDRON_DB_DIRECT_PORT");
    let direct_port = read_port(reader, "CAULDRON_DB_DIRECT_PORT", direct_port_given);
    let (host, port) = (host?, port?);
    let direct = match (direct_host, direct_port) {
        (None, None) => None,
        (host_given, port_given) => {
            Some((host_given.unwrap_or_else(|| host.clone()), port_given.unwrap_or(DEFAULT_PORT)))
        }
    };
    Some(DatabaseConfig { host, port, name, login, admin_database, tls: tls?, direct })
}

fn read_tls(reader: &mut Reader<'_>) -> Option<DatabaseTls> {
    let modes = SslMode::ALL.map(|mode| (mode.name(), mode));
    let mode = read_choice(reader, "DB_SSLMODE", SslMode::Prefer.name(), &modes);
    let root_certificate = read_path(reader, "DB_SSLROOTCERT");
    let certificate = read_path(reader, "DB_SSLCERT");
    let key = read_path(reader, "DB_SSLKEY");
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (given, _) => {
            let missing = if given.is_some() { "DB_SSLKEY" } else { "DB_SSLCERT" };
            reader.problem(
                missing,
                None,
                "a client certificate needs both DB_SSLCERT and DB_SSLKEY",
                "set both or none",
            );
            None
        }
    };
    Some(DatabaseTls { mode: mode?, root_certificate, client })
}

/// Accepts only names that are valid unquoted: Frappe writes the name into SQL and into psql's URL without quotes.
fn parse_database_name(text: &str) -> Result<String, String> {
    if text == "postgres" || text.starts_with("template") {
        return Err(format!("`{text}` belongs to the server itself"));
    }
    let plain = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { Ok(text.into()) } else { Err(format!("`{text}` is not a plain database name")) }
}

const HOST_HINT: &str = "write only PostgreSQL's host name or address, or the folder of its socket (/var/run/postgresql); set the port in DB_PORT, and the login in DB_USER and DB_PASSWORD";
const DIRECT_HOST_HINT: &str = "write only PostgreSQL's host name or address, or the folder of its socket (/var/run/postgresql); set the port in CAULDRON_DB_DIRECT_PORT";

/// The name of PostgreSQL's socket in its folder, before the port.
const SOCKET_PREFIX: &str = ".s.PGSQL.";

/// Accepts a host, or a folder: libpq names a Unix socket by its folder and the port.
pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let is_folder = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "@:'\"".contains(c));
    if !is_folder {
        return host::parse(text);
    }
    let path = Path::new(text);
    let is_socket = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SOCKET_PREFIX));
    if is_socket || path.exists() && !path.is_dir() {
        return Err("it is a file: PostgreSQL's clients take the folder of the socket".into());
    }
    Ok(text.into())
}

fn parse_type(text: &str) -> Result<(), String> {
    if text == "postgres" { Ok(()) } else { Err(format!("`{text}` is not supported")) }
}

/// Accepts a role name. Names of some clouds contain an `@` (`user@server`); a colon before it would mean a password.
pub(super) fn parse_user(text: &str) -> Result<String, String> {
    match text.rsplit_once('@') {
        Some((before, _)) if before.contains(':') => {
            Err("it contains a password; write only the name".into())
        }
        _ => parse_identifier(text),
    }
}

pub(super) fn parse_identifier(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 63 || text.contains(char::is_control) {
        return Err("it is not a name: 1 to 63 bytes, without control characters".into());
    }
    if text.contains("://") {
        return Err("it is a URL, not a name".into());
    }
    if is_quoted(text) {
        return Err("the quotes are part of the value".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        for folder in [path.as_str(), "/var/run/postgresql", "/absent/"] {
            assert_eq!(parse_host(folder).as_deref(), Ok(folder));
        }
        let file = format!("{path}/canary");
        std::fs::write(&file, "").unwrap();
        for bad in ["/run/postgresql/.s.PGSQL.5432", "/run/postgresql/.s.PGSQL.5432/", &file] {
            let error = parse_host(bad).unwrap_err();
            assert!(error.contains("folder of the socket") && !error.contains("canary"), "{bad}: {error}");
        }
    }
}
