//! A lasting connection: opened at the first query, and again after it failed or the login changed.

use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Pipeline};
use tokio::sync::{Mutex, watch};

use super::{Connection, Options, Server};

/// The timeout of a query, which is shorter than the callers' poll intervals.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The server with its present login, or the reason why there is none.
pub type CurrentServer = Result<Arc<Server>, String>;

/// A lasting connection. Cheap to clone; queries run one after another.
#[derive(Clone)]
pub struct Link {
    server: watch::Receiver<CurrentServer>,
    open: Arc<Mutex<Option<Open>>>,
}

/// A connection and its server.
type Open = (Arc<Server>, Connection);

impl Link {
    /// A link to a server whose login does not change.
    pub fn new(server: Server) -> Self {
        Self::following(watch::Sender::new(Ok(Arc::new(server))).subscribe())
    }

    /// A link that connects again when the server's login changes.
    pub fn following(server: watch::Receiver<CurrentServer>) -> Self {
        Self { server, open: Arc::default() }
    }

    /// The present server.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn server(&self) -> CurrentServer {
        self.server.borrow().clone()
    }

    /// Sends all commands in one pipeline and returns their answers.
    ///
    /// # Errors
    /// The cause, in words for an operator.
    pub async fn query<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, String> {
        let server = self.server()?;
        let answer = tokio::time::timeout(QUERY_TIMEOUT, self.try_query(&server, commands)).await;
        answer.unwrap_or_else(|_| {
            Err(format!("{}: no answer within {} s", server.target(), QUERY_TIMEOUT.as_secs()))
        })
    }

    async fn try_query<T: FromRedisValue>(
        &self,
        server: &Arc<Server>,
        commands: &Pipeline,
    ) -> Result<T, String> {
        let mut open = self.open.lock().await;
        // Taken out, so that a query that times out drops its connection.
        let mut connection = match open.take() {
            Some((of, connection)) if Arc::ptr_eq(&of, server) => connection,
            _ => {
                let options =
                    Options { timeout: QUERY_TIMEOUT, response_timeout: QUERY_TIMEOUT, ..Options::default() };
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
