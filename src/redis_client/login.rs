//! The parts of a Redis URL besides the address: login, database, and Python's TLS parameters.
//!
//! redis-py, node-redis and redis-rs spell the parameters of a unix socket differently; all
//! spellings are accepted, since one URL has to work with all three.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::config::redis_url::RedisUrl;

#[derive(Debug, Default)]
pub struct RedisLogin {
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub database: u16,
    pub socket: Option<PathBuf>,
    /// `ssl_cert_reqs=none`.
    pub unverified: bool,
    /// `ssl_ca_certs=`, used if REDIS_TLS_CA is not set.
    pub ca: Option<PathBuf>,
}

impl RedisLogin {
    pub fn of(redis: &RedisUrl) -> Self {
        // The URL was validated, so this cannot fail.
        let Ok(url) = Url::parse(redis.reveal()) else { return Self::default() };
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut login = Self {
            user: Some(url.username()).filter(|user| !user.is_empty()).map(decode),
            password: url.password().map(|password| decode(password).into()),
            ..Self::default()
        };
        if url.scheme() == "unix" {
            login.socket = Some(decode(url.path()).into());
        } else {
            login.database = url.path().trim_matches('/').parse().unwrap_or(0);
        }
        for (name, value) in url.query_pairs() {
            match &*name {
                "db" => login.database = value.parse().unwrap_or(login.database),
                "user" | "username" => login.user = Some(value.into_owned()),
                "pass" | "password" => login.password = Some(value.into_owned().into()),
                "ssl_cert_reqs" => login.unverified = value == "none",
                "ssl_ca_certs" => login.ca = Some(value.into_owned().into()),
                _ => {}
            }
        }
        login
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_the_spellings_of_python_node_and_rust() {
        for (url, user, password, database) in [
            ("redis://h:1", None, None, 0),
            ("redis://:p%40%2F@h:1/3", None, Some("p@/"), 3),
            ("redis://u:p@h:1/1?x=y", Some("u"), Some("p"), 1),
            ("unix:///run/r.sock?db=2&password=p", None, Some("p"), 2),
            ("unix:///run/r.sock?db=2&user=u&pass=p", Some("u"), Some("p"), 2),
        ] {
            let login = RedisLogin::of(&RedisUrl::parse(url).unwrap());
            assert_eq!(login.user.as_deref(), user, "{url}");
            assert_eq!(login.password.as_ref().map(ExposeSecret::expose_secret), password, "{url}");
            assert_eq!(login.database, database, "{url}");
        }
    }

    #[test]
    fn reads_pythons_tls_parameters() {
        let url = RedisUrl::parse("rediss://h:1/0?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem").unwrap();
        let login = RedisLogin::of(&url);
        assert!(login.unverified && login.ca == Some("/ca.pem".into()));
    }
}
