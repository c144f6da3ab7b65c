//! Archives that are something else than bench's own of this site: each is refused before the site is taken from its roles.

use std::fs;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::stage::{Archived, DATABASE, content, files, new_stage, nothing_is_left, restore};
use crate::support::binary::{Binary, Ended};
use crate::support::snapshot::same;
use crate::support::stage::Stage;

const LOCKED: &str = "site.exclusive_lock_acquired";

/// What is restored, over a site that is there.
struct Case<'a> {
    archived: &'a Archived,
    before: (String, String),
}

impl<'a> Case<'a> {
    fn new(archived: &'a Archived) -> Self {
        let stage = &archived.stage;
        Self { archived, before: (content(stage), files(stage)) }
    }

    /// A restore of a file with these bytes.
    fn restore(&self, option: &str, name: &str, bytes: &[u8]) -> Binary {
        let path = self.archived.path(name);
        fs::write(&path, bytes).expect("an archive");
        let id = self.archived.stage.state("install_id").expect("an id");
        let words = [option, &path.display().to_string(), "--no-safety-backup", &id];
        words.iter().fold(restore(&self.archived.stage), |command, word| command.argument(word))
    }

    #[track_caller]
    fn refused(&self, name: &str, command: Binary, (code, refusal): (i32, &str)) -> Ended {
        let ended = command.run();
        assert_eq!(ended.exit, code, "{name}: {ended}");
        let stage = &self.archived.stage;
        assert!((content(stage), files(stage)) == self.before, "{name} changed the site");
        nothing_is_left(stage);
        ended.refuses(refusal)
    }
}

fn filtered(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("input");
    fs::write(&path, bytes).expect("a file");
    let input = fs::File::open(&path).expect("a file");
    let output = Command::new(program).args(arguments).stdin(input).output().expect("it runs");
    assert!(output.status.success(), "{program}");
    output.stdout
}

#[test]
fn a_database_archive_that_is_something_else_is_refused_before_the_roles_stop() {
    let archived = Archived::new();
    let case = Case::new(&archived);
    let dump = fs::read_to_string(archived.path("database.sql")).expect("a dump");
    let gzip = |bytes: &[u8]| filtered("gzip", &["-c"], bytes);
    let comment = |text: &str| format!("{text}\n{dump}").into_bytes();
    // Larger than the pipe to psql, which would end at the first line.
    let mariadb = format!(
        "-- MariaDB dump 10.19  Distrib 10.6.12-MariaDB\n--\n/*!40101 SET NAMES utf8mb4 */;\n{}",
        "INSERT INTO `tabNote` VALUES ('a');\n".repeat(30_000)
    );
    let without_rows = filtered("sed", &["/^COPY /,/^\\\\\\.$/d"], dump.as_bytes());
    let damaged = (65, "backup-damaged");
    for (name, bytes, refusal, says) in [
        ("compressed twice", gzip(&gzip(dump.as_bytes())), damaged, "twice"),
        (
            "encrypted by bench",
            b"\x8c\x0d\x04\x09\x03\x02canary".repeat(9_000),
            (78, "backup-damaged"),
            "gpg",
        ),
        ("of MariaDB", gzip(mariadb.as_bytes()), damaged, "MariaDB"),
        ("partial", comment("-- Partial Backup of Frappe Site erp.test"), damaged, "partial"),
        ("a schema without rows", without_rows, damaged, "rows"),
        (
            "an archive of files",
            fs::read(archived.path("x-files.tar")).expect("a file"),
            damaged,
            "tar archive",
        ),
        ("cut off, uncompressed", dump.as_bytes()[..dump.len() * 9 / 10].to_vec(), damaged, "cut off"),
        ("with a shell command at its end", format!("{dump}\n\\! id\n").into_bytes(), damaged, "\\!"),
    ] {
        let ended =
            case.refused(name, case.restore("--database-archive", "x-database-enc.sql.gz", &bytes), refusal);
        assert!(!ended.stderr.contains(LOCKED), "{name}: {ended}");
        ended.says(says);
    }
    let newer = dump.replacen("-- Dumped from database version ", "-- Dumped from database version 9", 1);
    for (name, bytes) in [
        ("of a newer server", newer.into_bytes()),
        ("of a newer Frappe", comment("-- begin frappe metadata\n-- [frappe]\n-- version = 99.1.0")),
    ] {
        let restore = case.restore("--database-archive", "x-newer.sql", &bytes);
        let ended = case.refused(name, restore, (78, "backup-of-newer"));
        assert!(!ended.stderr.contains(LOCKED), "{name}: {ended}");
    }
}

#[test]
fn an_empty_installation_stays_empty_if_its_server_is_too_old() {
    let (archived, stage) = (Archived::new(), new_stage());
    let dump = fs::read_to_string(archived.path("database.sql")).expect("a dump");
    let newer = dump.replacen("-- Dumped from database version ", "-- Dumped from database version 9", 1);
    fs::write(archived.path("x-newer.sql"), newer).expect("a dump");
    let path = archived.path("x-newer.sql");
    let refused = restore(&stage).argument("--database-archive").argument(&path.display().to_string());
    refused.run().exits(78).refuses("backup-of-newer").says("nothing was changed");
    assert!(!stage.postgres.database_exists(DATABASE));
    let roles =
        stage.postgres.run("postgres", &format!("select 1 from pg_roles where rolname = '{DATABASE}'"));
    assert!(roles.is_empty(), "{roles:?}");
}

#[test]
fn an_archive_of_files_that_is_something_else_is_refused_before_the_roles_stop() {
    let archived = Archived::new();
    let case = Case::new(&archived);
    let read = |name: &str| fs::read(archived.path(name)).expect("an archive");
    let public = read("x-files.tar");
    // The last block of files is followed by blocks of zeros.
    let end = public.iter().rposition(|byte| *byte != 0).expect("contents").next_multiple_of(512);
    archived.run("tar", &["-cf", "x-empty.tar", "-T", "/dev/null"]);
    for (name, bytes, says) in [
        ("the private files", read("x-private-files.tar"), "has no folder public/files"),
        ("cut off between two files", public[..end].to_vec(), "cut off"),
        ("an archive of nothing", read("x-empty.tar"), "not a tar archive"),
        ("nothing", Vec::new(), "not a tar archive"),
        ("the database", read("x-database.sql.gz"), "not a tar archive"),
    ] {
        let restore = case.restore("--public-files-archive", "x-other.tar", &bytes);
        let ended = case.refused(name, restore, (65, "backup-damaged"));
        assert!(!ended.stderr.contains(LOCKED), "{name}: {ended}");
        ended.says(says);
    }
    // A pipe can be read once, and an archive is read twice.
    let pipe = archived.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
    let restore = restore(&archived.stage).argument("--public-files-archive");
    restore.argument(&pipe.display().to_string()).run().exits(78).says("not a file");
}

#[test]
fn archives_of_another_site_are_refused_until_it_is_renamed() {
    let archived = Archived::new();
    let stage = Stage::on_any_bench("other.test", crate::stage::DATABASE)
        .set("CAULDRON_DRAIN", "0s")
        .set("CAULDRON_LOG_FORMAT", "json");
    let refused = |command: Binary| {
        let ended = command.run().exits(65).refuses("backup-of-other-site");
        assert!(!stage.postgres.database_exists(crate::stage::DATABASE), "nothing was made: {ended}");
    };
    // By our record in the dump, by the folder in the archive, and by the name that bench gives the file.
    refused(archived.restore_database(&stage));
    let file = |option: &str, name: &str| {
        restore(&stage).argument(option).argument(&archived.path(name).display().to_string())
    };
    refused(file("--public-files-archive", "x-files.tar"));
    let name = "20261130_021500-erp_test-site_config_backup.json";
    fs::copy(archived.path("x-site_config_backup.json"), archived.path(name)).expect("a copy");
    archived.run(
        "tar",
        &["-cf", "x-bare.tar", "-C", &archived.stage.file("").display().to_string(), "public/files"],
    );
    let bare = file("--public-files-archive", "x-bare.tar").argument("--site-config");
    refused(bare.argument(&archived.path(name).display().to_string()));
    archived.restore(&stage).argument("--rename").run().exits(0);
    same(&content(&archived.stage), &content(&stage));
    assert_eq!(fs::read_to_string(stage.file("private/files/b/c.txt")).expect("a file"), "private");
    // The same archives under their own name need no permission.
    archived.restore(&new_stage()).run().exits(0);
}
