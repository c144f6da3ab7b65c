//! A bucket as the source: `restore` by a login that may only read, `backup verify` by the one that takes backups.

use crate::repository::Backed;
use crate::stage::{content, files, new_stage, nothing_is_left};
use crate::support::binary::LONG;
use crate::support::s3::{PLAIN, S3, User};
use crate::support::snapshot::same;

#[test]
fn a_bucket_becomes_a_new_installation_and_is_verified() {
    let Some(s3) = S3::start("restore::s3::a_bucket_becomes_a_new_installation_and_is_verified") else {
        return;
    };
    let backed = Backed::new();
    s3.with(backed.command("backup"), PLAIN, User::Writer).run().exits(0);
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
