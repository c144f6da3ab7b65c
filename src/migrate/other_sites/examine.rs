//! Looks at one site, with a session that ends with the look.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Client;

use super::super::admit::{Standing, judge};
use super::fit;
use crate::bench::Bench;
use crate::code::Code;
use crate::config::database::DatabaseConfig;
use crate::frappe::database::state_of_migration;
use crate::frappe::installed_apps::installed_apps;
use crate::frappe::site_config::{self, SiteFolder};
use crate::overlay::{BenchOverlay, Roots};
use crate::postgres::sql::sql_fault;
use crate::record::exclusive_lock::SiteHold;
use crate::record::phase::SitePhase;
use crate::record::reader::RecordReader;
use crate::record::state;
use crate::status::gate::RelationKind;
use crate::status::other_sites::Fit;
use crate::supervise::process::Processes;

/// A cold volume reads slowly, and a site that hangs keeps no other one waiting for ever.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub fit: Fit,
    /// Of tables, record and code: while it is the same, so is `fit`.
    key: Option<String>,
}

/// Where the code is that a site is compared with.
#[derive(Clone)]
pub enum Packages {
    /// What a serving pod joined.
    Joined(BenchOverlay),
    /// What a pod would join.
    Found(Roots),
}

impl Packages {
    fn package(&self, app: &str) -> Option<PathBuf> {
        match self {
            Self::Joined(overlay) => {
                overlay.package(app).filter(|_| overlay.listed().iter().any(|name| name == app))
            }
            Self::Found(roots) => roots.package(app),
        }
    }
}

/// Looks at sites with the code of this pod.
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

    /// Somebody has the site to himself (`exec -- bench restore`): requests would be in the way.
    pub fn is_held(&self, site: &str) -> bool {
        SiteHold::of(&self.bench, site).look().is_some()
    }

    /// Whether the site's tables are this code's. `last` is the look before: where nothing changed since, the files of
    /// the apps are not read again.
    pub async fn examine(&self, site: &str, last: Option<&Seen>) -> Seen {
        let unknown = |why: String| Seen { fit: Fit::Unknown(why), key: None };
        if let Some(holder) = SiteHold::of(&self.bench, site).look() {
            // A session would keep it from what it does.
            return unknown(holder.text());
        }
        match tokio::time::timeout(DEADLINE, self.look(site, last)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(why)) => unknown(why),
            Err(_) => unknown(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn look(&self, site: &str, last: Option<&Seen>) -> Result<Seen, String> {
        let connection = RecordReader::new(&self.database_of(site)?, &self.bench, site).connect().await?;
        let client: &Client = &connection;
        let state = state::read(client, site).await.map_err(sql_fault("cannot read our record"));
        let state = state.map_err(|fault| fault.cause)?.unwrap_or_default();
        if let SitePhase::Creating | SitePhase::Unknown = state.phase {
            return Err("another pod is creating it, or did not finish".into());
        }
        let tables = state_of_migration(client).await.map_err(sql_fault("cannot examine the site's tables"));
        let tables = tables.map_err(|fault| fault.cause)?;
        let installed = installed_apps(client).await.map_err(|fault| fault.cause)?;
        let packages =
            installed.iter().filter_map(|app| Some((app.clone(), self.packages.package(app)?))).collect();
        let code = Code::only_look(&self.bench, packages).await.map_err(|fault| fault.cause)?;
        let half_done = state.gate.is_half_done();
        let recorded = state.fingerprint.as_deref().unwrap_or_default();
        let key = format!("{tables} {recorded} {half_done} {}", code.fingerprint(&installed));
        if let Some(last) = last.filter(|last| last.key.as_ref() == Some(&key)) {
            return Ok(last.clone());
        }
        if half_done {
            return Ok(Seen {
                fit: Fit::Refused(RelationKind::Unknown, state.gate.remedy()),
                key: Some(key),
            });
        }
        let standing = judge(&self.processes, client, site, &code, &installed, &state).await;
        let Standing { relation, evidence, .. } = standing.map_err(|fault| fault.cause)?;
        Ok(Seen { fit: fit(&relation, &evidence), key: Some(key) })
    }

    /// The site's own server, where its site_config.json names one: Frappe believes that first.
    fn database_of(&self, site: &str) -> Result<DatabaseConfig, String> {
        let db_type = site_config::db_type(&self.bench, site)?;
        if let Some(other) = db_type.filter(|db_type| db_type != "postgres") {
            return Err(format!("its db_type is {other}, and only PostgreSQL can be examined"));
        }
        let mut database = self.database.directly();
        if let Ok(SiteFolder::There(Some(config))) = site_config::look(&self.bench, site) {
            database.host = config.db_host.unwrap_or(database.host);
            database.port = config.db_port.unwrap_or(database.port);
        }
        Ok(database)
    }
}
