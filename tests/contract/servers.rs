//! The test servers themselves, on which all other tests depend.

use std::time::Duration;

use crate::support::barrier::Barrier;
use crate::support::bench::Bench;
use crate::support::ca::Ca;
use crate::support::postgres::{Options, PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::{self, Redis};
use crate::support::running::Running;
use crate::support::wait::within;

#[test]
fn postgres_stops_crashes_and_comes_back() {
    let mut postgres = Postgres::start();
    postgres.run("postgres", "CREATE TABLE kept (id int)");
    postgres.restart();
    postgres.kill_9();
    // Its own socket: another program may have taken the port.
    let socket = postgres.socket_folder().join(format!(".s.PGSQL.{}", postgres.port()));
    assert!(std::os::unix::net::UnixStream::connect(socket).is_err());
    postgres.start_again();
    assert_eq!(postgres.tables("postgres"), ["kept"]);
}

#[test]
fn postgres_with_tls_requires_the_right_ca() {
    let ca = Ca::new();
    let postgres = Postgres::start_with(|home| {
        Options::default()
            .tls(&ca, home)
            .hba("hostnossl all all 127.0.0.1/32 reject")
            .setting("max_connections = 10")
    });
    let psql = |root: &std::path::Path| {
        std::process::Command::new("psql")
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", root)
            .args(["-h", "127.0.0.1", "-p", &postgres.port().to_string(), "-U", SUPERUSER, "-c", "select 1"])
            .output()
            .expect("psql runs")
            .status
            .success()
    };
    assert!(psql(&ca.root()));
    assert!(!psql(&Ca::new().root()));
    assert_eq!(postgres.session("postgres").value("show max_connections").as_deref(), Some("10"));
}

#[test]
fn redis_with_password_user_and_tls() {
    let by_password = Redis::start_with(redis::Options::default().password("a@b \"c\""));
    assert_eq!(by_password.ask::<String>(3, &["PING"]), "PONG");
    let by_user = Redis::start_with(redis::Options::default().user("bench", "secret"));
    assert_eq!(by_user.ask::<String>(0, &["ACL", "WHOAMI"]), "bench");
    let by_tls = Redis::start_with(redis::Options::default().tls(Ca::new()));
    assert!(by_tls.url(0).starts_with("rediss://"));
    assert_eq!(by_tls.ask::<String>(0, &["PING"]), "PONG");
}

#[test]
fn redis_comes_back_empty_on_its_port() {
    let mut redis = Redis::start();
    redis.ask::<String>(0, &["SET", "key", "value"]);
    redis.kill_9();
    redis.start_again();
    assert_eq!(redis.ask::<Option<String>>(0, &["GET", "key"]), None);
}

#[test]
fn servers_end_with_their_handles() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let (folder, ports) = (postgres.socket_folder().to_owned(), [postgres.port(), redis.port()]);
    drop((postgres, redis));
    assert!(!folder.exists());
    assert!(ports.iter().all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err()));
}

#[test]
fn two_sample_benches_share_nothing_that_is_written() {
    let (one, two) = (Bench::sample(), Bench::sample());
    one.configure(serde_json::json!({ "key": 1 }));
    assert!(!two.read_config("common_site_config.json").contains_key("key"));
    let path = |bench: &Bench| {
        let code = "from frappe.paths import bench_path; print(bench_path())";
        let mut command = bench.program("env/bin/python");
        command.env_remove("FRAPPE_BENCH_ROOT");
        String::from_utf8(command.args(["-c", code]).output().expect("python runs").stdout).expect("text")
    };
    assert_eq!(path(&one).trim(), one.path().to_str().expect("a path"));
    assert_eq!(path(&two).trim(), two.path().to_str().expect("a path"));
    assert!(within(Duration::ZERO, || None::<()>).is_none());
}

#[test]
fn a_command_waits_at_a_barrier_until_released() {
    let (bench, postgres, redis) = (Bench::sample(), Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    let barrier = Barrier::at("site_config,installed_apps:frappe");
    let mut command = bench.frappe(&Bench::new_site_options("barrier.test", "barrier"));
    let mut new_site = Running::spawn(command.envs(barrier.environment()));
    let held = barrier.wait(Duration::from_secs(20));
    assert_eq!((held.step.as_str(), held.pid), ("site_config", new_site.pid()));
    assert!(!postgres.database_exists("barrier"));
    held.release();
    let held = barrier.wait(Duration::from_secs(20));
    assert_eq!(held.step, "installed_apps:frappe");
    assert!(postgres.tables("barrier").len() > 40);
    new_site.kill_group();
    assert_eq!(
        postgres.session("barrier").value("select count(*) from \"tabPatch Log\"").as_deref(),
        Some("0")
    );
}
