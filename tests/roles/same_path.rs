//! Two installations whose benches have the same path, as in containers, on one Redis.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::stage::LONG;
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::{Binary, Pod};
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::Redis;
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::worker::SOON;

struct Servers {
    postgres: Postgres,
    redis: Redis,
    /// The path of both benches, each in a mount namespace of its own.
    path: tempfile::TempDir,
}

struct Installation<'a> {
    servers: &'a Servers,
    bench: Bench,
    site: &'static str,
    database: &'static str,
}

impl Servers {
    /// None if mount namespaces are not permitted.
    fn start(test: &str) -> Option<Self> {
        let allowed = Command::new("unshare").args(["-m", "true"]).status();
        if !allowed.is_ok_and(|status| status.success()) {
            skipped(test, "mount namespaces are not permitted here");
            return None;
        }
        let path = tempfile::tempdir().expect("a mount point");
        Some(Self { postgres: Postgres::start(), redis: Redis::start(), path })
    }

    fn install(&self, site: &'static str, database: &'static str) -> Installation<'_> {
        let installation = Installation { servers: self, bench: Bench::sample(), site, database };
        installation.leader().run().exits(0);
        installation
    }
}

impl Installation<'_> {
    fn command(&self, command: &str) -> Binary {
        let path = self.servers.path.path().display().to_string();
        let mount = format!("mount --bind {} {path} && exec \"$0\" \"$@\"", self.bench.path().display());
        Binary::on(&self.bench, &[command])
            .servers(&self.servers.postgres, &self.servers.redis)
            .set("SITE_NAME", self.site)
            .set("CAULDRON_BENCH", &path)
            .set("FRAPPE_BENCH_ROOT", &path)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
            .under(&["unshare", "-m", "sh", "-c", &mount])
    }

    fn leader(&self) -> Binary {
        self.command("bootstrap")
            .set("DB_NAME", self.database)
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
    }

    fn worker(&self) -> Pod {
        ready(self.command("worker").set("WORKER_QUEUES", "default"))
    }

    fn id(&self) -> String {
        let config = self.bench.read_config("common_site_config.json");
        config.get("bench_id").and_then(Value::as_str).expect("an id").to_owned()
    }

    /// Runs a job that writes a line to a file.
    fn enqueue(&self, file: &Path) {
        let kwargs = format!("{{'method': 'frappe.sample.touch', 'path': '{}'}}", file.display());
        let ran =
            self.bench.run(&["--site", self.site, "execute", "frappe.sample.queue", "--kwargs", &kwargs]);
        assert_eq!(ran.exit, Some(0), "{}", ran.text);
    }
}

#[test]
fn two_installations_have_their_own_queues_by_default() {
    let Some(servers) = Servers::start("two_installations_have_their_own_queues_by_default") else { return };
    let installations = [servers.install("one.test", "one_test"), servers.install("two.test", "two_test")];
    assert_ne!(installations[0].id(), installations[1].id());
    let pods = installations.each_ref().map(Installation::worker);
    let folder = tempfile::tempdir().expect("a folder");
    for (installation, pod) in installations.iter().zip(&pods) {
        let file = folder.path().join(installation.site);
        installation.enqueue(&file);
        eventually(LONG, "the job is done", || file.exists().then_some(()));
        let workers = format!("rq:workers:{}:default", installation.id());
        assert_eq!(servers.redis.ask::<usize>(1, &["SCARD", &workers]), 1, "{}", pod.log());
        eventually(LONG, "the claim", || {
            let claims = format!("cauldron:claim:{}", installation.id());
            (servers.redis.ask::<usize>(1, &["HLEN", &claims]) == 1).then_some(())
        });
    }
    for pod in pods {
        pod.signal(Signal::SIGTERM);
        let log = pod.end_within(SOON).exits(0).stderr;
        for event in ["queue.shared_with_installation", "queue.foreign_jobs_found"] {
            assert!(!log.contains(event), "{log}");
        }
    }
}

/// Also if a folder of the other's site is on the volume. Several sites of one bench are one installation.
#[test]
fn installations_with_one_id_are_told_of_each_other() {
    let Some(servers) = Servers::start("installations_with_one_id_are_told_of_each_other") else { return };
    let [one, two] = &[servers.install("one.test", "one_test"), servers.install("two.test", "two_test")];
    for installation in [one, two] {
        installation.leader().set("CAULDRON_BENCH_ID", "shared").run().exits(0);
    }
    let copied = one.bench.sites().join(two.site);
    std::fs::create_dir(&copied).expect("a folder");
    std::fs::write(copied.join("site_config.json"), "{}").expect("site_config.json");
    let theirs = two.worker();
    let ours = one.worker();
    ours.event("queue.shared_with_installation");
    drop(theirs);
    // A pod looks at its start, and then every three minutes.
    two.worker().event("queue.shared_with_installation");
    drop(ours);
    servers.redis.ask::<String>(1, &["FLUSHALL"]);
    std::fs::remove_dir_all(copied).expect("the copy");
    let bench = one.bench.other_image();
    let beside = Installation { servers: &servers, bench, site: "beside.test", database: "beside_test" };
    beside.leader().run().exits(0);
    assert_eq!(beside.id(), "shared");
    let pods = [one.worker(), beside.worker(), one.worker()];
    eventually(LONG, "both claims", || {
        (servers.redis.ask::<usize>(1, &["HLEN", "cauldron:claim:shared"]) == 2).then_some(())
    });
    for pod in pods {
        pod.signal(Signal::SIGTERM);
        let log = pod.end_within(SOON).exits(0).stderr;
        assert!(!log.contains("queue.shared_with_installation"), "{log}");
    }
}
