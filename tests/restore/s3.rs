//! A bucket as the source: `restore` by a login that may only read, `backup verify` by the one that takes backups.

use nix::sys::signal::Signal;

use crate::repository::Backed;
use crate::stage::{content, files, new_stage, nothing_is_left};
use crate::support::binary::LONG;
use crate::support::proxy::Proxy;
use crate::support::s3::{PLAIN, S3, User, repository_at};
use crate::support::snapshot::same;
use crate::support::tree::with_descendants;
use crate::support::wait::eventually;

/// A site whose backup is in a bucket. None, with a visible message, without the server.
fn backed_in_a_bucket(test: &str) -> Option<(S3, Backed)> {
    let (s3, backed) = (S3::start(test)?, Backed::new());
    s3.with(backed.command("backup"), PLAIN, User::Writer).run().exits(0);
    Some((s3, backed))
}

#[test]
fn a_bucket_becomes_a_new_installation_and_is_verified() {
    let test = "restore::s3::a_bucket_becomes_a_new_installation_and_is_verified";
    let Some((s3, backed)) = backed_in_a_bucket(test) else { return };
    let stage = new_stage();
    s3.with(backed.restore_on(&stage, "newest"), PLAIN, User::Reader)
        .run()
        .exits(0)
        .event("restore.finished");
    let original = &backed.archived.stage;
    same(&content(original), &content(&stage));
    same(&files(original), &files(&stage));
    assert_eq!(original.site_config()["encryption_key"], stage.site_config()["encryption_key"]);
    nothing_is_left(&stage);
    let verify = s3.with(backed.command("backup verify"), PLAIN, User::Writer);
    verify.spawn().end_within(2 * LONG).exits(0).event("verify.passed");
    backed.no_scratch_is_left();
    let list = s3.with(backed.command("backup list"), PLAIN, User::Reader).run().exits(0);
    assert!(list.stdout.contains("passed "), "{list}");
    assert_eq!(s3.denied(), [""; 0]);
}

/// The server stalls while the files are read, or while the database is: psql waits for restic, and restic for the server.
#[test]
fn a_stop_request_ends_a_restore_whose_server_stalls() {
    let test = "restore::s3::a_stop_request_ends_a_restore_whose_server_stalls";
    let Some((s3, backed)) = backed_in_a_bucket(test) else { return };
    let (stage, proxy) = (new_stage(), Proxy::to(s3.port()));
    let shut = "site.exclusive_lock_acquired";
    for (command, event, reads) in [
        (backed.restore_on(&stage, "newest"), shut, "\0restore\0--no-lock"),
        (backed.restore_on(&stage, "newest --only database"), shut, "/database.sql"),
        (backed.command("backup verify"), "verify.started", "/database.sql"),
    ] {
        let command = s3.with(command, PLAIN, User::Writer);
        let command = command.set("CAULDRON_BACKUP_TO", repository_at(proxy.port(), PLAIN)).spawn();
        command.event(event);
        proxy.stall();
        eventually(LONG, "restic reads the repository", || {
            let lines = with_descendants(command.pid()).into_iter().map(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).into_owned()
            });
            lines.into_iter().any(|line| line.contains(reads)).then_some(())
        });
        command.signal(Signal::SIGTERM);
        command.end().exits(128 + Signal::SIGTERM as i32);
        proxy.pass();
    }
    backed.no_scratch_is_left();
    let again = s3.with(backed.restore_on(&stage, "newest"), PLAIN, User::Reader);
    again.run().exits(0);
    same(&content(&backed.archived.stage), &content(&stage));
    nothing_is_left(&stage);
}
