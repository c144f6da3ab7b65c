//! The site whose backup is taken: a session with its own login, and what the record says about it.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::backups::manifest::App;
use crate::config::database::DatabaseConfig;
use crate::frappe::{installed_apps, site_config};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::pod::Pod;
use crate::postgres::sql::sql_fault;
use crate::postgres::{self, Connection, Options};
use crate::record::phase::SitePhase;
use crate::record::stage::Stage;
use crate::record::volume::Volume;
use crate::record::{migrations, state};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the database says about its code. It is read in turn: a migration may have run while the backup waited for it.
pub struct Code {
    /// The code that the database is migrated to.
    pub fingerprint: Option<String>,
    /// The stage of a migration that was interrupted.
    pub migration: Option<String>,
    pub apps: Vec<App>,
}

/// A site that is complete, and a session on its database.
pub struct Site {
    pub name: String,
    /// `sites/<name>`.
    pub folder: PathBuf,
    pub installation: String,
    pub connection: Connection,
    pub database: DatabaseConfig,
    pub user: String,
    pub password: SecretString,
    pub database_name: String,
}

impl Site {
    /// Opens the site with the login in its site_config.json.
    ///
    /// # Errors
    /// 78 if the site is not configured, 75 if it is not finished, 69 if the server does not answer.
    pub async fn open(pod: &Pod) -> Result<Self> {
        let (Some(name), Some(database)) = (&pod.config.site, &pod.config.database) else {
            let cause = "the site or the database is not configured";
            return Err(Fault::configuration(cause, "set SITE_NAME and DB_HOST"));
        };
        let folder = site_config::inspect(&pod.bench, name)
            .map_err(|error| Fault::file(format!("cannot read {name}'s site_config.json"), &error))?;
        let login = folder.login().ok_or_else(|| {
            Fault::configuration(
                format!("{name} has no site_config.json with a login"),
                "check SITE_NAME, and the volume",
            )
            .named(Refusal::SiteMissing)
        })?;
        let database = database.directly();
        let options = Options { timeout: CONNECT_TIMEOUT, only_reads: true, ..Options::default() };
        let connection =
            postgres::connect(&database, &login.login, &login.database, "cauldron/backup-turn", &options)
                .await?;
        let records =
            state::read_all(&connection, name).await.map_err(sql_fault("cannot read our record"))?;
        let volume = Volume::read_only(pod.bench.cauldron_site(name));
        let recorded = records.own;
        if recorded.as_ref().is_some_and(|state| state.phase == SitePhase::Creating) {
            let cause = format!("the creation of {name} has not finished");
            return Err(Fault::try_again(cause, "wait until a leading pod has finished it"));
        }
        let on_record = recorded.as_ref().map(|state| state.install_id.clone());
        let installation = match volume.known_install_id()? {
            Some(id) => id,
            None => on_record.ok_or_else(|| {
                Fault::configuration(
                    format!("{name} has never been brought up here"),
                    "start a web role, or run `bootstrap`",
                )
                .named(Refusal::SiteMissing)
            })?,
        };
        Ok(Self {
            name: name.clone(),
            folder: pod.bench.site(name),
            installation,
            connection,
            database,
            user: login.login.user,
            password: login.login.password.unwrap_or_default(),
            database_name: login.database,
        })
    }

    /// Reads what the database says about its code.
    ///
    /// # Errors
    /// 75 if the session was lost.
    pub async fn code(&self) -> Result<Code> {
        let records = state::read_all(&self.connection, &self.name)
            .await
            .map_err(sql_fault("cannot read our record"))?;
        let apps = apps(&self.connection, &self.name, records.schema > 0).await?;
        let recorded = records.own;
        let stage =
            recorded.as_ref().filter(|state| state.gate.is_interrupted()).map(|state| state.gate.stage);
        let migration = stage.map(Stage::as_str).map(str::to_string);
        if let Some(stage) = &migration {
            tracing::warn!(
                event = "backup.of_interrupted_migration",
                stage,
                "a migration of this site was interrupted: the backup contains the database as it left it"
            );
        }
        Ok(Code { fingerprint: recorded.and_then(|state| state.fingerprint), migration, apps })
    }
}

/// The installed apps: their versions as Frappe recorded them, and their commits as the last migration did.
async fn apps(connection: &Connection, site: &str, has_record: bool) -> Result<Vec<App>> {
    let installed = installed_apps::read_or_empty(connection).await?;
    let versions = installed_apps::versions(connection).await.unwrap_or_default();
    let mut released = match has_record {
        true => migrations::released(connection, site).await?,
        false => Default::default(),
    };
    let app = |name: String| {
        let recorded = released.remove(&name).unwrap_or_default();
        let version = recorded.version.or_else(|| versions.get(&name).cloned());
        App { name, version, commit: recorded.commit }
    };
    Ok(installed.into_iter().map(app).collect())
}
