//! Another site of the same bench, made by bench itself: it is served by code that fits its tables, and by no other.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, SITE, Web};
use crate::release::Release;
use crate::support::bench::Bench;
use crate::support::http;
use crate::support::wait::eventually;

/// A site that is served is looked at every half minute.
const LONG: Duration = Duration::from_secs(150);
const OTHER: &str = "two.test";
const DATABASE: &str = "two_test";
const REFUSED: &str = "This site is not on the version of the software that runs here";

/// Both sites at the old release; the new one is not migrated to yet.
fn two_sites() -> Place {
    let place = Place::with_release();
    place.old.new_site(OTHER, DATABASE);
    place
}

fn serve(place: &Place, bench: &Bench) -> Web {
    let mut web = place.start_web_with(bench, |binary| binary.set("FRAPPE_SITE_NAME_HEADER", "$host"));
    web.pod.answers("/readyz", 200);
    web
}

fn ping(web: &Web, host: &str) -> u16 {
    http::status(web.port, host, "/api/method/ping")
}

#[track_caller]
fn comes_to(web: &Web, host: &str, status: u16) {
    let what = format!("{host} answers {status}");
    eventually(LONG, &what, || (ping(web, host) == status).then_some(()));
}

/// What `/status` says of the other site.
fn told(web: &Web) -> Value {
    let sites = web.status()["other_sites"].clone();
    let found = sites.as_array().and_then(|sites| sites.iter().find(|site| site["site"] == OTHER)).cloned();
    found.unwrap_or_else(|| panic!("{OTHER} is not in {sites}"))
}

/// No session on its database.
fn is_left_alone(place: &Place) -> bool {
    let sql = format!("not exists (select from pg_stat_activity where datname = '{DATABASE}')");
    place.postgres.session("postgres").is(&sql)
}

#[test]
fn its_hosts_get_503_from_new_code_until_it_is_migrated() {
    let place = two_sites();
    let old = serve(&place, &place.old);
    assert_eq!((ping(&old, SITE), ping(&old, OTHER)), (200, 200));
    assert_eq!(told(&old), json!({"site": OTHER, "served": true, "relation": "equal", "problem": null}));
    let new = serve(&place, &place.new);
    place.is_migrated();
    assert_eq!((ping(&new, SITE), ping(&new, OTHER)), (200, 503));
    // Whatever is asked of it, and however it is named; the sites and their assets are as before.
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
    let problem = told(&new)["problem"].to_string();
    assert!(problem.contains("1 patch(es) and 1 changed DocType(s) are pending"), "{problem}");
    new.pod.says("does not fit this code");
    assert!(new.pod.body("/metrics").contains("cauldron_frappe_other_site_served{site=\"two.test\"} 0"));
    let doctor = place.leader(&place.new).with_command("doctor").run().exits(65);
    assert!(
        doctor.stdout.contains("other-sites") && doctor.stdout.contains("--site two.test migrate"),
        "{doctor}"
    );
    place.leader(&place.old).with_command("doctor").run().prints("other-sites");
    // Nobody holds a session between two looks.
    eventually(LONG, "its database is left alone", || is_left_alone(&place).then_some(()));
    let worker = place.on(&place.new, "worker").start();
    worker.says("does not fit this code");
    drop(worker);
    // By itself, in both directions.
    let migrated = place.new.run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    comes_to(&new, OTHER, 200);
    assert_eq!(told(&new)["relation"], "equal");
    comes_to(&old, OTHER, 503);
    assert_eq!((told(&old)["served"].clone(), ping(&old, SITE)), (false.into(), 200));
    place.leader(&place.new).with_command("doctor").run().prints("two.test").exits(0);
}

/// A job's code writes into the tables as a request does.
#[test]
fn its_jobs_wait_in_their_queue_until_it_is_migrated() {
    let place = two_sites();
    place.leader(&place.new).run().exits(0);
    place.is_migrated();
    let mut worker = place.on(&place.new, "worker").set("CAULDRON_POOL", "default=1").start();
    worker.answers("/readyz", 200);
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
        let ran = place.new.run(&["--site", site, "execute", "frappe.sample.queue", "--kwargs", &kwargs]);
        assert_eq!(ran.exit, Some(0), "{}", ran.text);
    };
    enqueue(OTHER);
    // Behind it in the same queue, and done before it.
    enqueue(SITE);
    eventually(LONG, "the job of the migrated site runs", || started(SITE).exists().then_some(()));
    worker.says("jobs of a site that does not fit this code");
    assert!(!started(OTHER).exists(), "{}", worker.log());
    let migrated = place.new.run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    eventually(LONG, "the other site's job runs", || started(OTHER).exists().then_some(()));
}

/// As CAULDRON_HOSTS and a trusted proxy name it; another name of the given site is the given site.
#[test]
fn it_is_the_site_that_counts_and_not_the_hosts_name() {
    let place = two_sites();
    symlink(SITE, place.old.sites().join("alias.test")).expect("an alias");
    let mut new = place.start_web_with(&place.new, |binary| {
        binary
            .set(
                "CAULDRON_HOSTS",
                format!("shop.example.com={OTHER} www.example.com=alias.test erp.example.com"),
            )
            .set("CAULDRON_TRUSTED_PROXIES", "127.0.0.0/8")
    });
    new.pod.answers("/readyz", 200);
    let hosts = ["shop.example.com", "www.example.com", "erp.example.com", OTHER];
    assert_eq!(hosts.map(|host| ping(&new, host)), [503, 200, 200, 404]);
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

/// What cannot be examined is not served: a database that is away, a login that fails, half a site, a hold.
#[test]
fn a_site_that_cannot_be_examined_gets_503_until_it_can() {
    let place = Place::new();
    place.old.new_site(OTHER, DATABASE);
    let postgres = place.postgres.session("postgres");
    postgres.run(&format!("ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false"));
    let web = serve(&place, &place.old);
    assert_eq!((ping(&web, SITE), ping(&web, OTHER)), (200, 503));
    assert_eq!(told(&web)["relation"], "unknown");
    web.pod.says("cannot be examined");
    postgres.run(&format!("ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true"));
    comes_to(&web, OTHER, 200);
    // A folder that comes later, with a database that is none.
    fs::create_dir_all(place.old.sites().join("half.test")).expect("a site");
    assert_eq!(ping(&web, "half.test"), 404);
    let config = place.old.sites().join(OTHER).join("site_config.json");
    let text = fs::read_to_string(&config).expect("site_config.json");
    fs::write(place.old.sites().join("half.test/site_config.json"), text.replace(DATABASE, "gone"))
        .expect("a file");
    assert_eq!(ping(&web, "half.test"), 503);
    fs::write(place.old.sites().join("half.test/site_config.json"), "{\"db_name\": ").expect("half a file");
    assert_eq!(ping(&web, "half.test"), 503);
    fs::write(place.old.sites().join("half.test/site_config.json"), "{\"db_type\": \"mariadb\"}")
        .expect("a file");
    eventually(LONG, "it is told", || {
        web.status()["other_sites"].to_string().contains("only PostgreSQL").then_some(())
    });
    fs::remove_dir_all(place.old.sites().join("half.test")).expect("a site that goes");
    eventually(LONG, "it is forgotten", || {
        (!web.status()["other_sites"].to_string().contains("half")).then_some(())
    });
}

/// Somebody else has it to himself, or is not done with it: no request reaches it, and no session is in the way.
#[test]
fn a_site_that_is_held_or_half_created_gets_503_and_no_session() {
    let place = Place::new();
    place.old.new_site(OTHER, DATABASE);
    place.leader(&place.old).set("SITE_NAME", OTHER).set("DB_NAME", DATABASE).run().exits(0);
    let web = serve(&place, &place.old);
    assert_eq!(ping(&web, OTHER), 200);
    let hold = place.old.sites().join(".cauldron").join(OTHER).join("hold");
    fs::write(&hold, r#"{"id": "h", "host": "pod-9", "command": "bench restore"}"#).expect("a hold");
    comes_to(&web, OTHER, 503);
    assert_eq!(told(&web)["problem"], "`bench restore` on pod-9 has the site");
    eventually(LONG, "its database is left alone", || is_left_alone(&place).then_some(()));
    fs::write(&hold, "").expect("no hold");
    comes_to(&web, OTHER, 200);
    place.postgres.session(DATABASE).run("update public.__cauldron_state set phase = 'creating'");
    comes_to(&web, OTHER, 503);
    assert_eq!(told(&web)["problem"], "another pod is creating it, or did not finish");
    assert_eq!(ping(&web, SITE), 200);
}

/// A release without a patch is a release, too; an app that this pod lacks is worse.
#[test]
fn a_version_or_an_app_that_differs_is_not_served() {
    let place = Place::new();
    place.old.new_site(OTHER, DATABASE);
    let migrated = place.old.run(&["--site", OTHER, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    Release::of(place.new.path().join("apps/frappe/frappe")).version("15.55.2");
    let web = serve(&place, &place.new);
    assert_eq!(ping(&web, OTHER), 503);
    let problem = told(&web)["problem"].to_string();
    assert!(problem.contains("frappe is 15.55.2 here, and 15.55.1 in the database"), "{problem}");
    let other = place.postgres.session(DATABASE);
    other.run("update \"tabInstalled Application\" set app_version = '15.55.2'");
    comes_to(&web, OTHER, 200);
    other.run(
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#,
    );
    comes_to(&web, OTHER, 503);
    assert!(told(&web)["problem"].to_string().contains("crm"), "{}", told(&web));
}
