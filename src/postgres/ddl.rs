//! Changes of tables in a transaction.

use std::time::Duration;

use tokio_postgres::{Client, Error};

use super::catalog::Relation;
use super::sql::identifier;

/// The kinds of relations (`pg_class.relkind`) and the word of their DROP, dependents first.
pub const DROP_ORDER: [(&str, &str); 5] =
    [("v", "VIEW"), ("m", "MATERIALIZED VIEW"), ("f", "FOREIGN TABLE"), ("rp", "TABLE"), ("S", "SEQUENCE")];

/// Begins a transaction, which [`end`] ends. No lock on a table is waited for longer than `lock_timeout`.
pub async fn begin(client: &Client, lock_timeout: Duration) -> Result<(), Error> {
    client.batch_execute(&format!("BEGIN; {}", set_lock_timeout(lock_timeout))).await
}

/// Commits the transaction, or rolls it back.
pub async fn end(client: &Client, is_kept: bool) -> Result<(), Error> {
    client.batch_execute(if is_kept { "COMMIT" } else { "ROLLBACK" }).await
}

/// Runs statements in one transaction.
pub async fn run(client: &Client, lock_timeout: Duration, statements: &str) -> Result<(), Error> {
    let sql = format!("BEGIN; {}; {statements}; COMMIT", set_lock_timeout(lock_timeout));
    let done = client.batch_execute(&sql).await;
    if done.is_err() {
        let _ = client.batch_execute("ROLLBACK").await;
    }
    done
}

fn set_lock_timeout(limit: Duration) -> String {
    format!("SET LOCAL lock_timeout = '{}ms'", limit.as_millis())
}

/// Locks tables against all other sessions until the transaction ends.
pub async fn lock(client: &Client, relations: &[Relation]) -> Result<(), Error> {
    let tables = of_kinds(relations, "rp");
    if tables.is_empty() {
        return Ok(());
    }
    client.batch_execute(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "))).await
}

/// Drops relations, dependents first, without CASCADE: an object of another user that depends on them is an error.
pub async fn drop(client: &Client, relations: &[Relation]) -> Result<(), Error> {
    for (kinds, word) in DROP_ORDER {
        let names = of_kinds(relations, kinds);
        if !names.is_empty() {
            client.batch_execute(&format!("DROP {word} {}", names.join(", "))).await?;
        }
    }
    Ok(())
}

fn of_kinds(relations: &[Relation], kinds: &str) -> Vec<String> {
    let selected = relations.iter().filter(|relation| kinds.contains(relation.kind.as_str()));
    selected.map(|relation| format!("public.{}", identifier(&relation.name))).collect()
}
