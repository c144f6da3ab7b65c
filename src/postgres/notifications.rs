//! Notifications between sessions of one database. A session gets one only if it listens at that moment; behind a
//! transaction pooler none does. So waiting code also polls.

use tokio_postgres::{Client, Error};

/// Subscribes the session to a channel ([`notified`](super::Connection::notified)). A failure is logged.
pub async fn listen(client: &Client, channel: &str) {
    if let Err(error) = client.batch_execute(&format!("LISTEN {channel}")).await {
        tracing::debug!(event = "postgres.listen_failed", %error, "cannot listen for notifications; polling only");
    }
}

/// Notifies all sessions that listen on a channel.
pub async fn notify(client: &Client, channel: &str) -> Result<(), Error> {
    client.batch_execute(&format!("NOTIFY {channel}")).await
}
