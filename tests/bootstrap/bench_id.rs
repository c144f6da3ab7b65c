//! The id of the bench's queues: made once for a new installation, kept by one that exists, and changed only by
//! CAULDRON_BENCH_ID (docs/frappe-jobs.md#bench-id).

use serde_json::{Map, Value, json};

use crate::stage::{self, of_web};
use crate::support::binary::LONG;
use crate::support::stage::Stage;
use crate::support::wait::eventually;
use crate::support::web::Web;

const FORMER: &str = "cauldron_former_bench_ids";

fn config(stage: &Stage) -> Map<String, Value> {
    stage.bench.read_config("common_site_config.json")
}

fn id(stage: &Stage) -> String {
    config(stage)["bench_id"].as_str().expect("an id").to_owned()
}

fn from_path(stage: &Stage) -> String {
    stage.bench.path().to_str().expect("a path").trim_matches('/').replace('/', "-")
}

/// The bench ids in the names of our keys, in both databases.
fn ids_in_redis(stage: &Stage) -> Vec<String> {
    let keys = |database| stage.redis.ask::<Vec<String>>(database, &["KEYS", "cauldron:*"]);
    let mut ids: Vec<String> = keys(0)
        .into_iter()
        .chain(keys(1))
        .map(|key| key.split(':').nth(2).expect("an id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[test]
fn two_pods_that_start_at_once_on_an_empty_volume_use_one_id() {
    let stage = stage::empty();
    let start = |id| Web::start(of_web(stage.leader()).set("CAULDRON_BENCH_ID_IF_NEW", id));
    let mut pods = ["one", "two"].map(start);
    for web in &mut pods {
        web.pod.answers("/readyz", 200);
    }
    let id = id(&stage);
    assert!(["one", "two"].contains(&id.as_str()), "{id}");
    let views = format!("cauldron:views:{id}:{}", stage.site);
    eventually(LONG, "both list their apps", || {
        (stage.redis.ask::<usize>(0, &["HLEN", &views]) == 2).then_some(())
    });
    eventually(LONG, "the claim", || {
        (!stage.redis.ask::<Vec<String>>(1, &["KEYS", "cauldron:claim:*"]).is_empty()).then_some(())
    });
    assert_eq!(ids_in_redis(&stage), [id.as_str()]);
    for web in pods {
        web.ping_and_stop();
    }
    stage.leader().set("CAULDRON_BENCH_ID_IF_NEW", "three").run().exits(0);
    assert_eq!(self::id(&stage), id, "the installation exists");
}

#[test]
fn new_installations_get_different_ids() {
    let ids = [(), ()].map(|()| {
        let stage = stage::empty();
        stage.created();
        id(&stage)
    });
    assert!(ids.iter().all(|id| id.starts_with("bench-")), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

/// An image would give its id to all installations.
#[test]
fn configure_makes_no_id_and_writes_a_given_one() {
    let stage = stage::empty();
    let configure = || stage.command("configure").set("CAULDRON_BENCH_ID_IF_NEW", "new");
    configure().run().exits(0);
    assert_eq!(config(&stage).get("bench_id"), None);
    configure().set("CAULDRON_BENCH_ID", "given").run().exits(0);
    assert_eq!(id(&stage), "given");
    assert_eq!(config(&stage).get(FORMER), None, "no job can wait");
    stage.created();
    assert_eq!(id(&stage), "given");
}

#[test]
fn an_installation_keeps_its_id_until_it_is_given_another() {
    let stage = stage::empty();
    stage.leader().of_the_previous_release().run().exits(0);
    stage.leader().set("CAULDRON_BENCH_ID_IF_NEW", "new").run().exits(0);
    assert_eq!(config(&stage).get("bench_id"), None);
    let given = |id: &str| stage.leader().set("CAULDRON_BENCH_ID", id).run().exits(0);
    given("b").event("config.common_site_config_written");
    assert_eq!((id(&stage), &config(&stage)[FORMER]), ("b".into(), &json!([from_path(&stage)])));
    stage.leader().of_the_previous_release().run().exits(0);
    given("c");
    assert_eq!((id(&stage), &config(&stage)[FORMER]), ("c".into(), &json!([from_path(&stage), "b"])));
    given("b");
    stage.created();
    assert_eq!((id(&stage), &config(&stage)[FORMER]), ("b".into(), &json!([from_path(&stage), "c"])));
    stage.leader().set("CAULDRON_BENCH_ID", "b:c").run().exits(78).says("cannot be part of a queue's name");
}

/// The jobs in the queues of the copied ids are the original's.
#[test]
fn a_copy_takes_another_id_and_no_former_ones() {
    let stage = stage::empty();
    let leader = |instance: &str, id: &str| {
        stage.leader().set("CAULDRON_INSTANCE", instance).set("CAULDRON_BENCH_ID", id).run().exits(0)
    };
    leader("production", "a");
    leader("production", "b");
    assert_eq!(config(&stage)[FORMER], json!(["a"]));
    leader("staging", "c").event("site.is_copy");
    assert_eq!((id(&stage), &config(&stage)[FORMER]), ("c".into(), &json!([])));
}

/// With the old id its processes would not find the jobs that the other pods enqueue.
#[test]
fn a_follower_waits_for_the_id_that_it_is_given() {
    let stage = stage::empty();
    stage.created();
    let follower =
        of_web(stage.leader()).set("CAULDRON_BOOTSTRAP", "follow").set("CAULDRON_BENCH_ID", "given");
    let mut web = Web::start(follower);
    web.pod.says("is not CAULDRON_BENCH_ID, given, yet");
    assert_eq!(web.pod.probe("/readyz"), 503);
    stage.leader().set("CAULDRON_BENCH_ID", "given").run().exits(0);
    web.pod.answers("/readyz", 200);
    eventually(LONG, "its keys", || (ids_in_redis(&stage) == ["given"]).then_some(()));
    web.ping_and_stop();
}
