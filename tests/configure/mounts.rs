//! Read-only volumes, ConfigMaps mounted over the file, and full disks. Each test has its own mount namespace.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{configure, file, read};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Ended};
use crate::support::skip::skipped;

/// Runs a shell line and then the program in a private mount namespace. None if that is not permitted here.
pub fn mounted(test: &str, line: &str, binary: Binary) -> Option<Ended> {
    let allowed = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skipped(test, "mount namespaces are not permitted here");
        return None;
    }
    let script = format!("set -e; {line}\nexec \"$0\" \"$@\"");
    Some(binary.under(&["unshare", "-m", "sh", "-c", &script]).run())
}

/// Chart 0.1.0 mounts a ConfigMap over the file, which leaves an empty file on the volume. The negative control, a file
/// that became empty a moment ago, is in tests/bad_input/files.rs.
#[test]
fn an_empty_file_that_a_mount_left_behind_is_filled() {
    let bench = Bench::sample();
    let left = fs::File::create(file(&bench)).expect("an empty file");
    left.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).expect("its time");
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    assert!(read(&bench).contains("\"db_host\": \"pg\""), "{}", read(&bench));
}

/// A bench whose file already has every value of the manifest.
fn configured() -> Bench {
    let bench = Bench::sample();
    configure(&bench).set("DB_HOST", "pg").run().exits(0);
    bench
}

fn read_only(bench: &Bench) -> String {
    let sites = bench.sites().display().to_string();
    format!("mount --bind {sites} {sites}; mount -o remount,bind,ro {sites}")
}

/// The file itself is a mount, like a ConfigMap's subPath.
pub fn file_mount(bench: &Bench) -> String {
    let file = file(bench).display().to_string();
    format!("mount --bind {file} {file}")
}

#[test]
fn a_read_only_volume_with_the_same_values_is_accepted() {
    let bench = configured();
    let binary = configure(&bench).set("DB_HOST", "pg");
    if let Some(ended) = mounted("read_only_same", &read_only(&bench), binary) {
        ended.exits(0);
    }
}

#[test]
fn differences_on_a_read_only_volume_are_reported_by_key() {
    let bench = configured();
    let before = read(&bench);
    let covered = configure(&bench).set("DB_HOST", "other");
    if let Some(ended) = mounted("read_only_covered", &read_only(&bench), covered) {
        ended.exits(78).says("FRAPPE_DB_HOST");
    }
    let uncovered = configure(&bench).set("DB_HOST", "other").set("SOCKETIO_PORT", "9000");
    if let Some(ended) = mounted("read_only_uncovered", &read_only(&bench), uncovered) {
        ended.exits(78).says("socketio_port").says("ConfigMap");
    }
    assert_eq!(read(&bench), before);
}

#[test]
fn a_file_that_is_itself_a_mount_is_not_replaced() {
    let bench = configured();
    let before = read(&bench);
    let same = configure(&bench).set("DB_HOST", "pg");
    let Some(ended) = mounted("file_mount", &file_mount(&bench), same) else { return };
    ended.exits(0);
    let other = configure(&bench).set("DB_HOST", "other");
    mounted("file_mount", &file_mount(&bench), other)
        .expect("permitted before")
        .exits(78)
        .says("FRAPPE_DB_HOST");
    assert_eq!(read(&bench), before);
    let left: Vec<_> =
        fs::read_dir(bench.sites()).expect("sites/").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".cauldron-")), "{left:?}");
}

#[test]
fn a_full_disk_does_not_change_the_file() {
    let bench = configured();
    bench.configure(json!({ "padding": "x".repeat(8192) }));
    let sites = bench.sites().display().to_string();
    // The tmpfs ends with the namespace, so the shell compares before it exits.
    let fill = format!(
        "mount -t tmpfs -o size=64k none /mnt; cp -a {sites}/. /mnt/; mount --bind /mnt {sites}; \
         cat /dev/zero > {sites}/filler 2>/dev/null || true; cp {sites}/common_site_config.json /dev/shm/$$.before; \
         code=0; \"$0\" \"$@\" || code=$?; cmp {sites}/common_site_config.json /dev/shm/$$.before && echo UNTOUCHED; \
         rm /dev/shm/$$.before; exit $code"
    );
    let binary = configure(&bench).set("DB_HOST", "other");
    if let Some(ended) = mounted("full_disk", &fill, binary) {
        assert!(ended.stdout.contains("UNTOUCHED"), "{ended}");
        ended.exits(75).says("space");
    }
}
