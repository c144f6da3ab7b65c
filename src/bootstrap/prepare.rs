//! Up to the decision: log in, provision, take the lock, look. Nothing of anybody's data changes here.

use secrecy::SecretString;

use super::decide::{Folder, Mark, Names, Observation, decide};
use super::lock::Leadership;
use super::login::{self, Opened, Way, known_passwords, own_login_works, way};
use super::observe::OwnLogin;
use super::provision::{self, Provisioned, Wanted};
use super::requirements::needed_for_creation;
use super::sql::told;
use super::volume::Volume;
use super::{Context, observe, state};
use crate::frappe::site_config::{self, SiteFolder};
use crate::outcome::{Fault, Result};

/// The lock is ours, and this is what there is.
pub struct Prepared {
    pub leadership: Leadership,
    /// The site's database, and its role.
    pub database: String,
    /// What opened it.
    pub password: SecretString,
    pub observation: Observation,
    pub accepts_settings: bool,
}

/// Everything up to the decision: nothing of anybody's data is changed on the way.
pub async fn prepare(context: &Context<'_>, volume: &Volume) -> Result<Prepared> {
    let look = || {
        let path = context.bench.site(context.site);
        site_config::look(&path)
            .map_err(|error| Fault::file(format!("cannot look at {}", path.display()), &error))
    };
    let folder = look()?;
    let (way, name) = way(context, &folder)?;
    let names = Names { site: context.site, database: &name, adopt: context.config.adopt.as_deref() };
    if observe::folder(&folder, context.database, &name, OwnLogin::Works) == Folder::OtherDatabase {
        let seen = Observation::without_database(Folder::OtherDatabase, Mark::None);
        decide(&seen, &names)?;
    }
    let known_passwords = |folder: &SiteFolder| known_passwords(context, &way, folder, volume);
    let known = known_passwords(&folder)?;
    let opened = match &way {
        Way::Owner => {
            if known.is_empty() {
                return Err(Fault::permission(
                    "no password is given for the site's database",
                    "set DB_PASSWORD (or DB_PASSWORD_FILE) to the password of that login",
                ));
            }
            login::open(context, &name, &known).await?.ok_or_else(|| provision::other_password(&name))?
        }
        Way::Administrator(admin) => {
            // Role or database may not be there yet: then provisioning has the word.
            let opened = login::open(context, &name, &known).await.unwrap_or_default();
            let password_works = opened.is_some();
            if let Some(opened) = finished(opened, context.site).await? {
                opened
            } else {
                let Provisioned { password, refusal } = provision::provision(&Wanted {
                    database: context.database,
                    admin,
                    names,
                    volume,
                    look_at_folder: &look,
                    known_passwords: &known_passwords,
                    password_works,
                    can_create: &|| needed_for_creation(context).map(drop),
                })
                .await?;
                // Another pod may have made them in the meantime, with a password of its own.
                let known = [vec![password], known_passwords(&look()?)?].concat();
                login::open(context, &name, &known)
                    .await?
                    .ok_or_else(|| refusal.unwrap_or_else(|| provision::other_password(&name)))?
            }
        }
    };
    let Opened { connection, password, accepts_settings } = opened;
    let leadership = Leadership::acquire(connection, context.site, context.board).await?;
    // Looked at again: the pod that led before may have made it.
    let folder = look()?;
    let own_login = if own_login_works(context, &folder, &name, &password).await? {
        OwnLogin::Works
    } else {
        OwnLogin::Rotated
    };
    let seen = observe::folder(&folder, context.database, &name, own_login);
    let observation = observe::observe(leadership.client(), context.site, volume, seen).await?;
    Ok(Prepared { leadership, database: name, password, observation, accepts_settings })
}

/// The site's own login is enough where it is recorded as finished: then nothing is to be provisioned.
async fn finished(opened: Option<Opened>, site: &str) -> Result<Option<Opened>> {
    let Some(opened) = opened else { return Ok(None) };
    let state = state::read(&opened.connection, site).await.map_err(told("cannot read our state"))?;
    Ok(state.is_some_and(|state| state.phase == "complete").then_some(opened))
}
