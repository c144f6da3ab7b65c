//! Selects the published apps that the site is to have installed.

use super::AppCode;
use super::pins::Pins;
use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::Result;

/// Returns all apps except those whose entry has `"install": false`, in the order of `code`.
pub fn wanted_on_the_site(config: &Config, bench: &Bench, code: &[AppCode]) -> Result<Vec<String>> {
    let path = Pins::path(&bench.cauldron(), &config.apps.digest());
    let pins = Pins::read(&path)?.unwrap_or_default();
    let is_wanted = |app: &str| pins.apps.iter().all(|pin| pin.app != app || pin.install);
    Ok(code.iter().map(AppCode::app).filter(|app| is_wanted(app)).map(str::to_string).collect())
}
