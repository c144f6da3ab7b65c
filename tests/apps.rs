//! Custom apps from Git: real repositories over files, HTTP and SSH, fetched into the sample bench.
//!
//! `apps fetch` publishes without a site; the leader of a bootstrap does the same on the volume.

mod support;

#[path = "apps/apps_bench.rs"]
mod apps_bench;
#[path = "apps/assets.rs"]
mod assets;
#[path = "apps/broken.rs"]
mod broken;
#[path = "apps/http.rs"]
mod http;
#[path = "apps/interface.rs"]
mod interface;
#[path = "apps/kills.rs"]
mod kills;
#[path = "apps/list.rs"]
mod list;
#[path = "apps/pins.rs"]
mod pins;
#[path = "apps/requirements.rs"]
mod requirements;
#[path = "apps/sources.rs"]
mod sources;
#[path = "apps/ssh.rs"]
mod ssh;
#[path = "apps/wheel.rs"]
mod wheel;
