//! The files are unpacked while the roles stop, before anything is replaced: what a restore leaves that ends there.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::repository::Backed;
use crate::stage::{Archived, SITE, content, files, nothing_is_left, session};
use crate::support::stage::ready;
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

/// A session of a stranger keeps the restore from replacing anything.
#[test]
fn a_restore_that_ends_while_it_waits_leaves_the_site_and_no_files() {
    let archived = Archived::new();
    let stage = &archived.stage;
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let present = (content(stage), files(stage));
    let id = stage.state("install_id").expect("an id");
    let ours = stage.bench.sites().join(".cauldron").join(SITE);
    let unpacked = ours.join("restore/stage/public/files/a.txt");
    let waits = || {
        let restore = archived.restore(stage).argument("--no-safety-backup").argument(&id).spawn();
        restore.event("site.waiting_for_sessions");
        eventually(LONG, "the files are unpacked", || unpacked.exists().then_some(()));
        assert!(!ours.join("restoring.json").exists(), "nothing is replaced yet");
        restore
    };
    let stranger = session(stage, "psql");
    let stopped = waits();
    stopped.signal(Signal::SIGTERM);
    stopped.end_within(LONG).exits(128 + Signal::SIGTERM as i32);
    nothing_is_left(stage);
    let killed = waits();
    killed.signal(Signal::SIGKILL);
    killed.end();
    assert!(unpacked.exists(), "a kill leaves what was unpacked");
    drop(stranger);
    assert!((content(stage), files(stage)) == present);
    // As the hint of a waiting pod says.
    fs::write(ours.join("hold"), "").expect("the lock's file");
    stage.leader().run().exits(0).event("restore.unpacked_removed");
    nothing_is_left(stage);
    assert_eq!(files(stage), present.1);
}

#[test]
fn a_restore_that_is_refused_stops_no_role() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let web = ready(stage.web());
    archived.restore(stage).run().exits(65).refuses("restore-unconfirmed");
    assert!(!web.log().contains("site.suspended"), "{}", web.log());
    nothing_is_left(stage);
}

/// What the first one has set aside is the site: the second one may not drop it with its own work.
#[test]
fn another_restore_goes_back_before_it_begins() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let backup = content(stage);
    stage.session().run("delete from \"tabNote\"");
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let present = files(stage);
    let id = stage.state("install_id").expect("an id");
    let dump = fs::read_to_string(archived.path("database.sql")).expect("a dump");
    let rejected = archived.path("rejected.sql");
    let table = "CREATE TABLE public.\"tabNote\"";
    fs::write(&rejected, dump.replacen(table, "CREATE TABLE nowhere.\"tabNote\"", 1)).expect("a dump");
    let first = crate::stage::restore(stage)
        .argument("--database-archive")
        .argument(&rejected.display().to_string())
        .argument("--public-files-archive")
        .argument(&archived.path("x-files.tar").display().to_string());
    first.argument("--no-safety-backup").argument(&id).run().exits(75).says("--undo");
    // As if it had got further, and was killed once its files were in place.
    let ours = stage.bench.sites().join(".cauldron").join(SITE).join("restore");
    fs::create_dir_all(ours.join("before/public")).expect("a folder");
    fs::rename(stage.file("public/files"), ours.join("before/public/files")).expect("set aside");
    fs::create_dir_all(stage.file("public/files")).expect("a folder");
    fs::write(stage.file("public/files/a.txt"), "public").expect("in place");
    fs::write(ours.join("staged"), "").expect("a file");
    assert_ne!(files(stage), present);
    fs::copy(archived.path("x-database.sql.gz"), archived.path("other.sql.gz")).expect("another archive");
    let other = crate::stage::restore(stage)
        .argument("--database-archive")
        .argument(&archived.path("other.sql.gz").display().to_string());
    other.argument("--no-safety-backup").argument(&id).run().exits(0).event("restore.undone");
    assert_eq!(files(stage), present, "of the site, not of the first restore");
    assert_eq!(content(stage), backup);
    nothing_is_left(stage);
}

/// A dump reads schema public by its name: it would get the tables of one site and the rows of the other.
#[test]
fn a_restore_waits_for_the_dump_of_a_backup_and_a_backup_for_a_restore() {
    let backed = Backed::new();
    let stage = &backed.archived.stage;
    let id = stage.state("install_id").expect("an id");
    let dump = session(stage, "cauldron/backup-turn");
    dump.run(&format!("SELECT pg_advisory_lock_shared({})", 0x6361_756c_6263_6b70_i64));
    let restore = backed.archived.restore(stage).argument("--no-safety-backup").argument(&id).spawn();
    restore.says("a backup has been dumping the database");
    // The statement that drops what was set aside waits for it.
    let reader = session(stage, "cauldron/reader");
    reader.run("begin");
    reader.run("select count(*) from public.\"tabNote\"");
    drop(dump);
    restore.event("restore.files_in_place");
    let backup = backed.command("backup").spawn();
    backup.event("site.waiting_for_exclusive_lock");
    drop(reader);
    restore.end_within(LONG).exits(0).event("restore.finished");
    backup.end_within(Duration::from_secs(300)).exits(0).event("backup.finished");
}
