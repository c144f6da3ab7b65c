//! Probes PostgreSQL with the login that will be used.

pub mod access;
pub mod pooler;
pub mod ready_check;

use std::time::Duration;

use self::access::Access;
use crate::config::database::{DatabaseConfig, Login};
use crate::deps::Met;
use crate::frappe::site_config::SiteLogin;
use crate::net::{ConnectError, Kind, Step};
use crate::postgres::version::major;
use crate::postgres::{Connection, Options, Server, maintenance_databases};

const APPLICATION_NAME: &str = "cauldron wait-deps";
/// The major versions on which Frappe is tested.
pub const SUPPORTED: std::ops::RangeInclusive<u32> = 13..=17;

/// The login of the probe.
#[derive(Clone, Debug)]
pub enum ProbeLogin {
    /// No login is known: only check that the server accepts logins, as pg_isready does.
    Absent,
    /// The site's own login and database: the configured one, or site_config.json's.
    Owner { login: Login, database: String, from_site_config: bool },
    /// An administrator's login, which creates missing role and database.
    Administrator { login: Login, wanted: Option<String> },
}

/// A server and the login to probe it with.
#[derive(Clone, Debug)]
pub struct PostgresTarget {
    pub config: DatabaseConfig,
    pub login: ProbeLogin,
}

impl PostgresTarget {
    /// Chooses the login. `site_login` is that of site_config.json.
    pub fn new(config: &DatabaseConfig, site_login: Option<SiteLogin>) -> Self {
        let login = match (&config.login, site_login) {
            (Some(login), _) if config.name.as_ref() == Some(&login.user) => {
                let database = login.user.clone();
                ProbeLogin::Owner { login: login.clone(), database, from_site_config: false }
            }
            (Some(login), _) => {
                ProbeLogin::Administrator { login: login.clone(), wanted: config.name.clone() }
            }
            (None, Some(SiteLogin { database, login })) => {
                ProbeLogin::Owner { login, database, from_site_config: true }
            }
            (None, None) => ProbeLogin::Absent,
        };
        Self { config: config.clone(), login }
    }
}

/// A probe, which keeps what earlier tries found out.
pub struct Probe {
    target: PostgresTarget,
    server: Server,
    /// The index of the maintenance database that admits the login.
    maintenance: usize,
    /// The timeout of each connection of the present try.
    timeout: Duration,
}

impl Probe {
    /// Reads the certificate files.
    ///
    /// # Errors
    /// A certificate file that cannot be used.
    pub fn new(target: PostgresTarget) -> Result<Self, ConnectError> {
        let server = Server::new(&target.config)?;
        Ok(Self { target, server, maintenance: 0, timeout: Duration::ZERO })
    }

    /// Makes one try.
    pub(super) async fn attempt(&mut self, timeout: Duration) -> Result<Met, ConnectError> {
        self.timeout = timeout;
        let login = self.target.login.clone();
        match &login {
            ProbeLogin::Absent => {
                let user = self.target.config.name.as_deref().unwrap_or("postgres");
                ready_check::accepts_logins(&self.server, user, timeout).await?;
                Ok(Met { step: Step::Login, warnings: Vec::new() })
            }
            ProbeLogin::Owner { login, database, from_site_config } => {
                let connected = self.connect(login, database).await;
                let connection =
                    connected.map_err(|e| if *from_site_config { with_site_config_hint(e) } else { e })?;
                self.met(&connection, login, database).await
            }
            ProbeLogin::Administrator { login, wanted } => self.administrator(login, wanted.as_deref()).await,
        }
    }

    async fn connect(&self, login: &Login, database: &str) -> Result<Connection, ConnectError> {
        let options = Options { timeout: self.timeout, ..Options::default() };
        self.server.connect(login, database, APPLICATION_NAME, &options).await
    }

    async fn administrator(&mut self, login: &Login, wanted: Option<&str>) -> Result<Met, ConnectError> {
        let mut candidates = maintenance_databases(&self.target.config, login);
        // A managed server may admit the login only to its own database.
        candidates.extend(wanted.map(str::to_string).filter(|_| self.target.config.admin_database.is_none()));
        loop {
            let database = &candidates[self.maintenance.min(candidates.len() - 1)];
            let connection = match self.connect(login, database).await {
                Err(error)
                    if error.step == Step::Database
                        && matches!(error.kind, Kind::NoSuchDatabase | Kind::NoRight)
                        && self.maintenance + 1 < candidates.len() =>
                {
                    self.maintenance += 1;
                    continue;
                }
                Err(error) => {
                    // None admitted the login; the next try begins with the first again.
                    self.maintenance = 0;
                    return Err(error);
                }
                Ok(connection) => connection,
            };
            let Some(wanted) = wanted else { return self.met(&connection, login, database).await };
            let access = Access::read(&connection, wanted).await?;
            access.require_rights(&login.user, wanted)?;
            if access.is_owner_only() && database != wanted {
                let own = self.connect(login, wanted).await?;
                return self.met(&own, login, wanted).await;
            }
            return self.met(&connection, login, database).await;
        }
    }

    /// The result for a server that works, with warnings about later problems.
    async fn met(&self, connection: &Connection, login: &Login, database: &str) -> Result<Met, ConnectError> {
        let mut warnings = Vec::new();
        if let Some(major) = major(connection.version()).filter(|major| !SUPPORTED.contains(major)) {
            warnings.push(format!(
                "PostgreSQL {major} is not one of the versions {} to {}, on which Frappe is tested",
                SUPPORTED.start(),
                SUPPORTED.end()
            ));
        }
        if pooler::detect(connection).await? {
            let second = self.connect(login, database).await;
            warnings.push(pooler::warning(connection, second.ok().as_ref()).await);
        }
        Ok(Met { step: Step::Version, warnings })
    }
}

/// Replaces the hint of an error of site_config.json's login.
fn with_site_config_hint(error: ConnectError) -> ConnectError {
    match error.kind {
        Kind::WrongPassword | Kind::PasswordMissing | Kind::NoSuchRole => ConnectError {
            hint: "correct db_name and db_password in site_config.json, or change the role's password: the server \
                   does not accept them"
                .into(),
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::database::{DatabaseTls, SslMode};

    fn config(name: Option<&str>, user: Option<&str>) -> DatabaseConfig {
        DatabaseConfig {
            host: "pg".into(),
            port: 5432,
            name: name.map(Into::into),
            login: user.map(|user| Login { user: user.into(), password: None }),
            admin_database: None,
            tls: DatabaseTls { mode: SslMode::Disable, root_certificate: None, client: None },
            direct: None,
        }
    }

    #[test]
    fn a_login_named_as_the_database_is_its_owner() {
        let login = |name, user, site: Option<&str>| {
            let site = site
                .map(|s| SiteLogin { database: s.into(), login: Login { user: s.into(), password: None } });
            match PostgresTarget::new(&config(name, user), site).login {
                ProbeLogin::Absent => "absent".to_string(),
                ProbeLogin::Owner { database, .. } => format!("owner of {database}"),
                ProbeLogin::Administrator { .. } => "administrator".into(),
            }
        };
        assert_eq!(login(Some("erp"), Some("erp"), None), "owner of erp");
        assert_eq!(login(Some("erp"), Some("postgres"), Some("erp")), "administrator");
        assert_eq!(login(None, Some("postgres"), None), "administrator");
        assert_eq!(login(Some("erp"), None, Some("erp")), "owner of erp");
        assert_eq!(login(Some("erp"), None, None), "absent");
    }
}
