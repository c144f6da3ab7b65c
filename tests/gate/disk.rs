//! A full disk during the backup.

use nix::sys::signal::Signal;

use crate::place::{Place, SITE};
use crate::support::small::{Small, in_own_namespace};

#[test]
fn a_full_disk_during_the_backup_changes_nothing() {
    in_own_namespace("a_full_disk_during_the_backup_changes_nothing", || {
        let place = Place::with_release();
        let folder = place.old.sites().join(format!(".cauldron/{SITE}/backups"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let small = Small::mount(&folder, "16k");
        let web = place.serve(&place.old);
        let leader = place.leader(&place.new).start();
        leader.says("No space left on device");
        leader.says("\"after_a_change\":false");
        assert_eq!((web.ping(), place.in_maintenance()), (200, false));
        assert_eq!(place.gate()["stage"], "open");
        assert_eq!(place.logged("two"), "0");
        assert_eq!(place.redis_value("cauldron:gate:one"), None);
        assert!(place.backups().is_empty(), "the unfinished backup is deleted");
        leader.signal(Signal::SIGTERM);
        leader.end().exits(143);
        // The old image still comes up, and the new one migrates once there is space.
        place.serve(&place.old).stop();
        small.grow("64m");
        place.without_pause();
        place.leader(&place.new).run().exits(0).event("migration.backup_taken").event("migration.finished");
        place.is_migrated();
        assert_eq!(place.backups().len(), 1);
        web.stop();
    });
}
