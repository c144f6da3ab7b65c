//! `backup forget`, killed at random moments and beside a backup: the newest backup stays whole, and the next command
//! does the rest.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use nix::sys::signal::Signal;
use rand::RngExt;

use crate::repository::{Backups, DATABASE, PATIENT};
use crate::support::bench::copy;
use crate::support::binary::{Binary, LONG, event};
use crate::support::moments;
use crate::support::wait::eventually;

/// A site whose repository has some backups of one day, and a copy of it.
struct Template {
    site: Backups,
    newest: String,
}

impl Template {
    fn new() -> Self {
        let site = Backups::new();
        let mut newest = String::new();
        for number in 0..3 {
            site.write("public/files/changed", &[number; 5000]);
            newest = site.taken_id();
        }
        copy(&site.repository(), &site.folder.path().join("template"));
        Self { site, newest }
    }

    /// The repository as it was, with three backups.
    fn again(&self) {
        fs::remove_dir_all(self.site.repository()).expect("a repository");
        copy(&self.site.folder.path().join("template"), &self.site.repository());
    }

    /// Keeps one backup of three.
    fn forget(&self) -> Binary {
        self.site.command("backup forget --yes").set("CAULDRON_BACKUP_KEEP", "1d")
    }

    #[track_caller]
    fn forgotten(&self) {
        self.forget().spawn().end_within(PATIENT).exits(0).event("backup.forgotten");
    }
}

#[test]
fn a_killed_forget_leaves_whole_backups_and_the_next_one_does_the_rest() {
    let mut random = moments::random();
    let template = Template::new();
    let site = &template.site;
    let began = Instant::now();
    template.forgotten();
    let whole = began.elapsed();
    assert_eq!(site.ids(), std::slice::from_ref(&template.newest));
    for number in 0..moments::kills() {
        template.again();
        let forget = template.forget().spawn();
        std::thread::sleep(moments::within(&mut random, whole));
        forget.signal(Signal::SIGKILL);
        drop(forget);
        site.nothing_runs();
        // What is listed is whole, also before anything is mended.
        assert!(site.ids().contains(&template.newest), "{number}");
        if number % 2 == 0 {
            // A dead forget, whose lock is exclusive, keeps no backup from its work.
            let taken = site.taken_id();
            assert!(site.ids().contains(&taken), "{number}");
        } else {
            template.forgotten();
            assert_eq!(site.ids(), std::slice::from_ref(&template.newest));
        }
        assert_eq!(site.locks(), 0, "{number}");
        site.is_sound();
    }
}

/// A killed `forget` leaves an exclusive lock, which excludes every backup as long as it is there.
#[test]
fn a_dead_lock_keeps_no_backup_from_its_work() {
    let site = Backups::new();
    site.taken();
    let mut check =
        site.restic_command(&["check"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("restic");
    eventually(LONG, "an exclusive lock", || (site.locks() > 0).then_some(()));
    check.kill().expect("a kill");
    check.wait().expect("its end");
    // The control: restic itself refuses.
    let refused = site.restic_command(&["backup", "/proc/self/status"]).output().expect("restic");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("locked exclusively"), "{refused:?}");
    site.taken();
    assert_eq!(site.locks(), 0);
    site.is_sound();
}

/// restic's locks keep them apart: a forget ends with 75, and neither costs the other anything.
#[test]
fn a_forget_waits_for_no_backup_and_harms_none() {
    let template = Template::new();
    let site = &template.site;
    let blocker = site.postgres.session(DATABASE);
    blocker.run("BEGIN; LOCK TABLE \"tabLedger\" IN ACCESS EXCLUSIVE MODE");
    let backup = site.command("backup").spawn();
    backup.event("backup.started");
    eventually(LONG, "the backup has its lock", || (site.locks() > 0).then_some(()));
    template.forget().run().exits(75).says("locked");
    assert_eq!(site.ids().len(), 3);
    blocker.run("COMMIT");
    backup.end_within(PATIENT).exits(0).event("backup.finished");
    assert_eq!(site.ids().len(), 4);
    assert_eq!(site.locks(), 0);
    site.is_sound();
    template.forgotten();
    assert_eq!(site.ids().len(), 1);
    site.is_sound();
}

/// Both begin at random moments, and one of them is killed.
#[test]
fn a_kill_of_a_backup_or_a_forget_beside_each_other_costs_no_backup() {
    let mut random = moments::random();
    let template = Template::new();
    let site = &template.site;
    let began = Instant::now();
    site.taken();
    let whole = began.elapsed();
    for number in 0..moments::kills() {
        template.again();
        let mut pods = vec![site.command("backup").spawn(), template.forget().spawn()];
        std::thread::sleep(moments::within(&mut random, whole));
        let killed = pods.remove(random.random_range(0..2));
        killed.signal(Signal::SIGKILL);
        drop(killed);
        let other = pods.remove(0).end_within(PATIENT);
        assert!([0, 75].contains(&other.exit), "{number}: {other}");
        site.nothing_runs();
        let ids = site.ids();
        assert!(!ids.is_empty(), "{number}");
        if other.stderr.contains(&event("backup.finished")) {
            assert!(ids.contains(&other.stdout.trim().to_string()), "{number}: {ids:?} {other}");
        }
        let taken = site.taken_id();
        template.forgotten();
        assert_eq!(site.ids(), [taken], "{number}");
        assert_eq!(site.locks(), 0, "{number}");
        site.is_sound();
    }
}
