//! A site from nothing, and a second start with the finished site.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::{http, snapshot};

of_each_generation![
    from_nothing_to_a_site_that_answers,
    a_complete_site_without_a_mark_is_migrated_once_and_served,
];

fn from_nothing_to_a_site_that_answers(generation: Generation) {
    let stage = stage::of(generation);
    stage.created();
    let reads_user = generation == Generation::Frappe16;
    assert_eq!(stage.site_config().get("db_user").is_some(), reads_user, "16 writes the role");
    let site = stage.session();
    assert!(site.is("exists (select from \"tabDefaultValue\" where defkey = 'installed_apps')"));
    let scheduler =
        "select value from \"tabSingles\" where doctype = 'System Settings' and field = 'enable_scheduler'";
    assert_eq!(site.value(scheduler).as_deref(), Some("1"), "Frappe leaves it disabled");
    let owner = format!("select pg_get_userbyid(datdba)::text from pg_database where datname = '{DATABASE}'");
    assert_eq!(site.value(&owner).as_deref(), Some(DATABASE));
    let table_owner = "select tableowner::text from pg_tables where tablename = '__cauldron_state'";
    assert_eq!(
        site.value(table_owner).as_deref(),
        Some(DATABASE),
        "pg_dump by the site's role must not fail"
    );
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
    assert_eq!(stage.state("holder"), None);
    assert_eq!(stage.state("last_error"), None);

    let cauldron = stage.bench.sites().join(".cauldron").join(SITE);
    let install_id = fs::read_to_string(cauldron.join("install_id")).expect("an install id");
    assert_eq!(stage.state("install_id").as_deref(), Some(install_id.trim()));
    let mode = fs::metadata(cauldron.join("db_password")).expect("the password").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!cauldron.join("attempt").exists());

    let own_path = stage.file("site_config.json");
    let mode = fs::metadata(own_path).expect("site_config.json").permissions().mode();
    assert_eq!(mode & 0o007, 0, "it holds the database's password");
    let own = stage.site_config();
    assert_eq!(own["db_name"], DATABASE);
    assert_eq!(own["encryption_key"].as_str().map(str::len), Some(44));
    assert_eq!(stage.bench.read_config("common_site_config.json")["default_site"], SITE);

    let web = served(stage.leader());
    let login = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    assert_eq!(
        http::post(web.port, SITE, "/api/method/login", &login).map(|answer| answer.status),
        Some(200)
    );
    let wrong = [("usr", "Administrator"), ("pwd", "another")];
    assert_eq!(
        http::post(web.port, SITE, "/api/method/login", &wrong).map(|answer| answer.status),
        Some(401)
    );
    web.ping_and_stop();
}

#[test]
fn a_second_start_has_nothing_to_do() {
    let stage = stage::empty();
    stage.created();
    let (files, cluster) = (snapshot::files(&stage.bench), snapshot::cluster_without_state(&stage.postgres));
    let started = Instant::now();
    stage.leader().run().exits(0).event("site.up_to_date");
    // It takes milliseconds plus this machine's noise. A creation, or one Frappe command, takes seconds.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    snapshot::same(&files, &snapshot::files(&stage.bench));
    snapshot::same(&cluster, &snapshot::cluster_without_state(&stage.postgres));
    // An operator's later changes stay too.
    stage.bench.configure(serde_json::json!({ "default_site": "other.test" }));
    stage.session().run("update \"tabSingles\" set value = '0' where field = 'enable_scheduler'");
    stage.leader().run().exits(0);
    assert_eq!(stage.bench.read_config("common_site_config.json")["default_site"], "other.test");
    let scheduler = "select value from \"tabSingles\" where field = 'enable_scheduler'";
    assert_eq!(stage.session().value(scheduler).as_deref(), Some("0"));
}

/// A site created by Frappe alone has no mark: it may not be finished, so it is migrated once.
fn a_complete_site_without_a_mark_is_migrated_once_and_served(generation: Generation) {
    let stage = stage::of(generation);
    stage.bench.connect(&stage.postgres, &stage.redis);
    stage.bench.new_site(SITE, DATABASE);
    let key = stage.site_config().get("encryption_key").cloned();
    stage.leader().unset("ADMIN_PASSWORD").run().exits(0).event("site.completing");
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
    if let Some(key) = key {
        assert_eq!(stage.site_config()["encryption_key"], key);
    }
    stage.leader().run().exits(0).event("site.up_to_date");
    served(stage.leader()).ping_and_stop();
}

#[test]
fn a_configured_encryption_key_is_used() {
    let stage = stage::empty();
    let key = "pvfqq5ppvrMYZSCNunn_3tCx3hnbcnZYGnHhGka2AwA=";
    stage.leader().set("ENCRYPTION_KEY", key).run().exits(0);
    assert_eq!(stage.site_config()["encryption_key"], key);
    let other = key.replacen('p', "q", 1);
    stage.leader().set("ENCRYPTION_KEY", other).run().exits(78).says("ENCRYPTION_KEY");
    assert_eq!(stage.site_config()["encryption_key"], key);
}
