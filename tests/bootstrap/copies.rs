//! Copies of a site: they come up muted and paused, change nothing of the original, and become separate sites when the
//! operator accepts them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::place::{DATABASE, Place, SITE, Served};
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::port;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::redis::Redis;

/// The database of the queue Redis.
const QUEUE: u8 = 1;

/// Copies the site's folder and our own files about it, as a snapshot of the volume would.
fn copy_volume(from: &Bench, to: &Bench) {
    for (folder, parent) in [(SITE.to_string(), ""), (format!(".cauldron/{SITE}"), ".cauldron")] {
        let parent = to.sites().join(parent);
        fs::create_dir_all(&parent).expect("a folder");
        let copied = Command::new("cp").arg("-a").arg(from.sites().join(folder)).arg(parent).status();
        assert!(copied.expect("cp runs").success());
    }
}

fn site_config(bench: &Bench) -> Value {
    bench.read_config(&format!("{SITE}/site_config.json")).into()
}

fn switches(bench: &Bench) -> (Value, Value) {
    let config = site_config(bench);
    (config["mute_emails"].clone(), config["pause_scheduler"].clone())
}

/// Returns the id that CAULDRON_CLONE has to name.
fn named_id(bench: &Bench) -> String {
    let path = bench.sites().join(".cauldron").join(SITE).join("copy.json");
    let mark: Value = serde_json::from_str(&fs::read_to_string(path).expect("a mark")).expect("JSON");
    mark["id"].as_str().expect("an id").to_string()
}

/// Production, with a database and a volume beside it that were copied from it.
struct Cloned {
    production: Place,
    bench: Bench,
    redis: Redis,
}

impl Cloned {
    fn new() -> Self {
        let production = Place::new();
        production.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0);
        let cloned = Self { production, bench: Bench::sample(), redis: Redis::start() };
        copy_volume(&cloned.production.bench, &cloned.bench);
        let password = site_config(&cloned.production.bench)["db_password"].clone();
        let password = password.as_str().expect("a password");
        let postgres = &cloned.production.postgres;
        postgres.run("postgres", "CREATE DATABASE staging TEMPLATE frappe OWNER frappe");
        postgres.run("postgres", &format!("CREATE ROLE staging LOGIN PASSWORD '{password}'"));
        postgres.run("staging", "REASSIGN OWNED BY frappe TO staging");
        postgres.run(
            "postgres",
            "ALTER DATABASE frappe OWNER TO frappe; ALTER DATABASE staging OWNER TO staging",
        );
        cloned.write("db_name", "staging".into());
        cloned
    }

    fn leader(&self) -> Binary {
        Binary::on(&self.bench, &["bootstrap"])
            .servers(&self.production.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("DB_NAME", "staging")
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
    }

    fn write(&self, key: &str, value: Value) {
        write_key(&self.bench.sites().join(SITE).join("site_config.json"), key, value);
    }
}

fn write_key(path: &Path, key: &str, value: Value) {
    let mut config: serde_json::Map<String, Value> =
        serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON");
    config.insert(key.into(), value);
    fs::write(path, serde_json::to_string(&config).expect("JSON")).expect("a file");
}

#[test]
fn a_clone_of_production_sends_no_mail() {
    let staging = Cloned::new();
    let (production, manifest) = (&staging.production, || staging.leader());
    let before = (site_config(&production.bench), production.state("install_id"));
    manifest().run().exits(0).event("site.is_copy").says("CAULDRON_CLONE=");
    assert_eq!(switches(&staging.bench), (1.into(), 1.into()));
    // Until the id is configured, whatever else is.
    let id = named_id(&staging.bench);
    manifest().set("CAULDRON_CLONE", "1").run().exits(0).event("site.is_copy");
    assert_eq!(switches(&staging.bench), (1.into(), 1.into()));
    let mut pod = manifest()
        .with_command("web")
        .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", port::free()))
        .set("GUNICORN_WORKERS", "1")
        .start();
    pod.answers("/readyz", 200);
    let status: Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    assert_eq!(status["bootstrap"]["copy_of"].as_str().map(str::to_string), before.1);
    pod.signal(nix::sys::signal::Signal::SIGTERM);
    pod.end().exits(0);
    manifest().set("CAULDRON_CLONE", &id).run().exits(0).event("site.copy_accepted");
    assert_eq!(switches(&staging.bench), (Value::Null, Value::Null));
    let silent = manifest().run().exits(0).stderr;
    assert!(!silent.contains("site.is_copy"), "{silent}");
    // The original is unchanged.
    assert_eq!((site_config(&production.bench), production.state("install_id")), before);
    Served::start(production.leader()).stop();
}

/// A setting of the operator stays when our own are removed.
#[test]
fn a_switch_of_the_operators_stays() {
    let staging = Cloned::new();
    staging.write("mute_emails", Value::from(1));
    staging.leader().run().exits(0);
    let id = named_id(&staging.bench);
    staging.leader().set("CAULDRON_CLONE", id).run().exits(0);
    assert_eq!(switches(&staging.bench), (1.into(), Value::Null));
}

/// A pod of staging uses production's own database by mistake: production is not muted by it.
#[test]
fn another_instance_on_the_same_database_changes_nothing_of_its_record() {
    let production = Place::new();
    production.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0);
    let bench = Bench::sample();
    copy_volume(&production.bench, &bench);
    let before =
        (site_config(&production.bench), production.state("install_id"), production.state("instance"));
    let staging = Place { bench, ..production };
    staging.leader().set("CAULDRON_INSTANCE", "staging").run().exits(0).says("instance prod");
    assert_eq!(switches(&staging.bench), (1.into(), 1.into()));
    assert_eq!((staging.state("install_id"), staging.state("instance")), (before.1, before.2));
    assert_eq!(before.0["mute_emails"], Value::Null);
    assert!(staging.postgres.database_exists(DATABASE));
}

/// The control: the same volume and database are not a copy, wherever the pod runs.
#[test]
fn a_pod_that_moved_is_no_copy() {
    let place = Place::new();
    place.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0);
    let again = place.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0).stderr;
    assert!(!again.contains("site.is_copy"), "{again}");
    let unnamed = place.leader().run().exits(0).stderr;
    assert!(!unnamed.contains("site.is_copy"), "{unnamed}");
    assert_eq!(place.state("instance").as_deref(), Some("prod"));
    assert_eq!(switches(&place.bench), (Value::Null, Value::Null));
}

/// Staging with its own database and volume still uses production's Redis.
#[test]
fn a_queue_claimed_by_another_installation_is_reported() {
    let place = Place::new();
    place.created();
    let served = Served::start(place.leader());
    let id = place.state("install_id").expect("an id");
    let keys: Vec<String> = place.redis.ask(QUEUE, &["KEYS", "cauldron:claim:*"]);
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(key.ends_with(SITE), "{key}");
    assert_eq!(place.redis.ask::<String>(QUEUE, &["GET", key]), id);
    assert!(place.redis.ask::<i64>(QUEUE, &["TTL", key]) > 500);
    served.stop();
    // The same installation takes the claim again; another one is reported.
    let served = Served::start(place.leader());
    assert!(!served.pod.log().contains("queue.claimed_by_other"), "{}", served.pod.log());
    served.stop();
    place.redis.ask::<String>(QUEUE, &["SET", key, "another"]);
    let served = Served::start(place.leader());
    served.pod.event("queue.claimed_by_other");
    assert_eq!(place.redis.ask::<String>(QUEUE, &["GET", key]), "another", "the other's claim is kept");
    let status: Value = serde_json::from_str(&served.pod.body("/status")).expect("JSON");
    assert_eq!(status["bootstrap"]["queue_of"], "another");
    served.stop();
}
