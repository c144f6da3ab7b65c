//! The site as the bootstrap would find it: database, folder, our record, the lock, identities.

use tokio_postgres::Client;

use super::configuration::Known;
use super::finding::Finding;
use super::grants::Presence;
use super::id::Id;
use super::postgres::Opened;
use super::record;
use crate::frappe::installed_apps;
use crate::frappe::site_config::SiteFolder;
use crate::outcome::{Fault, Result};
use crate::record::volume::Volume;
use crate::site_state::decide::{self, Action, Database, Mark, Names, Observation, decide};
use crate::site_state::observe::{self, OwnLogin};

/// Looks that need a session on the site's database, beside `site`.
const RECORDED: [Id; 3] = [Id::State, Id::Lock, Id::Identity];

/// What other looks need of the database.
pub struct Contents {
    pub installed: std::result::Result<Vec<String>, String>,
    pub complete: bool,
    /// Whether migrate runs whatever the fingerprint says; none where the gate is not asked.
    pub always: Option<bool>,
}

impl Contents {
    /// Nothing is known, for this reason.
    pub fn unknown(reason: &str) -> Self {
        Self { installed: Err(reason.into()), complete: false, always: Some(false) }
    }
}

/// A session on the site's database, if there is one, and what is known of it without one.
pub struct SiteAccess<'a> {
    pub session: std::result::Result<&'a Opened, &'a str>,
    pub presence: Presence,
    pub own_login: OwnLogin,
}

/// Every look at the site.
pub async fn look(known: &Known, access: &SiteAccess<'_>) -> (Vec<Finding>, Contents) {
    let names = match known.names() {
        Ok(names) => names,
        Err(reason) => return (skipped(&reason), Contents::unknown(&reason)),
    };
    let volume = Volume::to_read(known.bench.cauldron_site(names.site));
    let mut findings = vec![record::attempt(&volume, names.site)];
    match access.session {
        Ok(opened) => {
            let client = &opened.connection;
            let seen = seen(known, access, &names).await;
            let always = seen.as_ref().map_or(Some(false), |seen| migrates_always(seen, &names));
            findings.push(whole(&names, seen));
            let records = observe::records(client, names.site).await;
            findings.push(record::recorded(names.site, &records));
            let own = records.as_ref().ok().and_then(|records| records.own.as_ref());
            findings.push(record::holder(client, names.site, own).await);
            findings.push(record::identity(names.site, &volume, &records));
            (findings, Contents { always, ..contents(client).await })
        }
        Err(reason) => {
            let reason = match access.presence {
                Presence::Absent => "the database is not there",
                Presence::There | Presence::Unknown => reason,
            };
            findings.push(match access.presence {
                Presence::Absent => whole(&names, seen(known, access, &names).await),
                _ => Finding::skipped(Id::Site, names.site, reason),
            });
            findings.extend(RECORDED.map(|id| Finding::skipped(id, names.site, reason)));
            (findings, Contents::unknown(reason))
        }
    }
}

/// All of them, for one reason.
fn skipped(reason: &str) -> Vec<Finding> {
    let all = [[Id::Site, Id::UnfinishedAttempt].as_slice(), &RECORDED].concat();
    all.into_iter().map(|id| Finding::skipped(id, "SITE_NAME", reason)).collect()
}

fn folder(
    known: &Known,
    access: &SiteAccess<'_>,
    names: &Names<'_>,
) -> Result<crate::site_state::decide::Folder> {
    let folder = known.folder.clone()?;
    let folder = match (&folder, &known.config.database) {
        (SiteFolder::There(_), Some(database)) => {
            observe::folder(&folder, database, names.database, access.own_login)
        }
        _ => crate::site_state::decide::Folder::Absent,
    };
    Ok(folder)
}

/// The observation that the bootstrap would decide on. Without a session the database is taken for
/// absent.
pub async fn seen(known: &Known, access: &SiteAccess<'_>, names: &Names<'_>) -> Result<Observation> {
    let volume = Volume::to_read(known.bench.cauldron_site(names.site));
    let folder = folder(known, access, names)?;
    match access.session {
        Ok(opened) => {
            let records = observe::records(&opened.connection, names.site).await?;
            observe::observe(&opened.connection, &records, &volume, folder).await
        }
        Err(_) => Ok(Observation::without_database(folder, observe::mark(&volume, None)?)),
    }
}

/// What the bootstrap asks of the gate; as usual where it refuses before.
pub fn migrates_always(seen: &Observation, names: &Names<'_>) -> Option<bool> {
    decide(seen, names).map_or(Some(false), |action| decide::migrates_always(&action, &seen.mark))
}

/// In the words of the bootstrap's own table.
fn whole(names: &Names<'_>, seen: Result<Observation>) -> Finding {
    let decided = seen.and_then(|seen| Ok((decide(&seen, names)?, seen)));
    match decided {
        Ok((Action::GoOn, _)) => Finding::ok(Id::Site, names.site, "complete, and recorded as finished"),
        Ok((Action::MigrateOnce, seen)) => {
            let why = match seen.mark {
                Mark::Unfinished { .. } => "its creation is not recorded as finished",
                _ => "this program has no record of it",
            };
            let detail = format!("complete, and {why}: the bootstrap migrates it once");
            Finding::info(Id::Site, names.site, detail)
        }
        Ok((Action::Create, _)) => {
            Finding::info(Id::Site, names.site, "there is none yet: the bootstrap creates it")
        }
        Ok((Action::Adopt, _)) => {
            let detail =
                "complete, and its folder is lost: the bootstrap makes an empty one, as CAULDRON_ADOPT says";
            Finding::warning(
                Id::Site,
                names.site,
                detail,
                "restore sites/ from a backup instead, if there is one",
            )
        }
        Ok((Action::CreateAgain { attempt }, _)) => {
            let detail =
                format!("attempt {attempt} did not finish it: the bootstrap clears that, and creates it");
            Finding::info(Id::Site, names.site, detail)
        }
        Err(fault) => Finding::fault(Id::Site, names.site, &fault),
    }
}

/// Frappe's own record of apps.
async fn contents(client: &Client) -> Contents {
    match observe::database(client).await {
        Ok(Database::Complete) => {}
        Ok(_) => return Contents::unknown("the database holds no complete site"),
        Err(Fault { cause, .. }) => return Contents::unknown(&cause),
    }
    Contents {
        installed: installed_apps::read(client).await.map_err(|fault| fault.cause),
        complete: true,
        always: Some(false),
    }
}
