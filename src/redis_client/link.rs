//! A connection for a role's whole life: opened when it is needed, and again after it broke or the
//! login was changed.

use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Pipeline};
use tokio::sync::{Mutex, watch};

use super::{Connection, Options, Server};

/// What a question may take before the next look is due.
const DEADLINE: Duration = Duration::from_secs(2);

/// A server as it is now, or why there is none.
pub type Now = Result<Arc<Server>, String>;

/// Cheap to clone; questions are asked one after another.
#[derive(Clone)]
pub struct Link {
    server: watch::Receiver<Now>,
    open: Arc<Mutex<Option<Open>>>,
}

/// A connection, and to whom.
type Open = (Arc<Server>, Connection);

impl Link {
    /// To one that stays as it is.
    pub fn new(server: Server) -> Self {
        Self::following(watch::Sender::new(Ok(Arc::new(server))).subscribe())
    }

    pub fn following(server: watch::Receiver<Now>) -> Self {
        Self { server, open: Arc::default() }
    }

    /// # Errors
    /// Why there is none.
    pub fn server(&self) -> Now {
        self.server.borrow().clone()
    }

    /// Sends all commands at once and gives their answers.
    ///
    /// # Errors
    /// Why there is no answer, in words for an operator.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, String> {
        let server = self.server()?;
        let asked = tokio::time::timeout(DEADLINE, self.try_ask(&server, commands)).await;
        asked.unwrap_or_else(|_| {
            Err(format!("{}: no answer within {} s", server.target(), DEADLINE.as_secs()))
        })
    }

    async fn try_ask<T: FromRedisValue>(
        &self,
        server: &Arc<Server>,
        commands: &Pipeline,
    ) -> Result<T, String> {
        let mut open = self.open.lock().await;
        // Taken out: a question that is given up takes its connection with it.
        let mut connection = match open.take() {
            Some((of, connection)) if Arc::ptr_eq(&of, server) => connection,
            _ => {
                let options = Options { timeout: DEADLINE, response_timeout: DEADLINE, ..Options::default() };
                server.connect(&options).await.map_err(|error| error.to_string())?
            }
        };
        let answer = commands.query_async(&mut *connection).await;
        match answer {
            Ok(answer) => {
                *open = Some((server.clone(), connection));
                Ok(answer)
            }
            Err(error) => {
                if !error.is_io_error() && !error.is_connection_dropped() {
                    *open = Some((server.clone(), connection));
                }
                Err(format!("{}: {error}", server.target()))
            }
        }
    }
}
