//! Holds new-site at an edge by a lock in the database, so that the same kill works on real Frappe.
//!
//! new-site's database is copied from `template1`, so an event trigger there is in the new database from the start. The
//! trigger waits for a lock on a shared catalogue that nothing else writes (pg_shdescription), which a session here
//! holds. An advisory lock does not work: it belongs to one database, which does not exist yet.

use std::time::Duration;

use crate::edges::Next;
use crate::support::postgres::Postgres;
use crate::support::session::Session;
use crate::support::wait::within;

const WAITING: &str = "select pid from pg_locks where not granted and locktype = 'relation'";

pub struct Gate<'a> {
    postgres: &'a Postgres,
    holder: Session,
}

impl<'a> Gate<'a> {
    pub fn set(postgres: &'a Postgres, next: &Next) -> Self {
        let template = postgres.session("template1");
        template.run("DROP SCHEMA IF EXISTS contract CASCADE; CREATE SCHEMA contract");
        let holder = postgres.session("postgres");
        holder.run("BEGIN");
        match next {
            Next::Catalogue(name) => {
                holder.run(&format!("LOCK TABLE pg_catalog.{name} IN SHARE MODE"));
            }
            Next::End => {}
            Next::AnyTable | Next::Table(_) | Next::Row(..) => {
                holder.run("LOCK TABLE pg_catalog.pg_shdescription IN SHARE MODE");
                template.run(&functions(next));
            }
        }
        Self { postgres, holder }
    }

    /// Holds the next insert of such a row, in an existing database.
    pub fn on_row(postgres: &'a Postgres, database: &str, table: &str, condition: &str) -> Self {
        let holder = postgres.session("postgres");
        holder.run("BEGIN; LOCK TABLE pg_catalog.pg_shdescription IN SHARE MODE");
        let session = postgres.session(database);
        session.run(&format!(
            "DROP SCHEMA IF EXISTS contract CASCADE; CREATE SCHEMA contract; {}; {}",
            waiting(condition),
            trigger(table)
        ));
        Self { postgres, holder }
    }

    /// True if the step has reached the edge and waits there.
    pub fn is_reached(&self, deadline: Duration, or: impl Fn() -> bool) -> bool {
        let waits = || !self.holder.run(WAITING).is_empty();
        within(deadline, || if waits() { Some(true) } else { or().then_some(false) }).unwrap_or(false)
    }

    /// Ends the waiting sessions of the killed step, then removes the gate, also from the new database.
    pub fn open(self, database: &str) {
        self.holder.run(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where pid <> pg_backend_pid() and backend_type = 'client backend'",
        );
        let ended = within(Duration::from_secs(60), || self.holder.run(WAITING).is_empty().then_some(()));
        assert!(ended.is_some(), "a session of the killed step still waits");
        drop(self.holder);
        for name in ["template1", database] {
            if self.postgres.database_exists(name) {
                self.postgres.run(name, "DROP SCHEMA IF EXISTS contract CASCADE");
            }
        }
    }
}

/// The waiting code, as an event trigger function and as a row trigger function.
fn waiting(condition: &str) -> String {
    format!(
        "CREATE FUNCTION contract.wait() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN LOCK TABLE pg_catalog.pg_shdescription IN ROW EXCLUSIVE MODE; END $$;
         CREATE FUNCTION contract.row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN IF {condition} THEN PERFORM contract.wait(); END IF; RETURN NEW; END $$"
    )
}

fn trigger(table: &str) -> String {
    format!(
        "CREATE TRIGGER contract BEFORE INSERT ON public.\"{table}\" FOR EACH ROW EXECUTE FUNCTION contract.row()"
    )
}

fn functions(next: &Next) -> String {
    let (condition, (of_table, then)) = match next {
        Next::Row(name, condition) => (*condition, (Some(*name), trigger(name))),
        Next::Table(name) => ("false", (Some(*name), "PERFORM contract.wait()".to_owned())),
        _ => ("false", (None, "PERFORM contract.wait()".to_owned())),
    };
    let this =
        of_table.map_or("true".to_owned(), |name| format!("made.object_identity = '{}'", identity(name)));
    format!(
        "{};
         CREATE FUNCTION contract.made() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         DECLARE made record;
         BEGIN
           FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
             IF {this} THEN {then}; END IF;
           END LOOP;
         END $$;
         CREATE EVENT TRIGGER contract ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
         EXECUTE FUNCTION contract.made()",
        waiting(condition)
    )
}

/// A table as named by pg_event_trigger_ddl_commands(): quoted only if SQL requires it.
fn identity(table: &str) -> String {
    let plain = table.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain { format!("public.{table}") } else { format!("public.\"{table}\"") }
}
