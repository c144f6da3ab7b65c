//! The PostgreSQL server: late, full, recovering, a standby, or not PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use crate::support::binary::LONG;
use crate::support::identity;
use crate::support::port;
use crate::support::postgres::{Options, PASSWORD, Postgres, SUPERUSER};
use crate::support::postgres_template::program;
use crate::support::session::Session;
use crate::support::wait::eventually;
use crate::waiting::WaitDeps;

pub fn trusting() -> Postgres {
    Postgres::start_with(|_| Options::default().hba("host all all 127.0.0.1/32 trust"))
}

/// An administrator's login, before the site exists.
fn administrator(server: &Postgres) -> WaitDeps {
    WaitDeps::new().postgres(server, SUPERUSER, PASSWORD).set("DB_NAME", "erp")
}

pub fn owner(server: &Postgres) -> WaitDeps {
    WaitDeps::new().postgres(server, "erp", "erp-Pass").set("DB_NAME", "erp")
}

#[test]
fn an_administrator_needs_no_site() {
    let server = Postgres::start();
    let ended = administrator(&server).run().expect(0);
    let postgres = ended.dependency("postgres");
    assert_eq!((&postgres["state"], &postgres["attempts"]), (&"ready".into(), &1.into()));
}

#[test]
fn waits_for_a_server_that_starts_late_and_logs_once() {
    let mut server = Postgres::start();
    server.stop();
    let waiting = administrator(&server).start();
    waiting.until_it_waits_for("postgres", "tcp");
    server.start_again();
    let ended = waiting.end().expect(0);
    assert!(ended.dependency("postgres")["attempts"].as_u64() > Some(1));
    let events = ended.events("deps.not_ready");
    let refused = events.iter().filter(|event| event["step"] == "tcp").count();
    assert_eq!(refused, 1, "{}", ended.log);
}

#[test]
fn a_server_that_never_starts_ends_with_69() {
    let ended = WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", port::free().to_string())
        .timeout("2s")
        .run()
        .expect(69)
        .reports("postgres", "not_yet", "tcp", "listens on that address");
    assert!(ended.log.contains("connection refused"), "{}", ended.log);
}

/// A standby without logins reports the same error as a server in recovery.
#[test]
fn waits_for_a_server_in_recovery() {
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
    let without_login = WaitDeps::new().set("DB_HOST", "127.0.0.1").set("DB_PORT", port.to_string()).start();
    waiting.until_it_waits_for("postgres", "login");
    without_login.until_it_waits_for("postgres", "login");
    promote(&data);
    let _server = starting.join().expect("the server is promoted");
    waiting.end().expect(0);
    without_login.end().expect(0);
}

#[test]
fn waits_for_a_standby_to_become_primary() {
    let mut server = Postgres::start();
    server.stop();
    become_standby(&server, "on");
    server.start_again();
    administrator(&server)
        .timeout("2s")
        .run()
        .expect(69)
        .reports("postgres", "not_yet", "database", "primary");
    let waiting = administrator(&server).start();
    waiting.until_it_waits_for("postgres", "database");
    promote(&server.data_folder());
    waiting.end().expect(0);
}

#[test]
fn waits_for_a_full_server() {
    let server = Postgres::start_with(|_| {
        Options::default().setting("max_connections = 5").setting("superuser_reserved_connections = 3")
    });
    make_owner(&server);
    let mut config = server.config("erp");
    config.user("erp").password("erp-Pass");
    // The server may still be ending the session of `make_owner`.
    let held: Vec<_> =
        (0..2).map(|_| eventually(LONG, "a session", || Session::open(&config).ok())).collect();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    drop(held);
    waiting.end().expect(0);
}

#[test]
fn a_role_and_a_database_may_be_created_late() {
    let server = trusting();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    server.run("postgres", "create role erp login");
    waiting.until_it_waits_for("postgres", "database");
    server.run("postgres", "create database erp owner erp");
    waiting.end().expect(0);
}

#[test]
fn a_database_that_is_never_created_ends_with_69() {
    let server = Postgres::start();
    server.run("postgres", "create role erp login password 'erp-Pass'");
    owner(&server).timeout("2s").run().expect(69).reports("postgres", "not_yet", "database", "`erp`");
}

#[test]
fn a_unix_socket_works_as_for_libpq() {
    let server = Postgres::start();
    administrator(&server).set("DB_HOST", server.socket_folder()).run().expect(0);
}

#[test]
fn another_server_than_postgres_is_an_error() {
    let redis = crate::support::redis::Redis::start();
    let at = |mode: &str| {
        WaitDeps::new()
            .set("DB_HOST", "127.0.0.1")
            .set("DB_PORT", redis.port().to_string())
            .set("DB_SSLMODE", mode)
            .timeout("2s")
            .run()
    };
    // Redis closes the connection or answers with an error; both must fail.
    assert_ne!(at("disable").code, 0);
    assert_ne!(at("prefer").code, 0);
}

pub fn make_owner(server: &Postgres) {
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

/// Reads the port from the pid file: this server does not accept logins yet.
fn postmaster_port(data: &std::path::Path) -> u16 {
    let deadline = std::time::Duration::from_secs(30);
    crate::support::wait::eventually(deadline, "the server writes its pid file", || {
        fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().nth(3)?.parse().ok()
    })
}
