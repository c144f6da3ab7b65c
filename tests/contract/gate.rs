//! Holds new-site at an edge without its help, so that the same kill works on real Frappe: the step runs into a lock.
//!
//! What new-site creates is copied from `template1`, so an event trigger there is in the new database from the start. It
//! waits for a lock on a shared catalogue that nothing else writes (pg_shdescription), which a session here holds. An
//! advisory lock would not do: those are a database's own, and the database is not there yet.

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

    /// Whether the step has come to the edge and waits there.
    pub fn is_reached(&self, deadline: Duration, or: impl Fn() -> bool) -> bool {
        let waits = || !self.holder.run(WAITING).is_empty();
        within(deadline, || if waits() { Some(true) } else { or().then_some(false) }).unwrap_or(false)
    }

    /// Ends what the killed step left waiting, then opens the gate for good, in the database that was made too.
    pub fn open(self, database: &str) {
        self.holder.run(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where pid <> pg_backend_pid() and backend_type = 'client backend'",
        );
        within(Duration::from_secs(10), || self.holder.run(WAITING).is_empty().then_some(()));
        drop(self.holder);
        for name in ["template1", database] {
            if self.postgres.database_exists(name) {
                self.postgres.run(name, "DROP SCHEMA IF EXISTS contract CASCADE");
            }
        }
    }
}

fn functions(next: &Next) -> String {
    let on_table = match next {
        Next::AnyTable => "PERFORM contract.wait();".to_owned(),
        Next::Table(name) => format!(
            "IF made.object_identity = {0} THEN PERFORM contract.wait(); END IF;",
            literal(&identity(name))
        ),
        Next::Row(name, _) => format!(
            "IF made.object_identity = {} THEN
               CREATE TRIGGER contract BEFORE INSERT ON public.\"{name}\" FOR EACH ROW
               EXECUTE FUNCTION contract.row();
             END IF;",
            literal(&identity(name))
        ),
        Next::Catalogue(_) | Next::End => String::new(),
    };
    let on_row = match next {
        Next::Row(_, condition) => format!("IF {condition} THEN PERFORM contract.wait(); END IF;"),
        _ => String::new(),
    };
    format!(
        "CREATE FUNCTION contract.wait() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN LOCK TABLE pg_catalog.pg_shdescription IN ROW EXCLUSIVE MODE; END $$;
         CREATE FUNCTION contract.row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN {on_row} RETURN NEW; END $$;
         CREATE FUNCTION contract.made() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         DECLARE made record;
         BEGIN
           FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
             {on_table}
           END LOOP;
         END $$;
         CREATE EVENT TRIGGER contract ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
         EXECUTE FUNCTION contract.made()"
    )
}

/// A table as pg_event_trigger_ddl_commands() names it: quoted only where SQL needs it.
fn identity(table: &str) -> String {
    let plain = table.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain { format!("public.{table}") } else { format!("public.\"{table}\"") }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
