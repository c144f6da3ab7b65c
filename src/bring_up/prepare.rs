//! The work up to the decision: log in, provision, take the lock, observe. Existing data is not changed here.

use std::time::Duration;

use secrecy::SecretString;

use crate::config::database::Login;
use crate::create::login::{
    self, LoginMode, Opened, known_passwords, login_mode, own_login_works, refuse_ignored_user,
};
use crate::create::provision::{self, DesiredSite, Provisioned};
use crate::create::requirements::needed_for_creation;
use crate::frappe::site_config::{self, SiteFolder};
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::leader::pooled::{refuse_transaction_pooler, refuse_transaction_pooler_of_frappe};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::record::phase::SitePhase;
use crate::record::state::Records;
use crate::record::volume::Volume;
use crate::site_state::decide::{Database, Folder, Mark, Names, Observation, decide};
use crate::site_state::observe;
use crate::site_state::observe::OwnLogin;
use crate::sys::filesystem;

/// The longest time for which a network file system's client may cache the absence of a file (nfs(5), acdirmax with the
/// usual margin).
const MAX_CACHED_ABSENCE: Duration = Duration::from_secs(90);
const FOLDER_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The lock, and the state that was observed under it.
pub struct Prepared {
    pub leadership: Leadership,
    /// The site's database and its role.
    pub own: Own,
    /// The password that opened the database.
    pub password: SecretString,
    pub observation: Observation,
    pub records: Records,
    pub accepts_settings: bool,
}

/// Does everything up to the decision. Existing data is not changed.
pub async fn prepare(context: &Context<'_>, volume: &Volume) -> Result<Prepared> {
    let folder = read_folder(context)?;
    let (login_mode, own) = login_mode(context, &folder)?;
    let name = own.database.as_str();
    let names = Names { site: context.site, database: name, adopt: context.pod.config.adopt.as_deref() };
    if observe::folder(&folder, context.database, name, OwnLogin::Works) == Folder::OtherDatabase {
        let seen = Observation::without_database(Folder::OtherDatabase, Mark::None);
        decide(&seen, &names)?;
    }
    refuse_ignored_user(context, &folder).await?;
    let Opened { connection, password, accepts_settings } =
        open(context, volume, &login_mode, &own, names, &folder).await?;
    let login = Login { user: own.user.clone(), password: Some(password.clone()) };
    refuse_transaction_pooler(context.direct, &connection, &login, name).await?;
    refuse_transaction_pooler_of_frappe(&context.pod.bench, context.database, &login, name).await?;
    let leadership = Leadership::acquire(connection, context.site, &context.pod.status).await?;
    // Read again under the lock: the previous leader may have created the site.
    let records = observe::records(leadership.client(), context.site).await?;
    let mut observation =
        observe::observe(leadership.client(), context.site, &records, volume, Folder::Absent).await?;
    let folder = match read_folder(context)? {
        SiteFolder::Absent if observation.database == Database::Complete => {
            wait_for_folder(filesystem::is_shared(&context.pod.bench.sites()), &|| read_folder(context))
                .await?
        }
        folder => folder,
    };
    let own_login = if own_login_works(context, &folder, &own, &password).await? {
        OwnLogin::Works
    } else {
        OwnLogin::Rotated
    };
    observation.folder = observe::folder(&folder, context.database, name, own_login);
    Ok(Prepared { leadership, own, password, observation, records, accepts_settings })
}

fn read_folder(context: &Context<'_>) -> Result<SiteFolder> {
    let path = context.pod.bench.site(context.site);
    site_config::inspect(&context.pod.bench, context.site)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))
}

/// Opens a session on the site's database; with an administrator's login, creates the database where it is absent.
async fn open(
    context: &Context<'_>,
    volume: &Volume,
    login_mode: &LoginMode,
    own: &Own,
    names: Names<'_>,
    folder: &SiteFolder,
) -> Result<Opened> {
    let known_passwords = |folder: &SiteFolder| known_passwords(context, login_mode, folder, volume);
    let known = known_passwords(folder)?;
    let admin = match login_mode {
        LoginMode::Owner if known.is_empty() => {
            return Err(Fault::permission(
                "no password is configured for the site's database",
                "set DB_PASSWORD (or DB_PASSWORD_FILE) to the password of that login",
            )
            .named(Refusal::DatabasePasswordMissing));
        }
        LoginMode::Administrator(admin) if !own.has_separate_user() => admin,
        LoginMode::Owner | LoginMode::Administrator(_) => {
            let opened = login::open(context, own, &known).await?;
            return opened.ok_or_else(|| provision::other_password(&own.user));
        }
    };
    // If role or database do not exist yet, provisioning reports it. A pooler caches a failed login, so none is tried
    // before there can be a site.
    let opened = match folder {
        SiteFolder::Present(_) => login::open(context, own, &known).await.unwrap_or_default(),
        SiteFolder::Absent => None,
    };
    let password_works = opened.is_some();
    if let Some(opened) = finished(opened, context.site).await? {
        return Ok(opened);
    }
    let Provisioned { password, refusal } = provision::provision(&DesiredSite {
        database: context.direct,
        admin,
        names,
        volume,
        read_folder: &|| read_folder(context),
        known_passwords: &known_passwords,
        password_works,
        restores: false,
        check_requirements: &|_| needed_for_creation(context).map(drop),
    })
    .await?;
    // Another pod may have created them in the meantime, with a password of its own.
    let known = [vec![password], known_passwords(&read_folder(context)?)?].concat();
    let opened = login::open(context, own, &known).await?;
    opened.ok_or_else(|| refusal.unwrap_or_else(|| provision::other_password(names.database)))
}

/// Returns the session if the site is recorded as finished: then nothing has to be provisioned.
async fn finished(opened: Option<Opened>, site: &str) -> Result<Option<Opened>> {
    let Some(opened) = opened else { return Ok(None) };
    let recorded = observe::records(&opened.connection, site).await?.own;
    Ok(recorded.is_some_and(|state| state.phase == SitePhase::Complete).then_some(opened))
}

/// Waits for a folder on a network file system, whose client may cache the folder's absence for a while. Each try lists
/// the parent folder again, which makes the client ask the server.
async fn wait_for_folder(is_shared: bool, read: &impl Fn() -> Result<SiteFolder>) -> Result<SiteFolder> {
    let begin = tokio::time::Instant::now();
    loop {
        let folder = read()?;
        if !matches!(folder, SiteFolder::Absent) || !is_shared || begin.elapsed() >= MAX_CACHED_ABSENCE {
            return Ok(folder);
        }
        if begin.elapsed() < FOLDER_RETRY_INTERVAL {
            tracing::info!(
                event = "volume.site_folder_absent",
                "the site's folder seems to be absent; checking again, because the volume is a network file system"
            );
        }
        tokio::time::sleep(FOLDER_RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_absent_folder_is_checked_again_only_on_a_network_volume() {
        let reads = Cell::new(0);
        let appears_at = |number: u32| {
            let reads = &reads;
            reads.set(0);
            move || {
                reads.set(reads.get() + 1);
                Ok(if reads.get() < number { SiteFolder::Absent } else { SiteFolder::Present(None) })
            }
        };
        assert!(matches!(wait_for_folder(true, &appears_at(30)).await, Ok(SiteFolder::Present(None))));
        assert!(matches!(wait_for_folder(false, &appears_at(2)).await, Ok(SiteFolder::Absent)));
        assert_eq!(reads.get(), 1);
        assert!(matches!(wait_for_folder(true, &appears_at(u32::MAX)).await, Ok(SiteFolder::Absent)));
        assert_eq!(reads.get(), 46, "every 2 s for 90 s");
    }
}
