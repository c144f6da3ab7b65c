//! Whether PostgreSQL works for what is about to be done with it.

pub mod access;
pub mod knock;
pub mod pooler;

use std::time::Duration;

use self::access::Access;
use crate::config::database::{DatabaseConfig, Login};
use crate::deps::Met;
use crate::frappe::site_config::SiteLogin;
use crate::net::{ConnectError, Kind, Step};
use crate::postgres::version::major;
use crate::postgres::{Connection, Options, Server, maintenance_databases};

const APPLICATION_NAME: &str = "cauldron wait-deps";
/// The versions that Frappe is run on here.
pub const SUPPORTED: std::ops::RangeInclusive<u32> = 13..=17;

/// What to ask.
#[derive(Clone, Debug)]
pub enum ProbeLogin {
    /// Only whether the server takes logins, as pg_isready does: nobody said as whom.
    Knock,
    /// The site's own login and database: the configured one, or site_config.json's.
    Owner { login: Login, database: String, from_site_config: bool },
    /// An administrator's login, which makes what is missing.
    Administrator { login: Login, wanted: Option<String> },
}

/// A server and what is asked of it.
#[derive(Clone, Debug)]
pub struct PostgresTarget {
    pub config: DatabaseConfig,
    pub login: ProbeLogin,
}

impl PostgresTarget {
    /// `site_login` is what site_config.json has.
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
            (None, None) => ProbeLogin::Knock,
        };
        Self { config: config.clone(), login }
    }
}

/// The state of the questions: what was learnt is not asked again.
pub struct Probe {
    target: PostgresTarget,
    server: Server,
    /// Which of the maintenance databases lets the login in.
    maintenance: usize,
    /// For each connection of the present try.
    timeout: Duration,
}

impl Probe {
    /// # Errors
    /// A certificate file that cannot be used.
    pub fn new(target: PostgresTarget) -> Result<Self, ConnectError> {
        let server = Server::new(&target.config)?;
        Ok(Self { target, server, maintenance: 0, timeout: Duration::ZERO })
    }

    /// One try.
    pub(super) async fn attempt(&mut self, timeout: Duration) -> Result<Met, ConnectError> {
        self.timeout = timeout;
        let login = self.target.login.clone();
        match &login {
            ProbeLogin::Knock => {
                let user = self.target.config.name.as_deref().unwrap_or("postgres");
                knock::knock(&self.server, user, timeout).await?;
                Ok(Met { step: Step::Login, warnings: Vec::new() })
            }
            ProbeLogin::Owner { login, database, from_site_config } => {
                let connected = self.connect(login, database).await;
                let connection =
                    connected.map_err(|e| if *from_site_config { blame_site_config(e) } else { e })?;
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
        // A managed server's login may be let into its one database only.
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
                    // None of them let it in; the next try begins with the first again.
                    self.maintenance = 0;
                    return Err(error);
                }
                Ok(connection) => connection,
            };
            let Some(wanted) = wanted else { return self.met(&connection, login, database).await };
            let access = Access::read(&connection, wanted).await?;
            access.judge(&login.user, wanted)?;
            if access.is_owners_way() && database != wanted {
                let own = self.connect(login, wanted).await?;
                return self.met(&own, login, wanted).await;
            }
            return self.met(&connection, login, database).await;
        }
    }

    /// The server works; what will hurt later?
    async fn met(&self, connection: &Connection, login: &Login, database: &str) -> Result<Met, ConnectError> {
        let mut warnings = Vec::new();
        if let Some(major) = major(connection.version()).filter(|major| !SUPPORTED.contains(major)) {
            warnings.push(format!(
                "PostgreSQL {major} is outside {} to {}, which Frappe is known to run on",
                SUPPORTED.start(),
                SUPPORTED.end()
            ));
        }
        if pooler::stands_between(connection).await? {
            let second = self.connect(login, database).await;
            warnings.push(pooler::warning(connection, second.ok().as_ref()).await);
        }
        Ok(Met { step: Step::Version, warnings })
    }
}

fn blame_site_config(error: ConnectError) -> ConnectError {
    match error.kind {
        Kind::WrongPassword | Kind::PasswordMissing | Kind::NoSuchRole => ConnectError {
            hint: "site_config.json's db_name and db_password do not fit the server: mend that file, or \
                   the role's password"
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
                ProbeLogin::Knock => "knock".to_string(),
                ProbeLogin::Owner { database, .. } => format!("owner of {database}"),
                ProbeLogin::Administrator { .. } => "administrator".into(),
            }
        };
        assert_eq!(login(Some("erp"), Some("erp"), None), "owner of erp");
        assert_eq!(login(Some("erp"), Some("postgres"), Some("erp")), "administrator");
        assert_eq!(login(None, Some("postgres"), None), "administrator");
        assert_eq!(login(Some("erp"), None, Some("erp")), "owner of erp");
        assert_eq!(login(Some("erp"), None, None), "knock");
    }
}
