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

/// What the site's role may have for a password, best first: SITE_DB_PASSWORD, what site_config.json
/// has, the owner's configured one, what was made here before.
pub fn known_passwords(
    context: &Context<'_>,
    way: &Way,
    folder: &SiteFolder,
    volume: &Volume,
) -> Result<Vec<SecretString>> {
    let of_owner = match (way, &context.database.login) {
        (Way::Owner, Some(Login { password, .. })) => password.clone(),
        _ => None,
    };
    let in_order = [
        context.config.site_db_password.clone(),
        own_credentials(folder).and_then(|login| login.password),
        of_owner,
        volume.db_password()?,
    ];
    let mut known: Vec<SecretString> = Vec::new();
    for password in in_order.into_iter().flatten() {
        if !known.iter().any(|other| volume::same_secret(other, &password)) {
            known.push(password);
        }
    }
    Ok(known)
}

/// A session on the site's database as its own role.
pub struct Opened {
    pub connection: Connection,
    pub password: SecretString,
    /// The server takes settings with the login.
    pub accepts_settings: bool,
}

/// Logs in with the first password that is right. None where none of them is.
///
/// # Errors
/// Whatever else keeps the role out.
pub async fn open(
    context: &Context<'_>,
    name: &str,
    passwords: &[SecretString],
) -> std::result::Result<Option<Opened>, ConnectError> {
    for password in passwords {
        let login = Login { user: name.to_string(), password: Some(password.clone()) };
        match open_session(context, &login, "cauldron/lock").await {
            Ok((connection, accepts_settings)) => {
                return Ok(Some(Opened { connection, password: password.clone(), accepts_settings }));
            }
            Err(error) if error.kind == Kind::WrongPassword => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A session on the server itself, and whether the sessions of Frappe's processes take settings.
pub async fn open_session(
    context: &Context<'_>,
    login: &Login,
    application: &str,
) -> std::result::Result<(Connection, bool), ConnectError> {
    let (connection, mut accepts_settings) = open_with_settings(context.direct, login, application).await?;
    if context.database.direct.is_some() {
        // Theirs go through the pooler.
        (_, accepts_settings) = open_with_settings(context.database, login, "cauldron/look").await?;
    }
    Ok((connection, accepts_settings))
}

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

/// Whether the credentials in site_config.json open the database, beside `name` and `password`, which do.
pub async fn own_login_works(
    context: &Context<'_>,
    folder: &SiteFolder,
    name: &str,
    password: &SecretString,
) -> Result<bool> {
    let Some(own) = own_credentials(folder) else { return Ok(false) };
    if own.user == name && own.password.as_ref().is_some_and(|own| volume::same_secret(own, password)) {
        return Ok(true);
    }
    match postgres::connect(context.direct, &own, &own.user, "cauldron/look", &Options::default()).await {
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
