//! A site with its servers, its bench and its web port.

use super::bench::{ADMIN_PASSWORD, Bench};
use super::binary::{Binary, Pod};
use super::postgres::{PASSWORD, Postgres, SUPERUSER};
use super::redis::Redis;
use super::{http, port};

pub const SITE: &str = "web.local";

/// A site with its servers, and the port on which it will be served.
pub struct Place {
    pub postgres: Postgres,
    pub redis: Redis,
    pub bench: Bench,
    pub port: u16,
}

impl Place {
    pub fn new() -> Self {
        Self {
            postgres: Postgres::start(),
            redis: Redis::start(),
            bench: Bench::sample(),
            port: port::free(),
        }
    }

    pub fn web(&self) -> Binary {
        Binary::on(&self.bench, &["web"])
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("DB_NAME", "web_local")
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .set("GUNICORN_WORKERS", 2)
            .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", self.port))
    }

    pub fn serving(&self) -> Pod {
        ready(self.web())
    }

    pub fn get(&self, path: &str) -> u16 {
        http::status(self.port, SITE, path)
    }
}

/// Starts a pod, and waits until it is ready.
#[track_caller]
pub fn ready(web: Binary) -> Pod {
    let mut pod = web.start();
    pod.answers("/readyz", 200);
    pod
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}
