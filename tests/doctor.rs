//! Black-box tests of `doctor` on real servers and the sample bench: every check reports, each problem has its id,
//! severity and exit code, and nothing is changed.

mod support;

#[path = "doctor/broken.rs"]
mod broken;
#[path = "doctor/examined.rs"]
mod examined;
#[path = "doctor/files.rs"]
mod files;
#[path = "doctor/healthy.rs"]
mod healthy;
#[path = "doctor/plan.rs"]
mod plan;
#[path = "doctor/servers.rs"]
mod servers;
#[path = "doctor/stage.rs"]
mod stage;
#[path = "doctor/support_bundle.rs"]
mod support_bundle;
#[path = "doctor/time.rs"]
mod time;
