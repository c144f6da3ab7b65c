//! Servers, a bench, and the pods of a site with custom apps.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::{Binary, Pod};
use crate::support::http;
use crate::support::made_app::{MadeApp, pin};
use crate::support::port;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::Redis;
use crate::support::session::Session;
use crate::support::wait::eventually;

pub const SITE: &str = "apps.test";
pub const DATABASE: &str = "apps_test";
pub const LONG: Duration = Duration::from_secs(60);

pub struct Place {
    pub postgres: Postgres,
    pub redis: Redis,
    pub bench: Bench,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { postgres: Postgres::start(), redis: Redis::start(), bench: Bench::sample() };
        place.bench.configure(serde_json::json!({"scheduler_tick_interval": 1}));
        place
    }

    /// A pod of one role, or a command; any of them may lead.
    pub fn command(&self, command: &str) -> Binary {
        self.on(&self.bench, command)
    }

    /// A pod of another image.
    pub fn on(&self, bench: &Bench, command: &str) -> Binary {
        Binary::on(bench, &command.split(' ').collect::<Vec<_>>())
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("DB_NAME", DATABASE)
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .set("GUNICORN_WORKERS", 1)
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
    }

    /// A pod with a list of wanted apps, which are published and pinned.
    pub fn with(&self, command: &str, apps: &[&MadeApp]) -> Binary {
        for app in apps {
            app.publish(&self.bench);
        }
        self.command(command).set("CAULDRON_APPS", pin(&self.bench, apps))
    }

    #[track_caller]
    pub fn bootstrap(&self, apps: &[&MadeApp]) {
        self.with("bootstrap", apps).run().exits(0);
    }

    pub fn site(&self) -> Session {
        self.postgres.session(DATABASE)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.bench.sites().join(SITE).join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub fn installed(&self) -> Vec<String> {
        let sql = r#"SELECT defvalue FROM "tabDefaultValue" WHERE defkey = 'installed_apps'"#;
        serde_json::from_str(&self.site().value(sql).expect("installed_apps")).expect("a list")
    }

    /// Asserts that the app is completely installed, and that the journal has the install as finished.
    #[track_caller]
    pub fn has_complete(&self, app: &MadeApp) {
        let name = &app.name;
        assert!(self.installed().contains(name), "{:?}", self.installed());
        let site = self.site();
        for sql in [
            format!(r#"EXISTS (SELECT FROM "tabPatch Log" WHERE patch = '{name}.patches.first')"#),
            format!(
                r#"EXISTS (SELECT FROM "tabScheduled Job Type" WHERE method = '{name}.tasks.{name}_tick')"#
            ),
            format!(
                "EXISTS (SELECT FROM public.__cauldron_apps WHERE app = '{name}' AND finished IS NOT NULL)"
            ),
        ] {
            assert!(site.is(&sql), "{sql}");
        }
        assert!(self.read(&format!("{name}_installed")).starts_with('x'), "after_install ran");
    }

    pub fn web(&self, apps: &[&MadeApp]) -> Web {
        Web::start(self.with("web", apps))
    }
}

/// A ready web pod, and its port.
pub struct Web {
    pub pod: Pod,
    pub port: u16,
}

impl Web {
    #[track_caller]
    pub fn start(binary: Binary) -> Self {
        let port = port::free();
        let mut pod = binary.set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}")).start();
        pod.answers("/readyz", 200);
        Self { pod, port }
    }

    pub fn get(&self, path: &str) -> Option<http::Response> {
        http::get(self.port, SITE, path)
    }

    pub fn status(&self, path: &str) -> u16 {
        http::status(self.port, SITE, path)
    }

    /// The result of a whitelisted function, as JSON.
    #[track_caller]
    pub fn call(&self, method: &str) -> String {
        let response = self.get(&format!("/api/method/{method}")).expect("an answer");
        assert_eq!(response.status, 200, "{method}: {}\n{}", response.body, self.pod.log());
        let body: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
        body["message"].to_string()
    }

    #[track_caller]
    pub fn returns_eventually(&self, method: &str, value: &str) {
        eventually(LONG, &format!("{method} returns {value}"), || {
            let response = self.get(&format!("/api/method/{method}"))?;
            let body: serde_json::Value = serde_json::from_str(&response.body).ok()?;
            let message = body["message"].to_string();
            (message == value).then_some(())
        });
    }
}
