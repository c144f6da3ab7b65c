//! Ends what a session executes, so that a stop request need not wait for it.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::connect::Server;
use super::session::{Connection, PreparedStream};
use crate::config::database::DatabaseConfig;
use crate::net::dial::Keepalive;

/// The time limit for all of it. Past it, the session ends with this process.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks the server to end the statement that the session executes, and rolls its transaction back. A statement waits
/// for a lock for as long as another session holds it, and dropping its future only leaves it to the server.
///
/// `config` is the server of the session. A failure is logged: the session ends with this process.
pub async fn abort(config: &DatabaseConfig, session: &Connection) {
    let cancelled = timeout(LIMIT, async {
        let server = Server::new(config).map_err(|error| error.to_string())?;
        let wire = server.wire(Keepalive::SHORT, Instant::now() + LIMIT).await;
        let wire = wire.map_err(|error| error.to_string())?;
        let token = session.cancel_token();
        token.cancel_query_raw(wire, PreparedStream).await.map_err(|error| error.to_string())?;
        session.batch_execute("ROLLBACK").await.map_err(|error| error.to_string())
    });
    let reason = match cancelled.await {
        Ok(Ok(())) => return,
        Ok(Err(reason)) => reason,
        Err(_) => "no answer".into(),
    };
    tracing::debug!(
        event = "postgres.statement_not_cancelled",
        reason,
        "the running statement was not ended"
    );
}
