//! Checks that our own node process is subscribed to events in Redis. `PUBSUB NUMSUB` counts other replicas too,
//! so node's connection is found by the name that frappe/socketio.js gives it.

use std::path::PathBuf;

use redis::Pipeline;

use crate::record::volume::random_id;
use crate::redis_client::Link;

/// The channel on which Frappe publishes events for browsers.
const CHANNEL: &str = "events";

/// The subscription that this pod's node should have.
pub struct Subscription {
    link: Link,
    /// This pod's connection name; node appends its pid.
    pub name: String,
    /// Node creates this file if it could not name its connection.
    pub unnamed_file: PathBuf,
}

/// The subscriber found in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscriber {
    Own,
    /// There is one, but its connection cannot be attributed to a process.
    Unidentified,
    Absent,
}

impl Subscription {
    pub fn new(link: Link, unnamed_file: PathBuf) -> Self {
        // The file of an earlier start is stale.
        let _ = std::fs::remove_file(&unnamed_file);
        Self { link, name: format!("cauldron-socketio-{}", random_id()), unnamed_file }
    }

    /// # Errors
    /// The reason that Redis did not answer.
    pub async fn find_subscriber(&self, pid: Option<i32>) -> Result<Subscriber, String> {
        let mut query = Pipeline::new();
        query.cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL);
        let ((_, count),): ((String, u64),) = self.link.query(&query).await?;
        let Some(pid) = pid.filter(|_| count > 0) else { return Ok(Subscriber::Absent) };
        // If the login may not name or list connections, only the count is known.
        let mut query = Pipeline::new();
        query.cmd("CLIENT").arg("SETNAME").arg("cauldron-probe").ignore();
        query.cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub");
        match self.link.query::<(String,)>(&query).await {
            Ok((clients,)) if !self.unnamed_file.exists() => {
                let own = is_subscribed(&clients, &format!("{}-{pid}", self.name));
                Ok(if own { Subscriber::Own } else { Subscriber::Absent })
            }
            _ => Ok(Subscriber::Unidentified),
        }
    }
}

/// Parses CLIENT LIST, which has one line per connection: `id=3 addr=… name=… sub=1 …`.
fn is_subscribed(clients: &str, name: &str) -> bool {
    clients.lines().any(|client| {
        let field = |key: &str| client.split(' ').find_map(|field| field.strip_prefix(key));
        field("name=") == Some(name) && field("sub=").is_some_and(|count| count != "0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_found_by_name_and_must_be_subscribed() {
        let clients = "id=3 addr=127.0.0.1:1 name=cauldron-socketio-a-7 age=1 sub=1 psub=0\n\
                       id=4 addr=127.0.0.1:2 name=cauldron-socketio-b-7 age=1 sub=0 psub=0\n";
        assert!(is_subscribed(clients, "cauldron-socketio-a-7"));
        assert!(!is_subscribed(clients, "cauldron-socketio-b-7"));
        assert!(!is_subscribed(clients, "cauldron-socketio-a-77"));
    }
}
