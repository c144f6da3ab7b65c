//! A site with rows and files, its archives as `bench backup --with-files` writes them, and places to restore them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::binary::Binary;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::session::Session;
use crate::support::skip::skipped;
use crate::support::stage::Stage;

pub const SITE: &str = "erp.test";
pub const DATABASE: &str = "frappe";
const ROWS: u32 = 2000;

/// A finished site, and archives of it.
pub struct Archived {
    pub stage: Stage,
    pub folder: tempfile::TempDir,
}

/// A new installation, with no drain, so that a restore does not wait for pods that are not there.
pub fn new_stage() -> Stage {
    Stage::on_any_bench(SITE, DATABASE).set("CAULDRON_DRAIN", "0s").set("CAULDRON_LOG_FORMAT", "json")
}

impl Archived {
    pub fn new() -> Self {
        let stage = new_stage();
        stage.created();
        let sql = format!(
            "insert into \"tabNote\" (name) select 'note-' || n from generate_series(1, {ROWS}) n;
             create view public.notes as select name from \"tabNote\";
             create function public.one() returns int language sql as 'select 1'"
        );
        stage.session().run(&format!("set role {DATABASE}; {sql}"));
        for (name, text) in [("public/files/a.txt", "public"), ("private/files/b/c.txt", "private")] {
            let path = stage.file(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        let folder = tempfile::tempdir().expect("a folder for archives");
        let archived = Self { stage, folder };
        archived.archive();
        archived
    }

    fn archive(&self) {
        let stage = &self.stage;
        let dump = Command::new("pg_dump")
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", &stage.postgres.socket_folder().display().to_string()])
            .args(["-p", &stage.postgres.port().to_string(), "-U", SUPERUSER, DATABASE])
            .output()
            .expect("pg_dump runs");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        fs::write(self.path("database.sql"), dump.stdout).expect("a dump");
        self.run("gzip", &["-k", "database.sql"]);
        fs::rename(self.path("database.sql.gz"), self.path("x-database.sql.gz")).expect("an archive");
        for (part, name) in [("public", "x-files.tar"), ("private", "x-private-files.tar")] {
            let archive = self.path(name).display().to_string();
            let sites = stage.bench.sites().display().to_string();
            self.run("tar", &["-cf", &archive, "-C", &sites, &format!("./{SITE}/{part}/files")]);
        }
        fs::copy(stage.file("site_config.json"), self.path("x-site_config_backup.json"))
            .expect("the settings");
    }

    pub fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).current_dir(self.folder.path()).status();
        assert!(status.expect("it runs").success(), "{program} {arguments:?}");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `restore` of the database's archive on this installation.
    pub fn restore_database(&self, stage: &Stage) -> Binary {
        restore(stage)
            .argument("--database-archive")
            .argument(&self.path("x-database.sql.gz").display().to_string())
            .argument("--site-config")
            .argument(&self.path("x-site_config_backup.json").display().to_string())
    }

    /// `restore` of everything on this installation.
    pub fn restore(&self, stage: &Stage) -> Binary {
        self.restore_database(stage)
            .argument("--public-files-archive")
            .argument(&self.path("x-files.tar").display().to_string())
            .argument("--private-files-archive")
            .argument(&self.path("x-private-files.tar").display().to_string())
    }
}

/// True on a real bench: a test that changes the code is skipped there.
pub fn keeps_its_code(stage: &Stage, test: &str) -> bool {
    if stage.bench.is_real() {
        skipped(test, "it changes the bench's code");
    }
    stage.bench.is_real()
}

pub fn restore(stage: &Stage) -> Binary {
    stage.manifest("restore")
}

/// A session on the site's database. A restore waits for the end of those whose names do not begin with `cauldron`.
pub fn session(stage: &Stage, name: &str) -> Session {
    let mut config = stage.postgres.config(stage.database);
    config.application_name(name);
    Session::open(&config).expect("a session")
}

/// All rows and objects of the site, without our record.
pub fn content(stage: &Stage) -> String {
    let dump = Command::new("pg_dump")
        .env("PGPASSWORD", PASSWORD)
        .args(["-h", &stage.postgres.socket_folder().display().to_string()])
        .args(["-p", &stage.postgres.port().to_string(), "-U", SUPERUSER, DATABASE])
        .args(["--no-owner", "--no-privileges", "--exclude-table=public.__cauldron_*"])
        .output()
        .expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8_lossy(&dump.stdout).into_owned();
    text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

/// The files of the site, with their contents.
pub fn files(stage: &Stage) -> String {
    let mut found = Vec::new();
    for part in ["public/files", "private/files"] {
        walk(&stage.file(part), &mut found);
    }
    found.sort();
    found.join("\n").replace(&stage.bench.sites().display().to_string(), "")
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => walk(&path, found),
            path => found.push(format!("{} {}", path.display(), fs::read_to_string(&path).expect("text"))),
        }
    }
}

/// Asserts that nothing of a restore is left beside the site.
#[track_caller]
pub fn nothing_is_left(stage: &Stage) {
    let schemas = stage.session().run("select nspname from pg_namespace where nspname like 'cauldron%'");
    assert!(schemas.is_empty(), "{schemas:?}");
    let ours = stage.bench.sites().join(".cauldron").join(SITE);
    for name in ["restoring.json", "restore/before", "restore/stage", "restore/staged"] {
        assert!(!ours.join(name).exists(), "{name}");
    }
    assert_eq!(fs::read_to_string(ours.join("hold")).expect("the lock's file"), "");
}
