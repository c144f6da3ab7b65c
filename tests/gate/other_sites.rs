//! Another site of the same bench, created by bench itself: it is served only by code that fits its tables.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};

use crate::release::Release;
use crate::stage::{GateStage, SITE};
use crate::support::bench::Bench;
use crate::support::http;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::support::web::Web;

/// A site that is served is examined every half minute.
const LONG: Duration = Duration::from_secs(150);
const OTHER: &str = "two.test";
const DATABASE: &str = "two_test";
const REFUSED: &str = "This site is not on the version of the software that runs here";

/// Both sites are at the old release; the new release is not migrated to yet.
fn two_sites() -> GateStage {
    let stage = GateStage::with_release();
    stage.old().new_site(OTHER, DATABASE);
    stage
}

fn serve(stage: &GateStage, bench: &Bench) -> Web {
    Web::ready(stage.web_on(bench).set("FRAPPE_SITE_NAME_HEADER", "$host"))
}

fn ping(web: &Web, host: &str) -> u16 {
    http::status(web.port, host, "/api/method/ping")
}

#[track_caller]
fn comes_to(web: &Web, host: &str, status: u16) {
    let what = format!("{host} answers {status}");
    eventually(LONG, &what, || (ping(web, host) == status).then_some(()));
}

/// Returns the other site's entry in `/status`.
fn status_of_other(web: &Web) -> Value {
    let sites = web.status()["other_sites"].clone();
    let found = sites.as_array().and_then(|sites| sites.iter().find(|site| site["site"] == OTHER)).cloned();
    found.unwrap_or_else(|| panic!("{OTHER} is not in {sites}"))
}

/// True if there is no session on the other site's database.
fn is_left_alone(stage: &GateStage) -> bool {
    let sql = format!("not exists (select from pg_stat_activity where datname = '{DATABASE}')");
    stage.postgres.session("postgres").is(&sql)
}

#[test]
fn its_hosts_get_503_from_new_code_until_it_is_migrated() {
    let stage = two_sites();
    let old = serve(&stage, stage.old());
    assert_eq!((ping(&old, SITE), ping(&old, OTHER)), (200, 200));
    assert_eq!(
        status_of_other(&old),
        json!({"site": OTHER, "served": true, "relation": "equal", "problem": null})
    );
    let new = serve(&stage, &stage.new);
    stage.is_migrated();
    assert_eq!((ping(&new, SITE), ping(&new, OTHER)), (200, 503));
    // Every path of the other site gets 503; the pod's own site and its assets are not affected.
    for path in ["/", "/login", "/files/a.png", "/private/files/a.png", "/api/resource/Note", "/socket.io/"] {
        let answer = http::get(new.port, OTHER, path).expect("an answer");
        assert!(
            answer.status == 503 && answer.body.contains(REFUSED),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    assert_eq!(
        http::status(new.port, OTHER, "/assets/frappe/js/desk.bundle.js"),
        http::status(new.port, SITE, "/assets/frappe/js/desk.bundle.js")
    );
    assert_eq!(ping(&new, "nosuch.test"), 404);
    let problem = status_of_other(&new)["problem"].to_string();
    assert!(problem.contains("1 patch(es) and 1 changed DocType(s) are pending"), "{problem}");
    new.pod.says("does not fit this code");
    assert!(new.pod.body("/metrics").contains("cauldron_frappe_other_site_served{site=\"two.test\"} 0"));
    let doctor = stage.leader_on(&stage.new).with_command("doctor").run().exits(65);
    assert!(
        doctor.stdout.contains("other-sites") && doctor.stdout.contains("--site two.test migrate"),
        "{doctor}"
    );
    stage.leader_on(stage.old()).with_command("doctor").run().prints("other-sites");
    // No session stays open between two examinations.
    eventually(LONG, "its database is left alone", || is_left_alone(&stage).then_some(()));
    let worker = stage.command_on(&stage.new, "worker").start();
    worker.says("does not fit this code");
    drop(worker);
    // Served again without help, in both directions.
    let migrated = stage.new.run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    comes_to(&new, OTHER, 200);
    assert_eq!(status_of_other(&new)["relation"], "equal");
    comes_to(&old, OTHER, 503);
    assert_eq!((status_of_other(&old)["served"].clone(), ping(&old, SITE)), (false.into(), 200));
    stage.leader_on(&stage.new).with_command("doctor").run().prints("two.test").exits(0);
}

/// A job's code writes to the tables as a request does.
#[test]
fn its_jobs_wait_in_their_queue_until_it_is_migrated() {
    let stage = two_sites();
    stage.leader_on(&stage.new).run().exits(0);
    stage.is_migrated();
    let worker = ready(stage.command_on(&stage.new, "worker").set("CAULDRON_POOL", "default=1"));
    let folder = tempfile::tempdir().expect("a folder");
    let started = |site: &str| folder.path().join(format!("{site}-started"));
    let release = folder.path().join("release");
    fs::write(&release, "").expect("a file");
    let enqueue = |site: &str| {
        let kwargs = format!(
            "{{'method': 'frappe.sample.hold', 'started': '{}', 'release': '{}'}}",
            started(site).display(),
            release.display()
        );
        let ran = stage.new.run(&["--site", site, "execute", "frappe.sample.queue", "--kwargs", &kwargs]);
        assert_eq!(ran.exit, Some(0), "{}", ran.text);
    };
    enqueue(OTHER);
    // Behind it in the same queue, but done before it.
    enqueue(SITE);
    eventually(LONG, "the job of the migrated site runs", || started(SITE).exists().then_some(()));
    worker.says("jobs of a site that does not fit this code");
    assert!(!started(OTHER).exists(), "{}", worker.log());
    let migrated = stage.new.run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    eventually(LONG, "the other site's job runs", || started(OTHER).exists().then_some(()));
}

/// The site named by CAULDRON_HOSTS or a trusted proxy counts; an alias of the pod's own site is that site.
#[test]
fn the_site_decides_and_not_the_name_of_the_host() {
    let stage = two_sites();
    symlink(SITE, stage.old().sites().join("alias.test")).expect("an alias");
    let mapping = format!("shop.example.com={OTHER} www.example.com=alias.test erp.example.com");
    let binary = stage.web_on(&stage.new).set("CAULDRON_HOSTS", mapping);
    let new = Web::ready(binary.set("CAULDRON_TRUSTED_PROXIES", "127.0.0.0/8"));
    let hosts = ["shop.example.com", "www.example.com", "erp.example.com"];
    assert_eq!(hosts.map(|host| ping(&new, host)), [503, 200, 200]);
    // A host that is not listed: only its ping is answered, by the pod's own site.
    assert_eq!((ping(&new, OTHER), http::status(new.port, OTHER, "/login")), (200, 404));
    let forwarded = http::get_with(new.port, "erp.example.com", "/", &["X-Forwarded-Host: shop.example.com"]);
    assert!(forwarded.is_some_and(|answer| answer.status == 503 && answer.body.contains(REFUSED)));
    let named = http::get_with(
        new.port,
        "erp.example.com",
        "/api/method/ping",
        &[&format!("X-Frappe-Site-Name: {OTHER}")],
    );
    assert_eq!(named.map(|answer| answer.status), Some(200), "the header of a client names no site");
}

/// Sites that cannot be examined are not served: unreachable database, failing login, half-created site, exclusive
/// lock.
#[test]
fn a_site_that_cannot_be_examined_gets_503_until_it_can() {
    let stage = GateStage::new();
    stage.old().new_site(OTHER, DATABASE);
    let postgres = stage.postgres.session("postgres");
    postgres.run(&format!("ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false"));
    let web = serve(&stage, stage.old());
    assert_eq!((ping(&web, SITE), ping(&web, OTHER)), (200, 503));
    assert_eq!(status_of_other(&web)["relation"], "unknown");
    web.pod.event("other_site.examination_failed");
    postgres.run(&format!("ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true"));
    comes_to(&web, OTHER, 200);
    // A folder that appears later and names a database that does not exist.
    fs::create_dir_all(stage.old().sites().join("half.test")).expect("a site");
    assert_eq!(ping(&web, "half.test"), 404);
    let config = stage.old().sites().join(OTHER).join("site_config.json");
    let text = fs::read_to_string(&config).expect("site_config.json");
    fs::write(stage.old().sites().join("half.test/site_config.json"), text.replace(DATABASE, "gone"))
        .expect("a file");
    assert_eq!(ping(&web, "half.test"), 503);
    fs::write(stage.old().sites().join("half.test/site_config.json"), "{\"db_name\": ").expect("half a file");
    assert_eq!(ping(&web, "half.test"), 503);
    fs::write(stage.old().sites().join("half.test/site_config.json"), "{\"db_type\": \"mariadb\"}")
        .expect("a file");
    eventually(LONG, "the status shows it", || {
        web.status()["other_sites"].to_string().contains("only PostgreSQL").then_some(())
    });
    fs::remove_dir_all(stage.old().sites().join("half.test")).expect("a site to remove");
    eventually(LONG, "the status no longer shows it", || {
        (!web.status()["other_sites"].to_string().contains("half")).then_some(())
    });
}

/// A site under an exclusive lock, or not finished: it gets no request, and no session of ours blocks the command.
#[test]
fn a_locked_or_half_created_site_gets_503_and_no_session() {
    let stage = GateStage::new();
    stage.old().new_site(OTHER, DATABASE);
    stage.leader_on(stage.old()).set("SITE_NAME", OTHER).set("DB_NAME", DATABASE).run().exits(0);
    let web = serve(&stage, stage.old());
    assert_eq!(ping(&web, OTHER), 200);
    let lock = stage.old().sites().join(".cauldron").join(OTHER).join("hold");
    fs::write(&lock, r#"{"id": "h", "host": "pod-9", "command": "bench restore"}"#).expect("a lock");
    comes_to(&web, OTHER, 503);
    assert_eq!(status_of_other(&web)["problem"], "`bench restore` on pod-9 has the site");
    eventually(LONG, "its database is left alone", || is_left_alone(&stage).then_some(()));
    fs::write(&lock, "").expect("no lock");
    comes_to(&web, OTHER, 200);
    stage.postgres.session(DATABASE).run("update public.__cauldron_state set phase = 'creating'");
    comes_to(&web, OTHER, 503);
    assert_eq!(status_of_other(&web)["problem"], "its creation is running or was not finished");
    assert_eq!(ping(&web, SITE), 200);
}

/// A release without a patch differs too, and so does an app that this pod lacks.
#[test]
fn a_site_with_another_version_or_app_is_not_served() {
    let stage = GateStage::new();
    stage.old().new_site(OTHER, DATABASE);
    let migrated = stage.old().run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    Release::of(stage.new.path().join("apps/frappe/frappe")).version("15.55.2");
    let web = serve(&stage, &stage.new);
    assert_eq!(ping(&web, OTHER), 503);
    let problem = status_of_other(&web)["problem"].to_string();
    assert!(problem.contains("frappe is 15.55.2 here, and 15.55.1 in the database"), "{problem}");
    let other = stage.postgres.session(DATABASE);
    other.run("update \"tabInstalled Application\" set app_version = '15.55.2'");
    comes_to(&web, OTHER, 200);
    other.run(
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#,
    );
    comes_to(&web, OTHER, 503);
    assert!(status_of_other(&web)["problem"].to_string().contains("crm"), "{}", status_of_other(&web));
}
