//! Whether our own node listens for events in Redis. `PUBSUB NUMSUB` counts the other replicas' too, so
//! its connection is looked for by the name that frappe/socketio.js gives it.

use std::path::PathBuf;

use redis::Pipeline;

use crate::record::volume::random_id;
use crate::redis_client::Link;

/// Where Frappe publishes for browsers.
const CHANNEL: &str = "events";

/// What is asked for.
pub struct Subscription {
    link: Link,
    /// Of this pod's; node adds its pid.
    pub name: String,
    /// There if node could not give a name.
    pub unnamed_file: PathBuf,
}

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Own,
    /// Somebody does; which connection is whose cannot be told.
    Any,
    Nobody,
}

impl Subscription {
    pub fn new(link: Link, unnamed_file: PathBuf) -> Self {
        // Of a life before this one.
        let _ = std::fs::remove_file(&unnamed_file);
        Self { link, name: format!("cauldron-socketio-{}", random_id()), unnamed_file }
    }

    /// # Errors
    /// Why Redis did not answer.
    pub async fn look(&self, pid: Option<i32>) -> Result<Heard, String> {
        let mut question = Pipeline::new();
        question.cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL);
        let ((_, count),): ((String, u64),) = self.link.ask(&question).await?;
        let Some(pid) = pid.filter(|_| count > 0) else { return Ok(Heard::Nobody) };
        // A login that may not name or list connections leaves us with the count.
        let mut question = Pipeline::new();
        question.cmd("CLIENT").arg("SETNAME").arg("cauldron-probe").ignore();
        question.cmd("CLIENT").arg("LIST").arg("TYPE").arg("pubsub");
        match self.link.ask::<(String,)>(&question).await {
            Ok((clients,)) if !self.unnamed_file.exists() => {
                let own = listens(&clients, &format!("{}-{pid}", self.name));
                Ok(if own { Heard::Own } else { Heard::Nobody })
            }
            _ => Ok(Heard::Any),
        }
    }
}

/// A line of CLIENT LIST is one connection: `id=3 addr=… name=… sub=1 …`.
fn listens(clients: &str, name: &str) -> bool {
    clients.lines().any(|client| {
        let field = |key: &str| client.split(' ').find_map(|field| field.strip_prefix(key));
        field("name=") == Some(name) && field("sub=").is_some_and(|count| count != "0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_its_name_and_must_listen() {
        let clients = "id=3 addr=127.0.0.1:1 name=cauldron-socketio-a-7 age=1 sub=1 psub=0\n\
                       id=4 addr=127.0.0.1:2 name=cauldron-socketio-b-7 age=1 sub=0 psub=0\n";
        assert!(listens(clients, "cauldron-socketio-a-7"));
        assert!(!listens(clients, "cauldron-socketio-b-7") && !listens(clients, "cauldron-socketio-a-77"));
    }
}
