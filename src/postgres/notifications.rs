//! A word from session to session in one database. It reaches who listens at that moment, and is lost otherwise; behind
//! a transaction pooler nobody listens. So whoever waits looks again by itself, too.

use tokio_postgres::{Client, Error};

/// Has the session woken ([`notified`](super::Connection::notified)) by every word on a channel. A failure is logged.
pub async fn listen(client: &Client, channel: &str) {
    if let Err(error) = client.batch_execute(&format!("LISTEN {channel}")).await {
        tracing::debug!(%error, "no notifications from this session");
    }
}

pub async fn notify(client: &Client, channel: &str) -> Result<(), Error> {
    client.batch_execute(&format!("NOTIFY {channel}")).await
}
