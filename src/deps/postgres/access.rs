//! The rights of an administrator's login, and the rights that it needs.

use tokio_postgres::SimpleQueryMessage;

use crate::net::{ConnectError, Kind, Step};
use crate::postgres::Connection;

/// The rights of the login, and whether role and database exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub superuser: bool,
    pub create_role: bool,
    pub create_database: bool,
    pub has_role: bool,
    pub has_database: bool,
}

impl Access {
    /// Reads them in one round trip.
    pub async fn read(connection: &Connection, wanted: &str) -> Result<Self, ConnectError> {
        let wanted = wanted.replace('\'', "''");
        let sql = format!(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, \
             EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{wanted}'), \
             EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = '{wanted}') \
             FROM pg_catalog.pg_roles WHERE rolname = current_user"
        );
        let messages = connection.simple_query(&sql).await.map_err(|error| {
            let cause = format!("cannot read the rights of the login: {error}");
            ConnectError::new(Step::Database, Kind::Lost, cause, "check the server's log")
        })?;
        Ok(messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let is = |column| row.get(column) == Some("t");
                    Some(Self {
                        superuser: is(0),
                        create_role: is(1),
                        create_database: is(2),
                        has_role: is(3),
                        has_database: is(4),
                    })
                }
                _ => None,
            })
            .unwrap_or_default())
    }

    fn may_create_role(self) -> bool {
        self.superuser || self.create_role
    }

    fn may_create_database(self) -> bool {
        self.superuser || self.create_database
    }

    /// True if the login has no administrator's rights, and its database exists already.
    pub fn is_owner_only(self) -> bool {
        self.has_database && !self.may_create_role()
    }

    /// Checks that the login can create the missing role and database.
    ///
    /// # Errors
    /// The missing rights, with the statement that grants them.
    pub fn require_rights(self, user: &str, wanted: &str) -> Result<(), ConnectError> {
        let mut lacks = Vec::new();
        let mut missing = Vec::new();
        if !self.has_role && !self.has_database && !self.may_create_role() {
            missing.push(format!("the role `{wanted}`"));
            lacks.push("CREATEROLE");
        }
        if !self.has_database && !self.may_create_database() {
            missing.push(format!("the database `{wanted}`"));
            lacks.push("CREATEDB");
        }
        if lacks.is_empty() {
            return Ok(());
        }
        let cause = format!("`{user}` may not create {}", missing.join(" and "));
        let hint = format!(
            "run as a superuser: ALTER ROLE \"{user}\" {}; or create role and database and set DB_USER={wanted}",
            lacks.join(" ")
        );
        Err(ConnectError::new(Step::Database, Kind::NoRight, cause, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_required_only_to_create_what_is_missing() {
        let nothing = Access::default();
        let made = Access { has_role: true, has_database: true, ..nothing };
        let superuser = Access { superuser: true, ..nothing };
        let creator = Access { create_role: true, create_database: true, ..nothing };
        let database_only = Access { has_database: true, ..nothing };
        for fine in [made, superuser, creator, database_only] {
            assert_eq!(fine.require_rights("admin", "erp"), Ok(()), "{fine:?}");
        }
        let table = [
            (nothing, "ALTER ROLE \"admin\" CREATEROLE CREATEDB"),
            (Access { create_role: true, ..nothing }, "ALTER ROLE \"admin\" CREATEDB"),
            (Access { create_database: true, ..nothing }, "ALTER ROLE \"admin\" CREATEROLE;"),
            (Access { has_role: true, ..nothing }, "ALTER ROLE \"admin\" CREATEDB"),
        ];
        for (access, grant) in table {
            let error = access.require_rights("admin", "erp").unwrap_err();
            assert!(error.hint.contains(grant), "{access:?}: {}", error.hint);
            assert_eq!(error.kind, Kind::NoRight);
        }
    }
}
