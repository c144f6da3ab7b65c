//! The schema of our record in the site's database (the tables `public."__cauldron_*"`): its version, and the patches
//! that bring an older one to ours.
//!
//! ```text
//!   no tables, or no version ─▶ 1 ─▶ patch 2 ─▶ … ─▶ LATEST      by the leader, under the lock, in one transaction
//!   a version above LATEST   ─▶ a newer release's: it is read, and never written
//! ```
//!
//! Releases run side by side in a rolling update, and a rollback leaves the newer schema behind. So a patch only adds
//! columns that may be null: a release that does not know them reads and writes as before. The first release has no
//! version; a row that it writes has none either, and the patches are applied again, which changes nothing.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::outcome::{Fault, Result};
use crate::postgres::ddl;
use crate::postgres::sql::{has_code, sql_fault};

/// Our tables, as `pg_dump` takes a pattern.
pub const PATTERN: &str = "public.__cauldron_*";
/// Their names, as SQL's LIKE takes a pattern.
pub const LIKE: &str = r"\_\_cauldron\_%";

/// Version 1, which never changes. Everything later is a patch.
const FIRST: &str = r#"
CREATE TABLE IF NOT EXISTS public."__cauldron_state" (
    site text PRIMARY KEY,
    database_oid oid NOT NULL,
    system_identifier text,
    install_id text NOT NULL,
    instance text,
    phase text NOT NULL CHECK (phase IN ('idle', 'creating', 'complete')),
    attempt text,
    holder text,
    backend_pid int,
    beat timestamptz,
    doing text,
    started timestamptz,
    finished timestamptz,
    last_error text,
    -- The attempt whose step may log in.
    step text,
    -- What was migrated to last, and the table whose OID says that nobody restored another database over it.
    fingerprint text,
    landmark oid,
    gate text
);
CREATE TABLE IF NOT EXISTS public."__cauldron_fingerprint" (
    site text NOT NULL,
    fingerprint text NOT NULL,
    apps text,
    attempts int NOT NULL DEFAULT 0,
    last_attempt timestamptz,
    last_error text,
    migrated timestamptz,
    took_ms bigint,
    patches int,
    PRIMARY KEY (site, fingerprint)
);
CREATE TABLE IF NOT EXISTS public."__cauldron_apps" (
    site text NOT NULL,
    app text NOT NULL,
    commit text,
    started timestamptz NOT NULL,
    finished timestamptz,
    PRIMARY KEY (site, app)
);
CREATE TABLE IF NOT EXISTS public."__cauldron_pins" (
    site text NOT NULL,
    list text NOT NULL,
    pins text NOT NULL,
    written timestamptz NOT NULL,
    PRIMARY KEY (site, list)
)"#;

struct Patch {
    /// The schema's version once it is applied.
    version: i32,
    sql: &'static str,
}

/// In their order. One that was released is not changed.
const PATCHES: &[Patch] = &[Patch {
    version: 2,
    sql: r#"ALTER TABLE public."__cauldron_state" ADD COLUMN IF NOT EXISTS schema_version int"#,
}];

/// The version that this release knows.
pub const LATEST: i32 = PATCHES[PATCHES.len() - 1].version;

/// A backup reads our tables for as long as it takes: nobody waits for it with the tables locked to all others.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The version of the schema that is there; 0 where there are no tables.
pub async fn version(client: &Client) -> std::result::Result<i32, Error> {
    let there = r#"SELECT to_regclass('public."__cauldron_state"') IS NOT NULL AS is_there"#;
    if !client.query_one(there, &[]).await?.get::<_, bool>("is_there") {
        return Ok(0);
    }
    // The column may be absent, which no SQL that names it survives.
    let sql = r#"SELECT coalesce(max((to_jsonb(s) ->> 'schema_version')::int), 1) AS version
                 FROM public."__cauldron_state" AS s"#;
    Ok(client.query_one(sql, &[]).await?.get("version"))
}

/// Makes the tables where they are absent, and applies the patches that they lack. Under the lock.
///
/// # Errors
/// 78 for a newer release's record, 77 where the tables are another role's, 75 while somebody else locks them.
pub async fn bring_up_to_date(client: &Client) -> Result<()> {
    let version = version(client).await.map_err(sql_fault("cannot read the version of our record"))?;
    refuse_newer(version)?;
    client.batch_execute(FIRST).await.map_err(sql_fault("cannot make our tables"))?;
    if version == LATEST {
        return Ok(());
    }
    let patches: String = PATCHES
        .iter()
        .filter(|patch| patch.version > version)
        .map(|patch| format!("{};", patch.sql))
        .collect();
    let sql = format!(r#"{patches} UPDATE public."__cauldron_state" SET schema_version = {LATEST}"#);
    ddl::run(client, LOCK_TIMEOUT, &sql).await.map_err(fault)?;
    tracing::info!(from = version, to = LATEST, "brought the schema of our record up to date");
    Ok(())
}

fn fault(error: Error) -> Fault {
    let doing = "cannot bring the schema of our record up to date";
    if has_code(&error, &SqlState::LOCK_NOT_AVAILABLE) {
        let cause = format!("{doing}: another session holds a lock on one of our tables");
        return Fault::try_again(cause, "a backup, perhaps: start again when it has ended");
    }
    let fault = sql_fault(doing)(error);
    if fault.code == crate::outcome::PERMISSION {
        let hint = r#"make the site's role the owner of the tables public."__cauldron_*""#;
        return Fault::permission(fault.cause, hint);
    }
    fault
}

/// # Errors
/// 78 where the schema is one that this release does not know.
pub fn refuse_newer(version: i32) -> Result<()> {
    if version <= LATEST {
        return Ok(());
    }
    Err(Fault::configuration(
        format!(
            "our record in the database has schema version {version}, and this release knows {LATEST}: it serves what it \
             may, and neither leads nor migrates"
        ),
        "use the release of cauldron-frappe that wrote it, or a later one",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::phase::SitePhase;
    use super::*;

    #[test]
    fn patches_are_in_order_and_add_nothing_but_columns_that_may_be_null() {
        for (index, patch) in PATCHES.iter().enumerate() {
            assert_eq!(usize::try_from(patch.version).unwrap(), index + 2, "versions have no gaps");
            for statement in patch.sql.split(';') {
                let words: Vec<&str> = statement.split_whitespace().collect();
                let [alter, table, name, actions @ ..] = words.as_slice() else { panic!("{statement}") };
                assert_eq!((*alter, *table), ("ALTER", "TABLE"), "{statement}");
                assert!(name.starts_with("public.\"__cauldron_"), "{statement}");
                for action in actions.join(" ").split(", ") {
                    assert!(action.starts_with("ADD COLUMN IF NOT EXISTS "), "{action}");
                    for word in ["NOT NULL", "DEFAULT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES"] {
                        assert!(
                            !action.trim_start_matches("ADD COLUMN IF NOT EXISTS").contains(word),
                            "{action}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_column_takes_every_phase_that_is_written_and_no_other() {
        let words = SitePhase::ALL.map(|phase| format!("'{}'", phase.as_str())).join(", ");
        assert!(FIRST.contains(&format!("phase text NOT NULL CHECK (phase IN ({words}))")));
    }

    #[test]
    fn what_a_newer_release_wrote_is_refused() {
        assert!(refuse_newer(0).is_ok() && refuse_newer(1).is_ok() && refuse_newer(LATEST).is_ok());
        assert_eq!(refuse_newer(LATEST + 1).unwrap_err().code, crate::outcome::CONFIGURATION);
    }
}
