//! Reads which objects exist and which rights the administrator's login has.

use tokio_postgres::Client;

use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::{identifier, sql_fault};

/// The objects that exist, and the rights of the administrator's login.
#[derive(Debug)]
pub struct Facts {
    /// Some(comment) if the role exists.
    pub role: Option<Option<String>>,
    /// Some(owner) if the database exists.
    pub database: Option<String>,
    pub login: String,
    /// The database that the administrator is connected to.
    pub maintenance: String,
    pub superuser: bool,
    pub may_create_role: bool,
    pub may_create_database: bool,
}

pub async fn read(client: &Client, name: &str) -> Result<Facts> {
    let login = client
        .query_one(
            "SELECT rolname::text, rolsuper, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb,
                    current_database()::text
             FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await
        .map_err(sql_fault("cannot read the rights of the login"))?;
    let role = client
        .query_opt("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", &[&name])
        .await
        .map_err(sql_fault("cannot check whether the role exists"))?;
    let database = client
        .query_opt("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(sql_fault("cannot check whether the database exists"))?;
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

/// Reports missing grants before anything is created.
pub fn preflight(facts: &Facts, name: &str) -> Result<()> {
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
            "run as an administrator: ALTER ROLE {} {}; or create the missing objects and set DB_USER={name}",
            identifier(&facts.login),
            rights.join(" ")
        ),
    )
    .named(Refusal::PrivilegeMissing))
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
    fn the_hint_names_the_missing_grant() {
        assert!(preflight(&facts(true, true), "frappe").is_ok());
        let fault = preflight(&facts(false, true), "frappe").unwrap_err();
        assert!(fault.hint.contains(r#"ALTER ROLE "app" CREATEROLE;"#), "{fault}");
        let fault = preflight(&facts(false, false), "frappe").unwrap_err();
        assert!(fault.hint.contains("CREATEROLE CREATEDB"), "{fault}");
        assert_eq!(fault.code, crate::outcome::PERMISSION);
    }
}
