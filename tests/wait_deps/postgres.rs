//! PostgreSQL: late, full, recovering, and every way in which a login can be wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use crate::support::identity;
use crate::support::port;
use crate::support::postgres::{Options, PASSWORD, Postgres, SUPERUSER, program};
use crate::waiting::WaitDeps;

fn trusting() -> Postgres {
    Postgres::start_with(|_| Options::default().hba("host all all 127.0.0.1/32 trust"))
}

/// The administrator's way, on a site that is not there yet.
fn administrator(server: &Postgres) -> WaitDeps {
    WaitDeps::new().postgres(server, SUPERUSER, PASSWORD).set("DB_NAME", "erp")
}

fn owner(server: &Postgres) -> WaitDeps {
    WaitDeps::new().postgres(server, "erp", "erp-Pass").set("DB_NAME", "erp")
}

#[test]
fn an_administrator_needs_no_site_yet() {
    let server = Postgres::start();
    let ended = administrator(&server).run().expect(0);
    let postgres = ended.dependency("postgres");
    assert_eq!((&postgres["state"], &postgres["attempts"]), (&"ready".into(), &1.into()));
}

#[test]
fn a_server_that_starts_late_is_waited_for_and_told_once() {
    let mut server = Postgres::start();
    server.stop();
    let waiting = administrator(&server).start();
    waiting.until_it_waits_for("postgres", "tcp");
    server.start_again();
    let ended = waiting.end().expect(0);
    assert!(ended.dependency("postgres")["attempts"].as_u64() > Some(1));
    let told = ended.events("dependency not ready yet");
    let refused = told.iter().filter(|event| event["step"] == "tcp").count();
    assert_eq!(refused, 1, "{}", ended.log);
}

#[test]
fn a_server_that_never_comes_is_named_with_69() {
    let ended = WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", port::free().to_string())
        .timeout("300ms")
        .run()
        .expect(69)
        .tells("postgres", "not_yet", "tcp", "listens on that address");
    assert!(ended.log.contains("connection refused"), "{}", ended.log);
}

/// A standby that takes no logins says the same as a server that is still recovering.
#[test]
fn a_server_that_recovers_is_waited_for() {
    let mut server = Postgres::start();
    server.stop();
    become_standby(&server, "off");
    let data = server.data_folder();
    let starting = thread::spawn(move || {
        server.start_again();
        server
    });
    let port = postmaster_port(&data);
    let waiting = WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", port.to_string())
        .set("DB_USER", SUPERUSER)
        .set("DB_PASSWORD", PASSWORD)
        .start();
    let knocking = WaitDeps::new().set("DB_HOST", "127.0.0.1").set("DB_PORT", port.to_string()).start();
    waiting.until_it_waits_for("postgres", "login");
    knocking.until_it_waits_for("postgres", "login");
    promote(&data);
    let _server = starting.join().expect("the server is promoted");
    waiting.end().expect(0);
    knocking.end().expect(0);
}

#[test]
fn a_standby_is_waited_for_until_it_is_the_primary() {
    let mut server = Postgres::start();
    server.stop();
    become_standby(&server, "on");
    server.start_again();
    administrator(&server)
        .timeout("300ms")
        .run()
        .expect(69)
        .tells("postgres", "not_yet", "database", "primary");
    let waiting = administrator(&server).start();
    waiting.until_it_waits_for("postgres", "database");
    promote(&server.data_folder());
    waiting.end().expect(0);
}

#[test]
fn a_full_server_is_waited_for() {
    let server = Postgres::start_with(|_| {
        Options::default().setting("max_connections = 5").setting("superuser_reserved_connections = 3")
    });
    make_owner(&server);
    let mut config = server.config("erp");
    config.user("erp").password("erp-Pass");
    let held: Vec<_> =
        (0..2).map(|_| crate::support::session::Session::open(&config).expect("a session")).collect();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    drop(held);
    waiting.end().expect(0);
}

#[test]
fn a_role_and_a_database_may_be_made_late() {
    let server = trusting();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    server.run("postgres", "create role erp login");
    waiting.until_it_waits_for("postgres", "database");
    server.run("postgres", "create database erp owner erp");
    waiting.end().expect(0);
}

#[test]
fn a_database_that_is_never_made_is_named_with_69() {
    let server = Postgres::start();
    server.run("postgres", "create role erp login password 'erp-Pass'");
    owner(&server).timeout("300ms").run().expect(69).tells("postgres", "not_yet", "database", "`erp`");
}

#[test]
fn a_password_may_be_set_late() {
    let server = Postgres::start();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    make_owner(&server);
    waiting.end().expect(0);
}

#[test]
fn a_wrong_password_ends_with_77_after_ten_seconds_of_it() {
    let server = Postgres::start();
    make_owner(&server);
    let ended = WaitDeps::new()
        .postgres(&server, "erp", "canary-wrong")
        .set("DB_NAME", "erp")
        .timeout("0")
        .run()
        .expect(77)
        .tells("postgres", "never", "login", "DB_PASSWORD");
    assert!(ended.took.as_secs() >= 10, "gave up after {:?}", ended.took);
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}

#[test]
fn out_of_time_a_wrong_password_is_still_called_one() {
    let server = Postgres::start();
    WaitDeps::new().postgres(&server, SUPERUSER, "wrong").timeout("300ms").run().expect(77).tells(
        "postgres",
        "never",
        "login",
        "DB_PASSWORD",
    );
}

#[test]
fn a_missing_password_is_final_at_once() {
    let server = Postgres::start();
    WaitDeps::new().server(&server).set("DB_USER", SUPERUSER).run().expect(77).tells(
        "postgres",
        "never",
        "login",
        "DB_PASSWORD_FILE",
    );
}

#[test]
fn a_login_that_may_not_create_what_is_missing_is_told_the_grant() {
    let server = Postgres::start();
    server.run("postgres", "create role plain login password 'p'");
    let plain = || WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp");
    plain().run().expect(77).tells(
        "postgres",
        "never",
        "database",
        "ALTER ROLE \"plain\" CREATEROLE CREATEDB",
    );
    server.run("postgres", "alter role plain createrole createdb");
    plain().run().expect(0);
}

#[test]
fn an_owner_by_another_name_is_let_in_where_its_database_is_there() {
    let server = Postgres::start();
    server.run("postgres", "create role plain login password 'p'");
    server.run("postgres", "create database erp owner plain");
    WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp").run().expect(0);
    // A managed server may close the maintenance database.
    server.run("postgres", "revoke connect on database postgres from public");
    WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp").run().expect(0);
}

#[test]
fn a_database_without_the_right_to_connect_is_told_the_grant() {
    let server = Postgres::start();
    make_owner(&server);
    server.run("postgres", "alter database erp owner to postgres");
    server.run("postgres", "revoke connect on database erp from public");
    owner(&server).run().expect(77).tells("postgres", "never", "database", "GRANT CONNECT");
}

#[test]
fn a_role_that_may_not_log_in_is_told_so() {
    let server = trusting();
    server.run("postgres", "create role erp nologin");
    owner(&server).run().expect(77).tells("postgres", "never", "login", "ALTER ROLE \"erp\" LOGIN");
}

#[test]
fn a_client_that_pg_hba_turns_away_is_told_so() {
    let server = Postgres::start_with(|_| Options::default().hba("host all erp 127.0.0.1/32 reject"));
    make_owner(&server);
    owner(&server).timeout("300ms").run().expect(77).tells("postgres", "never", "login", "pg_hba.conf");
}

#[test]
fn without_a_login_it_asks_as_pg_isready_does() {
    let server = Postgres::start();
    WaitDeps::new().server(&server).run().expect(0);
}

#[test]
fn without_a_login_the_sites_own_is_used_where_its_file_is_there() {
    let server = Postgres::start();
    make_owner(&server);
    let bench = tempfile::tempdir().expect("a folder");
    let site = bench.path().join("sites/erp.test");
    fs::create_dir_all(&site).expect("a site folder");
    let write = |password: &str| {
        let text = format!("{{\"db_name\": \"erp\", \"db_password\": \"{password}\"}}");
        fs::write(site.join("site_config.json"), text).expect("site_config.json");
    };
    let follower =
        || WaitDeps::new().server(&server).set("CAULDRON_BENCH", bench.path()).set("SITE_NAME", "erp.test");
    write("erp-Pass");
    follower().run().expect(0);
    write("canary-wrong");
    let ended = follower().timeout("300ms").run().expect(77);
    let ended = ended.tells("postgres", "never", "login", "site_config.json");
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}

#[test]
fn a_unix_socket_works_as_for_libpq() {
    let server = Postgres::start();
    administrator(&server).set("DB_HOST", server.socket_folder()).run().expect(0);
}

#[test]
fn what_is_not_postgres_is_told_so() {
    let redis = crate::support::redis::Redis::start();
    let at = |mode: &str| {
        WaitDeps::new()
            .set("DB_HOST", "127.0.0.1")
            .set("DB_PORT", redis.port().to_string())
            .set("DB_SSLMODE", mode)
            .timeout("500ms")
            .run()
    };
    // Redis hangs up on what it cannot read, or says an error: neither is a server to go on with.
    assert_ne!(at("disable").code, 0);
    assert_ne!(at("prefer").code, 0);
}

fn make_owner(server: &Postgres) {
    server.run("postgres", "create role erp login password 'erp-Pass'");
    server.run("postgres", "create database erp owner erp");
}

fn become_standby(server: &Postgres, hot: &str) {
    let data = server.data_folder();
    let signal = data.join("standby.signal");
    fs::write(&signal, "").expect("standby.signal");
    fs::set_permissions(&signal, fs::Permissions::from_mode(0o600)).expect("a mode");
    identity::give(&signal, identity::server_user().as_ref());
    let conf = data.join("postgresql.conf");
    let text = fs::read_to_string(&conf).expect("postgresql.conf");
    fs::write(&conf, format!("{text}\nhot_standby = {hot}\n")).expect("postgresql.conf");
}

fn promote(data: &std::path::Path) {
    let mut command = Command::new(program("pg_ctl"));
    command.args(["promote", "-w", "-D"]).arg(data).current_dir(data);
    let output =
        identity::run_as(&mut command, identity::server_user().as_ref()).output().expect("pg_ctl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The port of a server that takes no logins yet stands in its pid file.
fn postmaster_port(data: &std::path::Path) -> u16 {
    let deadline = std::time::Duration::from_secs(30);
    crate::support::wait::eventually(deadline, "the server writes its pid file", || {
        fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().nth(3)?.parse().ok()
    })
}
