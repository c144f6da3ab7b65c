//! Scratch: a private PostgreSQL, Redis and bench in a folder that is deleted, in which a backup is restored to see that
//! it works. Nothing gets out of it (docs/restore.md#nothing-gets-out).
//!
//! ```text
//!   cauldron-scratch-<id>/
//!     servers/     PostgreSQL and Redis, on unix sockets
//!     bench/       apps, env ─▶ the image's;  sites/ of its own, with the restored site
//!     run/         the overlay, in which Frappe's commands run
//!     isolate      a link to this program: starts a command without network and without the real sites/
//! ```
//!
//! Each folder is locked while its process lives. The next one that needs scratch deletes those that are not locked.

mod bench;
mod folder;
mod isolate;

pub use self::bench::ScratchBench;
pub use self::folder::ScratchFolder;
pub use self::isolate::{Reported, run as isolate};

use crate::config::database::Login;
use crate::embedded::private::PrivateServers;
use crate::frappe::site_config::SiteLogin;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::postgres::sql::{identifier, literal, sql_fault};
use crate::postgres::{self, Connection, Options};
use crate::record::volume::random_password;

/// The database of the restored site, and its role, which is no superuser and exists nowhere else.
const DATABASE: &str = "scratch";
const START_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

/// A scratch that runs.
pub struct Scratch {
    pub servers: PrivateServers,
    /// The site's own login.
    pub login: SiteLogin,
    /// Last: it deletes the folder.
    pub folder: ScratchFolder,
}

impl Scratch {
    /// Starts the servers, and creates an empty database.
    ///
    /// # Errors
    /// 75 if there is not enough space for `needed_bytes`; 78 if a program is missing; a requested stop.
    pub async fn start(pod: &Pod, needed_bytes: u64) -> Flow<Self> {
        folder::remove_leftovers(pod).await?;
        let folder = ScratchFolder::create(pod, needed_bytes)?;
        let servers = PrivateServers::start(pod, &folder.path().join("servers")).await?;
        let created = pod.shutdown.guard(async { Ok(create_database(&servers).await?) }).await;
        match created {
            Ok(login) => Ok(Self { servers, login, folder }),
            Err(stopped) => {
                servers.stop().await;
                Err(stopped)
            }
        }
    }

    /// Opens a session on the restored database as the site's role.
    ///
    /// # Errors
    /// As [`postgres::connect`].
    pub async fn session(&self) -> Result<Connection> {
        let SiteLogin { database, login } = &self.login;
        let options = Options::default();
        Ok(postgres::connect(&self.servers.database, login, database, "cauldron/scratch", &options).await?)
    }

    /// Ends the servers and deletes everything.
    pub async fn stop(self) {
        self.servers.stop().await;
        self.folder.remove().await;
    }
}

async fn create_database(servers: &PrivateServers) -> Result<SiteLogin> {
    let maintenance = connect(servers).await?;
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
async fn connect(servers: &PrivateServers) -> Result<Connection> {
    let begin = std::time::Instant::now();
    loop {
        let options = Options::default();
        match postgres::connect(&servers.database, &servers.login, "postgres", "cauldron/scratch", &options)
            .await
        {
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
