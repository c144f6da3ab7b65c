//! Looks at the database and the volume; changes nothing.

use tokio_postgres::Client;

use super::decide::{Database, Folder, Mark, Observation, Remains, ToldBy};
use crate::config::database::DatabaseConfig;
use crate::frappe::database;
use crate::frappe::site_config::SiteFolder;
use crate::outcome::Result;
use crate::postgres::catalog;
use crate::postgres::sql::sql_fault;
use crate::record::phase::SitePhase;
use crate::record::schema;
use crate::record::state::{self, Records, State};
use crate::record::volume::Volume;

/// What the database holds. The common case, a complete site, is asked for first.
pub async fn database(client: &Client) -> Result<Database> {
    let has_core =
        database::has_core_tables(client).await.map_err(sql_fault("cannot look at the database"))?;
    if has_core
        && database::is_complete(client).await.map_err(sql_fault("cannot look at the site's tables"))?
    {
        return Ok(Database::Complete);
    }
    let objects =
        catalog::objects(client, schema::LIKE).await.map_err(sql_fault("cannot look at the database"))?;
    if objects.is_empty() {
        return Ok(Database::Empty);
    }
    // What a creation makes.
    let own = catalog::own_objects(client).await.map_err(sql_fault("cannot look at the database"))?;
    let (mut objects, own): (Vec<String>, Vec<String>) =
        objects.into_iter().partition(|object| !own.contains(object));
    let ours_alone = objects.is_empty()
        && !database::has_people(client).await.map_err(sql_fault("cannot look at the site's users"))?;
    // What a person made comes first: a refusal names the first ones.
    objects.extend(own);
    Ok(Database::NotComplete(Remains { objects, ours_alone }))
}

/// How site_config.json's own credentials fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLogin {
    Works,
    /// They no longer do, and the configured ones do.
    Rotated,
    Fails,
}

/// What the volume holds.
///
/// Frappe believes site_config.json over everything else: where it names another server, we would
/// look at one database and Frappe would serve another.
pub fn folder(folder: &SiteFolder, wanted: &DatabaseConfig, db_name: &str, own_login: OwnLogin) -> Folder {
    let SiteFolder::There(config) = folder else { return Folder::Absent };
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

/// What we recorded: the volume's unfinished attempt, and the database's row. Both have to name the
/// same attempt and the same installation before anything in the database may be cleared.
pub fn mark(volume: &Volume, state: Option<&State>) -> Result<Mark> {
    let on_volume = volume.unfinished_attempt()?;
    match state.map(|state| (state.phase, state)) {
        Some((SitePhase::Complete, _)) => Ok(Mark::Complete),
        Some((phase @ (SitePhase::Creating | SitePhase::Unknown), state)) => {
            let attempt = state.attempt.clone().unwrap_or_default();
            let same_install = volume.known_install_id()?.as_ref() == Some(&state.install_id);
            let told_by = match on_volume {
                // Whatever a newer release is at, it is not ours to clear.
                _ if phase == SitePhase::Unknown => ToldBy::Database,
                Some(on_volume) if same_install && on_volume == attempt => ToldBy::Both,
                // The database's record is the older one: that attempt was cleared already.
                Some(_) if same_install => ToldBy::Volume,
                _ => ToldBy::Database,
            };
            Ok(Mark::Unfinished { attempt, told_by })
        }
        Some((SitePhase::Idle, _)) | None => {
            Ok(on_volume.map_or(Mark::None, |attempt| Mark::Unfinished { attempt, told_by: ToldBy::Volume }))
        }
    }
}

/// Everything at once, through a connection to the site's own database; `records` is what it says of
/// itself.
pub async fn observe(
    client: &Client,
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
    Ok(Observation { database, database_id, folder, mark })
}

/// What our table says of the site.
pub async fn records(client: &Client, site: &str) -> Result<Records> {
    state::read_all(client, site).await.map_err(sql_fault("cannot read our state"))
}

/// A database without our record is told from others by its OID.
async fn oid(client: &Client) -> Result<String> {
    let sql = "SELECT 'oid-' || oid FROM pg_database WHERE datname = current_database()";
    let row = client.query_one(sql, &[]).await.map_err(sql_fault("cannot look at the database"))?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_cleared_by_who_made_it_and_not_in_a_phase_that_a_newer_release_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path().join("s")).unwrap();
        volume.start_attempt("a1").unwrap();
        let install_id = volume.install_id().unwrap();
        let told_by = |phase| {
            let attempt = Some("a1".to_string());
            let state = State { phase, attempt, install_id: install_id.clone(), ..State::default() };
            match mark(&volume, Some(&state)).unwrap() {
                Mark::Unfinished { told_by, .. } => Some(told_by),
                _ => None,
            }
        };
        assert_eq!(told_by(SitePhase::Creating), Some(ToldBy::Both));
        assert_eq!(told_by(SitePhase::Unknown), Some(ToldBy::Database));
        assert_eq!(told_by(SitePhase::Idle), Some(ToldBy::Volume));
        assert_eq!(told_by(SitePhase::Complete), None);
    }
}
