//! Up to the decision: log in, provision, take the lock, look. Nothing of anybody's data changes here.

use super::decide::{self, Folder, Mark, Names, Observation, decide};
use super::lock::Leadership;
use super::login::{Way, known_password, open_with_settings, own_login_works, way};
use super::provision::{self, Provisioned, Wanted};
use super::requirements::needed_for_creation;
use super::volume::Volume;
use super::{Context, observe};
use crate::config::database::Login;
use crate::frappe::site_config::{self, SiteFolder};
use crate::net::Kind;
use crate::outcome::{Fault, Result};

/// The lock is ours, and this is what there is.
pub struct Prepared {
    pub leadership: Leadership,
    pub login: Login,
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
    let names = Names { site: context.site, database: &name };
    if observe::folder(&folder, context.database, &name, true) == Folder::OtherDatabase {
        let seen = Observation {
            database: decide::Database::Empty,
            folder: Folder::OtherDatabase,
            mark: Mark::None,
        };
        decide(&seen, &names)?;
    }
    let known_password = |folder: &SiteFolder| known_password(context, &way, folder, volume);
    let Provisioned { password, refusal } = match &way {
        Way::Administrator(admin) => {
            provision::provision(&Wanted {
                database: context.database,
                admin,
                names,
                volume,
                look_at_folder: &look,
                known_password: &known_password,
                can_create: &|| needed_for_creation(context).map(drop),
            })
            .await?
        }
        Way::Owner => {
            let password = known_password(&folder)?.ok_or_else(|| {
                Fault::permission(
                    "no password is given for the site's database",
                    "set DB_PASSWORD (or DB_PASSWORD_FILE) to the password of that login",
                )
            })?;
            Provisioned { password, refusal: None }
        }
    };
    let login = Login { user: name.clone(), password: Some(password) };
    let (connection, accepts_settings) =
        match open_with_settings(context.database, &login, "cauldron/lock").await {
            Err(error) if error.kind == Kind::WrongPassword => {
                return Err(refusal.unwrap_or_else(|| provision::other_password(&name)));
            }
            opened => opened?,
        };
    let leadership = Leadership::acquire(connection, context.site, context.board).await?;
    // Looked at again: the pod that led before may have made it.
    let folder = look()?;
    let own_login_works = own_login_works(context, &folder, &login).await?;
    let seen = observe::folder(&folder, context.database, &name, own_login_works);
    let observation = observe::observe(leadership.client(), context.site, volume, seen).await?;
    Ok(Prepared { leadership, login, observation, accepts_settings })
}
