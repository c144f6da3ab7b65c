//! `backup verify` and `backup open` on another PostgreSQL server (CAULDRON_SCRATCH_DB_URL): what they leave there, whom they
//! refuse, and that nothing gets out.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::damaged_repository::with_manifest;
use crate::repository::Backed;
use crate::stage::{DATABASE, content, files, keeps_its_code};
use crate::support::binary::Binary;
use crate::support::ca::Ca;
use crate::support::port;
use crate::support::postgres::{self, Options, Postgres, SUPERUSER};
use crate::verify::{Leaking, asked, psql_line, report};

const LONG: Duration = Duration::from_secs(180);
const SETTING: &str = "CAULDRON_SCRATCH_DB_URL";
const PASSWORD: &str = "canary-of-scratch";

/// A server that admits only TLS, and an administrator who is no superuser.
struct Other {
    postgres: Postgres,
    ca: Ca,
}

impl Other {
    fn new() -> Self {
        let ca = Ca::new();
        let postgres = Postgres::start_with(|home| {
            Options::default().tls(&ca, home).hba("hostnossl all all 127.0.0.1/32 reject")
        });
        let create = |name: &str, rights: &str| {
            postgres.run("postgres", &format!("create role {name} login {rights} password '{PASSWORD}'"));
        };
        create("dba", "createrole createdb");
        create("nobody", "");
        Self { postgres, ca }
    }

    fn url(&self, user: &str, password: &str) -> String {
        let (port, ca) = (self.postgres.port(), self.ca.root());
        format!(
            "postgres://{user}:{password}@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={}",
            ca.display()
        )
    }

    fn command(&self, backed: &Backed, words: &str) -> Binary {
        backed.command(words).set(SETTING, self.url("dba", PASSWORD))
    }
}

/// The roles and databases of scratches on a server.
fn left(postgres: &Postgres) -> Vec<String> {
    let rows = postgres.run(
        "postgres",
        "select 'role ' || rolname from pg_roles where rolname like 'cauldron%'
         union select 'database ' || datname from pg_database where datname like 'cauldron%' order by 1",
    );
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

#[test]
fn a_backup_is_verified_on_another_server_and_nothing_gets_out_or_stays() {
    let (backed, other) = (Backed::new(), Other::new());
    if keeps_its_code(&backed.archived.stage, "nothing gets out of scratch on another server") {
        return;
    }
    backed.backup();
    let leaking = Leaking::new(&backed);
    let file = backed.folder.path().join("url");
    fs::write(&file, format!("{}\n", other.url("dba", PASSWORD))).expect("a mounted secret");
    let verify = backed.command("backup verify --format json");
    let verify = verify.set(&format!("{SETTING}_FILE"), file.display()).set("CAULDRON_LOG_LEVEL", "debug");
    let ended = verify.spawn().end_within(LONG).exits(0);
    let report = report(&ended.stdout);
    assert_eq!(report["verdict"], "passed", "{report}");
    assert_eq!(report["server"], format!("127.0.0.1:{}", other.postgres.port()));
    assert!(report["server_version"].as_str().is_some_and(|version| !version.is_empty()), "{report}");
    assert_eq!(report["isolation"], json!({"network": null, "files": null}), "{report}");
    assert_eq!(leaking.leaked(), (false, 0, 0));
    assert!(!ended.stderr.contains("embedded.initdb_started"), "no private PostgreSQL");
    assert!(!format!("{ended}").contains("canary"), "{ended}");
    assert_eq!(left(&other.postgres), [""; 0]);
    backed.no_scratch_is_left();
}

#[test]
fn what_a_killed_one_leaves_is_dropped_and_a_living_one_stays() {
    let (backed, other) = (Backed::new(), Other::new());
    let id = backed.backup();
    let open = || other.command(&backed, &format!("backup open {id}")).spawn();
    let (living, killed) = (open(), open());
    let line = psql_line(&living);
    psql_line(&killed);
    killed.signal(Signal::SIGKILL);
    killed.end();
    assert_eq!(left(&other.postgres).len(), 4);
    let verify = other.command(&backed, "backup verify").spawn().end_within(LONG).exits(0);
    assert_eq!(verify.stderr.matches("scratch.leftover_dropped").count(), 1, "{verify}");
    assert_eq!(left(&other.postgres).len(), 2);
    assert_eq!(asked(&line, "select count(*) from \"tabNote\""), "2000");
    // Its socket leads to its own database alone.
    let (login, _) = line.rsplit_once(' ').expect("a database");
    let refused = asked(&format!("{login} postgres"), "select 1");
    assert!(refused.contains("admits one role to one database"), "{refused}");
    living.signal(Signal::SIGTERM);
    living.end_within(LONG).exits(0);
    assert_eq!(left(&other.postgres), [""; 0]);
    backed.no_scratch_is_left();
}

/// As soon as the database is there, and while it is loaded.
#[test]
fn a_stop_request_drops_what_was_made() {
    let (backed, other) = (Backed::new(), Other::new());
    backed.backup();
    for event in ["postgres.database_created", "verify.output"] {
        let verify = other.command(&backed, "backup verify").set("CAULDRON_LOG_LEVEL", "debug").spawn();
        verify.event(event);
        verify.signal(Signal::SIGTERM);
        verify.end_within(LONG).exits(128 + Signal::SIGTERM as i32);
        assert_eq!(left(&other.postgres), [""; 0], "stopped after {event}");
        backed.no_scratch_is_left();
    }
}

#[test]
fn the_sites_own_server_is_scratch_only_if_the_site_is_shut() {
    let backed = Backed::new();
    backed.backup();
    let stage = &backed.archived.stage;
    let before = (content(stage), files(stage));
    let (host, port) = (stage.postgres.host(), stage.postgres.port());
    let url = format!("postgres://{SUPERUSER}:{}@{host}:{port}/postgres", postgres::PASSWORD);
    let verify = || backed.command("backup verify").set(SETTING, &url);
    // By the name in the backup: no database of a site is configured.
    for verify in [verify(), verify().unset("DB_HOST").unset("DB_NAME").unset("DB_USER").unset("DB_PASSWORD")]
    {
        let refused = verify.run().exits(78).refuses("scratch-reaches-site");
        refused.says(&format!("REVOKE CONNECT ON DATABASE \"{DATABASE}\" FROM PUBLIC"));
        assert_eq!(left(&stage.postgres), [""; 0]);
    }
    stage.postgres.run("postgres", &format!("revoke connect on database {DATABASE} from public"));
    verify().spawn().end_within(LONG).exits(0).event("verify.passed");
    assert!((content(stage), files(stage)) == before, "the site is unchanged");
    assert_eq!(left(&stage.postgres), [""; 0]);
}

#[test]
fn a_server_that_cannot_be_used_is_refused_by_its_name() {
    let (backed, other) = (Backed::new(), Other::new());
    backed.backup();
    let at = |url: &str| backed.command("backup verify").set(SETTING, url).run();
    let away = format!("postgres://dba:{PASSWORD}@127.0.0.1:{}/postgres", port::free());
    at(&away).exits(75).says("scratch on 127.0.0.1:");
    let wrong = at(&other.url("dba", "canary-of-another")).exits(77).refuses("login-refused");
    let wrong = wrong.says("in CAULDRON_SCRATCH_DB_URL: check user and password");
    assert!(!format!("{wrong}").contains("canary"), "{wrong}");
    at(&other.url("nobody", PASSWORD)).exits(77).refuses("privilege-missing").says("CREATEROLE CREATEDB");
    let unencrypted = other.url("dba", PASSWORD).replace("verify-full", "disable");
    at(&unencrypted).exits(77).refuses("client-not-admitted");
    at("postgres://dba:canary@h/postgres?sslmode=canary").exits(78);
    with_manifest(&backed, |manifest| {
        manifest["database"]["server_version"] = "99.1".into();
        serde_json::to_vec(manifest).expect("JSON")
    });
    let older = other.command(&backed, "backup verify").spawn().end_within(LONG);
    older.exits(78).refuses("backup-of-newer");
    assert_eq!(left(&other.postgres), [""; 0]);
    backed.no_scratch_is_left();
}
