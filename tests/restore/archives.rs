//! bench's archives, restored into a new installation and over a site.

use std::fs;

use crate::stage::{Archived, SITE, content, files, new_stage, nothing_is_left};
use crate::support::snapshot::same;
use crate::support::stage::ready;

/// The last word of the hint: the id that confirms the loss.
fn printed_id(stderr: &str) -> String {
    let (_, rest) = stderr.split_once("--no-safety-backup ").expect("an id");
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

#[test]
fn a_new_installation_comes_from_archives_and_is_muted() {
    let archived = Archived::new();
    let stage = new_stage();
    archived.restore(&stage).run().exits(0).event("restore.finished");
    same(&content(&archived.stage), &content(&stage));
    same(&files(&archived.stage), &files(&stage));
    nothing_is_left(&stage);
    let (old, new) = (archived.stage.site_config(), stage.site_config());
    assert_eq!(old["encryption_key"], new["encryption_key"]);
    stage.leader().run().exits(0).event("site.is_copy");
    assert_eq!(stage.site_config()["mute_emails"], 1);
    let web = ready(stage.web());
    assert_eq!(stage.get("/login"), 200);
    drop(web);
}

#[test]
fn a_copy_is_muted_also_if_its_restore_was_killed_after_the_load() {
    let archived = Archived::new();
    let stage = new_stage();
    let killed = archived.restore(&stage).spawn();
    killed.event("restore.database_loaded");
    killed.signal(nix::sys::signal::Signal::SIGKILL);
    killed.end();
    archived.restore(&stage).run().exits(0);
    same(&content(&archived.stage), &content(&stage));
    stage.leader().run().exits(0).event("site.is_copy");
}

#[test]
fn an_installation_that_takes_over_is_not_muted() {
    let archived = Archived::new();
    let stage = new_stage();
    archived.restore(&stage).argument("--take-over").run().exits(0);
    let ended = stage.leader().run().exits(0);
    assert!(!ended.stderr.contains("site.is_copy"), "{ended}");
}

#[test]
fn a_site_is_replaced_when_its_loss_is_confirmed() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let (tables, uploads) = (content(stage), files(stage));
    stage.session().run(
        "delete from \"tabNote\"; create table public.later (a int); insert into public.later values (1)",
    );
    fs::write(stage.file("public/files/later.txt"), "later").expect("a file");
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let before = (content(stage), files(stage));
    let refused = archived.restore(stage).run().exits(65).refuses("restore-unconfirmed");
    assert_eq!((content(stage), files(stage)), before, "a refusal changes nothing");
    let id = printed_id(&refused.stderr);
    archived.restore(stage).argument("--no-safety-backup").argument("wrong").run().exits(65);
    assert_eq!((content(stage), files(stage)), before);
    archived.restore(stage).argument("--no-safety-backup").argument(&id).run().exits(0);
    same(&tables, &content(stage));
    same(&uploads, &files(stage));
    nothing_is_left(stage);
    // It is this installation's own site: not muted.
    let ended = stage.leader().run().exits(0);
    assert!(!ended.stderr.contains("site.is_copy"), "{ended}");
}

#[test]
fn roles_stop_for_a_restore_and_serve_again() {
    let archived = Archived::new();
    let stage = &archived.stage;
    stage.session().run("delete from \"tabNote\"");
    let mut web = ready(stage.web());
    let refused = archived.restore_database(stage).run().exits(65).refuses("restore-unconfirmed");
    let id = printed_id(&refused.stderr);
    let restore = archived.restore_database(stage).argument("--no-safety-backup").argument(&id);
    restore.run().exits(0);
    web.event("site.suspended");
    web.answers("/readyz", 200);
    assert_eq!(stage.get("/login"), 200);
    drop(web);
    // The pods migrate what was restored, so the rows of other tables may have changed since.
    assert!(stage.session().is("select count(*) = 2000 from \"tabNote\""));
    nothing_is_left(stage);
}

#[test]
fn one_part_is_restored_alone() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let uploads = files(stage);
    stage.session().run("update \"tabNote\" set name = 'kept' where name = 'note-1'");
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    let tables = content(stage);
    let refused = archived.restore(stage).argument("--only").argument("files").run().exits(65);
    let id = printed_id(&refused.stderr);
    let only = archived.restore(stage).argument("--only").argument("files");
    only.argument("--no-safety-backup").argument(&id).run().exits(0);
    same(&tables, &content(stage));
    same(&uploads, &files(stage));
    assert_eq!(stage.site, SITE);
}
