//! Checks of the site as the bootstrap would find it: database, folder, our record, the lock, install ids.

use tokio_postgres::Client;

use super::configuration::Inputs;
use super::finding::Finding;
use super::grants::Presence;
use super::id::Id;
use super::postgres::Session;
use super::record;
use crate::frappe::installed_apps;
use crate::frappe::site_config::SiteFolder;
use crate::outcome::{Fault, Result};
use crate::record::volume::Volume;
use crate::site_state::decide::{self, Action, Database, Mark, Names, Observation, decide};
use crate::site_state::observe::{self, OwnLogin};

/// Checks that need a session on the site's database, in addition to `site`.
const RECORDED: [Id; 3] = [Id::State, Id::Lock, Id::Identity];

/// Results from the database that other checks need.
pub struct Contents {
    pub installed: std::result::Result<Vec<String>, String>,
    pub complete: bool,
    /// True if migrate runs regardless of the fingerprint; None if the gate does not apply.
    pub always: Option<bool>,
}

impl Contents {
    /// Unknown contents, with the reason.
    pub fn unknown(reason: &str) -> Self {
        Self { installed: Err(reason.into()), complete: false, always: Some(false) }
    }
}

/// A session on the site's database, or why there is none, and the facts that need no session.
pub struct SiteAccess<'a> {
    pub session: std::result::Result<&'a Session, &'a str>,
    pub presence: Presence,
    pub own_login: OwnLogin,
}

/// Runs every check of the site.
pub async fn check(inputs: &Inputs, access: &SiteAccess<'_>) -> (Vec<Finding>, Contents) {
    let names = match inputs.names() {
        Ok(names) => names,
        Err(reason) => return (skipped(&reason), Contents::unknown(&reason)),
    };
    let volume = Volume::read_only(inputs.bench.cauldron_site(names.site));
    let mut findings = vec![record::attempt(&volume, names.site)];
    match access.session {
        Ok(opened) => {
            let client = &opened.connection;
            let seen = observation(inputs, access, &names).await;
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
                Presence::Absent => "the database does not exist",
                Presence::Exists | Presence::Unknown => reason,
            };
            findings.push(match access.presence {
                Presence::Absent => whole(&names, observation(inputs, access, &names).await),
                _ => Finding::skipped(Id::Site, names.site, reason),
            });
            findings.extend(RECORDED.map(|id| Finding::skipped(id, names.site, reason)));
            (findings, Contents::unknown(reason))
        }
    }
}

/// All checks of the site, skipped for one reason.
fn skipped(reason: &str) -> Vec<Finding> {
    let all = [[Id::Site, Id::UnfinishedAttempt].as_slice(), &RECORDED].concat();
    all.into_iter().map(|id| Finding::skipped(id, "SITE_NAME", reason)).collect()
}

fn folder(
    inputs: &Inputs,
    access: &SiteAccess<'_>,
    names: &Names<'_>,
) -> Result<crate::site_state::decide::Folder> {
    let folder = inputs.folder.clone()?;
    let folder = match (&folder, &inputs.config.database) {
        (SiteFolder::Present(_), Some(database)) => {
            observe::folder(&folder, database, names.database, access.own_login)
        }
        _ => crate::site_state::decide::Folder::Absent,
    };
    Ok(folder)
}

/// The observation on which the bootstrap would decide. Without a session the database counts as absent.
pub async fn observation(inputs: &Inputs, access: &SiteAccess<'_>, names: &Names<'_>) -> Result<Observation> {
    let volume = Volume::read_only(inputs.bench.cauldron_site(names.site));
    let folder = folder(inputs, access, names)?;
    match access.session {
        Ok(opened) => {
            let records = observe::records(&opened.connection, names.site).await?;
            observe::observe(&opened.connection, names.site, &records, &volume, folder).await
        }
        Err(_) => Ok(Observation::without_database(folder, observe::mark(&volume, None)?)),
    }
}

/// The value of `always` that the bootstrap passes to the gate; the default if it refuses before the gate.
pub fn migrates_always(seen: &Observation, names: &Names<'_>) -> Option<bool> {
    decide(seen, names).map_or(Some(false), |action| decide::migrates_always(&action, &seen.mark))
}

/// The finding for the row of the bootstrap's table that applies.
fn whole(names: &Names<'_>, seen: Result<Observation>) -> Finding {
    let decided = seen.and_then(|seen| Ok((decide(&seen, names)?, seen)));
    match decided {
        Ok((Action::Continue, _)) => Finding::ok(Id::Site, names.site, "complete, and recorded as finished"),
        Ok((Action::MigrateOnce, seen)) => {
            let why = match seen.mark {
                Mark::Unfinished { .. } => "its creation is not recorded as finished",
                _ => "it has no record of cauldron-frappe",
            };
            let detail = format!("complete, and {why}: the bootstrap migrates it once");
            Finding::info(Id::Site, names.site, detail)
        }
        Ok((Action::Create, _)) => {
            Finding::info(Id::Site, names.site, "does not exist yet: the bootstrap creates it")
        }
        Ok((Action::Adopt, _)) => {
            let detail = "complete, but its folder is lost: the bootstrap creates an empty one, as CAULDRON_ADOPT says";
            Finding::warning(
                Id::Site,
                names.site,
                detail,
                "restore sites/ from a backup instead, if one exists",
            )
        }
        Ok((Action::CreateAgain { attempt }, _)) => {
            let detail = format!(
                "attempt {attempt} did not finish it: the bootstrap clears its remains, then creates the site"
            );
            Finding::info(Id::Site, names.site, detail)
        }
        Err(fault) => Finding::fault(Id::Site, names.site, &fault),
    }
}

/// Reads the list of installed apps from Frappe's tables.
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
