//! Up to the decision: log in, provision, take the lock, look. Nothing of anybody's data changes here.

use std::time::Duration;

use secrecy::SecretString;

use crate::config::database::Login;
use crate::create::login::{
    self, LoginMode, Opened, known_passwords, login_mode, own_login_works, refuse_an_ignored_user,
};
use crate::create::provision::{self, DesiredSite, Provisioned};
use crate::create::requirements::needed_for_creation;
use crate::frappe::site_config::{self, SiteFolder};
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::leader::pooled::refuse_a_pooler;
use crate::outcome::{Fault, Result};
use crate::record::phase::SitePhase;
use crate::record::state::Records;
use crate::record::volume::Volume;
use crate::site_state::decide::{Database, Folder, Mark, Names, Observation, decide};
use crate::site_state::observe;
use crate::site_state::observe::OwnLogin;
use crate::sys::filesystem;

/// For so long the client of a network file system may remember an absence (nfs(5), acdirmax with the
/// usual margin).
const REMEMBERED_ABSENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The lock is ours, and this is what there is.
pub struct Prepared {
    pub leadership: Leadership,
    /// The site's database, and its role.
    pub own: Own,
    /// What opened it.
    pub password: SecretString,
    pub observation: Observation,
    pub records: Records,
    pub accepts_settings: bool,
}

/// Everything up to the decision: nothing of anybody's data is changed on the way.
pub async fn prepare(context: &Context<'_>, volume: &Volume) -> Result<Prepared> {
    let folder = look(context)?;
    let (login_mode, own) = login_mode(context, &folder)?;
    let name = own.database.as_str();
    let names = Names { site: context.site, database: name, adopt: context.pod.config.adopt.as_deref() };
    if observe::folder(&folder, context.database, name, OwnLogin::Works) == Folder::OtherDatabase {
        let seen = Observation::without_database(Folder::OtherDatabase, Mark::None);
        decide(&seen, &names)?;
    }
    refuse_an_ignored_user(context, &folder).await?;
    let Opened { connection, password, accepts_settings } =
        open(context, volume, &login_mode, &own, names, &folder).await?;
    let login = Login { user: own.user.clone(), password: Some(password.clone()) };
    refuse_a_pooler(context.direct, &connection, &login, name).await?;
    let leadership = Leadership::acquire(connection, context.site, &context.pod.status).await?;
    // Looked at again: the pod that led before may have made it.
    let records = observe::records(leadership.client(), context.site).await?;
    let mut observation = observe::observe(leadership.client(), &records, volume, Folder::Absent).await?;
    let folder = match look(context)? {
        SiteFolder::Absent if observation.database == Database::Complete => {
            look_again(filesystem::is_shared(&context.pod.bench.sites()), &|| look(context)).await?
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

fn look(context: &Context<'_>) -> Result<SiteFolder> {
    let path = context.pod.bench.site(context.site);
    site_config::look(&context.pod.bench, context.site)
        .map_err(|error| Fault::file(format!("cannot look at {}", path.display()), &error))
}

/// A session on the site's database, which an administrator's login makes where it is absent.
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
                "no password is given for the site's database",
                "set DB_PASSWORD (or DB_PASSWORD_FILE) to the password of that login",
            ));
        }
        LoginMode::Administrator(admin) if !own.has_a_user_of_its_own() => admin,
        LoginMode::Owner | LoginMode::Administrator(_) => {
            let opened = login::open(context, own, &known).await?;
            return opened.ok_or_else(|| provision::other_password(&own.user));
        }
    };
    // Role or database may not be there yet: then provisioning has the word. A pooler remembers
    // a login that failed, so none is tried before there can be a site.
    let opened = match folder {
        SiteFolder::There(_) => login::open(context, own, &known).await.unwrap_or_default(),
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
        look_at_folder: &|| look(context),
        known_passwords: &known_passwords,
        password_works,
        can_create: &|| needed_for_creation(context).map(drop),
    })
    .await?;
    // Another pod may have made them in the meantime, with a password of its own.
    let known = [vec![password], known_passwords(&look(context)?)?].concat();
    let opened = login::open(context, own, &known).await?;
    opened.ok_or_else(|| refusal.unwrap_or_else(|| provision::other_password(names.database)))
}

/// The site's own login is enough where it is recorded as finished: then nothing is to be provisioned.
async fn finished(opened: Option<Opened>, site: &str) -> Result<Option<Opened>> {
    let Some(opened) = opened else { return Ok(None) };
    let recorded = observe::records(&opened.connection, site).await?.own;
    Ok(recorded.is_some_and(|state| state.phase == SitePhase::Complete).then_some(opened))
}

/// A network file system's client may remember for a while that a folder was not there. The folder
/// above is read anew each time, which is what makes it ask.
async fn look_again(is_shared: bool, look: &impl Fn() -> Result<SiteFolder>) -> Result<SiteFolder> {
    let begin = tokio::time::Instant::now();
    loop {
        let folder = look()?;
        if !matches!(folder, SiteFolder::Absent) || !is_shared || begin.elapsed() >= REMEMBERED_ABSENCE {
            return Ok(folder);
        }
        if begin.elapsed() < LOOK_AGAIN {
            tracing::info!(
                "the site's folder seems absent; looking for it again, as this volume is a network's"
            );
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_seems_absent_is_looked_for_on_a_network_volume_alone() {
        let looks = Cell::new(0);
        let appears_at = |number: u32| {
            let looks = &looks;
            looks.set(0);
            move || {
                looks.set(looks.get() + 1);
                Ok(if looks.get() < number { SiteFolder::Absent } else { SiteFolder::There(None) })
            }
        };
        assert!(matches!(look_again(true, &appears_at(30)).await, Ok(SiteFolder::There(None))));
        assert!(matches!(look_again(false, &appears_at(2)).await, Ok(SiteFolder::Absent)));
        assert_eq!(looks.get(), 1);
        assert!(matches!(look_again(true, &appears_at(u32::MAX)).await, Ok(SiteFolder::Absent)));
        assert_eq!(looks.get(), 46, "ninety seconds, every two");
    }
}
