//! A full disk during the backup.

use nix::sys::signal::Signal;

use crate::stage::{GateStage, SITE};
use crate::support::small::{Small, in_own_namespace};

#[test]
fn a_full_disk_during_the_backup_changes_nothing() {
    in_own_namespace("a_full_disk_during_the_backup_changes_nothing", || {
        let stage = GateStage::with_release();
        let folder = stage.old().sites().join(format!(".cauldron/{SITE}/backups"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let small = Small::mount(&folder, "16k");
        let web = stage.serve(stage.old());
        let leader = stage.leader_on(&stage.new).start();
        leader.says("No space left on device");
        leader.says("\"after_a_change\":false");
        assert_eq!((web.ping(), stage.in_maintenance()), (200, false));
        assert_eq!(stage.gate()["stage"], "open");
        assert_eq!(stage.logged("two"), "0");
        assert_eq!(stage.redis_value("cauldron:gate:one"), None);
        assert!(stage.backups().is_empty(), "the unfinished backup is deleted");
        leader.signal(Signal::SIGTERM);
        leader.end().exits(143);
        // The old image still comes up, and the new one migrates once there is space.
        stage.serve(stage.old()).stop();
        small.grow("64m");
        stage.without_pause();
        stage
            .leader_on(&stage.new)
            .run()
            .exits(0)
            .event("migration.backup_taken")
            .event("migration.finished");
        stage.is_migrated();
        assert_eq!(stage.backups().len(), 1);
        web.stop();
    });
}
