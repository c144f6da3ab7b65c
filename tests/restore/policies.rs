//! The policies of docs/backups.md#rights on a server that enforces them, and its commands after an intruder's deletion.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::repository::Backed;
use crate::stage::{content, files, new_stage, nothing_is_left};
use crate::support::binary::{Binary, LONG};
use crate::support::ceph::{ADMIN, BACKUPS, Ceph, LOCKED};
use crate::support::policies;
use crate::support::s3::User;
use crate::support::snapshot::same;
use crate::support::wait::eventually;

/// A site whose repository is in a bucket of Ceph.
struct Bucket {
    ceph: Ceph,
    backed: Backed,
    name: &'static str,
}

impl Bucket {
    fn new(test: &str, name: &'static str) -> Option<Self> {
        Some(Self { ceph: Ceph::start(test)?, backed: Backed::new(), name })
    }

    fn command(&self, user: User, words: &str) -> Binary {
        self.ceph.with(self.backed.command(words), self.name, user)
    }

    #[track_caller]
    fn taken(&self) -> String {
        self.command(User::Writer, "backup").run().exits(0).stdout.trim().to_owned()
    }

    #[track_caller]
    fn listed(&self) -> Vec<String> {
        let list = self.command(User::Reader, "backup list --format json").run().exits(0).stdout;
        let list: Value = serde_json::from_str(&list).expect("a list");
        let backups = list["backups"].as_array().expect("backups").iter();
        backups.map(|backup| backup["id"].as_str().expect("an id").to_owned()).collect()
    }

    #[track_caller]
    fn keeps_the_newest(&self) {
        let forget = self.command(User::Owner, "backup forget --yes").set("CAULDRON_BACKUP_KEEP", "1d");
        forget.run().exits(0).event("backup.forgotten");
    }

    #[track_caller]
    fn is_sound(&self) {
        let check = "backup exec -- restic check --read-data --no-lock --no-cache";
        self.command(User::Reader, check).run().exits(0);
    }

    /// The objects that are not hidden.
    fn objects(&self) -> Vec<String> {
        let list = format!(
            "aws s3api list-objects-v2 --bucket {} --query Contents[].[Key] --output text",
            self.name
        );
        let list = self.ceph.shell(User::Reader.name(), &list);
        list.lines().filter(|line| *line != "None").map(str::to_owned).collect()
    }

    /// Deletes each object, as far as the server lets this user.
    fn delete_all(&self, user: User) -> Result<String, String> {
        self.ceph.try_shell(user.name(), &format!("aws s3 rm --recursive s3://{}/erp", self.name))
    }
}

#[test]
fn each_command_has_the_rights_that_it_needs() {
    let test = "restore::policies::each_command_has_the_rights_that_it_needs";
    let Some(bucket) = Bucket::new(test, BACKUPS) else { return };
    let original = &bucket.backed.archived.stage;
    let (first, second) = (bucket.taken(), bucket.taken());
    assert_eq!(bucket.listed(), [first.clone(), second.clone()]);
    let stage = new_stage();
    let restore = bucket.backed.restore_on(&stage, "newest");
    bucket.ceph.with(restore, bucket.name, User::Reader).run().exits(0).event("restore.finished");
    same(&content(original), &content(&stage));
    same(&files(original), &files(&stage));
    nothing_is_left(&stage);
    let verify = bucket.command(User::Writer, "backup verify");
    verify.spawn().end_within(2 * LONG).exits(0).event("verify.passed");
    let over = bucket.backed.restore_on(original, &first);
    let over = bucket.ceph.with(over, bucket.name, User::Writer).run();
    over.exits(0).event("restore.safety_backup_taken");
    assert_eq!(bucket.listed().len(), 3);
    assert_eq!(bucket.ceph.denied(), [""; 0]);
    // The logins of the others can delete nothing of it.
    let objects = bucket.objects();
    for user in [User::Reader, User::Writer] {
        bucket.delete_all(user).expect_err("a deletion that is denied");
        let denied = objects.iter().map(|object| format!("{} DELETE /{BACKUPS}/{object}", user.name()));
        let denied: Vec<String> = denied.filter(|line| !bucket.ceph.denied().contains(line)).collect();
        assert_eq!((denied, bucket.objects()), (vec![], objects.clone()), "{user:?}");
    }
    bucket.keeps_the_newest();
    let left = bucket.listed();
    assert!(left.len() == 2 && left[0] == second, "the verified one and the newest are left: {left:?}");
    bucket.is_sound();
}

#[test]
fn what_is_deleted_in_a_bucket_with_object_lock_comes_back() {
    let test = "restore::policies::what_is_deleted_in_a_bucket_with_object_lock_comes_back";
    let Some(bucket) = Bucket::new(test, LOCKED) else { return };
    let blocks = policies::commands("\n### Object lock\n");
    let &[_, extends, removes_markers, copies] = blocks.as_slice() else { panic!("{blocks:#?}") };
    bucket.taken();
    let second = bucket.taken();
    bucket.keeps_the_newest();
    let since = now_in_a_past_second();
    let shell = |text: &str| {
        let text = text.replace(BACKUPS, LOCKED).replace("2026-11-30T02:00:00", &since);
        bucket.ceph.shell(ADMIN, &text.replace("recovered", BACKUPS))
    };
    shell(&extends.replace("+30 days", "+90 days"));
    let retention =
        format!("aws s3api get-object-retention --bucket {LOCKED} --key erp/config --output text");
    let (retained, default) = (shell(&retention), Timestamp::now() + SignedDuration::from_hours(31 * 24));
    let until = retained.split('\t').next_back().expect("a time").parse::<Timestamp>();
    assert!(until.is_ok_and(|until| until > default), "{retained}");
    bucket.delete_all(User::Owner).expect("an intruder with the login of `forget`");
    assert_eq!(bucket.objects(), [""; 0]);
    bucket.command(User::Reader, "backup list").run().exits(65).refuses("repository-missing");
    // Neither that login nor the owner of the bucket can destroy a version.
    let config = format!("--bucket {LOCKED} --key erp/config");
    let version = format!(
        "aws s3api list-object-versions --bucket {LOCKED} --prefix erp/config \
                           --query Versions[].[VersionId] --output text"
    );
    let version = bucket.ceph.shell(ADMIN, &version);
    let destroy = format!("aws s3api delete-object {config} --version-id={version}");
    for who in [User::Owner.name(), ADMIN] {
        bucket.ceph.try_shell(who, &destroy).expect_err("a version that stays");
        let denied = format!("{who} DELETE /{LOCKED}/erp/config?versionId={version}");
        assert!(bucket.ceph.denied().contains(&denied), "{denied}: {:#?}", bucket.ceph.denied());
    }
    shell(removes_markers);
    assert_eq!(bucket.listed(), std::slice::from_ref(&second));
    bucket.is_sound();
    // The login of `backup` can replace what it cannot delete.
    let since_then = now_in_a_past_second();
    bucket.ceph.shell(User::Writer.name(), &format!("aws s3api put-object {config}"));
    bucket.command(User::Reader, "backup list").run().exits(65).refuses("repository-damaged");
    shell(&format!("since={since_then}\n{copies}"));
    let copy = Bucket { name: BACKUPS, ..bucket };
    assert_eq!(copy.listed(), [second]);
    copy.is_sound();
}

/// A time before which everything has happened, once it is over: the server's times are of a second.
fn now_in_a_past_second() -> String {
    let now = Timestamp::now().as_second();
    eventually(LONG, "another second", || (Timestamp::now().as_second() > now).then_some(()));
    Timestamp::from_second(now + 1).expect("a time").to_string().replace('Z', "")
}
