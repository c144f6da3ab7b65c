//! As whom the site's database is opened: the ways that a configured login can mean, and the site's own.

use secrecy::SecretString;

use super::Context;
use super::volume::{self, Volume};
use crate::config::database::{DatabaseConfig, Login};
use crate::frappe::site_config::SiteFolder;
use crate::net::{ConnectError, Kind};
use crate::outcome::{Fault, Result};
use crate::postgres::{self, Connection, Options};

/// Who the configured login is to the site's database.
pub enum Way {
    /// It may make role and database; the site's own role is another.
    Administrator(Login),
    /// It is the site's own role.
    Owner,
}

/// Tells the ways apart. DB_USER = DB_NAME is the owner's way; without a login the site's own serves.
pub fn way(context: &Context<'_>, folder: &SiteFolder) -> Result<(Way, String)> {
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
/// made here before.
pub fn known_password(
    context: &Context<'_>,
    way: &Way,
    folder: &SiteFolder,
    volume: &Volume,
) -> Result<Option<SecretString>> {
    if let Some(password) = &context.config.site_db_password {
        return Ok(Some(password.clone()));
    }
    if let SiteFolder::There(Some(config)) = folder
        && let Some(password) = &config.db_password
    {
        return Ok(Some(password.clone()));
    }
    if let (Way::Owner, Some(Login { password: Some(password), .. })) = (way, &context.database.login) {
        return Ok(Some(password.clone()));
    }
    volume.db_password()
}

/// Asks with a harmless setting first; a pooler that refuses it is asked without.
pub async fn open_with_settings(
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
pub async fn own_login_works(context: &Context<'_>, folder: &SiteFolder, ours: &Login) -> Result<bool> {
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
pub fn own_credentials(folder: &SiteFolder) -> Option<Login> {
    let SiteFolder::There(Some(config)) = folder else { return None };
    Some(Login { user: config.db_name.clone()?, password: Some(config.db_password.clone()?) })
}
