//! PostgreSQL and Redis: either configured or embedded, never both.

use super::bench_files::BenchFiles;
use super::database::{self, DatabaseConfig};
use super::reader::Reader;
use super::redis::RedisConfig;
use super::source::{Given, Source};

pub struct Servers {
    pub database: Option<DatabaseConfig>,
    pub redis: RedisConfig,
}

/// Reads both servers. A missing one is a problem if `needed`; a configured one is a problem if `embedded`.
pub fn read(reader: &mut Reader<'_>, files: &BenchFiles, needed: bool, embedded: bool) -> Servers {
    let database = database::read(reader, files, embedded);
    let redis = super::redis::read(reader, files);
    if embedded {
        refuse_with_embedded(reader);
    } else if needed {
        require(reader, database.is_some(), &redis);
    }
    Servers { database, redis }
}

/// Records a problem for each server that is missing: a command on a site needs all of them.
fn require(reader: &mut Reader<'_>, database: bool, redis: &RedisConfig) {
    let has_problem =
        |reader: &Reader<'_>, prefix: &str| reader.problems.iter().any(|p| p.variable.starts_with(prefix));
    if !database && !has_problem(reader, "DB_") {
        reader.problem(
            "DB_HOST",
            None,
            "not set",
            "set DB_HOST to PostgreSQL's host, or start with --embedded",
        );
    }
    let redis_has_problem = has_problem(reader, "REDIS_");
    for (name, missing) in [("REDIS_CACHE", redis.cache.is_none()), ("REDIS_QUEUE", redis.queue.is_none())] {
        if missing && !redis_has_problem {
            reader.problem(
                name,
                None,
                "not set",
                format!("set {name} to a URL such as redis://redis:6379/0, or start with --embedded"),
            );
        }
    }
}

/// Records a problem for each server that is configured together with `--embedded`. An address of this machine in the
/// bench's own file is not one: an earlier embedded start wrote it.
fn refuse_with_embedded(reader: &mut Reader<'_>) {
    for name in ["DB_HOST", "REDIS_CACHE", "REDIS_QUEUE", "REDIS_CACHE_HOST", "REDIS_QUEUE_HOST"] {
        let given = reader.values.iter().find(|(v, _)| v.name == name).map(|(_, given)| given.clone());
        let is_other_server = |given: &Given| match given.source {
            Source::Default => false,
            Source::Bench(_) => !(given.value.contains("127.0.0.1") || given.value.contains("localhost")),
            _ => true,
        };
        if let Some(given) = given.filter(is_other_server) {
            let hint = "unset it, or start without --embedded";
            reader.problem(name, Some(given.source), "set together with --embedded", hint);
        }
    }
}
