//! Role and database, made where they are absent. There is no DROP in this program.
//!
//! An *administrator* login makes both, named DB_NAME; an *owner* login (managed PostgreSQL) uses
//! the database it was given. What exists is looked at first, and a database that holds anything
//! is not touched: no owner, no grant, no password changes before its site is known to be ours.

mod facts;
mod make;

use std::time::Duration;

use secrecy::SecretString;

use self::facts::{Facts, look, preflight};
pub use self::make::verifier;
use self::make::{comment, create_database, create_role, set_password, take_ownership};
use crate::config::database::{DatabaseConfig, Login};
use crate::frappe::site_config::SiteFolder;
use crate::leader::pooled::refuse_a_pooler;
use crate::net::{Kind, Step};
use crate::outcome::{Fault, PERMISSION, Result};
use crate::postgres::sql::{identifier, sql_fault};
use crate::postgres::{self, Connection, Options, advisory_lock, sessions};
use crate::record::volume::Volume;
use crate::site_state::decide::{Action, Database, Names, Observation, Remains, decide};
use crate::site_state::observe::{self, OwnLogin};

/// How our sessions are called.
const APPLICATION: &str = "cauldron/provision";
/// An advisory lock of the maintenance database: provisioning is done by one at a time.
const PROVISION_LOCK: i64 = 0x6361_756c_7072_6f76; // "caulprov"
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be there, and how the rest of the bootstrap sees it.
pub struct DesiredSite<'a> {
    pub database: &'a DatabaseConfig,
    pub admin: &'a Login,
    pub names: Names<'a>,
    pub volume: &'a Volume,
    /// The site's folder, looked at anew: another pod may be making it.
    pub look_at_folder: &'a dyn Fn() -> Result<SiteFolder>,
    /// The site's own passwords that somebody said or made, best first.
    pub known_passwords: &'a dyn Fn(&SiteFolder) -> Result<Vec<SecretString>>,
    /// One of them opens the database already: nobody needs another one.
    pub password_works: bool,
    /// What a creation cannot do without is there.
    pub can_create: &'a dyn Fn() -> Result<()>,
}

/// What the caller goes on with.
pub struct Provisioned {
    /// The one that the site's role should have.
    pub password: SecretString,
    /// What the administrator's look led to. Whoever can log in as the site's role looks again, under
    /// the lock: another pod may be creating the site right now. Who cannot has this to say.
    pub refusal: Option<Fault>,
}

/// Makes role and database with the administrator's login, where that is what the table in
/// `decide` says, and gives the password that the site's role should have.
///
/// # Errors
/// 77 naming the missing grant, 65 for a database that is not ours, 75 for what may pass. Nothing was
/// changed then, but for a creation that failed half-way.
pub async fn provision(wanted: &DesiredSite<'_>) -> Result<Provisioned> {
    let DesiredSite { database, admin, names, volume, .. } = wanted;
    let name = names.database;
    let (maintenance, opened) = connect_maintenance(database, admin).await?;
    refuse_a_pooler(database, &maintenance, admin, &opened).await?;
    lock(&maintenance).await?;
    let facts = look(&maintenance, name).await?;
    let folder = (wanted.look_at_folder)()?;
    let known = (wanted.known_passwords)(&folder)?.into_iter().next();
    let refusal = match facts.database {
        None => {
            let seen = observe::folder(&folder, database, name, OwnLogin::Works);
            let mark = observe::mark(volume, None)?;
            decide(&Observation::without_database(seen, mark), names)?;
            None
        }
        Some(_) => look_inside(wanted, &folder).await?,
    };
    preflight(&facts, name)?;
    if let Some(refusal) = refusal {
        return match (&facts.role, known) {
            (Some(_), Some(password)) => Ok(Provisioned { password, refusal: Some(refusal) }),
            _ => Err(refusal),
        };
    }
    (wanted.can_create)()?;
    let is_ours = match (&facts.role, volume.known_install_id()?) {
        (Some(Some(text)), Some(id)) => *text == comment(&id),
        _ => false,
    };
    let password = match (&facts.role, known) {
        (Some(_), Some(password)) if wanted.password_works => password,
        (Some(_), Some(password)) if !is_ours => {
            check_password(database, name, &facts, &password).await?;
            password
        }
        (Some(_), None) if !is_ours => return Err(other_password(name)),
        (_, Some(password)) => password,
        (_, None) => volume.make_db_password()?,
    };
    match &facts.role {
        None => create_role(&maintenance, name, &password, &volume.install_id()?).await?,
        // Nothing lives behind it yet: an earlier start made it and was killed.
        Some(_) if is_ours && !wanted.password_works => set_password(&maintenance, name, &password).await?,
        Some(_) => {}
    }
    match facts.database.as_deref() {
        None => create_database(&maintenance, &facts, name).await?,
        Some(owner) if owner != name => take_ownership(&maintenance, &facts, name).await?,
        Some(_) => {}
    }
    Ok(Provisioned { password, refusal: None })
}

/// Held until the connection closes. Who has it is done in seconds, or hangs.
async fn lock(maintenance: &Connection) -> Result<()> {
    let taken = advisory_lock::take_within(maintenance, PROVISION_LOCK, LOCK_TIMEOUT).await;
    if taken.map_err(sql_fault("cannot take the provisioning lock"))? {
        return Ok(());
    }
    Err(Fault::try_again(
        format!("another pod has been making role or database for {} s", LOCK_TIMEOUT.as_secs()),
        format!("end its session named {APPLICATION} in {}, if it hangs", sessions::LISTED_IN),
    ))
}

/// A role that somebody else made, and nobody told its password here.
pub fn other_password(name: &str) -> Fault {
    Fault::permission(
        format!("role `{name}` exists and has another password than the one known here"),
        format!(
            "set SITE_DB_PASSWORD to the one it has, or run: ALTER ROLE \"{name}\" PASSWORD '…' with the one in SITE_DB_PASSWORD"
        ),
    )
}

/// Before anything is made for a role that is not ours: whether its password is the one known here.
async fn check_password(
    database: &DatabaseConfig,
    name: &str,
    facts: &Facts,
    password: &SecretString,
) -> Result<()> {
    let login = Login { user: name.to_string(), password: Some(password.clone()) };
    let target = if facts.database.is_some() { name } else { facts.maintenance.as_str() };
    match postgres::connect(database, &login, target, APPLICATION, &Options::default()).await {
        Err(error) if error.kind == Kind::WrongPassword => Err(other_password(name)),
        // The server asks for the password first: it may close this database to the role.
        Err(error) if error.step == Step::Database => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// What the table says of an existing database, as far as the administrator can see into it.
/// None where a site may be created in it. A database that cannot be looked into may hold anything.
async fn look_inside(wanted: &DesiredSite<'_>, folder: &SiteFolder) -> Result<Option<Fault>> {
    let DesiredSite { database, admin, names, volume, .. } = wanted;
    let name = names.database;
    let client = match postgres::connect(database, admin, name, APPLICATION, &Options::default()).await {
        Ok(client) => client,
        Err(error) => {
            return Ok(Some(Fault::permission(
                format!("login `{}` cannot look into the existing database `{name}`: {error}", admin.user),
                format!(
                    "as its owner: GRANT CONNECT ON DATABASE {0} TO {1}; or set SITE_DB_PASSWORD to the password of role {0}",
                    identifier(name),
                    identifier(&admin.user)
                ),
            )));
        }
    };
    // A member of the site's role sees the site's tables; without it the catalog must do.
    let _ = client.batch_execute(&format!("SET ROLE {}", identifier(name))).await;
    let seen = observe::folder(folder, database, name, OwnLogin::Works);
    let looked = async {
        let records = observe::records(&client, names.site).await?;
        observe::observe(&client, &records, volume, seen).await
    };
    let observation = match looked.await {
        Ok(observation) => observation,
        Err(fault) if fault.code == PERMISSION => {
            tracing::debug!(%fault, "the administrator may not read the site's tables");
            Observation {
                database_id: String::new(),
                database: Database::NotComplete(Remains {
                    objects: vec!["tables of another role".into()],
                    ours_alone: false,
                }),
                folder: seen,
                mark: observe::mark(volume, None)?,
            }
        }
        Err(fault) => return Err(fault),
    };
    Ok(match decide(&observation, names) {
        Ok(Action::Create | Action::CreateAgain { .. }) => None,
        // Its own login decides; without one there is only this to say.
        Ok(Action::GoOn | Action::MigrateOnce | Action::Adopt) => Some(other_password(name)),
        Err(refusal) => Some(refusal),
    })
}

/// A session in the first maintenance database that is there, and its name.
async fn connect_maintenance(database: &DatabaseConfig, admin: &Login) -> Result<(Connection, String)> {
    let mut last = None;
    for name in postgres::maintenance_databases(database, admin) {
        match postgres::connect(database, admin, &name, APPLICATION, &Options::default()).await {
            Ok(connection) => return Ok((connection, name)),
            Err(error) if error.kind == Kind::NoSuchDatabase => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(
        || Fault::configuration("no maintenance database is named", "set CAULDRON_DB_ADMIN_DATABASE"),
        Fault::from,
    ))
}
