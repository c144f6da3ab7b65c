//! Backups in a bucket: with rights by the rules of docs/backups.md#rights, refused, and interrupted.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::repository::{Backups, id_of, refused};
use crate::support::binary::{Binary, LONG};
use crate::support::moments;
use crate::support::s3::{PLAIN, S3, User, VERSIONED};
use crate::support::wait::eventually;

/// restic gives up after many requests, each of which it makes ten times.
const HOUR: Duration = Duration::from_secs(3600);

/// A site whose repository is in a bucket.
struct Bucket {
    site: Backups,
    s3: S3,
    name: &'static str,
}

impl Bucket {
    fn new(test: &str, name: &'static str) -> Option<Self> {
        let s3 = S3::start(test)?;
        Some(Self { site: Backups::new(), s3, name })
    }

    fn command(&self, user: User, words: &str) -> Binary {
        self.s3.with(self.site.command(words), self.name, user)
    }

    #[track_caller]
    fn taken(&self) -> String {
        let ended = self.command(User::Writer, "backup").run().exits(0).event("backup.finished");
        assert!(!ended.to_string().contains("canary"), "a secret is in the output: {ended}");
        ended.stdout.trim().to_owned()
    }

    #[track_caller]
    fn listed(&self) -> Vec<String> {
        let ended = self.command(User::Reader, "backup list --format json").run().exits(0);
        let list: Value = serde_json::from_str(&ended.stdout).expect("a list");
        let backups = list["backups"].as_array().expect("backups");
        backups.iter().map(|backup| id_of(backup, "id")).collect()
    }

    /// Keeps the newest backup only.
    fn forget(&self, user: User) -> Binary {
        self.command(user, "backup forget --yes").set("CAULDRON_BACKUP_KEEP", "1d")
    }

    #[track_caller]
    fn is_sound(&self) {
        let check =
            self.command(User::Reader, "backup exec -- restic check --read-data --no-lock --no-cache");
        check.run().exits(0);
    }
}

/// Each command has the rights that the documentation gives it, and none is asked for more.
#[test]
fn rights_are_enough() {
    let Some(bucket) = Bucket::new("backups::s3::rights_are_enough", PLAIN) else { return };
    let first = bucket.taken();
    let second = bucket.taken();
    assert_eq!(bucket.listed(), [first, second.clone()]);
    bucket.is_sound();
    assert_eq!(bucket.s3.denied(), [""; 0]);
    let before = bucket.s3.objects();
    bucket.forget(User::Owner).run().exits(0).event("backup.forgotten");
    assert_eq!(bucket.listed(), [second]);
    assert!(bucket.s3.objects() < before, "they are still on the disk");
    bucket.is_sound();
}

/// restic tries each request again for most of a minute, as the two here do at the same time. The backup looks for other
/// locks before it is denied its own: `forget` makes one later.
#[test]
fn a_denied_request_has_its_code_and_changes_nothing() {
    let Some(bucket) = Bucket::new("backups::s3::a_denied_request_has_its_code_and_changes_nothing", PLAIN)
    else {
        return;
    };
    let taken = [bucket.taken(), bucket.taken()];
    let backup = bucket.command(User::Reader, "backup").spawn();
    backup.event("restic.tries_again");
    let forget = bucket.forget(User::Writer).spawn();
    for denied in [backup, forget] {
        refused(denied.end_within(2 * LONG), 77).says("Access Denied").event("restic.tries_again");
    }
    assert_eq!(bucket.listed(), taken);
    bucket.is_sound();
}

#[test]
fn logins_buckets_and_certificates_are_checked_before_any_work() {
    let name = "backups::s3::logins_buckets_and_certificates_are_checked_before_any_work";
    let Some(mut bucket) = Bucket::new(name, PLAIN) else { return };
    let before = bucket.s3.objects();
    let backup = || bucket.command(User::Writer, "backup");
    let with = |name: &str, value: &str| backup().unset(&format!("{name}_FILE")).set(name, value);
    refused(with("AWS_SECRET_ACCESS_KEY", "canary-wrong").run(), 77).says("AWS_ACCESS_KEY_ID");
    refused(with("AWS_ACCESS_KEY_ID", "backup:nobody").run(), 77).says("AWS_ACCESS_KEY_ID");
    refused(with("CAULDRON_BACKUP_TO", &bucket.s3.repository("absent")).run(), 78).says("create the bucket");
    refused(backup().unset("SSL_CERT_FILE").run(), 78).says("SSL_CERT_FILE");
    assert_eq!(bucket.s3.objects(), before, "nothing was written");
    bucket.taken();
    refused(with("CAULDRON_BACKUP_PASSWORD", "canary-other").run(), 77).refuses("repository-password-wrong");
    bucket.s3.kill();
    refused(bucket.command(User::Writer, "backup").run(), 69);
}

#[test]
fn a_server_that_goes_away_leaves_nothing_that_counts() {
    let name = "backups::s3::a_server_that_goes_away_leaves_nothing_that_counts";
    let Some(mut bucket) = Bucket::new(name, PLAIN) else { return };
    let first = bucket.taken();
    bucket.site.has_a_large_table();
    let killed_halfway = |bucket: &mut Bucket| {
        let before = bucket.s3.objects();
        let backup = bucket.command(User::Writer, "backup").set("CAULDRON_BACKUP_RATE", "1m").spawn();
        eventually(LONG, "some of the data is there", || (bucket.s3.objects() > before + 1).then_some(()));
        bucket.s3.kill();
        backup.event("restic.tries_again");
        backup
    };
    let backup = killed_halfway(&mut bucket);
    if moments::is_drill() {
        refused(backup.end_within(HOUR), 69);
    } else {
        backup.signal(Signal::SIGTERM);
        backup.end().exits(128 + Signal::SIGTERM as i32);
    }
    bucket.s3.start_again();
    assert_eq!(bucket.listed(), std::slice::from_ref(&first));
    // One that comes back in time is no failure.
    let backup = killed_halfway(&mut bucket);
    bucket.s3.start_again();
    let ended = backup.end_within(3 * LONG).exits(0);
    assert_eq!(bucket.listed(), [first, ended.stdout.trim().to_owned()]);
    bucket.is_sound();
}

/// A bucket with versions is what object lock needs: what `forget` removes is hidden, and stays on the disk.
#[test]
fn a_versioned_bucket_keeps_what_is_forgotten() {
    let Some(bucket) = Bucket::new("backups::s3::a_versioned_bucket_keeps_what_is_forgotten", VERSIONED)
    else {
        return;
    };
    bucket.taken();
    let second = bucket.taken();
    let before = bucket.s3.objects();
    bucket.forget(User::Owner).run().exits(0);
    assert_eq!(bucket.listed(), [second]);
    assert!(bucket.s3.objects() >= before, "something is gone from the disk");
    bucket.is_sound();
}
