//! Many writers at once: nobody's key is lost, and nobody reads half a file.

use std::fs;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::{configure, file};
use crate::support::bench::Bench;

const ROUNDS: usize = 20;

#[test]
fn no_key_is_lost_and_no_half_file_is_seen() {
    let bench = Bench::sample();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while !done.load(Ordering::Relaxed) {
                if let Ok(bytes) = fs::read(file(&bench)) {
                    serde_json::from_slice::<Value>(&bytes).expect("a whole file, always");
                    reads += 1;
                }
            }
            reads
        });
        for round in 0..ROUNDS {
            fs::write(file(&bench).with_extension("new"), "{\"kept\": 1}").expect("a fresh file");
            fs::rename(file(&bench).with_extension("new"), file(&bench)).expect("a fresh file");
            let (port, url) = (9000 + round, format!("https://{round}.test"));
            let values = [
                ("SOCKETIO_PORT", port.to_string()),
                ("CAULDRON_SITE_URL", url.clone()),
                ("DB_HOST", "pg".to_owned()),
                ("REDIS_CACHE", "redis://cache:6379/0".to_owned()),
            ];
            let pods: Vec<_> =
                values.iter().map(|(name, value)| configure(&bench).set(name, value).spawn()).collect();
            for pod in pods {
                pod.end().exits(0);
            }
            let config = bench.read_config("common_site_config.json");
            assert_eq!(config["socketio_port"], port, "round {round}: {config:?}");
            assert_eq!(config["host_name"], url, "round {round}: {config:?}");
            for key in ["kept", "db_host", "redis_cache", "default_site"] {
                assert!(config.contains_key(key), "round {round}: no {key} in {config:?}");
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("the reader") > 0);
    });
}

/// A writer that hangs is waited for; going on beside it would undo what it writes.
#[test]
fn a_writer_waits_for_the_one_before() {
    let bench = Bench::sample();
    fs::create_dir(bench.sites().join(".cauldron")).expect("a folder");
    let lock = fs::File::create(bench.sites().join(".cauldron/config.lock")).expect("a lock file");
    let held = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock");
    let pod = configure(&bench).set("DB_HOST", "pg").spawn();
    let inode = std::os::unix::fs::MetadataExt::ino(&nix_metadata(held.as_fd()));
    let waiting = format!("/proc/{}/fd", pod.pid());
    crate::support::wait::eventually(crate::support::binary::LONG, "it has opened the lock", || {
        let open = fs::read_dir(&waiting).ok()?.flatten();
        open.into_iter()
            .any(|entry| {
                fs::metadata(entry.path())
                    .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata) == inode)
            })
            .then_some(())
    });
    assert_eq!(bench.read_config("common_site_config.json").len(), 0);
    drop(held);
    pod.end().exits(0);
    assert_eq!(bench.read_config("common_site_config.json")["db_host"], "pg");
}

fn nix_metadata(fd: std::os::fd::BorrowedFd<'_>) -> fs::Metadata {
    let file = fs::File::from(fd.try_clone_to_owned().expect("a descriptor"));
    file.metadata().expect("its metadata")
}
