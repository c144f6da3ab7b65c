//! Two restores at once: what the second one read before it waited for the first is not what the first has left.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::repository::Backed;
use crate::stage::{Archived, content, files, nothing_is_left, restore, session};
use crate::support::session::Session;
use crate::support::stage::Stage;
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);
/// restic runs with a low priority: beside other tests it takes long.
const PATIENT: Duration = Duration::from_secs(300);

fn both_want_the_lock(stage: &Stage) {
    let both = "select count(*) = 2 from pg_stat_activity where application_name = 'cauldron/lock'";
    eventually(LONG, "the second one waits for the lock", || stage.session().is(both).then_some(()));
}

/// A session for which the statement that sets the tables aside waits: the mark is written, and nothing is replaced.
fn keeps_the_tables_in_place(stage: &Stage) -> Session {
    let reader = session(stage, "cauldron/reader");
    reader.run("begin");
    reader.run("select count(*) from public.\"__cauldron_state\"");
    reader
}

fn restore_waits(stage: &Stage) {
    let waits = "exists (select from pg_stat_activity where application_name = 'cauldron/lock' and wait_event_type = 'Lock')";
    eventually(LONG, "the restore waits for the reader", || stage.session().is(waits).then_some(()));
}

#[test]
fn a_restore_that_waited_for_one_that_was_killed_goes_back_before_it_begins() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = content(stage);
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let present = files(stage);
    let id = stage.state("install_id").expect("an id");
    let stranger = session(stage, "psql");
    let first = archived.restore(stage).argument("--no-safety-backup").argument(&id).spawn();
    first.event("site.waiting_for_sessions");
    let database = archived.restore_database(stage).argument("--only").argument("database");
    let second = database.argument("--no-safety-backup").argument(&id).spawn();
    both_want_the_lock(stage);
    let reader = keeps_the_tables_in_place(stage);
    drop(stranger);
    restore_waits(stage);
    first.signal(Signal::SIGKILL);
    first.end();
    drop(reader);
    second.end_within(LONG).exits(0).event("restore.undone");
    assert_eq!(files(stage), present);
    assert_eq!(content(stage), backup);
    nothing_is_left(stage);
}

/// As a Job does whose pod is replaced before it has ended.
#[test]
fn a_confirmed_restore_that_waited_for_the_same_one_is_done_once() {
    let backed = Backed::new();
    let stage = &backed.archived.stage;
    let backup = backed.backup();
    let id = stage.state("install_id").expect("an id");
    let again = || backed.restore_on(stage, &format!("{backup} --confirm {id}")).spawn();
    let stranger = session(stage, "psql");
    let first = again();
    first.event("site.waiting_for_sessions");
    let second = again();
    both_want_the_lock(stage);
    drop(stranger);
    first.end_within(PATIENT).exits(0).event("restore.finished");
    let ended = second.end_within(PATIENT).exits(0).event("restore.done_before");
    assert!(!ended.stderr.contains("restore.safety_backup_taken"), "{ended}");
}

/// It would say that the site is as it was, which it is not.
#[test]
fn an_undo_that_waited_for_a_restore_which_then_finished_undoes_nothing() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = (content(stage), files(stage));
    stage.session().run("delete from \"tabNote\"");
    let id = stage.state("install_id").expect("an id");
    let reader = keeps_the_tables_in_place(stage);
    let first = archived.restore(stage).argument("--no-safety-backup").argument(&id).spawn();
    restore_waits(stage);
    let undo = restore(stage).argument("--undo").spawn();
    both_want_the_lock(stage);
    drop(reader);
    first.end_within(LONG).exits(0).event("restore.finished");
    undo.end_within(LONG).exits(65).says("no restore of this site is on its way");
    assert_eq!((content(stage), files(stage)), backup);
    nothing_is_left(stage);
}
