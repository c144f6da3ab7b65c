//! Bad input gives one line with the cause and its variable, a hint, a documented exit code, and changes nothing.

mod support;

#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/logins.rs"]
mod logins;
#[path = "bad_input/servers.rs"]
mod servers;
#[path = "bad_input/values.rs"]
mod values;

use support::bench::Bench;
use support::binary::{Binary, Ended};
use support::postgres::{PASSWORD, Postgres, SUPERUSER};
use support::redis::Redis;
use support::{port, snapshot};

const SITE: &str = "erp.test";
/// Commands that would create the site if their input were good.
const BOTH: [&str; 2] = ["bootstrap", "web"];

/// A bench and servers on which the manifest of [`Place::good`] works.
struct Place {
    postgres: Postgres,
    redis: Redis,
    bench: Bench,
}

impl Place {
    fn new() -> Self {
        Self { postgres: Postgres::start(), redis: Redis::start(), bench: Bench::sample() }
    }

    /// A correct manifest.
    fn good(&self, command: &str) -> Binary {
        Binary::on(&self.bench, &[command])
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("DB_NAME", "frappe")
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", "Admin-Secret_2")
            .set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", port::free()))
            .set("CAULDRON_WAIT_TIMEOUT", "20s")
    }

    /// Asserts that both commands exit with `code`, write each of `words` to stderr, and change nothing.
    #[track_caller]
    fn refuses(&self, code: i32, words: &[&str], spoil: impl Fn(Binary) -> Binary) {
        let before = (snapshot::files(&self.bench), snapshot::cluster(&self.postgres), self.keys());
        for command in BOTH {
            check(&spoil(self.good(command)).run().exits(code), words);
        }
        snapshot::same(&before.0, &snapshot::files(&self.bench));
        snapshot::same(&before.1, &snapshot::cluster(&self.postgres));
        assert_eq!(before.2, self.keys(), "keys in Redis");
    }

    fn keys(&self) -> Vec<i64> {
        [0, 1].map(|database| self.redis.ask(database, &["DBSIZE"])).to_vec()
    }
}

/// Asserts that stderr has an error with each of the words, a hint, and no panic.
#[track_caller]
fn check(ended: &Ended, words: &[&str]) {
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(!errors.is_empty(), "no error:\n{ended}");
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is missing:\n{ended}");
    }
    let has_hint = ended.stderr.contains("hint: ") || errors.iter().all(|error| error.contains("; "));
    assert!(has_hint, "no hint:\n{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// The control of every test here: the correct manifest creates the site.
#[test]
fn the_good_manifest_works() {
    Place::new().good("bootstrap").run().exits(0);
}
