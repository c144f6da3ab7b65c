//! A restore that is killed at any step is finished by the same command, or undone; a killed verification leaves nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt;

use crate::repository::Backed;
use crate::stage::{Archived, content, files, keeps_its_code, nothing_is_left};
use crate::support::moments;
use crate::support::snapshot::same;
use crate::support::wait::{eventually, within};

const LONG: Duration = Duration::from_secs(180);

/// The events at which a restore is killed, and pauses after the lock: with unpacked files, before, within and after the load.
const KILLS: [(&str, u64); 10] = [
    ("site.exclusive_lock_acquired", 0),
    ("site.exclusive_lock_acquired", 1_000),
    ("site.exclusive_lock_acquired", 3_300),
    ("site.exclusive_lock_acquired", 3_600),
    ("site.exclusive_lock_acquired", 4_000),
    ("site.exclusive_lock_acquired", 4_500),
    ("restore.database_loaded", 0),
    ("restore.database_loaded", 30),
    ("restore.files_in_place", 0),
    ("restore.files_in_place", 30),
];

/// About the time from the lock to the end of a restore.
const WHOLE_MS: u64 = 5_000;

#[test]
fn a_killed_restore_is_finished_by_the_same_command_or_undone() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = (content(stage), files(stage));
    let mut random = moments::random();
    let more = moments::kills() as usize - KILLS.len();
    let any: Vec<_> = (0..more).map(|_| (KILLS[0].0, random.random_range(0..WHOLE_MS))).collect();
    for (number, (event, pause_ms)) in KILLS.into_iter().chain(any).enumerate() {
        stage.session().run("delete from \"tabNote\" where name > 'note-5'");
        fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
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

/// What it leaves in its folder is deleted by the next one; the site, and the lists of backups, are as they were.
#[test]
fn a_killed_verification_leaves_nothing_that_the_next_one_does_not_remove() {
    let mut random = moments::random();
    let backed = Backed::new();
    backed.backup();
    let stage = &backed.archived.stage;
    let before = (content(stage), files(stage));
    let verify = || backed.command("backup verify").spawn();
    let whole = Duration::from_secs(120);
    let began = Instant::now();
    verify().end_within(whole).exits(0);
    let took = began.elapsed();
    for _ in 0..moments::kills() {
        let mut killed = verify();
        within(moments::within(&mut random, took), || killed.exit());
        if killed.exit().is_none() {
            killed.signal(Signal::SIGKILL);
        }
        killed.end();
    }
    verify().end_within(whole).exits(0);
    backed.no_scratch_is_left();
    let left = running_in(&backed.folder.path().join("scratch"));
    assert!(left.is_empty(), "processes of a killed verification run: {left:#?}");
    assert!((content(stage), files(stage)) == before, "the site is unchanged");
}

/// The kernel ends gunicorn with us, and not its worker, which first ends its requests: here one that takes an hour.
#[test]
fn a_web_worker_of_a_killed_verification_is_ended_by_the_next_one() {
    let backed = Backed::new();
    if keeps_its_code(&backed.archived.stage, "a_web_worker_of_a_killed_verification") {
        return;
    }
    backed.backup();
    let (scratch, held) = (backed.folder.path().join("scratch"), backed.folder.path().join("held"));
    let session = backed.archived.stage.bench.path().join("apps/frappe/frappe/session.py");
    let text = fs::read_to_string(&session).expect("session.py");
    let login = "def login(user, password):\n";
    let hangs = format!(
        "{login}    import time\n    open('{}', 'w').close()\n    time.sleep(3600)\n",
        held.display()
    );
    assert!(text.contains(login));
    fs::write(&session, text.replace(login, &hangs)).expect("session.py");
    let killed = backed.command("backup verify").spawn();
    eventually(LONG, "a login that hangs", || held.exists().then_some(()));
    killed.signal(Signal::SIGKILL);
    killed.end();
    fs::write(&session, text).expect("session.py");
    let next = backed.command("backup verify").spawn().end_within(LONG);
    let left = running_in(&scratch);
    for (pid, _) in &left {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    assert!(left.is_empty(), "{left:#?}");
    next.exits(0).event("scratch.process_ended");
    backed.no_scratch_is_left();
}

/// A frozen process of PostgreSQL keeps its server from ending: the next one waits for it, until it is asked to stop.
#[test]
fn a_stop_request_ends_the_wait_for_a_server_of_a_killed_verification() {
    let backed = Backed::new();
    backed.backup();
    let scratch = backed.folder.path().join("scratch");
    let killed = backed.command("backup verify").spawn();
    let frozen = eventually(LONG, "a PostgreSQL in scratch", || {
        let folder = fs::read_dir(&scratch).ok()?.flatten().next()?.path();
        let text = fs::read_to_string(folder.join("servers/postgres/postmaster.pid")).ok()?;
        // A negative one is a server of initdb.
        let server: i32 = text.lines().next()?.parse().ok().filter(|pid| *pid > 1)?;
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).ok()?;
        let is_writer = |pid: &&str| {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("walwriter"))
        };
        children.split_whitespace().find(is_writer)?.parse().ok().map(Pid::from_raw)
    });
    kill(frozen, Signal::SIGSTOP).expect("a process to freeze");
    killed.signal(Signal::SIGKILL);
    killed.end();
    let stopped = backed.command("backup verify").spawn();
    stopped.event("embedded.leftover_found");
    stopped.signal(Signal::SIGTERM);
    let stopped = stopped.end_within(LONG);
    kill(frozen, Signal::SIGCONT).expect("a frozen process");
    stopped.exits(128 + Signal::SIGTERM as i32);
    backed.command("backup verify").spawn().end_within(LONG).exits(0);
    backed.no_scratch_is_left();
}

/// The processes that have this folder in their command line: pid, and parent and line for messages.
pub fn running_in(folder: &Path) -> Vec<(i32, String)> {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let running = processes.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
        let pid = entry.file_name().to_str()?.parse().ok()?;
        line.contains(&folder).then(|| (pid, format!("parent {parent}: {line}")))
    });
    running.collect()
}
