//! Backups of a restic repository: restored into a new installation, over a site, in part, and under another name.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::{Archived, content, files, new_stage, nothing_is_left};
use crate::support::binary::{Binary, event};
use crate::support::snapshot::same;
use crate::support::stage::Stage;
use crate::support::wait::within;

pub const PASSWORD: &str = "canary-of-the-repository";

/// A site with a repository.
pub struct Backed {
    pub archived: Archived,
    pub folder: tempfile::TempDir,
}

impl Backed {
    pub fn new() -> Self {
        Self { archived: Archived::new(), folder: tempfile::tempdir().expect("a folder for a repository") }
    }

    /// A command with the repository's settings.
    pub fn with_repository(&self, binary: Binary) -> Binary {
        let scratch = self.folder.path().join("scratch");
        fs::create_dir_all(&scratch).expect("a folder for scratch");
        fs::set_permissions(self.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a mode");
        binary
            .set("CAULDRON_BACKUP_TO", self.repository().display())
            .set("CAULDRON_BACKUP_PASSWORD", PASSWORD)
            .set("CAULDRON_SCRATCH_DIR", scratch.display())
    }

    pub fn repository(&self) -> std::path::PathBuf {
        self.folder.path().join("repository")
    }

    pub fn command(&self, words: &str) -> Binary {
        self.with_repository(self.archived.stage.manifest(words))
    }

    /// Takes a backup, and returns its id.
    pub fn backup(&self) -> String {
        let ended = self.command("backup").run().exits(0);
        ended.stdout.trim().to_string()
    }

    pub fn restore_on(&self, stage: &Stage, words: &str) -> Binary {
        self.with_repository(stage.manifest(&format!("restore {words}")))
    }

    /// Nothing of a verification is left.
    #[track_caller]
    pub fn no_scratch_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path().join("scratch")).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_backup_becomes_a_new_installation_that_is_muted() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = new_stage();
    backed.restore_on(&stage, &id).run().exits(0).event("restore.finished");
    let original = &backed.archived.stage;
    same(&content(original), &content(&stage));
    same(&files(original), &files(&stage));
    assert_eq!(original.site_config()["encryption_key"], stage.site_config()["encryption_key"]);
    nothing_is_left(&stage);
    stage.leader().run().exits(0).event("site.is_copy");
    assert_eq!(stage.site_config()["pause_scheduler"], 1);
}

#[test]
fn a_site_is_replaced_after_a_backup_of_it() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let (tables, uploads) = (content(stage), files(stage));
    stage.session().run("set role frappe; delete from \"tabNote\"; create table public.later (a int)");
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let before = (content(stage), files(stage));
    backed.restore_on(stage, &id).run().exits(0).event("restore.safety_backup_taken");
    same(&tables, &content(stage));
    same(&uploads, &files(stage));
    nothing_is_left(stage);
    // And back: the newest backup is the one from before the restore.
    backed.restore_on(stage, "newest").run().exits(0);
    same(&before.0, &content(stage));
    same(&before.1, &files(stage));
    let list = backed.command("backup list").run().exits(0);
    assert_eq!(list.stdout.matches("before-restore").count(), 2, "{list}");
    let ended = stage.leader().run().exits(0);
    assert!(!ended.stderr.contains("site.is_copy"), "{ended}");
}

/// What the chart's Job does: the id is printed, the site is replaced after a backup of it, and only once.
#[test]
fn a_confirmed_restore_is_done_once() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let tables = content(stage);
    stage.session().run("set role frappe; delete from \"tabNote\"");
    let changed = content(stage);
    let restore = |of: &str| backed.restore_on(stage, &format!("{id} --confirm {of}"));
    let refused = restore("none").run().exits(65).refuses("restore-unconfirmed");
    same(&changed, &content(stage));
    let (_, printed) = refused.stderr.rsplit_once("`--confirm ").expect("the id of the site");
    let site: String = printed.chars().take_while(|c| *c != '`').collect();
    restore(&site).run().exits(0).event("restore.safety_backup_taken");
    same(&tables, &content(stage));
    stage.session().run("set role frappe; delete from \"tabNote\"");
    restore(&site).run().exits(0).event("restore.done_before");
    same(&changed, &content(stage));
    // The control: another request is another restore.
    backed.restore_on(stage, &format!("{id} --confirm {site} --only database")).run().exits(0);
    same(&tables, &content(stage));
}

/// The newest backup is then the one that was taken of the present site.
#[test]
fn a_killed_restore_of_the_newest_continues_with_its_own_backup() {
    let backed = Backed::new();
    backed.backup();
    let stage = &backed.archived.stage;
    let tables = content(stage);
    stage.session().run("set role frappe; delete from \"tabNote\"");
    let killed = backed.restore_on(stage, "newest").spawn();
    let loaded = event("restore.database_loaded");
    within(Duration::from_secs(120), || killed.log().contains(&loaded).then_some(()));
    killed.signal(Signal::SIGKILL);
    killed.end();
    backed.restore_on(stage, "newest").run().exits(0);
    same(&tables, &content(stage));
    nothing_is_left(stage);
}

#[test]
fn a_lost_volume_comes_back_alone() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let uploads = files(stage);
    let config = stage.site_config();
    fs::remove_dir_all(stage.bench.sites().join(stage.site)).expect("a lost volume");
    fs::remove_dir_all(stage.bench.sites().join(".cauldron")).expect("a lost volume");
    stage.session().run("update \"tabNote\" set name = 'kept' where name = 'note-1'");
    let tables = content(stage);
    let told = format!("restore newest --only files`; the newest on record, {id}, is ");
    stage.leader().run().exits(65).refuses("volume-lost").says(&told);
    backed.restore_on(stage, &format!("{id} --only files")).run().exits(0);
    same(&tables, &content(stage));
    same(&uploads, &files(stage));
    assert_eq!(config["encryption_key"], stage.site_config()["encryption_key"]);
    let ended = stage.leader().run().exits(0);
    assert!(!ended.stderr.contains("site.is_copy"), "it is the same installation: {ended}");
}

/// Jobs wait in queues whose names begin with the bench id, which is on the volume alone.
#[test]
fn a_lost_volume_gets_its_bench_id_again() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let sites = stage.bench.sites();
    for folder in [sites.join(stage.site), sites.join(".cauldron")] {
        fs::remove_dir_all(folder).expect("a lost volume");
    }
    fs::remove_file(sites.join("common_site_config.json")).expect("a lost volume");
    let restore = backed.restore_on(stage, &format!("{id} --only files"));
    restore.set("CAULDRON_BENCH_ID_IF_NEW", "production.erp").run().exits(0);
    stage.leader().run().exits(0);
    let common = stage.bench.read_config("common_site_config.json");
    assert_eq!(
        (&common["bench_id"], &common["default_site"]),
        (&"production.erp".into(), &stage.site.into())
    );
    let former = common["cauldron_former_bench_ids"].as_array().expect("ids");
    assert_eq!(former.len(), 1, "jobs of a bench that had Frappe's default id: {former:?}");
    // The control: a new installation has none, and the original's jobs are not its own.
    let new = new_stage();
    fs::remove_file(new.bench.sites().join("common_site_config.json")).expect("an empty volume");
    backed.restore_on(&new, &id).set("CAULDRON_BENCH_ID_IF_NEW", "copy").run().exits(0);
    let common = new.bench.read_config("common_site_config.json");
    assert_eq!(common["bench_id"], "copy");
    assert!(!common.contains_key("cauldron_former_bench_ids"), "{common:?}");
}

#[test]
fn a_backup_of_another_site_is_refused_until_it_is_renamed() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = Stage::on_any_bench("other.test", crate::stage::DATABASE).set("CAULDRON_DRAIN", "0s");
    backed.restore_on(&stage, &id).run().exits(65).refuses("backup-of-other-site");
    assert!(!stage.postgres.database_exists(crate::stage::DATABASE));
    backed.restore_on(&stage, "20200101T000000Z-000000").run().exits(65).refuses("backup-not-found");
    backed.restore_on(&stage, &format!("{id} --rename")).run().exits(0);
    same(&content(&backed.archived.stage), &content(&stage));
    assert_eq!(fs::read_to_string(stage.file("private/files/b/c.txt")).expect("a file"), "private");
    stage.leader().run().exits(0);
}
