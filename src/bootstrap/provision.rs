//! Role and database, made where they are absent. There is no DROP in this program.
//!
//! An *administrator* login makes both, named DB_NAME; an *owner* login (managed PostgreSQL) uses
//! the database it was given. What exists is looked at first, and a database that holds anything
//! is not touched: no owner, no grant, no password changes before its site is known to be ours.

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::decide::{Action, Database, Mark, Names, Observation, decide};
use super::observe;
use super::sql::{has_code, identifier, literal, told};
use super::volume::Volume;
use crate::config::database::{DatabaseConfig, Login};
use crate::frappe::site_config::SiteFolder;
use crate::net::{Kind, Step};
use crate::outcome::{Fault, PERMISSION, Result};
use crate::postgres::{self, Connection, Options};

/// How our sessions are seen in pg_stat_activity.
const APPLICATION: &str = "cauldron/provision";
/// An advisory lock of the maintenance database: provisioning is done by one at a time.
const PROVISION_LOCK: i64 = 0x6361_756c_7072_6f76; // "caulprov"

/// What the administrator's login saw.
#[derive(Debug)]
struct Facts {
    /// Some(comment) where the role is there.
    role: Option<Option<String>>,
    /// Some(owner) where the database is there.
    database: Option<String>,
    login: String,
    /// The database that the administrator was let into.
    maintenance: String,
    superuser: bool,
    may_create_role: bool,
    may_create_database: bool,
}

/// What is to be there, and how the rest of the bootstrap sees it.
pub struct Wanted<'a> {
    pub database: &'a DatabaseConfig,
    pub admin: &'a Login,
    pub names: Names<'a>,
    pub volume: &'a Volume,
    /// The site's folder, looked at anew: another pod may be making it.
    pub look_at_folder: &'a dyn Fn() -> Result<SiteFolder>,
    /// The site's own password where somebody said or made one.
    pub known_password: &'a dyn Fn(&SiteFolder) -> Result<Option<SecretString>>,
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
pub async fn provision(wanted: &Wanted<'_>) -> Result<Provisioned> {
    let Wanted { database, admin, names, volume, .. } = wanted;
    let name = names.database;
    let maintenance = connect_maintenance(database, admin).await?;
    // Held until this connection closes.
    maintenance
        .execute("SELECT pg_advisory_lock($1)", &[&PROVISION_LOCK])
        .await
        .map_err(told("cannot take the provisioning lock"))?;
    let facts = look(&maintenance, name).await?;
    let folder = (wanted.look_at_folder)()?;
    let known = (wanted.known_password)(&folder)?;
    let refusal = match facts.database {
        None => {
            let seen = observe::folder(&folder, database, name, true);
            let mark = volume.unfinished_attempt()?.map_or(Mark::None, Mark::Unfinished);
            decide(&Observation { database: Database::Empty, folder: seen, mark }, names)?;
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
        Some(_) if is_ours => set_password(&maintenance, name, &password).await?,
        Some(_) => {}
    }
    match facts.database.as_deref() {
        None => create_database(&maintenance, &facts, name).await?,
        Some(owner) if owner != name => take_ownership(&maintenance, &facts, name).await?,
        Some(_) => {}
    }
    Ok(Provisioned { password, refusal: None })
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
async fn look_inside(wanted: &Wanted<'_>, folder: &SiteFolder) -> Result<Option<Fault>> {
    let Wanted { database, admin, names, volume, .. } = wanted;
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
    let seen = observe::folder(folder, database, name, true);
    let observation = match observe::observe(&client, names.site, volume, seen).await {
        Ok(observation) => observation,
        Err(fault) if fault.code == PERMISSION => {
            tracing::debug!(%fault, "the administrator may not read the site's tables");
            Observation {
                database: Database::NotComplete(vec!["tables of another role".into()]),
                folder: seen,
                mark: volume.unfinished_attempt()?.map_or(Mark::None, Mark::Unfinished),
            }
        }
        Err(fault) => return Err(fault),
    };
    Ok(match decide(&observation, names) {
        Ok(Action::Create) => None,
        // Its own login decides; without one there is only this to say.
        Ok(Action::GoOn | Action::MigrateOnce) => Some(other_password(name)),
        Err(refusal) => Some(refusal),
    })
}

/// A session in the first maintenance database that is there.
async fn connect_maintenance(database: &DatabaseConfig, admin: &Login) -> Result<Connection> {
    let mut last = None;
    for name in postgres::maintenance_databases(database, admin) {
        match postgres::connect(database, admin, &name, APPLICATION, &Options::default()).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.kind == Kind::NoSuchDatabase => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(
        || Fault::configuration("no maintenance database is named", "set CAULDRON_DB_ADMIN_DATABASE"),
        Fault::from,
    ))
}

async fn look(client: &Client, name: &str) -> Result<Facts> {
    let login = client
        .query_one(
            "SELECT rolname::text, rolsuper, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb,
                    current_database()::text
             FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .map_err(told("cannot ask what the login may do"))?;
    let role = client
        .query_opt("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", &[&name])
        .await
        .map_err(told("cannot look for the role"))?;
    let database = client
        .query_opt("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(told("cannot look for the database"))?;
    Ok(Facts {
        role: role.map(|row| row.get(0)),
        database: database.map(|row| row.get(0)),
        login: login.get(0),
        maintenance: login.get(4),
        superuser: login.get(1),
        may_create_role: login.get(2),
        may_create_database: login.get(3),
    })
}

/// Names the grant that is missing, before anything is made.
fn preflight(facts: &Facts, name: &str) -> Result<()> {
    let mut missing = Vec::new();
    if facts.role.is_none() && !facts.may_create_role {
        missing.push(("CREATEROLE", format!("role `{name}`")));
    }
    if facts.database.is_none() && !facts.may_create_database {
        missing.push(("CREATEDB", format!("database `{name}`")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let what: Vec<&str> = missing.iter().map(|(_, what)| what.as_str()).collect();
    let rights: Vec<&str> = missing.iter().map(|(right, _)| *right).collect();
    Err(Fault::permission(
        format!("login `{}` may not create {}", facts.login, what.join(" and ")),
        format!(
            "run as an administrator: ALTER ROLE {} {}; or create what is missing and set DB_USER={name}",
            identifier(&facts.login),
            rights.join(" ")
        ),
    ))
}

fn comment(install_id: &str) -> String {
    format!("cauldron-frappe {install_id}")
}

async fn create_role(client: &Client, name: &str, password: &SecretString, install_id: &str) -> Result<()> {
    let role = identifier(name);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD {}", literal(&verifier(password)));
    match client.batch_execute(&create).await {
        Ok(()) => tracing::info!(role = name, "created the role"),
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_OBJECT)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            return Ok(());
        }
        Err(error) => return Err(told(&format!("cannot create role `{name}`"))(error)),
    }
    client
        .batch_execute(&format!("COMMENT ON ROLE {role} IS {}", literal(&comment(install_id))))
        .await
        .map_err(told("cannot mark the role as ours"))
}

async fn set_password(client: &Client, name: &str, password: &SecretString) -> Result<()> {
    let alter = format!("ALTER ROLE {} LOGIN PASSWORD {}", identifier(name), literal(&verifier(password)));
    client.batch_execute(&alter).await.map_err(told(&format!("cannot set the password of role `{name}`")))
}

/// What the server stores; the password itself never crosses the wire, nor reaches its log.
fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

async fn create_database(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    let create = format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0 ENCODING 'UTF8'");
    let mut result = client.batch_execute(&create).await;
    if result.as_ref().is_err_and(|error| has_code(error, &SqlState::INVALID_PARAMETER_VALUE)) {
        // The cluster's locale is of another encoding; C goes with every one.
        result = client.batch_execute(&format!("{create} LC_COLLATE 'C' LC_CTYPE 'C'")).await;
    }
    match result {
        Ok(()) => {
            tracing::info!(database = name, "created the database");
            Ok(())
        }
        Err(error)
            if has_code(&error, &SqlState::DUPLICATE_DATABASE)
                || has_code(&error, &SqlState::UNIQUE_VIOLATION) =>
        {
            Ok(())
        }
        Err(error) => Err(told(&format!("cannot create database `{name}`"))(error)),
    }
}

/// An empty database that an operator made beforehand: Frappe's role must own it from PostgreSQL 15
/// on, where nobody else may create in its schema public.
async fn take_ownership(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    join_role(client, facts, name).await?;
    let quoted = identifier(name);
    match client.batch_execute(&format!("ALTER DATABASE {quoted} OWNER TO {quoted}")).await {
        Ok(()) => {
            tracing::info!(database = name, "gave the empty database to the site's role");
            Ok(())
        }
        // Whether the role can work in it all the same is asked later, by name.
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        Err(error) => Err(told(&format!("cannot give database `{name}` to its role"))(error)),
    }
}

/// Who is no superuser must be a member of the role it makes an owner; from PostgreSQL 16 on with SET.
async fn join_role(client: &Client, facts: &Facts, name: &str) -> Result<()> {
    if facts.superuser || facts.login == name {
        return Ok(());
    }
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .map_err(told("cannot ask for the version"))?
        .get(0);
    let (options, right) = if version >= 160_000 { (" WITH SET TRUE", "SET") } else { ("", "MEMBER") };
    // An operator's grant is enough; who has it need not be able to give it.
    let has = client
        .query_one("SELECT pg_has_role(current_user, $1::text::name, $2)", &[&name, &right])
        .await
        .map_err(told("cannot ask whose member the login is"))?;
    if has.get(0) {
        return Ok(());
    }
    let grant = format!("GRANT {} TO {}{options}", identifier(name), identifier(&facts.login));
    match client.batch_execute(&grant).await {
        Ok(()) => Ok(()),
        Err(error) if has_code(&error, &SqlState::INSUFFICIENT_PRIVILEGE) => Err(Fault::permission(
            format!("login `{}` may not make role `{name}` an owner", facts.login),
            format!("run as an administrator: {grant};"),
        )),
        Err(error) => Err(told("cannot become a member of the site's role")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(may_create_role: bool, may_create_database: bool) -> Facts {
        Facts {
            role: None,
            database: None,
            login: "app".into(),
            maintenance: "postgres".into(),
            superuser: false,
            may_create_role,
            may_create_database,
        }
    }

    #[test]
    fn the_missing_grant_is_named() {
        assert!(preflight(&facts(true, true), "frappe").is_ok());
        let fault = preflight(&facts(false, true), "frappe").unwrap_err();
        assert!(fault.mend.contains(r#"ALTER ROLE "app" CREATEROLE;"#), "{fault}");
        let fault = preflight(&facts(false, false), "frappe").unwrap_err();
        assert!(fault.mend.contains("CREATEROLE CREATEDB"), "{fault}");
        assert_eq!(fault.code, crate::outcome::PERMISSION);
    }

    #[test]
    fn the_password_is_sent_as_a_verifier() {
        let sent = verifier(&"can'ary".into());
        assert!(sent.starts_with("SCRAM-SHA-256$") && !sent.contains("ary"), "{sent}");
    }
}
