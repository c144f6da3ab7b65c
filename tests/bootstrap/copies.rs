//! Copies of a site: they come up muted and paused, change nothing of the original, and become separate sites when the
//! operator accepts them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::redis::Redis;
use crate::support::stage::Stage;

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
    production: Stage,
    bench: Bench,
    redis: Redis,
}

impl Cloned {
    fn new() -> Self {
        let production = stage::empty();
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
        self.production
            .manifest_on(&self.bench, "bootstrap")
            .servers(&self.production.postgres, &self.redis)
            .set("DB_NAME", "staging")
            .unset("ADMIN_PASSWORD")
    }

    fn write(&self, key: &str, value: Value) {
        let file = format!("{SITE}/site_config.json");
        let mut config = self.bench.read_config(&file);
        config.insert(key.into(), value);
        fs::write(self.bench.sites().join(file), serde_json::to_string(&config).expect("JSON"))
            .expect("a file");
    }
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
    let web = served(manifest());
    let status = web.status();
    assert_eq!(status["bootstrap"]["copy_of"].as_str().map(str::to_string), before.1);
    web.stop();
    manifest().set("CAULDRON_CLONE", &id).run().exits(0).event("site.copy_accepted");
    assert_eq!(switches(&staging.bench), (Value::Null, Value::Null));
    let silent = manifest().run().exits(0).stderr;
    assert!(!silent.contains("site.is_copy"), "{silent}");
    // The original is unchanged.
    assert_eq!((site_config(&production.bench), production.state("install_id")), before);
    served(production.leader()).ping_and_stop();
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
    let production = stage::empty();
    production.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0);
    let bench = Bench::sample();
    copy_volume(&production.bench, &bench);
    let before =
        (site_config(&production.bench), production.state("install_id"), production.state("instance"));
    let staging = Stage { bench, ..production };
    staging.leader().set("CAULDRON_INSTANCE", "staging").run().exits(0).says("instance prod");
    assert_eq!(switches(&staging.bench), (1.into(), 1.into()));
    assert_eq!((staging.state("install_id"), staging.state("instance")), (before.1, before.2));
    assert_eq!(before.0["mute_emails"], Value::Null);
    assert!(staging.postgres.database_exists(DATABASE));
}

/// The control: the same volume and database are not a copy, wherever the pod runs.
#[test]
fn a_pod_that_moved_is_no_copy() {
    let stage = stage::empty();
    stage.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0);
    let again = stage.leader().set("CAULDRON_INSTANCE", "prod").run().exits(0).stderr;
    assert!(!again.contains("site.is_copy"), "{again}");
    let unnamed = stage.leader().run().exits(0).stderr;
    assert!(!unnamed.contains("site.is_copy"), "{unnamed}");
    assert_eq!(stage.state("instance").as_deref(), Some("prod"));
    assert_eq!(switches(&stage.bench), (Value::Null, Value::Null));
}

/// A release up to 0.2.0 took a line end of a manifest for another installation.
#[test]
fn a_copy_by_a_line_end_alone_is_no_copy_any_more() {
    let stage = stage::empty();
    stage.leader().set("CAULDRON_INSTANCE", "a/b").run().exits(0);
    let before = (stage.state("install_id"), stage.state("instance"));
    let earlier = stage.leader().of_the_previous_release().set("CAULDRON_INSTANCE", "a/b\r").run().exits(0);
    assert_eq!(switches(&stage.bench), (1.into(), 1.into()), "{earlier}");
    let leader = stage.leader().set("CAULDRON_INSTANCE", "a/b").run().exits(0);
    leader.event("site.copy_mark_removed");
    assert_eq!(switches(&stage.bench), (Value::Null, Value::Null));
    assert_eq!((stage.state("install_id"), stage.state("instance")), before);
    let with_line_end = stage.leader().set("CAULDRON_INSTANCE", "a/b\r").run().exits(0).stderr;
    assert!(!with_line_end.contains("site.is_copy"), "{with_line_end}");
    let back = stage.leader().of_the_previous_release().set("CAULDRON_INSTANCE", "a/b").run().exits(0);
    assert_eq!(switches(&stage.bench), (Value::Null, Value::Null), "{back}");
}

/// Staging with its own database and volume still uses production's Redis.
#[test]
fn a_queue_claimed_by_another_installation_is_reported() {
    let stage = stage::empty();
    stage.created();
    let web = served(stage.leader());
    let id = stage.state("install_id").expect("an id");
    let keys: Vec<String> = stage.redis.ask(QUEUE, &["KEYS", &format!("cauldron:claim:*:{SITE}")]);
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!(stage.redis.ask::<String>(QUEUE, &["GET", key]), id);
    assert!(stage.redis.ask::<i64>(QUEUE, &["TTL", key]) > 500);
    web.ping_and_stop();
    // The same installation takes the claim again; another one is reported.
    let web = served(stage.leader());
    assert!(!web.pod.log().contains("queue.claimed_by_other"), "{}", web.pod.log());
    web.ping_and_stop();
    stage.redis.ask::<String>(QUEUE, &["SET", key, "another"]);
    let web = served(stage.leader());
    web.pod.event("queue.claimed_by_other");
    assert_eq!(stage.redis.ask::<String>(QUEUE, &["GET", key]), "another", "the other's claim is kept");
    let status = web.status();
    assert_eq!(status["bootstrap"]["queue_of"], "another");
    web.ping_and_stop();
    // The key of the bench names both installations: the first one is told of the other too.
    stage.redis.ask::<String>(QUEUE, &["SET", key, &id]);
    let (now_s, _): (u64, u64) = stage.redis.ask(QUEUE, &["TIME"]);
    let of_bench = key.strip_suffix(&format!(":{SITE}")).expect("a key");
    let entries: Vec<String> = stage.redis.ask(QUEUE, &["HGETALL", of_bench]);
    assert!(entries[0] == id && entries[1].ends_with(&format!(" {SITE}")), "{entries:?}");
    stage.redis.ask::<i64>(QUEUE, &["HSET", of_bench, "third", &format!("{now_s} {SITE}")]);
    let web = served(stage.leader());
    web.pod.event("queue.claimed_by_other");
    assert_eq!(web.status()["bootstrap"]["queue_of"], "third");
    web.ping_and_stop();
}
