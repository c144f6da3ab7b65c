//! A running step as people see it: on a terminal a live line with elapsed time and tables created; a
//! new table, and a session that works, are signs of life besides.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::takeover::end_other_attempts;
use crate::health::account::Board;
use crate::telemetry::live_line;

const LOOK_EVERY: Duration = Duration::from_secs(1);

const COUNT: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'public' AND c.relkind = 'r'";

/// A session of the step's that works, and does not wait for a lock: one statement may take an hour.
const WORKS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE application_name = 'cauldron/' || $1::text AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock')";

/// Looks once a second, until it is dropped. A look that fails is nobody's progress; the lock's own
/// beat tells the loss of the connection.
pub async fn watch(client: &Client, board: &Board, step: &str, attempt: &str, started: Instant) {
    let mut most_tables = 0;
    let _line = Line;
    loop {
        if let Err(fault) = end_other_attempts(client, attempt).await {
            tracing::debug!(%fault, "no look at other sessions");
        }
        let tables = client.query_one(COUNT, &[]).await.map_or(most_tables, |row| row.get::<_, i64>(0));
        if tables > most_tables {
            most_tables = tables;
            board.progress();
        }
        if client.query_one(WORKS, &[&attempt]).await.is_ok_and(|row| row.get(0)) {
            board.progress();
        }
        let detail = board.read().detail;
        let detail = detail.strip_prefix(step).unwrap_or_default().trim_start_matches(": ").to_string();
        live_line::show(&format!("{step}  {} s  {tables} tables  {detail}", started.elapsed().as_secs()));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes the line away with the watch.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        live_line::clear();
    }
}
