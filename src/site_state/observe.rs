//! Reads the state of the database and the volume; changes nothing.

use tokio_postgres::Client;

use super::decide::{Database, Folder, Mark, Observation, RecordedBy, Remains};
use crate::config::database::DatabaseConfig;
use crate::frappe::database;
use crate::frappe::site_config::SiteFolder;
use crate::outcome::Result;
use crate::postgres::catalog;
use crate::postgres::sql::sql_fault;
use crate::record::newest_backup;
use crate::record::phase::SitePhase;
use crate::record::schema;
use crate::record::state::{self, Records, State};
use crate::record::volume::Volume;

/// Reads the contents of the database. A complete site, the common case, is checked first.
pub async fn database(client: &Client) -> Result<Database> {
    let has_core =
        database::has_core_tables(client).await.map_err(sql_fault("cannot inspect the database"))?;
    if has_core
        && database::is_complete(client).await.map_err(sql_fault("cannot inspect the site's tables"))?
    {
        return Ok(Database::Complete);
    }
    let objects =
        catalog::objects(client, schema::LIKE).await.map_err(sql_fault("cannot inspect the database"))?;
    if objects.is_empty() {
        return Ok(Database::Empty);
    }
    // The kinds of objects that a creation of ours makes.
    let own = catalog::own_objects(client).await.map_err(sql_fault("cannot inspect the database"))?;
    let (mut objects, own): (Vec<String>, Vec<String>) =
        objects.into_iter().partition(|object| !own.contains(object));
    let ours_alone = objects.is_empty()
        && !database::has_users(client).await.map_err(sql_fault("cannot inspect the site's users"))?;
    // Objects that a person made come first: a refusal names the first ones.
    objects.extend(own);
    Ok(Database::NotComplete(Remains { objects, ours_alone }))
}

/// The state of the credentials in site_config.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLogin {
    Works,
    /// They no longer work; the configured ones do.
    Rotated,
    Fails,
}

/// Classifies the site's folder on the volume.
///
/// Frappe prefers site_config.json to all other settings. If that file names another server, we would inspect one
/// database and Frappe would serve another.
pub fn folder(folder: &SiteFolder, wanted: &DatabaseConfig, db_name: &str, own_login: OwnLogin) -> Folder {
    let SiteFolder::Present(config) = folder else { return Folder::Absent };
    let Some(config) = config else { return Folder::NoConfig };
    let Some(name) = config.db_name.as_deref() else { return Folder::NoConfig };
    let elsewhere = config.db_host.as_ref().is_some_and(|host| *host != wanted.host)
        || config.db_port.is_some_and(|port| port != wanted.port);
    if name != db_name || elsewhere {
        return Folder::OtherDatabase;
    }
    match own_login {
        OwnLogin::Works => Folder::LoginWorks,
        OwnLogin::Rotated => Folder::Rotated,
        OwnLogin::Fails => Folder::LoginFails,
    }
}

/// Combines the unfinished attempt on the volume with the row in the database. Both must name the same attempt and the
/// same installation before anything in the database may be cleared.
pub fn mark(volume: &Volume, state: Option<&State>) -> Result<Mark> {
    let on_volume = volume.unfinished_attempt()?;
    match state.map(|state| (state.phase, state)) {
        Some((SitePhase::Complete, _)) => Ok(Mark::Complete),
        Some((phase @ (SitePhase::Creating | SitePhase::Unknown), state)) => {
            let attempt = state.attempt.clone().unwrap_or_default();
            let same_install = volume.known_install_id()?.as_ref() == Some(&state.install_id);
            let recorded_by = match on_volume {
                // A newer release wrote this phase: its work is not ours to clear.
                _ if phase == SitePhase::Unknown => RecordedBy::Database,
                Some(on_volume) if same_install && on_volume == attempt => RecordedBy::Both,
                // The database has an older attempt, which was already cleared.
                Some(_) if same_install => RecordedBy::Volume,
                _ => RecordedBy::Database,
            };
            Ok(Mark::Unfinished { attempt, recorded_by })
        }
        Some((SitePhase::Idle, _)) | None => Ok(on_volume
            .map_or(Mark::None, |attempt| Mark::Unfinished { attempt, recorded_by: RecordedBy::Volume })),
    }
}

/// Observes the database and the volume through a connection to the site's own database. `records` is the content of
/// our table in it.
pub async fn observe(
    client: &Client,
    site: &str,
    records: &Records,
    volume: &Volume,
    folder: Folder,
) -> Result<Observation> {
    let database = database(client).await?;
    let mark = match &records.other_site {
        Some(other) => Mark::OtherSite(other.clone()),
        None => mark(volume, records.own.as_ref())?,
    };
    let database_id = match &records.own {
        Some(state) => state.install_id.clone(),
        None => oid(client).await?,
    };
    let is_lost = database == Database::Complete && matches!(folder, Folder::Absent | Folder::NoConfig);
    // Only a sentence of a refusal: it is made without it, too.
    let newest_backup = match is_lost {
        true => newest_backup::read(client, site).await.ok().flatten(),
        false => None,
    };
    Ok(Observation { database, database_id, folder, mark, newest_backup })
}

/// Reads our table's rows for the site.
pub async fn records(client: &Client, site: &str) -> Result<Records> {
    state::read_all(client, site).await.map_err(sql_fault("cannot read our record"))
}

/// Returns the OID as an id, for a database without our record.
async fn oid(client: &Client) -> Result<String> {
    let sql = "SELECT 'oid-' || oid FROM pg_database WHERE datname = current_database()";
    let row = client.query_one(sql, &[]).await.map_err(sql_fault("cannot inspect the database"))?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_ours_on_its_own_volume_and_not_in_a_phase_of_a_newer_release() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path().join("s")).unwrap();
        volume.start_attempt("a1").unwrap();
        let install_id = volume.install_id().unwrap();
        let recorded_by = |phase| {
            let attempt = Some("a1".to_string());
            let state = State { phase, attempt, install_id: install_id.clone(), ..State::default() };
            match mark(&volume, Some(&state)).unwrap() {
                Mark::Unfinished { recorded_by, .. } => Some(recorded_by),
                _ => None,
            }
        };
        assert_eq!(recorded_by(SitePhase::Creating), Some(RecordedBy::Both));
        assert_eq!(recorded_by(SitePhase::Unknown), Some(RecordedBy::Database));
        assert_eq!(recorded_by(SitePhase::Idle), Some(RecordedBy::Volume));
        assert_eq!(recorded_by(SitePhase::Complete), None);
    }
}
