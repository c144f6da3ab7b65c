//! A restore for which there is no space: refused before anything is changed.

use std::fs;

use crate::repository::Backed;
use crate::stage::{content, files, new_stage, nothing_is_left};
use crate::support::bench::copy;
use crate::support::small::{Small, in_own_namespace};
use crate::support::snapshot::same;

/// More than is free on the small volume, and less than on the grown one.
const UPLOAD_BYTES: usize = 8 << 20;

#[test]
fn a_volume_that_is_too_small_is_refused_with_the_bytes() {
    in_own_namespace("restore::space::a_volume_that_is_too_small_is_refused_with_the_bytes", || {
        let backed = Backed::new();
        let original = &backed.archived.stage;
        fs::write(original.file("public/files/large.txt"), "x".repeat(UPLOAD_BYTES)).expect("a file");
        let id = backed.backup();
        let archive = backed.archived.path("x-large.tar").display().to_string();
        let sites = original.bench.sites().display().to_string();
        backed.archived.run("tar", &["-cf", &archive, "-C", &sites, "./erp.test/public/files"]);
        let stage = new_stage();
        let sites = stage.bench.sites();
        let aside = stage.bench.path().join("sites.aside");
        fs::rename(&sites, &aside).expect("the bench's sites");
        fs::create_dir(&sites).expect("a folder to mount on");
        let small = Small::mount(&sites, "6m");
        copy(&aside.join("."), &sites);
        // The site's files: three of them, each with a block more than its contents.
        let needed = format!("({} bytes)", UPLOAD_BYTES + "public".len() + "private".len() + 3 * 4096);
        backed.restore_on(&stage, &id).run().exits(75).refuses("space-missing").says(&needed);
        let from_archive = backed.restore_on(&stage, &format!("--public-files-archive {archive}"));
        from_archive.run().exits(75).refuses("space-missing");
        assert!(!stage.postgres.database_exists("frappe"), "nothing was made");
        small.grow("64m");
        backed.restore_on(&stage, &id).run().exits(0);
        same(&content(original), &content(&stage));
        same(&files(original), &files(&stage));
        nothing_is_left(&stage);
    });
}
