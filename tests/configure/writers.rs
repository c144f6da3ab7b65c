//! Concurrent writers: no key is lost, and no reader sees a partial file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::{configure, file};
use crate::support::bench::Bench;
use crate::support::binary::LONG;
use crate::support::wait::{eventually, within};

const ROUNDS: usize = 20;

/// Stops the reader even if the test fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_key_is_lost_and_no_partial_file_is_read() {
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
        let _ended = Ended(&done);
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

/// Without waiting, a writer would undo the changes of the writer before it.
#[test]
fn a_writer_waits_for_the_previous_one() {
    let bench = Bench::sample();
    fs::create_dir(bench.sites().join(".cauldron")).expect("a folder");
    let lock = fs::File::create(bench.sites().join(".cauldron/config.lock")).expect("a lock file");
    let held = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock");
    let pod = configure(&bench).set("DB_HOST", "pg").spawn();
    let inode = held.metadata().expect("its metadata").ino();
    let waiting = format!("/proc/{}/fd", pod.pid());
    eventually(LONG, "it opens the lock file", || {
        let open = fs::read_dir(&waiting).ok()?.flatten();
        open.into_iter()
            .any(|entry| fs::metadata(entry.path()).is_ok_and(|metadata| metadata.ino() == inode))
            .then_some(())
    });
    assert_eq!(bench.read_config("common_site_config.json").len(), 0);
    drop(held);
    pod.end().exits(0);
    assert_eq!(bench.read_config("common_site_config.json")["db_host"], "pg");
}

/// Frappe truncates a file and then writes it; a read in between must not count as an invalid file.
#[test]
fn frappes_own_writes_are_not_an_invalid_file() {
    let bench = Bench::sample();
    let text = format!("{{\"padding\": \"{}\"}}", "x".repeat(1 << 16));
    fs::write(file(&bench), &text).expect("a whole file");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (path, whole) = (file(&bench), text.clone());
    thread::scope(|scope| {
        scope.spawn(move || {
            // Runs until the other end is dropped, also after a failure below. The pause is that between Frappe's
            // writes.
            let pause = std::time::Duration::from_millis(2);
            while stopped.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                fs::write(&path, &whole).expect("a file, written as Frappe does");
            }
        });
        let stop = stop;
        // Negative control: a single read may get less than the whole file.
        let partial = || fs::read(file(&bench)).is_ok_and(|bytes| bytes.len() < text.len()).then_some(());
        within(LONG, partial).expect("a partial read");
        for _ in 0..20 {
            configure(&bench).argument("--print-config").run().exits(0);
        }
        drop(stop);
    });
}
