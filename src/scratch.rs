//! Scratch: a PostgreSQL, a Redis and a bench in which a backup is restored to see that it works, in a folder that is
//! deleted. PostgreSQL is private, or a role and a database of another server, behind a socket in that folder. Nothing gets
//! out of it (docs/restore.md#nothing-gets-out).
//!
//! ```text
//!   cauldron-scratch-<id>/
//!     servers/     Redis, and a private PostgreSQL, on unix sockets
//!     db/          the socket of another server's database
//!     bench/       apps, env ─▶ the image's;  sites/ of its own, with the restored site
//!     run/         the overlay, in which Frappe's commands run
//!     isolate      a link to this program: starts a command without network and without the real sites/
//! ```
//!
//! Each folder is locked while its process lives. The next one that needs scratch deletes those that are not locked.

mod bench;
mod elsewhere;
mod folder;
mod isolate;

pub use self::bench::ScratchBench;
pub use self::folder::ScratchFolder;
pub use self::isolate::{Reported, run as isolate};

use self::elsewhere::Elsewhere;
use crate::config::database::{DatabaseConfig, Login};
use crate::embedded::private::PrivateServers;
use crate::frappe::site_config::SiteLogin;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::postgres::sql::{identifier, literal, sql_fault};
use crate::postgres::{self, Connection, Options};
use crate::record::volume::random_password;
use crate::restore::space::Extent;

/// The private database of the restored site, and its role, which is no superuser and exists nowhere else.
const DATABASE: &str = "scratch";
const START_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

/// What a scratch is for.
pub struct Purpose<'a> {
    pub extent: Extent,
    /// The names of databases of the site, which scratch may not open.
    pub databases: Vec<&'a str>,
}

/// A scratch that runs.
pub struct Scratch {
    pub servers: PrivateServers,
    /// The socket of its PostgreSQL.
    pub database: DatabaseConfig,
    /// The site's own login.
    pub login: SiteLogin,
    elsewhere: Option<Elsewhere>,
    /// Last: it deletes the folder.
    pub folder: ScratchFolder,
}

impl Scratch {
    /// Starts the servers, and creates an empty database.
    ///
    /// # Errors
    /// 75 if there is not enough space; 78 if a program is missing; as [`Elsewhere::open`]; a requested stop.
    pub async fn start(pod: &Pod, purpose: &Purpose<'_>) -> Flow<Self> {
        pod.shutdown.guard(async { Ok(folder::remove_leftovers(pod).await?) }).await?;
        let mut elsewhere = match &pod.config.scratch_server {
            Some(server) => {
                let opened = async { Ok(Elsewhere::open(server, &purpose.databases).await?) };
                Some(pod.shutdown.guard(opened).await?)
            }
            None => None,
        };
        let of_database = if elsewhere.is_none() { purpose.extent.database_bytes() } else { 0 };
        let folder = ScratchFolder::create(pod, purpose.extent.files_bytes().saturating_add(of_database))?;
        let servers =
            match PrivateServers::start(pod, &folder.path().join("servers"), elsewhere.is_none()).await {
                Ok(servers) => servers,
                Err(stopped) => {
                    folder.remove().await;
                    return Err(stopped);
                }
            };
        let created = async {
            Ok(match (&mut elsewhere, &servers.postgres) {
                (Some(elsewhere), _) => elsewhere.create(&folder.socket_folder()?).await?,
                (None, Some((database, admin))) => {
                    (database.clone(), create_database(database, admin).await?)
                }
                (None, None) => unreachable!("a private PostgreSQL runs where no other server is configured"),
            })
        };
        let created = pod.shutdown.guard(created).await;
        match created {
            Ok((database, login)) => Ok(Self { servers, database, login, elsewhere, folder }),
            Err(stopped) => {
                end(servers, elsewhere, folder).await;
                Err(stopped)
            }
        }
    }

    /// Where its PostgreSQL runs: `private`, or host and port.
    pub fn place(&self) -> String {
        self.elsewhere.as_ref().map_or_else(|| "private".into(), Elsewhere::target)
    }

    /// Opens a session on the restored database as the site's role.
    ///
    /// # Errors
    /// As [`postgres::connect`].
    pub async fn session(&self) -> Result<Connection> {
        let SiteLogin { database, login } = &self.login;
        let options = Options::default();
        Ok(postgres::connect(&self.database, login, database, "cauldron/scratch", &options).await?)
    }

    /// Whether its servers have run without interruption. `session` has been open on its database all the time: one that
    /// loses a process ends every session.
    ///
    /// # Errors
    /// 75: what failed says nothing about the backup.
    pub async fn require_whole(&self, session: &Connection) -> Result<()> {
        let lost = session.simple_query("SELECT 1").await.err();
        let lost = lost.map(|error| sql_fault("its PostgreSQL ended the session")(error).cause);
        match self.servers.ended().or(lost) {
            None => Ok(()),
            Some(reason) => Err(interrupted(&format!("scratch on {}: {reason}", self.place()))),
        }
    }

    /// Ends the servers and deletes everything.
    pub async fn stop(self) {
        end(self.servers, self.elsewhere, self.folder).await;
    }
}

/// The fault of something that was ended from outside: by an operator, or by the kernel for lack of memory.
pub fn interrupted(cause: &str) -> Fault {
    let hint = "nothing is known about the backup: start again, with more memory if the kernel has ended it";
    Fault::try_again(cause, hint)
}

async fn end(servers: PrivateServers, elsewhere: Option<Elsewhere>, folder: ScratchFolder) {
    if let Some(elsewhere) = elsewhere {
        elsewhere.end().await;
    }
    servers.stop().await;
    folder.remove().await;
}

async fn create_database(server: &DatabaseConfig, admin: &Login) -> Result<SiteLogin> {
    let maintenance = connect(server, admin).await?;
    let password = random_password();
    let name = identifier(DATABASE);
    for sql in [
        format!("CREATE ROLE {name} LOGIN PASSWORD {}", literal(&password)),
        format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"),
    ] {
        maintenance.batch_execute(&sql).await.map_err(sql_fault("cannot create the scratch database"))?;
    }
    let login = Login { user: DATABASE.into(), password: Some(password.into()) };
    Ok(SiteLogin { database: DATABASE.into(), login })
}

/// Connects as soon as the server accepts connections.
async fn connect(server: &DatabaseConfig, admin: &Login) -> Result<Connection> {
    let begin = std::time::Instant::now();
    loop {
        let options = Options::default();
        match postgres::connect(server, admin, "postgres", "cauldron/scratch", &options).await {
            Ok(connection) => return Ok(connection),
            Err(error) if begin.elapsed() > START_TIMEOUT => {
                let cause = format!("the scratch PostgreSQL does not start: {error}");
                return Err(Fault::try_again(
                    cause,
                    "start again with CAULDRON_LOG_LEVEL=debug, and read its output",
                ));
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}
