//! Servers, a bench, and the manifest of the leader.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::barrier::Barrier;
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Pod};
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::Redis;
use crate::support::session::Session;
use crate::support::{http, port, snapshot};

pub const SITE: &str = "erp.test";
pub const DATABASE: &str = "frappe";
pub const ADMIN_PASSWORD: &str = "Admin-Secret_2";

pub struct Place {
    pub postgres: Postgres,
    pub redis: Redis,
    pub bench: Bench,
}

impl Place {
    pub fn new() -> Self {
        Self::on(Postgres::start())
    }

    pub fn on(postgres: Postgres) -> Self {
        Self { postgres, redis: Redis::start(), bench: Bench::sample() }
    }

    /// A command on the place's bench and servers, without other settings.
    pub fn command(&self, command: &str) -> Binary {
        Binary::on(&self.bench, &[command])
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
    }

    /// The leader as in the chart: the server's superuser, and one name for role and database.
    pub fn leader(&self) -> Binary {
        self.with_login(SUPERUSER, PASSWORD)
    }

    pub fn with_login(&self, user: &str, password: &str) -> Binary {
        self.command("bootstrap")
            .set("DB_NAME", DATABASE)
            .set("DB_USER", user)
            .set("DB_PASSWORD", password)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
    }

    /// Creates a finished site with the program.
    #[track_caller]
    pub fn created(&self) {
        self.leader().run().exits(0);
    }

    /// Opens a session on the site's database as superuser.
    #[track_caller]
    pub fn site(&self) -> Session {
        self.postgres.session(DATABASE)
    }

    /// Returns one value of our record of the site.
    pub fn state(&self, column: &str) -> Option<String> {
        self.site()
            .value(&format!("SELECT {column}::text FROM public.__cauldron_state WHERE site = '{SITE}'"))
    }

    /// Returns the present files and cluster.
    pub fn snapshot(&self) -> (String, String) {
        (snapshot::files(&self.bench), snapshot::cluster(&self.postgres))
    }

    #[track_caller]
    pub fn is_as_it_was(&self, before: &(String, String)) {
        let after = self.snapshot();
        snapshot::same(&before.0, &after.0);
        snapshot::same(&before.1, &after.1);
    }

    #[track_caller]
    pub fn serves(&self) {
        Served::start(self.leader()).stop();
    }
}

/// Makes Frappe's steps stop at the barrier.
pub fn held_at(binary: Binary, barrier: &Barrier) -> Binary {
    barrier.environment().into_iter().fold(binary, |binary, (name, value)| binary.set(name, value))
}

/// Kills a step, not the pod that runs it.
pub fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("a step to kill");
}

/// A web pod that serves, and its port.
pub struct Served {
    pub pod: Pod,
    pub port: u16,
}

impl Served {
    /// Starts the web role on a manifest and waits until it is ready.
    #[track_caller]
    pub fn start(binary: Binary) -> Self {
        let port = port::free();
        let mut pod = binary
            .with_command("web")
            .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"))
            .set("GUNICORN_WORKERS", "1")
            .start();
        pod.answers("/readyz", 200);
        Self { pod, port }
    }

    #[track_caller]
    pub fn stop(self) {
        assert_eq!(http::status(self.port, SITE, "/api/method/ping"), 200, "{}", self.pod.log());
        self.pod.signal(Signal::SIGTERM);
        self.pod.end_within(Duration::from_secs(20)).exits(0);
    }
}
