//! From a database server and a volume to a site that can be served.
//!
//! ```text
//!   volume ─▶ login ─▶ provision ─▶ lock ─▶ observe ─▶ decide ─▶ act ─▶ record ─▶ release
//! ```
//!
//! Nothing in the database changes before `decide` allows it, and nothing that this program did not
//! make is ever dropped, cleared or overwritten.

mod create;
pub mod decide;
mod follow;
pub mod lock;
pub mod observe;
mod progress;
mod provision;
pub mod sql;
pub mod state;
mod step;
pub mod volume;

use std::path::Path;

use secrecy::SecretString;

use self::create::Creation;
use self::decide::{Action, Folder, Mark, Names, decide};
use self::lock::Leadership;
use self::sql::told;
use self::volume::Volume;
use crate::config::database::{DatabaseConfig, Login};
use crate::config::{BootstrapMode, Config};
use crate::frappe::bench::Bench;
use crate::frappe::common_config::{self, Merged, Overrides};
use crate::frappe::site_config::{self, SiteFolder};
use crate::health::account::Board;
use crate::net::{ConnectError, Kind};
use crate::outcome::{Fault, Result, Stopped};
use crate::postgres::{self, Connection, Options};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// What every part of the bootstrap works with.
pub struct Context<'a> {
    pub config: &'a Config,
    pub database: &'a DatabaseConfig,
    pub bench: &'a Bench,
    pub site: &'a str,
    /// Where common_site_config.json cannot be written.
    pub overrides: Overrides,
    pub runtime_dir: &'a Path,
    pub processes: &'a Processes,
    pub shutdown: &'a Shutdown,
    pub board: &'a Board,
}

/// The site is there and finished, and its own login is known: a role may serve it.
#[derive(Debug)]
pub struct Bootstrapped {
    pub overrides: Overrides,
    /// The server takes settings with the login (PGOPTIONS); many poolers refuse them.
    pub accepts_settings: bool,
}

/// Who the configured login is to the site's database.
enum Way {
    /// It may make role and database; the site's own role is another.
    Administrator(Login),
    /// It is the site's own role.
    Owner,
}

/// Brings the site up, or waits for the pod that does.
///
/// # Errors
/// What stopped it, or the signal that did; every one leaves a state that the next start understands.
pub async fn bootstrap(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let leads = match context.config.bootstrap {
        BootstrapMode::Lead => true,
        BootstrapMode::Auto => context.database.login.is_some(),
        BootstrapMode::Follow | BootstrapMode::Off => false,
    };
    if leads { lead(context).await } else { context.shutdown.guard(follow::follow(context)).await }
}

async fn lead(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let volume = Volume::open(context.bench.cauldron_site(context.site))?;
    let prepared = context.shutdown.guard(async { Ok(prepare(context, &volume).await?) }).await?;
    let Prepared { mut leadership, login, observation, install_id, accepts_settings } = prepared;
    let db_name = login.user.clone();
    let action = decide(&observation, &Names { site: context.site, database: &db_name })?;
    let admin_password = match action {
        Action::Create => Some(needed_for_creation(context, &leadership).await?),
        Action::GoOn | Action::MigrateOnce => None,
    };
    leadership.claim(&install_id, context.config.instance.as_deref(), &holder()).await?;
    let overrides = write_common_config(context).await?;
    let context = &Context { overrides, ..*context };
    let acted = act(context, &leadership, &volume, &login, &action, admin_password, &observation.mark).await;
    if let Err(Stopped::Fault(fault)) = &acted {
        let _ = state::record_error(leadership.client(), context.site, &fault.cause).await;
    }
    leadership.release().await;
    acted?;
    Ok(Bootstrapped { overrides: context.overrides.clone(), accepts_settings })
}

/// Under the lock: followers compare, and write nothing.
async fn write_common_config(context: &Context<'_>) -> Result<Overrides> {
    let managed = common_config::managed(context.config);
    let frappe_major = context.bench.frappe_major();
    match common_config::merge(&context.bench.sites(), &managed, &Vec::new(), frappe_major).await? {
        Merged::Unchanged => Ok(Overrides::new()),
        Merged::Written(keys) => {
            tracing::info!(keys = keys.join(", "), "wrote common_site_config.json");
            Ok(Overrides::new())
        }
        Merged::Overridden(overrides) => {
            let variables = overrides.keys().copied().collect::<Vec<_>>().join(", ");
            tracing::info!(
                variables,
                "common_site_config.json is read-only: its differences go to the environment"
            );
            Ok(overrides)
        }
    }
}

struct Prepared {
    leadership: Leadership,
    login: Login,
    observation: decide::Observation,
    install_id: String,
    accepts_settings: bool,
}

/// Everything up to the decision: nothing of anybody's data is changed on the way.
async fn prepare(context: &Context<'_>, volume: &Volume) -> Result<Prepared> {
    let look = || {
        let path = context.bench.site(context.site);
        site_config::look(&path)
            .map_err(|error| Fault::file(format!("cannot look at {}", path.display()), &error))
    };
    let folder = look()?;
    let (way, name) = way(context, &folder)?;
    if observe::folder(&folder, &name, true) == Folder::OtherDatabase {
        let seen = decide::Observation {
            database: decide::Database::Empty,
            folder: Folder::OtherDatabase,
            mark: Mark::None,
        };
        decide(&seen, &Names { site: context.site, database: &name })?;
    }
    let install_id = volume.install_id()?;
    let password = site_password(context, &way, &folder, volume)?;
    let login = Login { user: name.clone(), password: Some(password.clone()) };
    if let Way::Administrator(admin) = &way {
        let database_may_be_new =
            matches!(folder, SiteFolder::Absent) || volume.unfinished_attempt()?.is_some();
        provision::provision(context.database, admin, &name, &password, &install_id, database_may_be_new)
            .await?;
    }
    let (connection, accepts_settings) = open_site(context, &login).await?;
    let leadership = Leadership::acquire(connection, context.site, context.board).await?;
    // Looked at again: the pod that led before may have made it.
    let folder = look()?;
    let seen = observe::folder(&folder, &name, own_login_works(context, &folder, &login).await?);
    let observation = observe::observe(leadership.client(), context.site, volume, seen).await?;
    Ok(Prepared { leadership, login, observation, install_id, accepts_settings })
}

/// Tells the ways apart. DB_USER = DB_NAME is the owner's way; without a login the site's own serves.
fn way(context: &Context<'_>, folder: &SiteFolder) -> Result<(Way, String)> {
    let own_name = match folder {
        SiteFolder::There(Some(config)) => config.db_name.clone(),
        _ => None,
    };
    let Some(name) = context.database.name.clone().or(own_name) else {
        return Err(Fault::configuration(
            "DB_NAME is not set, and no site_config.json says it",
            "set DB_NAME to a database of the site's own, such as `frappe`",
        ));
    };
    match &context.database.login {
        Some(login) if login.user == name => Ok((Way::Owner, name)),
        Some(login) => Ok((Way::Administrator(login.clone()), name)),
        None => Ok((Way::Owner, name)),
    }
}

/// SITE_DB_PASSWORD, else what site_config.json has, else the owner's configured one, else what was
/// made here before, else a new one, which is on the volume before anybody sets it.
fn site_password(
    context: &Context<'_>,
    way: &Way,
    folder: &SiteFolder,
    volume: &Volume,
) -> Result<SecretString> {
    if let Some(password) = &context.config.site_db_password {
        return Ok(password.clone());
    }
    if let SiteFolder::There(Some(config)) = folder
        && let Some(password) = &config.db_password
    {
        return Ok(password.clone());
    }
    if let (Way::Owner, Some(Login { password: Some(password), .. })) = (way, &context.database.login) {
        return Ok(password.clone());
    }
    match (volume.db_password()?, way) {
        (Some(password), _) => Ok(password),
        (None, Way::Administrator(_)) => volume.make_db_password(),
        (None, Way::Owner) => Err(Fault::permission(
            "no password is given for the site's database",
            "set DB_PASSWORD (or DB_PASSWORD_FILE) to the password of that login",
        )),
    }
}

/// A session on the site's own database as the site's own role, and whether the server takes
/// settings with it.
async fn open_site(context: &Context<'_>, login: &Login) -> Result<(Connection, bool)> {
    let name = &login.user;
    match open_with_settings(context.database, login, LOCK_SESSION).await {
        Ok(opened) => Ok(opened),
        Err(error) if error.kind == Kind::WrongPassword => Err(Fault::permission(
            format!("role `{name}` exists and has another password than the one known here"),
            format!(
                "set SITE_DB_PASSWORD to the one it has, or run: ALTER ROLE \"{name}\" PASSWORD '…' with the one in SITE_DB_PASSWORD"
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

const LOCK_SESSION: &str = "cauldron/lock";

/// Asks with a harmless setting first; a pooler that refuses it is asked without.
async fn open_with_settings(
    database: &DatabaseConfig,
    login: &Login,
    application: &str,
) -> std::result::Result<(Connection, bool), ConnectError> {
    let settings = Some("-c idle_in_transaction_session_timeout=60000".to_string());
    let options = Options { settings, ..Options::default() };
    match postgres::connect(database, login, &login.user, application, &options).await {
        Err(error) if error.kind == Kind::Refused => {
            tracing::warn!(%error, "PGOPTIONS is refused here: Frappe's sessions go without our timeouts");
            let connection =
                postgres::connect(database, login, &login.user, application, &Options::default()).await?;
            Ok((connection, false))
        }
        connected => Ok((connected?, true)),
    }
}

/// Whether the credentials in site_config.json open the database.
async fn own_login_works(context: &Context<'_>, folder: &SiteFolder, ours: &Login) -> Result<bool> {
    let Some(own) = own_credentials(folder) else { return Ok(false) };
    let same_password = match (&own.password, &ours.password) {
        (Some(own), Some(ours)) => volume::same_secret(own, ours),
        _ => false,
    };
    if own.user == ours.user && same_password {
        return Ok(true);
    }
    match postgres::connect(context.database, &own, &own.user, "cauldron/look", &Options::default()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == Kind::WrongPassword => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The login that site_config.json gives.
fn own_credentials(folder: &SiteFolder) -> Option<Login> {
    let SiteFolder::There(Some(config)) = folder else { return None };
    Some(Login { user: config.db_name.clone()?, password: Some(config.db_password.clone()?) })
}

/// What a creation cannot do without, asked for before anything is made.
async fn needed_for_creation(context: &Context<'_>, leadership: &Leadership) -> Result<SecretString> {
    let Some(admin_password) = context.config.admin_password.clone() else {
        return Err(Fault::configuration(
            format!("ADMIN_PASSWORD is not set, and {} is to be created", context.site),
            "set ADMIN_PASSWORD or ADMIN_PASSWORD_FILE to Administrator's password",
        ));
    };
    if !on_path("psql") {
        return Err(Fault::configuration(
            "psql is not on PATH, and Frappe creates a site with it",
            "install PostgreSQL's client programs in the image (Debian: postgresql-client)",
        ));
    }
    let row = leadership
        .client()
        .query_one("SELECT has_schema_privilege(current_user, 'public', 'CREATE'), current_user::text", &[])
        .await
        .map_err(told("cannot ask for the role's rights"))?;
    if row.get::<_, bool>(0) {
        return Ok(admin_password);
    }
    let role: String = row.get(1);
    Err(Fault::permission(
        format!("role `{role}` may not create tables in schema public of its database"),
        format!(
            "as an administrator, in that database: ALTER DATABASE \"{role}\" OWNER TO \"{role}\"; or: GRANT CREATE ON SCHEMA public TO \"{role}\""
        ),
    ))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

async fn act(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    login: &Login,
    action: &Action,
    admin_password: Option<SecretString>,
    mark: &Mark,
) -> std::result::Result<(), Stopped> {
    match (action, admin_password, &login.password) {
        (Action::Create, Some(admin_password), Some(db_password)) => {
            let creation = Creation { db_name: &login.user, db_password, admin_password: &admin_password };
            create::create(context, leadership, volume, &creation).await?;
            set_default_site(context).await?;
        }
        (Action::MigrateOnce, ..) => {
            let created_here = matches!(mark, Mark::Unfinished(_));
            create::migrate_once(context, leadership, volume, created_here).await?;
        }
        _ => tracing::info!(site = context.site, "the site is there; nothing to do"),
    }
    let key = context.config.encryption_key.as_ref();
    site_config::ensure_encryption_key(&context.bench.site(context.site), key).await?;
    Ok(())
}

/// Once, at creation: an operator who changes it later keeps the change.
async fn set_default_site(context: &Context<'_>) -> Result<()> {
    let default_site = vec![("default_site", context.site.into())];
    let frappe_major = context.bench.frappe_major();
    common_config::merge(&context.bench.sites(), &Vec::new(), &default_site, frappe_major).await.map(drop)
}

/// How this pod is called in the state.
fn holder() -> String {
    let host = nix::unistd::gethostname()
        .map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
    format!("{host} pid {}", std::process::id())
}
