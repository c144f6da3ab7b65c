//! Checks of rights: what the login may do, and whether the role and the database are usable for the site.

use tokio_postgres::SimpleQueryMessage;

use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use super::postgres::Session;
use crate::deps::postgres::access::Access;
use crate::outcome;
use crate::postgres::Connection;
use crate::postgres::sql::literal;

const CHECKS: [Id; 3] = [Id::LoginRights, Id::DatabaseRole, Id::Database];

/// The role and the database in the server's catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Catalog {
    owner: Option<String>,
    encoding: Option<String>,
    allows_connections: bool,
    has_role: bool,
    role_may_log_in: bool,
    role_may_connect: bool,
}

impl Catalog {
    fn has_database(&self) -> bool {
        self.owner.is_some()
    }
}

/// Existence of the site's database. Without it there is no site to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Exists,
    /// The server could not be read.
    Unknown,
}

/// Checks role and database through the session of the configured login.
pub async fn check(inputs: &Inputs, opened: &Result<Session, String>) -> (Vec<Finding>, Presence) {
    let name = inputs.database_name();
    let skipped = |reason: &str| {
        let findings = CHECKS.map(|id| Finding::skipped(id, name.unwrap_or("DB_NAME"), reason));
        (findings.to_vec(), Presence::Unknown)
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(reason) => return skipped(&format!("no session on the server: {reason}")),
    };
    let Some(name) = name else { return skipped("DB_NAME is not known") };
    let role = role_name(inputs, name);
    let reading = async {
        let access = Access::read(&opened.connection, name).await.map_err(|error| error.to_string())?;
        let catalog = read(&opened.connection, name, role).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((access, catalog))
    };
    let (access, catalog) = match reading.await {
        Ok(read) => read,
        Err(reason) => return skipped(&format!("the catalog cannot be read: {reason}")),
    };
    let findings = vec![
        rights(access, &opened.login.user, name),
        role_finding(&catalog, access, role),
        database(&catalog, access, name, role),
    ];
    let presence = if catalog.has_database() { Presence::Exists } else { Presence::Absent };
    (findings, presence)
}

/// The site's role. From Frappe 16 on its name may differ from the database's.
pub fn role_name<'a>(inputs: &'a Inputs, database: &'a str) -> &'a str {
    inputs.site_login.as_ref().filter(|own| own.database == database).map_or(database, |own| &own.login.user)
}

async fn read(connection: &Connection, database: &str, role: &str) -> Result<Catalog, tokio_postgres::Error> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding), \
         d.datallowconn, r.oid IS NOT NULL, r.rolcanlogin, \
         CASE WHEN d.oid IS NOT NULL AND r.oid IS NOT NULL \
              THEN pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT') END \
         FROM (SELECT 1) AS one \
         LEFT JOIN pg_catalog.pg_database d ON d.datname = {} \
         LEFT JOIN pg_catalog.pg_roles r ON r.rolname = {}",
        literal(database),
        literal(role)
    );
    let messages = connection.simple_query(&sql).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return Ok(Catalog::default()) };
    let text = |column| row.get(column).map(str::to_string);
    let is = |column| row.get(column) == Some("t");
    Ok(Catalog {
        owner: text(0),
        encoding: text(1),
        allows_connections: is(2),
        has_role: is(3),
        role_may_log_in: is(4),
        role_may_connect: is(5),
    })
}

fn rights(access: Access, user: &str, wanted: &str) -> Finding {
    if let Err(error) = access.require_rights(user, wanted) {
        return Finding::unreached(Id::LoginRights, user, &error);
    }
    let held = [
        (access.superuser, "superuser"),
        (access.create_role, "CREATEROLE"),
        (access.create_database, "CREATEDB"),
    ];
    let held: Vec<&str> = held.into_iter().filter(|(has, _)| *has).map(|(_, right)| right).collect();
    let detail = match held.as_slice() {
        [] => "no administrator's rights, and none is needed: role and database exist".to_string(),
        held => format!("{}: enough to create what is missing", held.join(", ")),
    };
    Finding::ok(Id::LoginRights, user, detail)
}

fn role_finding(catalog: &Catalog, access: Access, role: &str) -> Finding {
    if !catalog.has_role {
        let detail = match access.superuser || access.create_role {
            true => "absent; the bootstrap creates it",
            false => "absent; this login cannot create it",
        };
        return Finding::info(Id::DatabaseRole, role, detail);
    }
    if catalog.role_may_log_in {
        return Finding::ok(Id::DatabaseRole, role, "exists and may log in");
    }
    Finding::error(
        Id::DatabaseRole,
        outcome::PERMISSION,
        role,
        "the role may not log in",
        format!("run as an administrator: ALTER ROLE \"{role}\" LOGIN"),
    )
}

fn database(catalog: &Catalog, access: Access, name: &str, role: &str) -> Finding {
    let Some(owner) = &catalog.owner else {
        let detail = match access.superuser || access.create_database {
            true => "absent; the bootstrap creates it",
            false => "absent; this login cannot create it",
        };
        return Finding::info(Id::Database, name, detail);
    };
    let encoding = catalog.encoding.as_deref().unwrap_or_default();
    let error = |code, detail: String, hint: String| Finding::error(Id::Database, code, name, detail, hint);
    if encoding != "UTF8" {
        return error(
            outcome::CONFIGURATION,
            format!("its encoding is {encoding}; Frappe writes UTF-8"),
            "dump it, and restore it into a database created with ENCODING 'UTF8' TEMPLATE template0".into(),
        );
    }
    if !catalog.allows_connections {
        let hint = format!("run as an administrator: ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true");
        return error(outcome::PERMISSION, "it allows no connections".into(), hint);
    }
    if catalog.has_role && !catalog.role_may_connect {
        let hint = format!("run as its owner: GRANT CONNECT ON DATABASE \"{name}\" TO \"{role}\"");
        return error(outcome::PERMISSION, format!("role `{role}` may not connect to it"), hint);
    }
    // The role need not own it: a grant on schema public is enough for Frappe, which `database-schema` checks.
    Finding::ok(Id::Database, name, format!("exists, owned by `{owner}`, {encoding}"))
}

/// These checks and those of the site's own database, skipped for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = [CHECKS.as_slice(), &[Id::SiteLogin, Id::DatabaseSchema]].concat();
    all.into_iter().map(|id| Finding::skipped(id, "DB_NAME", reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn good() -> Catalog {
        Catalog {
            owner: Some("erp".into()),
            encoding: Some("UTF8".into()),
            allows_connections: true,
            has_role: true,
            role_may_log_in: true,
            role_may_connect: true,
        }
    }

    #[test]
    fn each_missing_right_is_reported_with_its_statement() {
        let all = Access::default();
        assert_eq!(database(&good(), all, "erp", "erp").severity, Severity::Ok);
        assert_eq!(role_finding(&good(), all, "erp").severity, Severity::Ok);
        let table = [
            (Catalog { encoding: Some("LATIN1".into()), ..good() }, 78, "ENCODING 'UTF8'"),
            (Catalog { allows_connections: false, ..good() }, 77, "ALLOW_CONNECTIONS"),
            (Catalog { role_may_connect: false, ..good() }, 77, "GRANT CONNECT"),
        ];
        for (catalog, code, hint) in table {
            let finding = database(&catalog, all, "erp", "erp");
            assert!(finding.code == code && finding.hint.contains(hint), "{finding:?}");
        }
        let finding = role_finding(&Catalog { role_may_log_in: false, ..good() }, all, "erp");
        assert!(finding.code == 77 && finding.hint.contains("LOGIN"), "{finding:?}");
    }

    #[test]
    fn objects_that_the_bootstrap_creates_are_no_error() {
        let may = Access { create_role: true, create_database: true, ..Access::default() };
        let nothing = Catalog::default();
        assert_eq!(database(&nothing, may, "erp", "erp").severity, Severity::Info);
        assert_eq!(role_finding(&nothing, may, "erp").severity, Severity::Info);
        assert_eq!(rights(may, "admin", "erp").severity, Severity::Ok);
        assert_eq!(rights(Access::default(), "admin", "erp").code, 77);
    }
}
