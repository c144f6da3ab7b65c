//! A finished site and a repository for its backups, in a folder.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::binary::{Binary, Ended, LONG};
use crate::support::stage::Stage;
use crate::support::wait::eventually;

pub const SITE: &str = "erp.test";
pub const DATABASE: &str = "frappe";
pub const PASSWORD: &str = "canary-repository-password";

/// restic runs with a low priority: beside other tests it takes long.
pub const PATIENT: Duration = Duration::from_secs(300);

pub struct Backups {
    pub stage: Stage,
    pub folder: TempDir,
}

impl Deref for Backups {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Backups {
    /// A site with some rows and files.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("backups-").tempdir().expect("a folder");
        let stage = Stage::on_any_bench(SITE, DATABASE).set("CAULDRON_WAIT_TIMEOUT", "60s");
        stage.created();
        let backups = Self { stage, folder };
        backups.postgres.run(
            DATABASE,
            r#"CREATE TABLE "tabLedger" (name text, "a ""b" text);
               INSERT INTO "tabLedger" SELECT 'row ' || n, E'tab\tline\nback\\slash' FROM generate_series(1, 3000) AS n;
               ALTER TABLE "tabLedger" OWNER TO frappe"#,
        );
        backups.write("public/files/logo.png", &[7; 1000]);
        backups.write("private/files/deep/contract.pdf", &[8; 2000]);
        backups
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// `backup`, `backup list` and the like, with the repository's password.
    pub fn command(&self, command: &str) -> Binary {
        self.stage
            .command(command)
            .set("CAULDRON_BACKUP_TO", self.repository().display())
            .set("CAULDRON_BACKUP_PASSWORD", PASSWORD)
            .set("RESTIC_CACHE_DIR", self.folder.path().join("cache").display())
    }

    /// Takes a backup, and returns its manifest.
    #[track_caller]
    pub fn taken(&self) -> Value {
        let ended = self
            .command("backup --format json")
            .spawn()
            .end_within(PATIENT)
            .exits(0)
            .event("backup.finished");
        assert!(!ended.to_string().contains(PASSWORD), "the password is in the output");
        serde_json::from_str(&ended.stdout).expect("a manifest")
    }

    #[track_caller]
    pub fn listed(&self) -> Vec<Value> {
        let ended = self.command("backup list --format json").run().exits(0);
        let list: Value = serde_json::from_str(&ended.stdout).expect("a list");
        list["backups"].as_array().expect("backups").clone()
    }

    /// Takes a backup, and returns its id.
    #[track_caller]
    pub fn taken_id(&self) -> String {
        id_of(&self.taken(), "backup")
    }

    /// The ids of the listed backups.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.listed().iter().map(|backup| id_of(backup, "id")).collect()
    }

    /// A table whose dump takes long enough to be interrupted, at the rate of 1 MiB a second.
    pub fn has_a_large_table(&self) {
        self.postgres.run(
            DATABASE,
            r#"CREATE TABLE "tabLarge" AS SELECT n, (SELECT string_agg(md5(random()::text), '')
                   FROM generate_series(1, 32 + n * 0)) AS text FROM generate_series(1, 60000) AS n;
               ALTER TABLE "tabLarge" OWNER TO frappe"#,
        );
    }

    /// restic itself, as an operator runs it.
    pub fn restic_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.repository())
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_CACHE_DIR", self.folder.path().join("cache"));
        command
    }

    #[track_caller]
    pub fn restic(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.restic_command(arguments).output().expect("restic");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {errors}");
        output.stdout
    }

    /// The locks in the repository. A kill leaves files that are not locks yet, too, which restic ignores.
    pub fn locks(&self) -> usize {
        let locks = std::fs::read_dir(self.repository().join("locks")).expect("a repository").flatten();
        locks.filter(|lock| !lock.file_name().to_string_lossy().contains("-tmp-")).count()
    }

    /// Waits until no process of a killed backup is left. For restic's `unlock` a process lives until it is reaped.
    #[track_caller]
    pub fn nothing_runs(&self) {
        eventually(LONG, "no process of the backup is left", || {
            let runs = has_process(self.folder.path(), &["restic", "pg_dump"]) || has_zombie("restic");
            (!runs).then_some(())
        });
    }

    #[track_caller]
    pub fn dump(&self, snapshot: &Value, path: &str) -> Vec<u8> {
        self.restic(&["dump", snapshot.as_str().expect("a snapshot"), path])
    }

    /// Asserts that the repository is sound, and that every listed backup has all its parts.
    #[track_caller]
    pub fn is_sound(&self) {
        self.restic(&["check", "--read-data"]);
        for backup in self.listed() {
            let manifest = self.dump(&backup["snapshots"]["manifest"], "/manifest.json");
            let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
            assert_eq!(manifest["backup"], backup["id"]);
            let script = self.dump(&manifest["database"]["snapshot"], "/database.sql");
            assert_eq!(manifest["database"]["sha256"], sha256(&script), "{}", backup["id"]);
            let files = manifest["files"]["snapshot"].as_str().expect("a snapshot");
            self.restic(&["ls", files, &format!("/{SITE}/site_config.json")]);
        }
    }
}

pub fn id_of(object: &Value, key: &str) -> String {
    object[key].as_str().expect("an id").to_owned()
}

pub fn sha256(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bytes");
    std::fs::write(&path, bytes).expect("a file");
    let output = Command::new("sha256sum").arg(&path).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout)[..64].to_string()
}

/// True if some process has one of these words in its command line and this folder in its environment.
pub fn has_process(folder: &Path, words: &[&str]) -> bool {
    let text = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    processes
        .filter(|path| {
            let line = text(path.join("cmdline"));
            words.iter().any(|word| line.contains(word))
        })
        .any(|path| text(path.join("environ")).contains(&folder))
}

/// True if some process of this name has ended and is not reaped. Nothing else is known of it.
fn has_zombie(name: &str) -> bool {
    let stats = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path().join("stat"));
    let zombie = format!("({name}) Z ");
    stats.filter_map(|stat| std::fs::read_to_string(stat).ok()).any(|stat| stat.contains(&zombie))
}

/// Asserts the exit code and that no secret is in the output.
#[track_caller]
pub fn refused(ended: Ended, code: i32) -> Ended {
    let ended = ended.exits(code);
    assert!(!ended.to_string().contains("canary"), "a secret is in the output: {ended}");
    assert!(ended.stderr.contains("hint: ") || ended.stderr.contains("; "), "{ended}");
    ended
}
