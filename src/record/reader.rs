//! The record of a site, for who holds no session on the site's database: each reading logs in as the site itself.

use std::time::Duration;

use super::state::{self, State};
use crate::bench::Bench;
use crate::config::database::DatabaseConfig;
use crate::frappe::site_config;
use crate::postgres::{self, Connection, Options};

const DEADLINE: Duration = Duration::from_secs(5);

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

    /// A session on the site's database, with the site's own login.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn connect(&self) -> Result<Connection, String> {
        let own = site_config::login(&self.bench, &self.site)?;
        let options = Options { timeout: DEADLINE, ..Options::default() };
        postgres::connect(&self.database, &own.login, &own.database, "cauldron/look", &options)
            .await
            .map_err(|error| error.to_string())
    }

    /// # Errors
    /// Why it cannot be read, in words.
    pub async fn read(&self) -> Result<Option<State>, String> {
        let connection = self.connect().await?;
        let read = tokio::time::timeout(DEADLINE, state::read(&connection, &self.site)).await;
        read.map_err(|_| "no answer".to_string())?.map_err(|error| error.to_string())
    }
}
