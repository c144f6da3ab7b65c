//! Scratch on another PostgreSQL server (CAULDRON_SCRATCH_DB_URL): a role and a database of one name, dropped at the end.
//!
//! ```text
//!   admin's session ─▶ rights ─▶ is the site's database shut? ─▶ leftovers ─▶ role, database ─▶ relay ─▶ … ─▶ DROP both
//!        └──────────── its application name says which scratch lives, until the end ────────────┘
//! ```
//!
//! Leftovers are recognized by name and comment. One lives while a session has its application name: that session is
//! opened before the role is made and ends with its process, and every login sees it, from every database. An advisory
//! lock belongs to one database, and two administrators may use two.

mod fault;

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Error;

use self::fault::of_server;
use crate::config::database::{DatabaseConfig, Login};
use crate::config::scratch::ScratchServer;
use crate::create::provision::{connect_maintenance, create_database, read_facts, verifier};
use crate::frappe::site_config::SiteLogin;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::relay::{self, Relay};
use crate::postgres::sql::{identifier, literal, sql_fault};
use crate::postgres::{Connection, Server, sessions};
use crate::record::volume::{random_id, random_password};

/// The beginning of the names of our roles and databases.
const PREFIX: &str = "cauldron_scratch_";
/// The beginning of the application names of the sessions that keep them.
const KEEPER: &str = "cauldron/scratch-";
/// The comment on our roles.
const MARK: &str = "cauldron-frappe scratch";
/// The time to drop everything at the end; what is left is dropped by the next one.
const DROP_LIMIT: Duration = Duration::from_secs(60);

/// A scratch on another server.
pub struct Elsewhere {
    server: ScratchServer,
    admin: Connection,
    id: String,
    relay: Option<Relay>,
}

impl Elsewhere {
    /// Logs in, checks what can be checked before anything is made, and drops what killed ones have left. `databases` are
    /// the names of databases of the site, which no scratch may open.
    ///
    /// # Errors
    /// 75 if the server cannot be reached; 77 for a refused login or one that lacks rights; 78 if every login may open
    /// the site's database, or for TLS.
    pub async fn open(server: &ScratchServer, databases: &[&str]) -> Result<Self> {
        let id = random_id()[..8].to_string();
        let admin = log_in(server, &id).await?;
        let opened = Self { server: server.clone(), admin, id, relay: None };
        opened.check_rights().await?;
        opened.refuse_open_databases(databases).await?;
        opened.drop_leftovers().await?;
        Ok(opened)
    }

    /// Host and port, for people.
    pub fn target(&self) -> String {
        target(&self.server)
    }

    /// Makes role and database, and listens for them on a socket in `folder`.
    ///
    /// # Errors
    /// An error of the server; the socket cannot be made.
    pub async fn create(&mut self, folder: &Path) -> Result<(DatabaseConfig, SiteLogin)> {
        let name = self.name();
        let quoted = identifier(&name);
        let password: SecretString = random_password().into();
        // One transaction: every role of ours has its mark.
        let role = format!(
            "CREATE ROLE {quoted} LOGIN PASSWORD {}; COMMENT ON ROLE {quoted} IS {}",
            literal(&verifier(&password)),
            literal(MARK)
        );
        let cannot = || sql_fault("cannot create the scratch role");
        self.admin.batch_execute(&role).await.map_err(cannot())?;
        let facts = read_facts(&self.admin, &name).await?;
        create_database(&self.admin, &facts, &name).await?;
        for sql in [
            format!("SET ROLE {quoted}"),
            format!("REVOKE ALL ON DATABASE {quoted} FROM PUBLIC"),
            "RESET ROLE".into(),
        ] {
            self.admin.batch_execute(&sql).await.map_err(sql_fault("cannot shut the scratch database"))?;
        }
        let socket =
            |error: &std::io::Error| Fault::file(format!("cannot listen in {}", folder.display()), error);
        let server = Server::new(&self.server.server)
            .map_err(|error| of_server(error.into(), &target(&self.server)))?;
        self.relay = Some(Relay::start(server, folder, &name).map_err(|error| socket(&error))?);
        let login = Login { user: name.clone(), password: Some(password) };
        let on_socket = DatabaseConfig::on_socket(folder.display().to_string(), relay::PORT);
        Ok((on_socket, SiteLogin { database: name, login }))
    }

    /// Drops role and database. A failure is logged: the next scratch there drops them.
    pub async fn end(mut self) {
        self.relay = None;
        let name = self.name();
        let dropped = tokio::time::timeout(DROP_LIMIT, async {
            if self.admin.is_closed() {
                self.admin = log_in(&self.server, &self.id).await?;
            }
            drop_all(&self.admin, &name).await.map_err(sql_fault("cannot drop it"))
        });
        match dropped.await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => not_dropped(&name, &fault.cause),
            Err(_) => not_dropped(&name, "the server does not answer"),
        }
    }

    fn name(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    async fn check_rights(&self) -> Result<()> {
        let facts = read_facts(&self.admin, &self.name()).await?;
        if facts.may_create_role && facts.may_create_database {
            return Ok(());
        }
        let cause = format!("login `{}` may not create roles and databases", facts.login);
        let hint =
            format!("run as an administrator: ALTER ROLE {} CREATEROLE CREATEDB", identifier(&facts.login));
        let fault = Fault::permission(cause, hint).named(Refusal::PrivilegeMissing);
        Err(of_server(fault, &target(&self.server)))
    }

    /// A new role has the rights of PUBLIC and no others.
    async fn refuse_open_databases(&self, databases: &[&str]) -> Result<()> {
        let sql = "SELECT datname::text FROM pg_database
                   WHERE datname = ANY ($1) AND has_database_privilege('public', oid, 'CONNECT')
                   ORDER BY datname LIMIT 1";
        let found = self.admin.query_opt(sql, &[&databases]).await;
        let Some(row) = found.map_err(sql_fault("cannot look for the site's database"))? else {
            return Ok(());
        };
        let database: String = row.get(0);
        let cause = format!("the site's database `{database}` is there, and every login may open it");
        let hint = format!(
            "run as its owner: REVOKE CONNECT ON DATABASE {} FROM PUBLIC; or name a server without it; nothing was made",
            identifier(&database)
        );
        let fault = Fault::configuration(cause, hint).named(Refusal::ScratchReachesSite);
        Err(of_server(fault, &target(&self.server)))
    }

    /// Drops what killed ones have left. Roles first, sessions second: the session of one that lives is older than its role.
    async fn drop_leftovers(&self) -> Result<()> {
        let cannot = || sql_fault("cannot look for leftovers");
        let sql = "SELECT rolname::text FROM pg_roles
                   WHERE starts_with(rolname, $1) AND shobj_description(oid, 'pg_authid') = $2 ORDER BY rolname";
        let roles = self.admin.query(sql, &[&PREFIX, &MARK]).await.map_err(cannot())?;
        let keepers = sessions::applications(&self.admin, KEEPER).await.map_err(cannot())?;
        for name in roles.iter().map(|row| row.get::<_, String>(0)) {
            if keepers.iter().any(|keeper| keeper.strip_prefix(KEEPER) == name.strip_prefix(PREFIX)) {
                continue;
            }
            match drop_all(&self.admin, &name).await.map_err(sql_fault("cannot drop it")) {
                Ok(()) => tracing::info!(
                    event = "scratch.leftover_dropped",
                    database = name,
                    "dropped the role and the database of a killed process"
                ),
                Err(fault) => not_dropped(&name, &fault.cause),
            }
        }
        Ok(())
    }
}

async fn log_in(server: &ScratchServer, id: &str) -> Result<Connection> {
    let connected = connect_maintenance(&server.server, &server.login, &format!("{KEEPER}{id}")).await;
    Ok(connected.map_err(|fault| of_server(fault, &target(server)))?.0)
}

/// Drops the role, and the database of that name if it is its own, as the role itself: a member of it may not have its
/// rights, but may become it.
async fn drop_all(admin: &Connection, name: &str) -> std::result::Result<(), Error> {
    let quoted = identifier(name);
    // A creation that was stopped on its way may have left the session as that role.
    admin.batch_execute("RESET ROLE").await?;
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND pg_get_userbyid(datdba) = $1)";
    if admin.query_one(sql, &[&name]).await?.get(0) {
        admin.batch_execute(&format!("SET ROLE {quoted}")).await?;
        let dropped = match sessions::end_own(admin).await {
            Ok(()) => admin.batch_execute(&format!("DROP DATABASE {quoted}")).await,
            error => error,
        };
        admin.batch_execute("RESET ROLE").await?;
        dropped?;
    }
    admin.batch_execute(&format!("DROP ROLE IF EXISTS {quoted}")).await
}

fn not_dropped(name: &str, reason: &str) {
    tracing::warn!(
        event = "scratch.not_dropped",
        database = name,
        reason,
        "cannot drop the scratch role and its database: the next scratch on that server tries again"
    );
}

/// Host and port.
fn target(ScratchServer { server, .. }: &ScratchServer) -> String {
    format!("{}:{}", server.host, server.port)
}
