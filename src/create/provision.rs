//! Creates the role and the database where they are absent. Nothing here drops one: only `scratch::elsewhere` does, those
//! that it has made itself.
//!
//! An *administrator* login creates both, named DB_NAME; an *owner* login (managed PostgreSQL) uses the database that
//! it was given. Existing objects are inspected first, and a database with any contents is left unchanged: no owner,
//! grant or password changes before its site is known to be ours.

mod facts;
mod make;

use std::time::Duration;

use secrecy::SecretString;

use self::facts::preflight;
pub use self::facts::{Facts, read as read_facts};
use self::make::{comment, create_role, set_password, take_ownership};
pub use self::make::{create_database, verifier};
use crate::config::database::{DatabaseConfig, Login};
use crate::frappe::site_config::SiteFolder;
use crate::leader::pooled::refuse_transaction_pooler;
use crate::net::{Kind, Step};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, PERMISSION, Result};
use crate::postgres::sql::{identifier, sql_fault};
use crate::postgres::{self, Connection, Options, advisory_lock, sessions};
use crate::record::volume::Volume;
use crate::site_state::decide::{Action, Database, Names, Observation, Remains, decide};
use crate::site_state::observe::{self, OwnLogin};

/// The application name of our sessions.
const APPLICATION: &str = "cauldron/provision";
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The role and database to provision, with the callbacks that provisioning needs.
pub struct DesiredSite<'a> {
    pub database: &'a DatabaseConfig,
    pub admin: &'a Login,
    pub names: Names<'a>,
    pub volume: &'a Volume,
    /// Reads the site's folder again: another pod may be creating it.
    pub read_folder: &'a dyn Fn() -> Result<SiteFolder>,
    /// Passwords of the site's role that were configured or generated, best first.
    pub known_passwords: &'a dyn Fn(&SiteFolder) -> Result<Vec<SecretString>>,
    /// True if one of them already opens the database: then no password is set.
    pub password_works: bool,
    /// True if a backup is restored: then a lost database is created again, and an existing one is inspected later.
    pub restores: bool,
    /// Checks the preconditions of a creation, given the server's version.
    pub check_requirements: &'a dyn Fn(&str) -> Result<()>,
}

/// The result of provisioning.
pub struct Provisioned {
    /// The password that the site's role should have.
    pub password: SecretString,
    /// The refusal that follows from what the administrator could read. A pod that can log in as the site's role
    /// decides again under the lock, because another pod may be creating the site right now. Otherwise this refusal is
    /// the error.
    pub refusal: Option<Fault>,
}

/// Creates the role and the database with the administrator's login if the table in `decide` says so, and returns the
/// password that the site's role should have.
///
/// # Errors
/// 77 with the missing grant, 65 for a database that is not ours, 75 for temporary failures. Nothing was changed then,
/// except by a creation that failed half-way.
pub async fn provision(wanted: &DesiredSite<'_>) -> Result<Provisioned> {
    let DesiredSite { database, admin, names, volume, .. } = wanted;
    let name = names.database;
    let (maintenance, opened) = connect_maintenance(database, admin, APPLICATION).await?;
    refuse_transaction_pooler(database, &maintenance, admin, &opened).await?;
    lock(&maintenance).await?;
    let facts = facts::read(&maintenance, name).await?;
    let folder = (wanted.read_folder)()?;
    let known = (wanted.known_passwords)(&folder)?.into_iter().next();
    let refusal = match facts.database {
        _ if wanted.restores => None,
        None => {
            let seen = observe::folder(&folder, database, name, OwnLogin::Works);
            let mark = observe::mark(volume, None)?;
            decide(&Observation::without_database(seen, mark), names)?;
            None
        }
        Some(_) => inspect_existing(wanted, &folder).await?,
    };
    preflight(&facts, name)?;
    if let Some(refusal) = refusal {
        return match (&facts.role, known) {
            (Some(_), Some(password)) => Ok(Provisioned { password, refusal: Some(refusal) }),
            _ => Err(refusal),
        };
    }
    (wanted.check_requirements)(maintenance.version())?;
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
        // The role guards no data yet: an earlier start created it and was killed.
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

/// Takes the provisioning lock, which is held until the connection closes. Its holder needs seconds, or hangs.
async fn lock(maintenance: &Connection) -> Result<()> {
    let taken = advisory_lock::take_within(maintenance, advisory_lock::key::PROVISION, LOCK_TIMEOUT).await;
    if taken.map_err(sql_fault("cannot take the provisioning lock"))? {
        return Ok(());
    }
    Err(Fault::try_again(
        format!("another pod has been creating the role or the database for {} s", LOCK_TIMEOUT.as_secs()),
        format!("if it hangs, end its session named {APPLICATION} in {}", sessions::LISTED_IN),
    ))
}

/// The refusal for an existing role whose password is not known here.
pub fn other_password(name: &str) -> Fault {
    Fault::permission(
        format!("role `{name}` exists and has another password than the known one"),
        format!(
            "set SITE_DB_PASSWORD to its password, or run: ALTER ROLE \"{name}\" PASSWORD '…' with the value of \
             SITE_DB_PASSWORD"
        ),
    )
    .named(Refusal::RolePasswordUnknown)
}

/// Checks that the known password is right for a role that we did not create, before anything is created for it.
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
        // The password was accepted: the server checks it before the database, which may be closed to this role.
        Err(error) if error.step == Step::Database => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// Decides about an existing database, as far as the administrator can read it. Returns None if a site may be created
/// in it. A database that cannot be read may hold anything.
async fn inspect_existing(wanted: &DesiredSite<'_>, folder: &SiteFolder) -> Result<Option<Fault>> {
    let DesiredSite { database, admin, names, volume, .. } = wanted;
    let name = names.database;
    let client = match postgres::connect(database, admin, name, APPLICATION, &Options::default()).await {
        Ok(client) => client,
        Err(error) => {
            return Ok(Some(Fault::permission(
                format!("login `{}` cannot connect to the existing database `{name}`: {error}", admin.user),
                format!(
                    "as its owner: GRANT CONNECT ON DATABASE {0} TO {1}; or set SITE_DB_PASSWORD to the password of \
                     role {0}",
                    identifier(name),
                    identifier(&admin.user)
                ),
            )
            .named(Refusal::DatabaseAccessMissing)));
        }
    };
    // A member of the site's role can read the site's tables; other logins read only the catalog.
    let _ = client.batch_execute(&format!("SET ROLE {}", identifier(name))).await;
    let seen = observe::folder(folder, database, name, OwnLogin::Works);
    let inspected = async {
        let records = observe::records(&client, names.site).await?;
        observe::observe(&client, names.site, &records, volume, seen).await
    };
    let observation = match inspected.await {
        Ok(observation) => observation,
        Err(fault) if fault.code == PERMISSION => {
            tracing::debug!(
                event = "site.tables_not_readable",
                %fault,
                "the administrator may not read the site's tables"
            );
            Observation {
                database_id: String::new(),
                database: Database::NotComplete(Remains {
                    objects: vec!["tables of another role".into()],
                    ours_alone: false,
                }),
                folder: seen,
                mark: observe::mark(volume, None)?,
                newest_backup: None,
            }
        }
        Err(fault) => return Err(fault),
    };
    Ok(match decide(&observation, names) {
        Ok(Action::Create | Action::CreateAgain { .. }) => None,
        // Only the site's own login can decide; without it, the unknown password is the error.
        Ok(Action::Continue | Action::MigrateOnce | Action::Adopt) => Some(other_password(name)),
        Err(refusal) => Some(refusal),
    })
}

/// Connects to the first maintenance database that exists; returns the session and the database's name.
///
/// # Errors
/// As [`postgres::connect`].
pub async fn connect_maintenance(
    database: &DatabaseConfig,
    admin: &Login,
    application: &str,
) -> Result<(Connection, String)> {
    let mut last = None;
    for name in postgres::maintenance_databases(database, admin) {
        match postgres::connect(database, admin, &name, application, &Options::default()).await {
            Ok(connection) => return Ok((connection, name)),
            Err(error) if error.kind == Kind::NoSuchDatabase => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(
        || Fault::configuration("no maintenance database is configured", "set CAULDRON_DB_ADMIN_DATABASE"),
        Fault::from,
    ))
}
