//! CAULDRON_SCRATCH_DB_URL: another PostgreSQL server in which backups are verified, as a URL with the login of an
//! administrator. Only the commands on backups read it: no role has or inherits it.

use std::borrow::Cow;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use super::database::{
    DEFAULT_PORT, DatabaseConfig, DatabaseTls, Login, SslMode, parse_host, parse_identifier, parse_user,
};
use super::reader::Reader;
use super::value::read_parsed;

/// The name of the setting.
pub const SETTING: &str = "CAULDRON_SCRATCH_DB_URL";

/// A server, and a login that may create roles and databases there.
#[derive(Clone, Debug)]
pub struct ScratchServer {
    pub server: DatabaseConfig,
    pub login: Login,
}

/// Reads the setting, if `opens`, for commands that open the repository.
pub fn read(reader: &mut Reader<'_>, opens: bool) -> Option<ScratchServer> {
    let hint = "write postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=/path; percent-encode \
                / # ? @ in a password";
    opens.then(|| read_parsed(reader, SETTING, parse, hint)).flatten()
}

/// Reads a URL as libpq does. No message repeats a part of it.
fn parse(text: &str) -> Result<ScratchServer, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err("its scheme is not postgres".into());
    }
    if url.fragment().is_some() || url.path().contains('@') {
        return Err("it has an @ or a # after the host".into());
    }
    let user = parse_user(&decoded(url.username(), "user")?)?;
    let password = url.password().map(|text| decoded(text, "password")).transpose()?;
    let host = parse_host(&decoded(url.host_str().unwrap_or_default(), "host")?)?;
    let database = decoded(url.path().trim_start_matches('/'), "database")?;
    let admin_database = (!database.is_empty()).then(|| parse_identifier(&database)).transpose()?;
    let server = DatabaseConfig {
        host,
        port: url.port().unwrap_or(DEFAULT_PORT),
        name: None,
        login: None,
        admin_database,
        tls: tls(&url)?,
        direct: None,
    };
    let password = password.map(|password| password.into_owned().into());
    Ok(ScratchServer { server, login: Login { user, password } })
}

fn decoded<'a>(text: &'a str, part: &str) -> Result<Cow<'a, str>, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| format!("its {part} is not UTF-8"))?;
    if decoded.contains(char::is_control) {
        return Err(format!("its {part} contains a control character"));
    }
    Ok(decoded)
}

fn tls(url: &Url) -> Result<DatabaseTls, String> {
    let (mut mode, mut root_certificate, mut certificate, mut key) = (SslMode::Prefer, None, None, None);
    for (name, value) in url.query_pairs() {
        let path = || {
            let path = PathBuf::from(&*value);
            if path.is_absolute() { Ok(Some(path)) } else { Err(format!("{name} is not an absolute path")) }
        };
        match &*name {
            "sslmode" => {
                let known = SslMode::ALL.into_iter().find(|mode| mode.name() == value);
                mode = known.ok_or("sslmode is none of disable, prefer, require, verify-ca, verify-full")?;
            }
            "sslrootcert" => root_certificate = path()?,
            "sslcert" => certificate = path()?,
            "sslkey" => key = path()?,
            _ => return Err("it has another parameter than sslmode, sslrootcert, sslcert and sslkey".into()),
        }
    }
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("a client certificate needs both sslcert and sslkey".into()),
    };
    Ok(DatabaseTls { mode, root_certificate, client })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_url_is_read_as_libpq_does() {
        let read = parse(
            "postgres://admin%40x:p%2Fw@db.test:6432/maintenance?sslmode=verify-full&sslrootcert=/ca.pem",
        );
        let ScratchServer { server, login } = read.unwrap();
        assert_eq!((server.host.as_str(), server.port), ("db.test", 6432));
        assert_eq!(server.admin_database.as_deref(), Some("maintenance"));
        assert_eq!(
            (server.tls.mode, server.tls.root_certificate),
            (SslMode::VerifyFull, Some("/ca.pem".into()))
        );
        assert_eq!((login.user.as_str(), login.password.unwrap().expose_secret()), ("admin@x", "p/w"));
        for (text, host, port) in [
            ("postgresql://u@h", "h", 5432),
            ("postgres://u@[::1]:1/", "::1", 1),
            ("postgres://u:p@%2Fvar%2Frun%2Fpostgresql", "/var/run/postgresql", 5432),
        ] {
            let ScratchServer { server, .. } = parse(text).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
            assert_eq!((server.admin_database, server.tls.mode), (None, SslMode::Prefer), "{text}");
        }
    }

    #[test]
    fn another_text_is_refused_and_not_repeated() {
        for text in [
            "canary",
            "redis://u:canary@h",
            "postgres://h/canary",
            "postgres://u:canary@/db",
            "postgres://u:canary@a,b/db",
            "postgres://u:canary@h:x/db",
            "postgres://u:can/ary@h:1/canary@x",
            "postgres://u:canary@h/db#canary",
            "postgres://u:canary@h/db?sslmode=canary",
            "postgres://u:canary@h/db?sslrootcert=canary",
            "postgres://u:canary@h/db?sslcert=/canary",
            "postgres://u:canary@h/db?canary=1",
            "postgres://u%00:canary@h/db",
            "postgres://u:canary%FF@h/db",
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.len() > 9 && !error.contains("canary") && !error.contains("ary@"),
                "{text}: {error}"
            );
        }
    }
}
