//! A volume or a database that is lost or the wrong one: refused with 65, and nothing is created in its stage.

use std::fs;
use std::process::Command;

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::bench::Bench;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::snapshot;
use crate::support::stage::Stage;

#[test]
fn a_lost_volume() {
    let stage = stage::empty();
    stage.created();
    let stage = Stage { bench: Bench::sample(), ..stage };
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("volume-lost");
    stage.leader().set("SITE_DB_PASSWORD", "guess").run().exits(65).refuses("volume-lost");
    stage.is_unchanged_since(&before);
}

/// Permanently lost, as the operator confirms: an empty folder is created for the database that the refusal named.
#[test]
fn a_lost_volume_that_the_operator_adopts() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'known'");
    let id = stage.state("install_id").expect("an id");
    let stage = Stage { bench: Bench::sample(), ..stage };
    let leader = || stage.leader().set("SITE_DB_PASSWORD", "known");
    leader().run().exits(65).says(&format!("CAULDRON_ADOPT={id}"));
    let before = stage.snapshot();
    leader().set("CAULDRON_ADOPT", "1").run().exits(65);
    stage.is_unchanged_since(&before);
    leader()
        .set("CAULDRON_ADOPT", &id)
        .run()
        .exits(0)
        .event("site.folder_recreated")
        .event("site.completing");
    assert_eq!(stage.site_config()["db_password"], "known");
    assert_eq!(stage.state("install_id").as_deref(), Some(id.as_str()), "the same installation");
    served(stage.leader()).ping_and_stop();
}

#[test]
fn a_lost_site_folder() {
    let stage = stage::empty();
    stage.created();
    fs::remove_dir_all(stage.bench.sites().join(SITE)).expect("the site's folder");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("volume-lost");
    stage.is_unchanged_since(&before);
    // An empty folder in its stage (a subPath of a new volume) is not a site either.
    fs::create_dir(stage.bench.sites().join(SITE)).expect("an empty folder");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("volume-lost");
    stage.is_unchanged_since(&before);
}

#[test]
fn a_lost_database() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "DROP DATABASE frappe");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("database-lost");
    stage.is_unchanged_since(&before);
    // Created again, but empty: still not the site's database.
    stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("database-lost");
    stage.is_unchanged_since(&before);
}

#[test]
fn a_stale_attempt_is_removed_from_a_finished_site() {
    let stage = stage::empty();
    stage.created();
    let attempt = stage.bench.sites().join(".cauldron").join(SITE).join("attempt");
    fs::write(&attempt, "stale").expect("an attempt");
    stage.leader().run().exits(0).event("site.up_to_date");
    assert!(!attempt.exists());
}

#[test]
fn another_site_name_on_the_same_database() {
    let stage = stage::empty();
    stage.created();
    let before = stage.snapshot();
    stage
        .leader()
        .set("SITE_NAME", "other.test")
        .run()
        .exits(65)
        .refuses("database-of-other-site")
        .says(SITE);
    stage.is_unchanged_since(&before);
}

#[test]
fn a_site_config_that_names_another_database_or_server() {
    let stage = stage::empty();
    stage.created();
    let path = stage.file("site_config.json");
    let good = fs::read_to_string(&path).expect("site_config.json");
    for (key, value) in [("db_name", "\"other\""), ("db_host", "\"elsewhere\""), ("db_port", "1")] {
        fs::write(&path, &good).expect("site_config.json");
        stage.edit_site_config(|config| {
            config.insert(key.to_owned(), serde_json::from_str(value).expect("JSON"));
        });
        let before = stage.snapshot();
        stage.leader().run().exits(65).refuses("config-of-other-database").says(key);
        stage.is_unchanged_since(&before);
    }
    fs::write(&path, good).expect("site_config.json");
    stage.leader().run().exits(0).event("site.up_to_date");
}

#[test]
fn a_password_that_no_longer_works_is_reported() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'rotated'");
    let before = stage.snapshot();
    stage.leader().run().exits(77).refuses("role-password-unknown").says("ALTER ROLE \"frappe\" PASSWORD");
    stage.is_unchanged_since(&before);
}

/// A record that pg_restore brings along names the leader of another database: it is history, even if both databases
/// have the same OID, as the first databases of two new clusters do.
#[test]
fn a_restored_copy_ignores_the_record_of_its_source() {
    let stage = stage::empty();
    stage.created();
    stage.session().run(
        "UPDATE public.__cauldron_state SET phase = 'creating', attempt = 'of-old', holder = 'pod-of-old'",
    );
    let copy = Postgres::start();
    let dump = snapshot::cluster(&stage.postgres);
    let mut psql = Command::new("psql")
        .env("PGPASSWORD", PASSWORD)
        .args(["-q", "-h", &copy.socket_folder().display().to_string(), "-p", &copy.port().to_string()])
        .args(["-U", SUPERUSER, "-d", "postgres"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("psql runs");
    std::io::Write::write_all(&mut psql.stdin.take().expect("a pipe"), dump.as_bytes()).expect("the dump");
    assert!(psql.wait().expect("psql ends").success());
    let oid = |postgres: &Postgres| {
        postgres.session(DATABASE).value("select oid::text from pg_database where datname = 'frappe'")
    };
    copy.session(DATABASE)
        .run(&format!("UPDATE public.__cauldron_state SET database_oid = {}", oid(&copy).expect("an OID")));
    let stage = Stage { postgres: copy, ..stage };
    stage.leader().run().exits(0).event("site.completing");
    assert_eq!(stage.state("phase").as_deref(), Some("complete"));
}
