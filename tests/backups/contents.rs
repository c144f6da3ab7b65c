//! What a backup contains, and what comes back from it.

use std::process::Command;

use serde_json::json;

use crate::repository::{Backups, DATABASE, SITE, sha256};

#[test]
fn a_backup_contains_every_row_every_file_and_the_key() {
    let site = Backups::new();
    let manifest = site.taken();
    let tables = manifest["database"]["tables"].as_object().expect("tables");
    assert_eq!(tables["public.tabLedger"], 3000);
    for (table, rows) in tables {
        let (schema, name) = table.split_once('.').expect("a schema");
        let count = site.session().value(&format!("SELECT count(*)::text FROM {schema}.\"{name}\""));
        assert_eq!(Some(rows.to_string()), count, "{table}");
    }
    let in_database =
        site.postgres.tables(DATABASE).into_iter().filter(|name| !name.starts_with("__cauldron"));
    assert_eq!(tables.keys().filter(|name| name.starts_with("public.")).count(), in_database.count());
    let script = site.dump(&manifest["database"]["snapshot"], "/database.sql");
    assert_eq!(manifest["database"]["sha256"], sha256(&script));
    assert_eq!(manifest["database"]["bytes"], script.len());
    let files = &manifest["files"];
    assert_eq!(files["public"], json!({"count": 1, "bytes": 1000}));
    assert_eq!(files["private"], json!({"count": 1, "bytes": 2000}));
    let file = |name: &str| site.dump(&files["snapshot"], &format!("/{SITE}/{name}"));
    for name in ["public/files/logo.png", "private/files/deep/contract.pdf", "site_config.json"] {
        assert_eq!(file(name), std::fs::read(site.file(name)).expect("a file"), "{name}");
    }
    let [backup] = &site.listed()[..] else { panic!("one backup") };
    assert_eq!((&backup["id"], &backup["reason"]), (&manifest["backup"], &json!("by-hand")));
    assert_eq!(backup["verdict"], json!(null));
    site.is_sound();
}

/// The script is what restores the site: into an empty database, by another role.
#[test]
fn the_script_of_a_backup_restores_every_row() {
    let site = Backups::new();
    let manifest = site.taken();
    let script = site.folder.path().join("database.sql");
    std::fs::write(&script, site.dump(&manifest["database"]["snapshot"], "/database.sql")).expect("a file");
    site.postgres.run("postgres", "CREATE ROLE other LOGIN");
    site.postgres.run("postgres", "CREATE DATABASE other OWNER other");
    let ended = Command::new("psql")
        .args([
            "-h",
            &site.postgres.socket_folder().display().to_string(),
            "-p",
            &site.postgres.port().to_string(),
        ])
        .args(["-U", "postgres", "-d", "other", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&script)
        .env("PGPASSWORD", crate::support::postgres::PASSWORD)
        .output()
        .expect("psql");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let digest = r#"SELECT md5(string_agg(name || "a ""b", '|' ORDER BY name)) FROM "tabLedger""#;
    let of = |database: &str| site.postgres.session(database).value(digest);
    assert!(of(DATABASE).is_some());
    assert_eq!(of(DATABASE), of("other"));
}

/// Dumps from before migrations are on the volume alone until the next backup.
#[test]
fn dumps_from_before_migrations_are_taken_along_once() {
    let site = Backups::new();
    let folder = site.bench.sites().join(".cauldron").join(SITE).join("backups");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("20261101T000000Z.dump"), "PGDMP").expect("a dump");
    std::fs::write(folder.join("20261102T000000Z.part"), "PG").expect("a part");
    site.command("backup").run().exits(0).event("backup.dump_saved");
    let again = site.command("backup").run().exits(0);
    assert!(!again.stderr.contains("backup.dump_saved"), "{again}");
    let dumps = site.restic(&["snapshots", "--json", "--tag", "part=migration"]);
    let dumps: Vec<serde_json::Value> = serde_json::from_slice(&dumps).expect("snapshots");
    assert_eq!(dumps.len(), 1);
    assert_eq!(site.listed().len(), 2, "a dump is no backup");
}

#[test]
fn forget_shows_first_and_keeps_what_is_to_be_kept() {
    let site = Backups::new();
    let first = site.taken()["backup"].clone();
    let second = site.taken()["backup"].clone();
    let forget =
        |words: &str| site.command(&format!("backup forget{words}")).set("CAULDRON_BACKUP_KEEP", "1d").run();
    forget("").exits(0).prints("nothing was removed").prints(&format!("{}  remove", first.as_str().unwrap()));
    assert_eq!(site.listed().len(), 2);
    forget(" --yes").exits(0).event("backup.forgotten");
    let left: Vec<_> = site.listed().iter().map(|backup| backup["id"].clone()).collect();
    assert_eq!(left, [second]);
    forget(" --yes").exits(0).prints("nothing to remove");
    site.is_sound();
}

/// A role never has the password or the credentials.
#[test]
fn no_program_of_a_role_inherits_the_credentials() {
    let site = Backups::new();
    let ended = site
        .command("exec -- env")
        .set("AWS_SECRET_ACCESS_KEY", "canary-aws")
        .set("B2_ACCOUNT_KEY_FILE", "/canary-b2")
        .set("RESTIC_PASSWORD", "canary-restic")
        .run()
        .exits(0)
        .prints("FRAPPE_SITE=");
    assert!(!ended.to_string().contains("canary"), "{ended}");
    let ended = site.command("backup exec -- env").set("AWS_SECRET_ACCESS_KEY", "canary-aws").run().exits(0);
    ended
        .prints("AWS_SECRET_ACCESS_KEY=canary-aws")
        .prints(&format!("RESTIC_PASSWORD={}", crate::repository::PASSWORD));
}
