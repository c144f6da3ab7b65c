//! A database session for tests without an event loop; it holds its locks until it is dropped.

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

pub struct Session {
    client: Client,
    runtime: Runtime,
}

/// A row of text values, NULL as `None`.
pub type Row = Vec<Option<String>>;

impl Session {
    pub fn open(config: &Config) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        Ok(Self { client, runtime })
    }

    pub fn query(&self, sql: &str) -> Result<Vec<Row>, Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect())
    }

    #[track_caller]
    pub fn run(&self, sql: &str) -> Vec<Row> {
        self.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The first value of the first row.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        self.run(sql).into_iter().next().and_then(|row| row.into_iter().next().flatten())
    }

    /// True if a query returns `true`.
    #[track_caller]
    pub fn is(&self, sql: &str) -> bool {
        self.value(&format!("select ({sql})::text")).as_deref() == Some("true")
    }
}
