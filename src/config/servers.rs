//! Whether Postgres and Redis are named, or embedded, and not both.

use super::bench_files::BenchFiles;
use super::database::{self, DatabaseConfig};
use super::redis::RedisConfig;
use super::source::{Given, Reader, Source};

/// Reads what is named, and tells what is missing, or is one too many.
pub fn read(
    reader: &mut Reader<'_>,
    files: &BenchFiles,
    needed: bool,
    embedded: bool,
) -> (Option<DatabaseConfig>, RedisConfig) {
    let database = database::read(reader, files, embedded);
    let redis = super::redis::read(reader, files);
    if embedded {
        refuse_beside_embedded(reader);
    } else if needed {
        require(reader, database.is_some(), &redis);
    }
    (database, redis)
}

/// A command that works on a site needs all of them.
fn require(reader: &mut Reader<'_>, database: bool, redis: &RedisConfig) {
    let broken =
        |reader: &Reader<'_>, prefix: &str| reader.problems.iter().any(|p| p.variable.starts_with(prefix));
    if !database && !broken(reader, "DB_") {
        reader.problem(
            "DB_HOST",
            None,
            "not set",
            "set DB_HOST to PostgreSQL's host, or start with --embedded",
        );
    }
    let redis_broken = broken(reader, "REDIS_");
    for (name, missing) in [("REDIS_CACHE", redis.cache.is_none()), ("REDIS_QUEUE", redis.queue.is_none())] {
        if missing && !redis_broken {
            reader.problem(
                name,
                None,
                "not set",
                format!("set {name} to a URL such as redis://redis:6379/0, or start with --embedded"),
            );
        }
    }
}

/// `--embedded` is for when nothing else is configured: two databases would be one too many. What
/// the bench's own file says of this machine is what an earlier embedded start wrote.
fn refuse_beside_embedded(reader: &mut Reader<'_>) {
    for name in ["DB_HOST", "REDIS_CACHE", "REDIS_QUEUE", "REDIS_CACHE_HOST", "REDIS_QUEUE_HOST"] {
        let given = reader.seen.iter().find(|(v, _)| v.name == name).map(|(_, given)| given.clone());
        let is_another = |given: &Given| match given.source {
            Source::Default => false,
            Source::Bench(_) => !(given.value.contains("127.0.0.1") || given.value.contains("localhost")),
            _ => true,
        };
        if let Some(given) = given.filter(is_another) {
            let hint = "unset it, or start without --embedded";
            reader.problem(name, Some(given.source), "set together with --embedded", hint);
        }
    }
}
