//! As whom the site's database is opened: the ways that a configured login can mean, and the site's own.

use secrecy::SecretString;

use crate::config::database::{DatabaseConfig, Login};
use crate::config::frappe_environment::READS_DB_USER;
use crate::frappe::site_config::{SiteFolder, SiteLogin};
use crate::leader::context::Context;
use crate::leader::own::Own;
use crate::net::{ConnectError, Kind, Step};
use crate::outcome::{Fault, Result};
use crate::postgres::{self, Connection, Options};
use crate::record::volume::{self, Volume};

/// Who the configured login is to the site's database.
pub enum LoginMode {
    /// It may make role and database; the site's own role is another.
    Administrator(Login),
    /// It is the site's own role.
    Owner,
}

/// Tells the ways apart. DB_USER = the site's role is the owner's way; without a login the site's own serves.
pub fn login_mode(context: &Context<'_>, folder: &SiteFolder) -> Result<(LoginMode, Own)> {
    let in_file = folder.config().and_then(|config| config.db_name.clone().zip(config.user.clone()));
    let configured = context.database.name.clone();
    let own = match (configured, in_file) {
        // A file for another database is refused; its role says nothing.
        (Some(name), Some((database, _))) if name != database => Own { user: name.clone(), database: name },
        (_, Some((database, user))) => Own { database, user },
        (Some(name), None) => Own { user: name.clone(), database: name },
        (None, None) => {
            return Err(Fault::configuration(
                "DB_NAME is not set, and no site_config.json says it",
                "set DB_NAME to a database of the site's own, such as `frappe`",
            ));
        }
    };
    match &context.database.login {
        Some(login) if login.user != own.user => Ok((LoginMode::Administrator(login.clone()), own)),
        _ => Ok((LoginMode::Owner, own)),
    }
}

/// Frappe 15 does not read `db_user`: where the file's password is that of this role, Frappe and we
/// would log in as db_name in vain, and a password that opens it would be written over one that works.
///
/// # Errors
/// 77 where the file's password does not open the database as db_name.
pub async fn refuse_an_ignored_user(context: &Context<'_>, folder: &SiteFolder) -> Result<()> {
    let ignored = folder.config().and_then(|config| config.ignored_user.as_deref());
    let (Some(user), Some(own)) = (ignored, folder.login()) else { return Ok(()) };
    let options = Options::default();
    match postgres::connect(context.direct, &own.login, &own.database, "cauldron/look", &options).await {
        Ok(_) => Ok(()),
        Err(error) if error.step < Step::Login => Err(error.into()),
        Err(error) => Err(ignored_user(context.site, user, &own.database, &error)),
    }
}

/// The same refusal, for commands that change nothing.
pub fn ignored_user(site: &str, user: &str, database: &str, error: &ConnectError) -> Fault {
    Fault::permission(
        format!(
            "sites/{site}/site_config.json logs in as `{user}` (db_user), which this Frappe does not read: it logs in \
             as `{database}` (db_name), and the server says: {}",
            error.cause
        ),
        format!(
            "run the code that the site was made with (Frappe {READS_DB_USER} or later), or give that file the \
             password of role `{database}` and take db_user out of it; nothing was changed"
        ),
    )
}

/// What the site's role may have for a password, best first: SITE_DB_PASSWORD, what site_config.json
/// has, the owner's configured one, what was made here before.
pub fn known_passwords(
    context: &Context<'_>,
    login_mode: &LoginMode,
    folder: &SiteFolder,
    volume: &Volume,
) -> Result<Vec<SecretString>> {
    let of_owner = match (login_mode, &context.database.login) {
        (LoginMode::Owner, Some(Login { password, .. })) => password.clone(),
        _ => None,
    };
    let in_order = [
        context.pod.config.site_db_password.clone(),
        folder.login().and_then(|own| own.login.password),
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
    own: &Own,
    passwords: &[SecretString],
) -> std::result::Result<Option<Opened>, ConnectError> {
    for password in passwords {
        let login = Login { user: own.user.clone(), password: Some(password.clone()) };
        let login = SiteLogin { database: own.database.clone(), login };
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
    login: &SiteLogin,
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
    own: &SiteLogin,
    application: &str,
) -> std::result::Result<(Connection, bool), ConnectError> {
    let settings = Some("-c idle_in_transaction_session_timeout=60000".to_string());
    let options = Options { settings, ..Options::default() };
    let SiteLogin { database: name, login } = own;
    match postgres::connect(database, login, name, application, &options).await {
        Err(error) if error.kind == Kind::Refused => {
            tracing::warn!(%error, "PGOPTIONS is refused here: Frappe's sessions go without our timeouts");
            let connection =
                postgres::connect(database, login, name, application, &Options::default()).await?;
            Ok((connection, false))
        }
        connected => Ok((connected?, true)),
    }
}

/// Whether the credentials in site_config.json open the database, beside those that do.
pub async fn own_login_works(
    context: &Context<'_>,
    folder: &SiteFolder,
    opened: &Own,
    password: &SecretString,
) -> Result<bool> {
    let Some(SiteLogin { database, login }) = folder.login() else { return Ok(false) };
    let is_same = login.password.as_ref().is_some_and(|own| volume::same_secret(own, password));
    if login.user == opened.user && database == opened.database && is_same {
        return Ok(true);
    }
    match postgres::connect(context.direct, &login, &database, "cauldron/look", &Options::default()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == Kind::WrongPassword => Ok(false),
        Err(error) => Err(error.into()),
    }
}
