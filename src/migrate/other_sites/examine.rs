//! Examines one site with a session that is closed afterwards.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Client;

use super::super::admit::{Standing, relate};
use super::fit;
use crate::bench::Bench;
use crate::code::Code;
use crate::config::database::DatabaseConfig;
use crate::frappe::database::migration_digest;
use crate::frappe::installed_apps;
use crate::frappe::site_config::{self, SiteFolder};
use crate::overlay::{BenchOverlay, Roots};
use crate::postgres::sql::sql_fault;
use crate::record::exclusive_lock::ExclusiveLock;
use crate::record::phase::SitePhase;
use crate::record::reader::RecordReader;
use crate::record::state;
use crate::status::gate::RelationKind;
use crate::status::other_sites::Fit;
use crate::supervise::process::Processes;

/// The time limit: a cold volume reads slowly, but a site that hangs must not delay the others forever.
const DEADLINE: Duration = Duration::from_secs(30);

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    pub fit: Fit,
    /// Identifies the state of tables, record and code: while it is unchanged, so is `fit`.
    key: Option<String>,
}

/// The source of the code that a site is compared with.
#[derive(Clone)]
pub enum Packages {
    /// The overlay of a serving pod.
    Joined(BenchOverlay),
    /// The folders from which a pod would build its overlay.
    Planned(Roots),
}

impl Packages {
    fn package(&self, app: &str) -> Option<PathBuf> {
        match self {
            Self::Joined(overlay) => {
                overlay.package(app).filter(|_| overlay.listed().iter().any(|name| name == app))
            }
            Self::Planned(roots) => roots.package(app),
        }
    }
}

/// Compares sites with the code of this pod.
#[derive(Clone)]
pub struct Examiner {
    database: DatabaseConfig,
    bench: Bench,
    processes: Processes,
    packages: Packages,
}

impl Examiner {
    pub fn new(database: &DatabaseConfig, bench: &Bench, processes: &Processes, packages: Packages) -> Self {
        let (database, bench, processes) = (database.clone(), bench.clone(), processes.clone());
        Self { database, bench, processes, packages }
    }

    /// True if a command has the site's exclusive lock (`exec -- bench restore`): requests would disturb it.
    pub fn is_locked(&self, site: &str) -> bool {
        ExclusiveLock::of(&self.bench, site).holder().is_some()
    }

    /// Determines whether the site's tables match this code. `last` is the previous result: if nothing has changed
    /// since, the apps' files are not read again.
    pub async fn examine(&self, site: &str, last: Option<&Examined>) -> Examined {
        let unknown = |why: String| Examined { fit: Fit::Unknown(why), key: None };
        if let Some(holder) = ExclusiveLock::of(&self.bench, site).holder() {
            // A session would block that command.
            return unknown(holder.text());
        }
        match tokio::time::timeout(DEADLINE, self.read(site, last)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(why)) => unknown(why),
            Err(_) => unknown(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn read(&self, site: &str, last: Option<&Examined>) -> Result<Examined, String> {
        let connection = RecordReader::new(&self.database_of(site)?, &self.bench, site).connect().await?;
        let client: &Client = &connection;
        let state = state::read(client, site).await.map_err(sql_fault("cannot read our record"));
        let state = state.map_err(|fault| fault.cause)?.unwrap_or_default();
        if let SitePhase::Creating | SitePhase::Unknown = state.phase {
            return Err("its creation is running or was not finished".into());
        }
        let tables = migration_digest(client).await.map_err(sql_fault("cannot examine the site's tables"));
        let tables = tables.map_err(|fault| fault.cause)?;
        let installed = installed_apps::read_or_empty(client).await.map_err(|fault| fault.cause)?;
        let packages =
            installed.iter().filter_map(|app| Some((app.clone(), self.packages.package(app)?))).collect();
        let code = Code::read_only(&self.bench, packages).await.map_err(|fault| fault.cause)?;
        let interrupted = state.gate.is_interrupted();
        let recorded = state.fingerprint.as_deref().unwrap_or_default();
        let key = format!("{tables} {recorded} {interrupted} {}", code.fingerprint(&installed));
        if let Some(last) = last.filter(|last| last.key.as_ref() == Some(&key)) {
            return Ok(last.clone());
        }
        if interrupted {
            return Ok(Examined {
                fit: Fit::Refused(RelationKind::Unknown, state.gate.remedy()),
                key: Some(key),
            });
        }
        let standing = relate(&self.processes, client, site, &code, &installed, &state).await;
        let Standing { relation, evidence, .. } = standing.map_err(|fault| fault.cause)?;
        Ok(Examined { fit: fit(&relation, &evidence), key: Some(key) })
    }

    /// Returns the site's own server if site_config.json names one: Frappe prefers that file.
    fn database_of(&self, site: &str) -> Result<DatabaseConfig, String> {
        let db_type = site_config::db_type(&self.bench, site)?;
        if let Some(other) = db_type.filter(|db_type| db_type != "postgres") {
            return Err(format!("its db_type is {other}, and only PostgreSQL can be examined"));
        }
        let mut database = self.database.directly();
        if let Ok(SiteFolder::Present(Some(config))) = site_config::inspect(&self.bench, site) {
            database.host = config.db_host.unwrap_or(database.host);
            database.port = config.db_port.unwrap_or(database.port);
        }
        Ok(database)
    }
}
