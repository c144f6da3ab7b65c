//! A site with its servers, and the port on which it will be served.

use crate::support::stage::Stage;

pub const SITE: &str = "web.local";

pub fn new() -> Stage {
    Stage::new(SITE, "web_local").set("GUNICORN_WORKERS", 2)
}
