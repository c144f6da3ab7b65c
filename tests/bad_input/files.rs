//! Wrong files and folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::binary::Binary;
use crate::support::skip::skipped;
use crate::support::snapshot;
use crate::{BOTH, SITE, check, keys, new_stage, refuses};

/// Runs the program as a user who is not root and in no group of root's files.
const USER: [&str; 5] = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "--"];

#[test]
fn a_secret_that_cannot_be_read() {
    let stage = new_stage();
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let secret = folder.path().join("password");
    fs::write(&secret, "secret").expect("a secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("chmod");
    let path = secret.display().to_string();
    let given = |binary: Binary, path: &str| binary.unset("DB_PASSWORD").set("DB_PASSWORD_FILE", path);
    refuses(&stage, 78, &["DB_PASSWORD", &path, "denied", "readable"], |b| given(b, &path).under(&USER));
    refuses(&stage, 78, &["DB_PASSWORD", "/nonexistent"], |b| given(b, "/nonexistent"));
    fs::write(&secret, "").expect("an empty secret");
    refuses(&stage, 78, &["DB_PASSWORD", "empty"], |b| given(b, &path));
    refuses(&stage, 78, &["DB_PASSWORD", "directory"], |b| given(b, &folder.path().display().to_string()));
}

/// Reading it would not end, and a stop would not be noticed.
#[test]
fn a_secret_in_something_that_is_no_file() {
    let stage = new_stage();
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
    fs::write(&large, "canary".repeat(20_000)).expect("a large file");
    for (path, word) in [
        (Path::new("/dev/zero"), "it is a device"),
        (&pipe, "nobody ended writing to it within 10 s"),
        (&large, "it is larger than 64 kB"),
    ] {
        let words = ["DB_PASSWORD", word];
        let given = |b: Binary| b.unset("DB_PASSWORD").set("DB_PASSWORD_FILE", path.display());
        check(&given(stage.manifest("bootstrap")).run().exits(78), &words);
    }
    // Another site's pipe is no reason to stop.
    fs::create_dir(stage.bench.sites().join("two.test")).expect("a folder");
    nix::unistd::mkfifo(
        &stage.bench.sites().join("two.test/site_config.json"),
        nix::sys::stat::Mode::S_IRUSR,
    )
    .expect("a pipe");
    stage.created();
    let pod = stage.serving();
    assert_eq!(stage.get("/api/method/ping"), 200);
    pod.signal(nix::sys::signal::Signal::SIGTERM);
    pod.end().exits(0);
}

#[test]
fn a_folder_that_is_no_bench() {
    let stage = new_stage();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    refuses(&stage, 78, &["CAULDRON_BENCH", &path, "apps/frappe"], |b| b.set("CAULDRON_BENCH", &path));
    refuses(&stage, 78, &["CAULDRON_BENCH", "absolute"], |b| b.set("CAULDRON_BENCH", "frappe-bench"));
    assert!(fs::read_dir(folder.path()).expect("a folder").next().is_none());
}

/// Frappe 14 does not work on PostgreSQL, so every command refuses it; the database may be of version 14.
#[test]
fn frappe_14_is_refused_by_every_command() {
    const COMMANDS: [&[&str]; 13] = [
        &["wait-deps"],
        &["configure"],
        &["plan"],
        &["bootstrap"],
        &["migrate"],
        &["web"],
        &["worker"],
        &["scheduler"],
        &["socketio"],
        &["all"],
        &["apps", "fetch"],
        &["apps", "remove", "crm"],
        &["maintenance", "on"],
    ];
    let stage = new_stage();
    let init = stage.bench.path().join("apps/frappe/frappe/__init__.py");
    let text = fs::read_to_string(&init).expect("__init__.py");
    let line = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
    fs::write(&init, text.replace(line, "__version__ = \"14.93.2\"")).expect("__init__.py");
    let words = ["error: ", "this image has Frappe 14.93.2; Frappe 15 or later is needed"];
    let before = (stage.snapshot(), keys(&stage));
    for command in COMMANDS {
        let binary =
            command[1..].iter().fold(stage.manifest(command[0]), |binary, word| binary.argument(word));
        check(&binary.run().exits(78), &words);
    }
    let doctor = stage.manifest("doctor").run().exits(78);
    assert!(doctor.stdout.contains("Frappe 14.93.2"), "{doctor}");
    stage.is_unchanged_since(&before.0);
    assert_eq!(before.1, keys(&stage), "keys in Redis");
    // `apps list` still works, and so does the next version.
    stage.manifest("apps").argument("list").run().exits(0);
    fs::write(&init, text).expect("__init__.py");
    stage.manifest("wait-deps").run().exits(0);
}

#[test]
fn a_sites_folder_that_cannot_be_written() {
    let stage = new_stage();
    refuses(&stage, 77, &["sites", "uid 4242", "fsGroup"], |binary| binary.under(&USER));
}

#[test]
fn a_configuration_file_that_is_not_json() {
    let stage = new_stage();
    let path = stage.bench.sites().join("common_site_config.json");
    for text in ["{\"db_host\": ", "[]", ""] {
        fs::write(&path, text).expect("common_site_config.json");
        refuses(&stage, 78, &["common_site_config.json", "left as it is"], |binary| binary);
    }
    fs::write(&path, "{}").expect("common_site_config.json");
    fs::create_dir(stage.bench.sites().join(SITE)).expect("a site");
    fs::write(stage.file("site_config.json"), "{\"db_name\"").expect("a file");
    refuses(&stage, 78, &["site_config.json", "left as it is"], |binary| binary);
}

/// Refused wherever it is configured: in the manifest or in a file of the bench.
#[test]
fn a_site_on_mariadb() {
    let stage = new_stage();
    stage.bench.configure(serde_json::json!({ "db_type": "mariadb" }));
    refuses(&stage, 78, &["DB_TYPE", "common_site_config.json", "PostgreSQL only"], |binary| binary);
    stage.bench.configure(serde_json::json!({ "db_type": "postgres" }));
    fs::create_dir(stage.bench.sites().join(SITE)).expect("a site");
    let own = r#"{"db_name": "frappe", "db_password": "x", "db_type": "mariadb"}"#;
    fs::write(stage.file("site_config.json"), own).expect("a file");
    refuses(&stage, 78, &["DB_TYPE", " (site_config.json)", "PostgreSQL only"], |binary| binary);
}

#[test]
fn a_full_disk() {
    let stage = new_stage();
    let sites = stage.bench.sites().display().to_string();
    let script = format!(
        "set -e; mount -t tmpfs -o size=64k none /mnt; cp -a {sites}/. /mnt/; mount --bind /mnt {sites}; \
         cat /dev/zero > {sites}/filler 2>/dev/null || true; exec \"$0\" \"$@\""
    );
    let allowed = std::process::Command::new("unshare").args(["-m", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        skipped("a_full_disk", "cannot create a mount namespace here");
        return;
    }
    let before = snapshot::cluster(&stage.postgres);
    for command in BOTH {
        let ended = stage.manifest(command).under(&["unshare", "-m", "sh", "-c", &script]).run().exits(75);
        check(&ended, &["No space left", "free some space"]);
    }
    snapshot::same(&before, &snapshot::cluster(&stage.postgres));
}

/// Frappe and RQ would fail with a traceback at each start.
#[test]
fn a_time_limit_of_a_queue_that_rq_cannot_read() {
    let stage = new_stage();
    let path = stage.bench.sites().join("common_site_config.json");
    for (workers, words) in [
        (r#"{"reports": {"timeout": "soon"}}"#, ["queue `reports`", "`soon` is not a timeout"]),
        (r#"{"reports": 900}"#, ["queue `reports`", "it is a number, not an object"]),
    ] {
        fs::write(&path, format!(r#"{{"workers": {workers}}}"#)).expect("a file");
        refuses(&stage, 78, &words, |binary| binary);
    }
}
