//! `all` takes backups on a clock.

use std::path::PathBuf;

use crate::repository::{Backups, PASSWORD};
use crate::support::binary::Pod;
use crate::support::port;
use crate::support::tree::with_descendants;

/// The environments of a pod's children, without those of a backup.
fn environments(pod: &Pod) -> String {
    let read = |pid: u32, name: &str| {
        let bytes = std::fs::read(PathBuf::from(format!("/proc/{pid}/{name}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let is_role =
        |pid: &u32| ["python", "gunicorn", "node"].iter().any(|name| read(*pid, "cmdline").contains(name));
    with_descendants(pod.pid()).into_iter().filter(is_role).map(|pid| read(pid, "environ")).collect()
}

/// The first minute after the start is the first run. The child has the password, and no other program has it.
#[test]
fn all_takes_a_backup_at_its_time() {
    let site = Backups::new();
    let all = site
        .web()
        .with_command("all")
        .set("SOCKETIO_PORT", port::free())
        .set("CAULDRON_BACKUP_TO", site.repository().display())
        .set("CAULDRON_BACKUP_PASSWORD", PASSWORD)
        .set("AWS_SECRET_ACCESS_KEY", "canary-aws")
        .set("CAULDRON_BACKUP_SCHEDULE", "* * * * * Europe/Berlin");
    let mut pod = all.start();
    pod.answers("/readyz", 200);
    let inherited = environments(&pod);
    assert!(inherited.contains("PYTHONPATH") && !inherited.contains("canary"), "{inherited}");
    pod.event("backup.run_started");
    pod.event("backup.finished");
    crate::support::wait::eventually(crate::support::binary::LONG, "the age of the backup", || {
        pod.body("/metrics").contains("cauldron_frappe_backup_age_seconds ").then_some(())
    });
    let status: serde_json::Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    let listed = site.listed();
    assert!(listed.iter().any(|backup| backup["id"] == status["last_backup"]["id"]), "{status}");
    assert_eq!(listed[0]["reason"], "schedule");
}
