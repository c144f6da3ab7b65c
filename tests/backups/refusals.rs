//! Bad input: each has its sentence and its code, before any work where it can be known.

use std::process::Command;

use crate::repository::{Backups, SITE, refused};
use crate::support::port;

#[test]
fn settings_and_programs_are_checked_before_any_work() {
    let site = Backups::new();
    let before = site.snapshot();
    let backup = || site.command("backup");
    refused(backup().unset("CAULDRON_BACKUP_PASSWORD").run(), 78).says("CAULDRON_BACKUP_PASSWORD");
    refused(backup().unset("CAULDRON_BACKUP_TO").run(), 78).says("CAULDRON_BACKUP_TO");
    refused(backup().set("CAULDRON_BACKUP_TO", "backups").run(), 78);
    refused(backup().set("CAULDRON_BACKUP_TO", "/nowhere/at/all").run(), 78).says("does not exist");
    refused(backup().set("PATH", "/nowhere").run(), 78).refuses("restic-missing");
    refused(backup().set("SITE_NAME", "other.test").run(), 78).refuses("site-missing");
    let old = site.folder.path().join("old");
    std::fs::create_dir(&old).expect("a folder");
    let script = old.join("restic");
    std::fs::write(&script, "#!/bin/sh\necho restic 0.12.1 compiled with go1.15 on linux/amd64\n")
        .expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("an executable");
    let path = format!("{}:{}", old.display(), std::env::var("PATH").expect("PATH"));
    refused(backup().set("PATH", path).run(), 78).refuses("restic-missing").says("0.12");
    let server = format!("s3:http://127.0.0.1:{}/bucket/path", port::free());
    let s3 = backup().set("CAULDRON_BACKUP_TO", server).set("AWS_ACCESS_KEY_ID", "id");
    refused(s3.set("AWS_SECRET_ACCESS_KEY", "canary-aws").run(), 69);
    refused(site.command("backup list").run(), 65).refuses("repository-missing");
    assert!(!site.repository().exists(), "no repository was made");
    site.is_unchanged_since(&before);
}

/// Each is told at once, as a setting: another attempt would not help.
#[test]
fn a_place_that_is_not_one_is_refused_as_a_setting() {
    let site = Backups::new();
    let before = site.snapshot();
    let at = |place: &str| site.command("backup").set("CAULDRON_BACKUP_TO", place).run();
    for place in [
        "s3:https://127.0.0.1:9",
        "s3://bucket/erp",
        "s3:https://127.0.0.1:9/B_!/erp",
        "sftp:127.0.0.1",
        "rest:127.0.0.1:9/erp",
        "gs:bucket",
        "azure:container/erp",
        "/",
        "/backups/${SITE}",
    ] {
        refused(at(place), 78);
    }
    let file = site.folder.path().join("file");
    std::fs::write(&file, "x").expect("a file");
    refused(at(&file.display().to_string()), 78).says("not a folder");
    // The volume is not mounted, whatever its path looks like.
    let unmounted = site.folder.path().join("mount@backups/erp");
    refused(at(&unmounted.display().to_string()), 78).says("does not exist");
    refused(at(&site.file("public/files/backups").display().to_string()), 78).says("within the site's files");
    let home = site.folder.path().join("home");
    std::fs::create_dir_all(home.join("lost+found")).expect("a folder");
    std::fs::write(home.join("notes"), "x").expect("a file");
    refused(at(&home.display().to_string()), 78).says("`notes`");
    site.is_unchanged_since(&before);
    std::fs::remove_file(home.join("notes")).expect("a file");
    at(&home.display().to_string()).exits(0);
}

/// Another `config` would hide every backup: restic makes one without a question.
#[test]
fn the_rest_of_a_repository_is_not_made_a_new_one() {
    let site = Backups::new();
    site.taken();
    let (config, aside) = (site.repository().join("config"), site.folder.path().join("config"));
    std::fs::rename(&config, &aside).expect("the repository's config");
    refused(site.command("backup").run(), 65).refuses("repository-damaged");
    assert!(!config.exists(), "none was made");
    std::fs::rename(&aside, &config).expect("the repository's config");
    site.taken();
    site.is_sound();
}

/// A password may be a word of the path: the folder is looked for as it is.
#[test]
fn a_password_that_is_in_the_path_hides_no_folder() {
    let site = Backups::new();
    let folder = site.folder.path().join("backups");
    std::fs::create_dir(&folder).expect("a folder");
    let to = folder.join("erp").display().to_string();
    site.command("backup")
        .set("CAULDRON_BACKUP_TO", to)
        .set("CAULDRON_BACKUP_PASSWORD", "backups")
        .run()
        .exits(0);
}

#[test]
fn another_password_opens_nothing() {
    let site = Backups::new();
    site.taken();
    for command in ["backup", "backup list", "backup forget --yes"] {
        let wrong = site.command(command).set("CAULDRON_BACKUP_PASSWORD", "canary-other").run();
        refused(wrong, 77).refuses("repository-password-wrong");
    }
    assert_eq!(site.listed().len(), 1);
}

/// Two installations that write to one place by mistake would restore each other's backups.
#[test]
fn the_place_of_another_installation_is_refused_until_told() {
    let site = Backups::new();
    let other = site.taken()["installation"].clone();
    let id = site.bench.sites().join(".cauldron").join(SITE).join("install_id");
    std::fs::write(&id, "another").expect("an id");
    refused(site.command("backup").run(), 65).refuses("repository-of-other");
    let wrong = site.command("backup").argument("--beside").argument("third");
    refused(wrong.run(), 65).refuses("repository-of-other");
    let told = site.command("backup").argument("--beside").argument(other.as_str().expect("an id"));
    told.run().exits(0);
    site.command("backup").run().exits(0);
    let forget = site.command("backup forget --yes").set("CAULDRON_BACKUP_KEEP", "1d");
    forget.run().exits(0);
    let whose: Vec<_> = site.listed().iter().map(|backup| backup["installation"].clone()).collect();
    assert_eq!(whose, [other, "another".into()], "the other's backup is not ours to remove");
}

/// Needs a file system of its own, so root.
#[test]
fn a_disk_that_is_full_halfway_leaves_nothing_that_counts() {
    let site = Backups::new();
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skipped("a_disk_that_is_full_halfway", "needs root");
    }
    let noise: Vec<u8> = (0..8_000_000).map(|_| rand::random()).collect();
    site.write("private/files/noise", &noise);
    let disk = site.folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=4m none {0} && exec \"$@\"", disk.display());
    let words = ["unshare", "-m", "sh", "-c", &mount, "sh"];
    let to = disk.join("repository").display().to_string();
    let full = site.command("backup").set("CAULDRON_BACKUP_TO", to).under(&words).run();
    refused(full, 75).says("no space left");
    assert!(Command::new("mountpoint").arg("-q").arg(&disk).status().is_ok_and(|status| !status.success()));
}
