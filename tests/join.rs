//! Custom apps on a site: every role joins them, killed installs converge, running pods get new code, and nobody
//! serves without what the site has.

mod support;

#[path = "join/assets.rs"]
mod assets;
#[path = "join/caches.rs"]
mod caches;
#[path = "join/exec.rs"]
mod exec;
#[path = "join/from_git.rs"]
mod from_git;
#[path = "join/installed.rs"]
mod installed;
#[path = "join/killed.rs"]
mod killed;
#[path = "join/missing.rs"]
mod missing;
#[path = "join/place.rs"]
mod place;
#[path = "join/removed.rs"]
mod removed;
#[path = "join/rights.rs"]
mod rights;
#[path = "join/roles.rs"]
mod roles;
#[path = "join/running.rs"]
mod running;
