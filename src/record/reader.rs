//! Reads the record of a site without a lasting session: each read logs in with the site's own login.

use std::time::Duration;

use super::state::{self, State};
use crate::bench::Bench;
use crate::config::database::DatabaseConfig;
use crate::frappe::site_config;
use crate::postgres::{self, Connection, Options};

const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the record of one site.
#[derive(Clone)]
pub struct RecordReader {
    database: DatabaseConfig,
    pub bench: Bench,
    pub site: String,
}

impl RecordReader {
    pub fn new(database: &DatabaseConfig, bench: &Bench, site: &str) -> Self {
        Self { database: database.directly(), bench: bench.clone(), site: site.to_string() }
    }

    /// Opens a session on the site's database with the site's own login.
    ///
    /// # Errors
    /// The cause, in words.
    pub async fn connect(&self) -> Result<Connection, String> {
        let own = site_config::login(&self.bench, &self.site)?;
        let options = Options { timeout: READ_TIMEOUT, only_reads: true, ..Options::default() };
        postgres::connect(&self.database, &own.login, &own.database, "cauldron/look", &options)
            .await
            .map_err(|error| error.to_string())
    }

    /// Reads the site's row, if it has one.
    ///
    /// # Errors
    /// The cause, in words.
    pub async fn read(&self) -> Result<Option<State>, String> {
        let connection = self.connect().await?;
        let read = tokio::time::timeout(READ_TIMEOUT, state::read(&connection, &self.site)).await;
        read.map_err(|_| format!("no answer within {} s", READ_TIMEOUT.as_secs()))?
            .map_err(|error| error.to_string())
    }
}
