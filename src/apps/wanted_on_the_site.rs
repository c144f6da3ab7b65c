//! Which of the joined apps the site is to have installed.

use super::pins::Pins;
use super::{AppCode, Context};
use crate::outcome::Result;

/// All but those whose entry says `"install": false`, in the order of `code`.
pub fn wanted_on_the_site(context: &Context<'_>, code: &[AppCode]) -> Result<Vec<String>> {
    let path = Pins::path(&context.bench.cauldron(), &context.config.apps.digest());
    let pins = Pins::read(&path)?.unwrap_or_default();
    let is_wanted = |app: &str| pins.apps.iter().all(|pin| pin.app != app || pin.install);
    Ok(code.iter().map(AppCode::app).filter(|app| is_wanted(app)).map(str::to_string).collect())
}
