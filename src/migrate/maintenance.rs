//! Frappe's `maintenance_mode`: every request is answered 503 (reads are allowed if the operator set
//! `allow_reads_during_maintenance`), and the scheduler does not run.
//!
//! An operator's setting stays: we remove only the setting that we wrote.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bench::Bench;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::{config_cache, site_config};
use crate::outcome::Result;

const KEY: &str = "maintenance_mode";

/// True if maintenance is on, as Frappe reads it: from the site's own file, else from the bench's.
pub fn is_on(bench: &Bench, site: &str) -> bool {
    BenchObjects::read(&bench.sites(), site).is_on(KEY)
}

/// The time until every web process has read that maintenance is on: a Frappe that keeps the configuration in memory
/// answers by the old one until then, writes included.
pub fn unread_for(bench: &Bench, site: &str) -> Duration {
    let written = fs::metadata(bench.site(site).join("site_config.json")).and_then(|file| file.modified());
    // A file that seems to be of the future was written by another clock: wait for the whole time.
    let age = written.ok().and_then(|written| written.elapsed().ok()).unwrap_or_default();
    config_cache::lifetime(bench).saturating_sub(age)
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
