//! Backups that a machine with a wrong clock has taken.

use std::fs;

use serde_json::Value;

use crate::damaged_repository::restic;
use crate::repository::Backed;
use crate::stage::{content, files, nothing_is_left};
use crate::support::snapshot::same;

const FUTURE: &str = "20991231T000000Z-00000f";

/// Copies the newest backup to one that is dated in the future, as a machine whose clock was wrong would take it.
fn take_in_the_future(backed: &Backed, id: &str) {
    let list: Value = serde_json::from_slice(&restic(backed, &["snapshots", "--json"], None)).expect("JSON");
    let is_manifest = |snapshot: &&Value| snapshot["tags"].to_string().contains("part=manifest");
    let manifest = list.as_array().expect("a list").iter().find(is_manifest).expect("a manifest");
    let text = restic(backed, &["dump", manifest["id"].as_str().expect("an id"), "/manifest.json"], None);
    let text = String::from_utf8(text).expect("text").replace(id, FUTURE);
    let tags: Vec<String> = manifest["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| tag.as_str().expect("a tag").replace(id, FUTURE))
        .collect();
    let mut words = vec!["backup", "--stdin", "--stdin-filename", "manifest.json", "--host", "erp.test"];
    words.extend(tags.iter().flat_map(|tag| ["--tag", tag]));
    restic(backed, &words, Some(text.as_bytes()));
}

#[test]
fn the_newest_backup_is_unknown_if_one_is_dated_in_the_future() {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let before = (content(stage), files(stage));
    take_in_the_future(&backed, &id);
    let list = backed.command("backup list").run().exits(0);
    assert!(list.stdout.contains(FUTURE) && list.stdout.contains(" -"), "{list}");
    for command in ["backup verify", "backup open newest", "restore newest"] {
        backed.command(command).run().exits(78).says(FUTURE).says("clock");
    }
    same(&before.0, &content(stage));
    backed.no_scratch_is_left();
    // The next backup is taken all the same, and says so; each one can be restored by its id.
    let next = backed.command("backup").run().exits(0).event("backup.newer_one_of_the_future");
    stage.session().run("delete from \"tabNote\"");
    fs::write(stage.file("public/files/a.txt"), "changed").expect("a file");
    backed.restore_on(stage, next.stdout.trim()).run().exits(0);
    same(&before.0, &content(stage));
    same(&before.1, &files(stage));
    nothing_is_left(stage);
}
