//! Rights: what the login may do, and whether role, database and schema are as the site needs them.

use tokio_postgres::SimpleQueryMessage;

use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use super::postgres::Opened;
use crate::deps::postgres::access::Access;
use crate::outcome;
use crate::postgres::Connection;
use crate::postgres::sql::literal;

const LOOKS: [Id; 3] = [Id::LoginRights, Id::DatabaseRole, Id::Database];

/// Role and database as the catalog has them.
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

/// Whether the database is there: without one there is nothing of the site to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    There,
    /// Nobody could say.
    Unknown,
}

/// Asks the server, through the configured login, about role and database.
pub async fn look(known: &Known, opened: &Result<Opened, String>) -> (Vec<Finding>, Presence) {
    let name = known.database_name();
    let skipped = |reason: &str| {
        let findings = LOOKS.map(|id| Finding::skipped(id, name.unwrap_or("DB_NAME"), reason));
        (findings.to_vec(), Presence::Unknown)
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(reason) => return skipped(&format!("no session on the server: {reason}")),
    };
    let Some(name) = name else { return skipped("DB_NAME is not known") };
    let role = role_name(known, name);
    let asked = async {
        let access = Access::read(&opened.connection, name).await.map_err(|error| error.to_string())?;
        let catalog = read(&opened.connection, name, role).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((access, catalog))
    };
    let (access, catalog) = match asked.await {
        Ok(asked) => asked,
        Err(reason) => return skipped(&format!("the server did not say: {reason}")),
    };
    let findings = vec![
        rights(access, &opened.login.user, name),
        role_finding(&catalog, access, role),
        database(&catalog, access, name, role),
    ];
    let presence = if catalog.has_database() { Presence::There } else { Presence::Absent };
    (findings, presence)
}

/// Frappe v16 can have a role of another name than its database.
pub fn role_name<'a>(known: &'a Known, database: &'a str) -> &'a str {
    known.site_login.as_ref().filter(|own| own.database == database).map_or(database, |own| &own.login.user)
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
    if let Err(error) = access.judge(user, wanted) {
        return Finding::unreached(Id::LoginRights, user, &error);
    }
    let held = [
        (access.superuser, "superuser"),
        (access.create_role, "CREATEROLE"),
        (access.create_database, "CREATEDB"),
    ];
    let held: Vec<&str> = held.into_iter().filter(|(has, _)| *has).map(|(_, right)| right).collect();
    let detail = match held.as_slice() {
        [] => "no administrator's right, and none is needed: role and database are there".to_string(),
        held => format!("{}: enough to make what is missing", held.join(", ")),
    };
    Finding::ok(Id::LoginRights, user, detail)
}

fn role_finding(catalog: &Catalog, access: Access, role: &str) -> Finding {
    if !catalog.has_role {
        let by_whom = match access.superuser || access.create_role {
            true => "absent; the bootstrap makes it",
            false => "absent; this login cannot make it",
        };
        return Finding::info(Id::DatabaseRole, role, by_whom);
    }
    if catalog.role_may_log_in {
        return Finding::ok(Id::DatabaseRole, role, "there, and may log in");
    }
    Finding::error(
        Id::DatabaseRole,
        outcome::PERMISSION,
        role,
        "the role may not log in",
        format!("as an administrator: ALTER ROLE \"{role}\" LOGIN"),
    )
}

fn database(catalog: &Catalog, access: Access, name: &str, role: &str) -> Finding {
    let Some(owner) = &catalog.owner else {
        let detail = match access.superuser || access.create_database {
            true => "absent; the bootstrap makes it",
            false => "absent; this login cannot make it",
        };
        return Finding::info(Id::Database, name, detail);
    };
    let encoding = catalog.encoding.as_deref().unwrap_or_default();
    let error = |code, detail: String, hint: String| Finding::error(Id::Database, code, name, detail, hint);
    if encoding != "UTF8" {
        return error(
            outcome::CONFIGURATION,
            format!("its encoding is {encoding}; Frappe writes UTF-8"),
            "dump it, and restore it into a database made with ENCODING 'UTF8' TEMPLATE template0".into(),
        );
    }
    if !catalog.allows_connections {
        let hint = format!("as an administrator: ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true");
        return error(outcome::PERMISSION, "it allows no connections".into(), hint);
    }
    if catalog.has_role && !catalog.role_may_connect {
        let hint = format!("as its owner: GRANT CONNECT ON DATABASE \"{name}\" TO \"{role}\"");
        return error(outcome::PERMISSION, format!("role `{role}` may not connect to it"), hint);
    }
    // A grant on schema public is enough for Frappe; `database-schema` says whether it is there.
    Finding::ok(Id::Database, name, format!("there, owned by `{owner}`, {encoding}"))
}

/// All of them, for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = [LOOKS.as_slice(), &[Id::SiteLogin, Id::DatabaseSchema]].concat();
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
    fn each_missing_right_is_named_with_its_statement() {
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
    fn what_the_bootstrap_makes_is_no_error() {
        let may = Access { create_role: true, create_database: true, ..Access::default() };
        let nothing = Catalog::default();
        assert_eq!(database(&nothing, may, "erp", "erp").severity, Severity::Info);
        assert_eq!(role_finding(&nothing, may, "erp").severity, Severity::Info);
        assert_eq!(rights(may, "admin", "erp").severity, Severity::Ok);
        assert_eq!(rights(Access::default(), "admin", "erp").code, 77);
    }
}
