//! Redis settings: URLs, or hosts and a port as the chart gives them.

use std::path::PathBuf;

use super::bench_files::BenchFiles;
use super::reader::Reader;
use super::redis_url::RedisUrl;
use super::source::Source;

/// The Redis servers that Frappe uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisConfig {
    pub cache: Option<RedisUrl>,
    pub queue: Option<RedisUrl>,
    pub socketio: Option<RedisUrl>,
    pub tls_ca: Option<PathBuf>,
}

const HINT: &str = "write redis://[user:password@]host:port[/db] (percent-encode / # ? @ in a password), rediss://… for TLS, or unix:///path";

pub fn read(reader: &mut Reader<'_>, bench: &BenchFiles) -> RedisConfig {
    let port_given = reader.given_or("REDIS_PORT", None, Some("6379"));
    let port = reader.parsed("REDIS_PORT", port_given, super::value::parse_port, super::value::PORT_HINT);
    let mut one = |url: &'static str, host: &'static str, key: &'static str, database: u8| {
        let by_url = reader.given(url);
        let by_host = reader.given(host);
        match (by_url, by_host) {
            (Some(_), Some(given)) => {
                reader.problem(
                    host,
                    Some(given.source),
                    format!("both {url} and {host} are set"),
                    format!("unset one of them; {url} can hold more"),
                );
                None
            }
            (Some(given), None) => reader.parsed(url, Some(given), RedisUrl::parse, HINT),
            (None, Some(given)) => {
                let port = port?;
                reader.parsed(
                    host,
                    Some(given),
                    |host| RedisUrl::from_parts(host, port, database),
                    "write a host name or an address; set the port in REDIS_PORT, and write a password into a URL in REDIS_CACHE and REDIS_QUEUE",
                )
            }
            (None, None) => {
                let given = reader.given_or(url, bench.common(key), None);
                reader.parsed(url, given, RedisUrl::parse, HINT)
            }
        }
    };
    let cache = one("REDIS_CACHE", "REDIS_CACHE_HOST", "redis_cache", 0);
    let queue = one("REDIS_QUEUE", "REDIS_QUEUE_HOST", "redis_queue", 1);
    let socketio = one("REDIS_SOCKETIO", "REDIS_SOCKETIO_HOST", "redis_socketio", 2);
    let tls_ca = super::value::read_path(reader, "REDIS_TLS_CA");
    let config = RedisConfig { cache, queue, socketio, tls_ca };
    warn_of_shared_database(reader, &config);
    config
}

/// Warns if cache and queue share a database: `clear-cache` and eviction would delete jobs.
fn warn_of_shared_database(reader: &mut Reader<'_>, config: &RedisConfig) {
    let (Some(cache), Some(queue)) = (&config.cache, &config.queue) else { return };
    if cache == queue
        && reader.values.iter().any(|(v, g)| v.name == "REDIS_QUEUE" && !matches!(g.source, Source::Bench(_)))
    {
        tracing::warn!(
            event = "config.redis_database_shared",
            redis = %queue,
            "REDIS_CACHE and REDIS_QUEUE name one database: a flush or an eviction of the cache loses jobs"
        );
    }
}
