//! A restore that is killed at any step is finished by the same command, or undone.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::{Archived, content, files, nothing_is_left};
use crate::support::snapshot::same;
use crate::support::wait::within;

/// The events at which a restore is killed, and pauses after the lock: before, within and after the load.
const KILLS: [(&str, u64); 10] = [
    ("site.exclusive_lock_acquired", 0),
    ("site.exclusive_lock_acquired", 3_000),
    ("site.exclusive_lock_acquired", 3_300),
    ("site.exclusive_lock_acquired", 3_600),
    ("site.exclusive_lock_acquired", 4_000),
    ("site.exclusive_lock_acquired", 4_500),
    ("restore.database_loaded", 0),
    ("restore.database_loaded", 30),
    ("restore.files_in_place", 0),
    ("restore.files_in_place", 30),
];

#[test]
fn a_killed_restore_is_finished_by_the_same_command_or_undone() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = (content(stage), files(stage));
    for (number, (event, pause_ms)) in KILLS.into_iter().enumerate() {
        stage.session().run("delete from \"tabNote\" where name > 'note-5'");
        std::fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
        let present = (content(stage), files(stage));
        let id = stage.state("install_id").expect("an id");
        let command = || archived.restore(stage).argument("--no-safety-backup").argument(&id);
        let mut killed = command().spawn();
        let wanted = crate::support::binary::event(event);
        within(Duration::from_secs(60), || {
            (killed.log().contains(&wanted) || killed.exit().is_some()).then_some(())
        });
        // A moment that is not an event: any outcome of it is right.
        within(Duration::from_millis(pause_ms), || killed.exit());
        if killed.exit().is_none() {
            killed.signal(Signal::SIGKILL);
        }
        killed.end();
        let undo = crate::stage::restore(stage).argument("--undo");
        if number % 3 == 2 && undo.run().exit == 0 {
            assert!((content(stage), files(stage)) == present, "undone after {event} + {pause_ms} ms");
        }
        command().run().exits(0);
        same(&backup.0, &content(stage));
        same(&backup.1, &files(stage));
        nothing_is_left(stage);
    }
    stage.leader().run().exits(0);
}
