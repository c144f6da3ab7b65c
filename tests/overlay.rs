//! Custom apps on a site: every role uses them, killed installs are finished, running pods get new code, and no pod
//! serves a site without the code of its apps.

mod support;

#[path = "overlay/assets.rs"]
mod assets;
#[path = "overlay/caches.rs"]
mod caches;
#[path = "overlay/exec.rs"]
mod exec;
#[path = "overlay/from_git.rs"]
mod from_git;
#[path = "overlay/installed.rs"]
mod installed;
#[path = "overlay/killed.rs"]
mod killed;
#[path = "overlay/missing.rs"]
mod missing;
#[path = "overlay/removed.rs"]
mod removed;
#[path = "overlay/rights.rs"]
mod rights;
#[path = "overlay/roles.rs"]
mod roles;
#[path = "overlay/running.rs"]
mod running;
#[path = "overlay/stage.rs"]
mod stage;
