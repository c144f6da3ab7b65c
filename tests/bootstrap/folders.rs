//! Site folders as volumes and operators create them: mounted empty, linked, linked to a missing target.

use std::fs;
use std::os::unix::fs::symlink;

use crate::stage::{self, DATABASE, SITE, held_at, kill_9};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::skip::skipped;

#[test]
fn an_empty_folder_is_used_for_a_new_site() {
    let stage = stage::empty();
    let folder = stage.bench.sites().join(SITE);
    fs::create_dir_all(folder.join("lost+found")).expect("a separate file system");
    stage.created();
    stage.leader().run().exits(0).event("site.up_to_date");
    assert!(folder.join("lost+found").exists());
}

#[test]
fn a_folder_with_contents_is_refused() {
    let stage = stage::empty();
    let folder = stage.bench.sites().join(SITE);
    fs::create_dir_all(folder.join("private/files")).expect("somebody's files");
    fs::write(folder.join("private/files/invoice.pdf"), "kept").expect("somebody's file");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("database-lost");
    stage.is_unchanged_since(&before);
}

#[test]
fn a_linked_folder_works_and_a_dangling_link_is_a_lost_volume() {
    let stage = stage::empty();
    let (link, target) = (stage.bench.sites().join(SITE), stage.bench.path().join("elsewhere"));
    symlink(&target, &link).expect("a link");
    let before = stage.snapshot();
    stage.leader().run().exits(65);
    stage.is_unchanged_since(&before);
    fs::create_dir(&target).expect("its target");
    stage.created();
    assert!(link.is_symlink() && target.join("site_config.json").exists());
    let away = target.with_extension("away");
    fs::rename(&target, &away).expect("a lost mount");
    stage.leader().run().exits(65).refuses("volume-lost");
    assert!(!target.exists());
    fs::rename(&away, &target).expect("found again");
    stage.leader().run().exits(0).event("site.up_to_date");
}

/// The first site has no table yet: an empty database is not a free one.
#[test]
fn two_sites_do_not_share_a_database_that_one_of_them_is_creating() {
    let stage = stage::empty();
    let barrier = Barrier::at("site_config");
    let mut first = held_at(stage.leader(), &barrier).start();
    let held = barrier.wait(LONG);
    kill_9(held.pid);
    drop(held);
    first.signal(nix::sys::signal::Signal::SIGKILL);
    assert!(crate::support::wait::within(LONG, || first.exit()).is_some());
    assert!(stage.postgres.tables(DATABASE).iter().all(|table| table.starts_with("__cauldron")));
    stage
        .leader()
        .set("SITE_NAME", "other.test")
        .run()
        .exits(65)
        .refuses("database-of-other-site")
        .says(SITE);
    assert!(!stage.bench.sites().join("other.test").exists());
}

/// As on OpenShift: a uid without a passwd entry, with group 0, and no home.
#[test]
fn a_uid_without_a_name() {
    if !nix::unistd::getuid().is_root() {
        skipped("a_uid_without_a_name", "only root may become another user");
        return;
    }
    let stage = stage::empty();
    let owned =
        std::process::Command::new("chown").args(["-hR", "123456:0"]).arg(stage.bench.path()).status();
    assert!(owned.expect("chown runs").success());
    let nobody = ["setpriv", "--reuid=123456", "--regid=0", "--clear-groups", "--"];
    let runtime = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(runtime.path(), Some(123_456), Some(0)).expect("its own folder");
    let leader = || {
        let leader = stage.leader().unset("HOME").set("CAULDRON_RUNTIME_DIR", runtime.path().display());
        leader.under(&nobody)
    };
    leader().run().exits(0);
    leader().run().exits(0).event("site.up_to_date");
}
