//! What an administrator's login may do, and what it would have to.

use tokio_postgres::SimpleQueryMessage;

use crate::net::{ConnectError, Kind, Step};
use crate::postgres::Connection;

/// Rights of the login, and which of role and database are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub superuser: bool,
    pub create_role: bool,
    pub create_database: bool,
    pub has_role: bool,
    pub has_database: bool,
}

impl Access {
    /// One question, one round trip.
    pub async fn read(connection: &Connection, wanted: &str) -> Result<Self, ConnectError> {
        let wanted = wanted.replace('\'', "''");
        let sql = format!(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, \
             EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{wanted}'), \
             EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = '{wanted}') \
             FROM pg_catalog.pg_roles WHERE rolname = current_user"
        );
        let messages = connection.simple_query(&sql).await.map_err(|error| {
            let cause = format!("the server did not say what the login may do: {error}");
            ConnectError::new(Step::Database, Kind::Lost, cause, "look at the server's own log")
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

    /// A login without the rights of an administrator, and a database that somebody made for it.
    pub fn is_owners_way(self) -> bool {
        self.has_database && !self.may_create_role()
    }

    /// # Errors
    /// The rights that are missing to create what is missing, with the statement that grants them.
    pub fn judge(self, user: &str, wanted: &str) -> Result<(), ConnectError> {
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
            "as a superuser: ALTER ROLE \"{user}\" {}; or create them yourself and set DB_USER={wanted}",
            lacks.join(" ")
        );
        Err(ConnectError::new(Step::Database, Kind::NoRight, cause, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_needs_a_right() {
        let nothing = Access::default();
        let made = Access { has_role: true, has_database: true, ..nothing };
        let superuser = Access { superuser: true, ..nothing };
        let creator = Access { create_role: true, create_database: true, ..nothing };
        let database_only = Access { has_database: true, ..nothing };
        for fine in [made, superuser, creator, database_only] {
            assert_eq!(fine.judge("admin", "erp"), Ok(()), "{fine:?}");
        }
        let table = [
            (nothing, "ALTER ROLE \"admin\" CREATEROLE CREATEDB"),
            (Access { create_role: true, ..nothing }, "ALTER ROLE \"admin\" CREATEDB"),
            (Access { create_database: true, ..nothing }, "ALTER ROLE \"admin\" CREATEROLE;"),
            (Access { has_role: true, ..nothing }, "ALTER ROLE \"admin\" CREATEDB"),
        ];
        for (access, grant) in table {
            let error = access.judge("admin", "erp").unwrap_err();
            assert!(error.hint.contains(grant), "{access:?}: {}", error.hint);
            assert_eq!(error.kind, Kind::NoRight);
        }
    }
}
