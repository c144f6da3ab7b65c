//! A connection for a role's whole life: opened when it is needed, and again after it broke.

use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Pipeline};
use tokio::sync::Mutex;

use super::{Connection, Options, Server};

/// What a question may take before the next look is due.
const DEADLINE: Duration = Duration::from_secs(2);

/// Cheap to clone; questions are asked one after another.
#[derive(Clone)]
pub struct Link {
    server: Arc<Server>,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Link {
    pub fn new(server: Server) -> Self {
        Self { server: Arc::new(server), open: Arc::default() }
    }

    /// Sends all commands at once and gives their answers.
    ///
    /// # Errors
    /// Why there is no answer, in words for an operator.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, String> {
        let asked = tokio::time::timeout(DEADLINE, self.try_ask(commands)).await;
        asked.unwrap_or_else(|_| {
            Err(format!("{}: no answer within {} s", self.server.target(), DEADLINE.as_secs()))
        })
    }

    async fn try_ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, String> {
        let mut open = self.open.lock().await;
        // Taken out: a question that is given up takes its connection with it.
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => {
                let options = Options { timeout: DEADLINE, response_timeout: DEADLINE, ..Options::default() };
                self.server.connect(&options).await.map_err(|error| error.to_string())?
            }
        };
        let answer = commands.query_async(&mut *connection).await;
        match answer {
            Ok(answer) => {
                *open = Some(connection);
                Ok(answer)
            }
            Err(error) => {
                if !error.is_io_error() && !error.is_connection_dropped() {
                    *open = Some(connection);
                }
                Err(format!("{}: {error}", self.server.target()))
            }
        }
    }
}
