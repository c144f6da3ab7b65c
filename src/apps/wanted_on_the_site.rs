//! Selects the published apps that the site is to have installed.

use super::AppCode;
use super::pins::Pins;
use crate::outcome::Result;
use crate::pod::Pod;

/// Returns all apps except those whose entry has `"install": false`, in the order of `code`.
pub fn wanted_on_the_site(pod: &Pod, code: &[AppCode]) -> Result<Vec<String>> {
    let path = Pins::path(&pod.bench.cauldron(), &pod.config.apps.digest());
    let pins = Pins::read(&path)?.unwrap_or_default();
    let is_wanted = |app: &str| pins.apps.iter().all(|pin| pin.app != app || pin.install);
    Ok(code.iter().map(AppCode::app).filter(|app| is_wanted(app)).map(str::to_string).collect())
}
