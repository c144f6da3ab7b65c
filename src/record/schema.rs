//! The schema of our record in the site's database (the tables `public."__cauldron_*"`): its version, and the patches
//! that upgrade an older version.
//!
//! ```text
//!   no tables, or no version ─▶ 1 ─▶ patch 2 ─▶ … ─▶ LATEST      by the leader, under the lock, in one transaction
//!   a version above LATEST   ─▶ a newer release's: it is read, and never written
//! ```
//!
//! Releases run side by side in a rolling update, and a rollback leaves the newer schema in place. So a patch only adds
//! nullable columns: a release that does not know them reads and writes as before. The first release writes rows
//! without a version. The patches are then applied again, which changes nothing.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::ddl;
use crate::postgres::sql::{has_code, sql_fault};

/// Our tables, as a pattern for `pg_dump`.
pub const PATTERN: &str = "public.__cauldron_*";
/// Their names, as a pattern for SQL's LIKE.
pub const LIKE: &str = r"\_\_cauldron\_%";

/// The beginning of their names.
pub const PREFIX: &str = "__cauldron_";
/// The table of [`super::state`] as COPY names it.
pub const STATE_TABLE: &str = "public.__cauldron_state";

/// Version 1, which never changes. Every later change is a patch.
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
    -- The last migration, and the table whose OID changes when another database is restored over this one.
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

/// In order of version. A released patch is never changed.
const PATCHES: &[Patch] = &[Patch {
    version: 2,
    sql: r#"ALTER TABLE public."__cauldron_state" ADD COLUMN IF NOT EXISTS schema_version int"#,
}];

/// The version that this release knows.
pub const LATEST: i32 = PATCHES[PATCHES.len() - 1].version;

/// A limit, because a backup locks our tables for its whole duration, and a waiting ALTER TABLE blocks all others.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The version of the present schema; 0 without tables.
pub async fn version(client: &Client) -> std::result::Result<i32, Error> {
    let there = r#"SELECT to_regclass('public."__cauldron_state"') IS NOT NULL AS is_there"#;
    if !client.query_one(there, &[]).await?.get::<_, bool>("is_there") {
        return Ok(0);
    }
    // The column may be absent: SQL that names it would fail.
    let sql = r#"SELECT coalesce(max((to_jsonb(s) ->> 'schema_version')::int), 1) AS version
                 FROM public."__cauldron_state" AS s"#;
    Ok(client.query_one(sql, &[]).await?.get("version"))
}

/// Creates the tables if they are absent, and applies the missing patches. The caller holds the leader's lock.
///
/// # Errors
/// 78 for a newer release's record, 77 if another role owns the tables, 75 if another session locks them.
pub async fn bring_up_to_date(client: &Client) -> Result<()> {
    let version = version(client).await.map_err(sql_fault("cannot read the version of our record"))?;
    refuse_newer(version)?;
    client.batch_execute(FIRST).await.map_err(sql_fault("cannot create our tables"))?;
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
    tracing::info!(
        event = "record.schema_upgraded",
        from = version,
        to = LATEST,
        "upgraded the schema of our record"
    );
    Ok(())
}

fn fault(error: Error) -> Fault {
    let doing = "cannot upgrade the schema of our record";
    if has_code(&error, &SqlState::LOCK_NOT_AVAILABLE) {
        let cause = format!("{doing}: another session holds a lock on one of our tables");
        return Fault::try_again(cause, "start again when that session has ended; it may be a backup");
    }
    let fault = sql_fault(doing)(error);
    if fault.code == crate::outcome::PERMISSION {
        let hint = r#"make the site's role the owner of the tables public."__cauldron_*""#;
        return Fault::permission(fault.cause, hint);
    }
    fault
}

/// Refuses a record of a newer release.
///
/// # Errors
/// 78 if this release does not know the schema version.
pub fn refuse_newer(version: i32) -> Result<()> {
    if version <= LATEST {
        return Ok(());
    }
    Err(Fault::configuration(
        format!(
            "our record in the database has schema version {version}, and this release knows {LATEST}: it can serve \
             the site, but neither lead nor migrate"
        ),
        "use the release of cauldron-frappe that wrote the record, or a later one",
    )
    .named(Refusal::RecordNewer))
}

#[cfg(test)]
mod tests {
    use super::super::phase::SitePhase;
    use super::*;

    #[test]
    fn patches_are_in_order_and_only_add_nullable_columns() {
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
    fn the_column_allows_exactly_the_phases_that_are_written() {
        let words = SitePhase::ALL.map(|phase| format!("'{}'", phase.as_str())).join(", ");
        assert!(FIRST.contains(&format!("phase text NOT NULL CHECK (phase IN ({words}))")));
    }

    #[test]
    fn a_record_of_a_newer_release_is_refused() {
        assert!(refuse_newer(0).is_ok() && refuse_newer(1).is_ok() && refuse_newer(LATEST).is_ok());
        assert_eq!(refuse_newer(LATEST + 1).unwrap_err().code, crate::outcome::CONFIGURATION);
    }
}
