//! Frappe's `maintenance_mode`: every request is answered 503 (reads are allowed if the operator set
//! `allow_reads_during_maintenance`), and the scheduler does not run.
//!
//! An operator's setting stays: we remove only the setting that we wrote.

use std::path::Path;

use serde_json::Value;

use crate::bench::Bench;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::site_config;
use crate::outcome::Result;

const KEY: &str = "maintenance_mode";

/// True if maintenance is on, as Frappe reads it: from the site's own file, else from the bench's.
pub fn is_on(bench: &Bench, site: &str) -> bool {
    BenchObjects::read(&bench.sites(), site).is_on(KEY)
}

pub async fn set(site_folder: &Path, on: bool) -> Result<()> {
    site_config::edit(site_folder, |config| {
        if on {
            config.insert(KEY.into(), Value::from(1));
        } else {
            config.shift_remove(KEY);
        }
    })
    .await
}
