//! A stop request during a restore's statements: it is heard, and the same command continues.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::{Archived, content, files, nothing_is_left, session};
use crate::support::snapshot::same;
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

/// Another session reads a table that was set aside: the statement that drops it waits for as long as that session wants.
#[test]
fn a_stop_request_ends_a_statement_that_waits_for_a_lock() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = (content(stage), files(stage));
    stage.session().run("delete from \"tabNote\"");
    let id = stage.state("install_id").expect("an id");
    let restore = || archived.restore(stage).argument("--no-safety-backup").argument(&id);
    // By its name one of ours, so that the restore does not wait for its end.
    let reader = session(stage, "cauldron/reader");
    reader.run("begin");
    reader.run("select count(*) from public.\"tabNote\"");
    let stopped = restore().spawn();
    let waits =
        "exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like 'DROP TABLE%')";
    eventually(LONG, "the restore waits for the lock", || stage.session().is(waits).then_some(()));
    stopped.signal(Signal::SIGTERM);
    let ended = stopped.end_within(LONG).exits(128 + Signal::SIGTERM as i32);
    assert!(!ended.stderr.contains("restore.finished"), "{ended}");
    let left = "exists (select from pg_stat_activity where application_name = 'cauldron/lock')";
    assert!(
        !stage.session().is(left) && stage.state("holder").is_none(),
        "the lock and its name are released"
    );
    drop(reader);
    restore().run().exits(0).event("restore.finished");
    same(&backup.0, &content(stage));
    same(&backup.1, &files(stage));
    nothing_is_left(stage);
}
