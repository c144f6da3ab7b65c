//! Redis settings: URLs, or hosts and a port as the chart gives them.

use std::path::{Path, PathBuf};

use super::bench_files::BenchFiles;
use super::reader::Reader;
use super::redis_url::RedisUrl;
use super::source::{Problem, Source};
use super::value::{read_path, read_port};

/// The Redis servers that Frappe uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisConfig {
    pub cache: Option<RedisUrl>,
    pub queue: Option<RedisUrl>,
    pub tls_ca: Option<PathBuf>,
}

/// The key of common_site_config.json that Frappe 14 read, and that bench and frappe_docker still write.
const SOCKETIO_KEY: &str = "redis_socketio";
const HINT: &str = "write redis://[user:password@]host:port[/db] (percent-encode / # ? @ in a password), rediss://… for TLS, or unix:///path";

pub fn read(reader: &mut Reader<'_>, bench: &BenchFiles) -> RedisConfig {
    let port_given = reader.given_or("REDIS_PORT", None, Some("6379"));
    let port = read_port(reader, "REDIS_PORT", port_given);
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
                    "write a host name or an address; set the port in REDIS_PORT, and write a password or the path of a socket (unix:///path) into a URL in REDIS_CACHE and REDIS_QUEUE",
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
    let tls_ca = read_path(reader, "REDIS_TLS_CA");
    let mut with_one_ca = |name, url: Option<RedisUrl>| match (&url, &tls_ca) {
        (Some(given), Some(ca)) if given.ca().is_some_and(|other| other != *ca) => {
            replace_ca(reader, name, given, ca)
        }
        _ => url,
    };
    let (cache, queue) = (with_one_ca("REDIS_CACHE", cache), with_one_ca("REDIS_QUEUE", queue));
    let config = RedisConfig { cache, queue, tls_ca };
    warn_of_shared_database(reader, &config);
    warn_of_socketio(reader, bench);
    config
}

/// Replaces the CA of a URL by REDIS_TLS_CA. In the bench's own file it is an earlier value of REDIS_TLS_CA; in a setting,
/// it contradicts.
fn replace_ca(reader: &mut Reader<'_>, name: &'static str, url: &RedisUrl, ca: &Path) -> Option<RedisUrl> {
    let source = reader.values.iter().find(|(v, _)| v.name == name).map(|(_, given)| given.source.clone());
    if !matches!(source, Some(Source::Bench(_))) {
        let cause = "its parameter ssl_ca_certs names another file than REDIS_TLS_CA";
        reader.problem(name, source, cause, "remove the parameter, or unset REDIS_TLS_CA");
        return None;
    }
    Some(url.clone().with_ca(ca))
}

/// Warns of an address of the socketio Redis. Frappe 15 and later use the queue Redis instead and never read it, so it
/// is neither checked nor waited for.
fn warn_of_socketio(reader: &mut Reader<'_>, bench: &BenchFiles) {
    let names = ["REDIS_SOCKETIO", "REDIS_SOCKETIO_HOST"];
    let given = names.map(|name| reader.given(name)).into_iter().flatten();
    let sources = given.chain(bench.common(SOCKETIO_KEY)).map(|given| given.source.to_string());
    // One that cannot be read is no problem either.
    let is_ignored = |problem: &Problem| names.contains(&problem.variable.as_str());
    let unreadable = reader.problems.extract_if(.., |problem| is_ignored(problem));
    for source in sources.chain(unreadable.map(|problem| problem.variable)) {
        tracing::warn!(
            event = "config.redis_socketio_ignored",
            source,
            "Frappe 15 and later do not read the address of a socketio Redis; remove it"
        );
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_socketio_redis_is_neither_used_nor_checked() {
        for (name, value) in [
            ("REDIS_SOCKETIO", "redis://r/2"),
            ("REDIS_SOCKETIO", "http://canary"),
            ("REDIS_SOCKETIO_HOST", "a:b:c"),
            ("REDIS_SOCKETIO_FILE", "/absent"),
        ] {
            let environment = BTreeMap::from([("REDIS_CACHE", "redis://r/0"), (name, value)]);
            let flags = BTreeMap::new();
            let mut reader = Reader::new(&flags, &environment);
            let config = read(&mut reader, &BenchFiles::default());
            assert_eq!(reader.problems, Vec::new(), "{name}={value}");
            assert!(config.cache.is_some() && config.queue.is_none());
        }
        let environment = BTreeMap::from([("REDIS_QUEUE", "http://r")]);
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, &environment);
        let _ = read(&mut reader, &BenchFiles::default());
        assert_eq!(reader.problems[0].variable, "REDIS_QUEUE");
    }

    #[test]
    fn the_ca_of_a_url_and_redis_tls_ca_must_agree_unless_the_bench_has_the_url() {
        let sites = tempfile::tempdir().unwrap();
        let url = "rediss://r/0?ssl_ca_certs=%2Fold.pem";
        let common = serde_json::json!({"redis_queue": url, "redis_cache": url}).to_string();
        std::fs::write(sites.path().join("common_site_config.json"), common).unwrap();
        let environment = BTreeMap::from([("REDIS_TLS_CA", "/new.pem"), ("REDIS_CACHE", url)]);
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, &environment);
        let files = BenchFiles::read(&mut reader, sites.path(), None);
        let config = read(&mut reader, &files);
        assert_eq!(config.queue.unwrap().ca(), Some("/new.pem".into()));
        assert_eq!(reader.problems.len(), 1, "{:?}", reader.problems);
        assert!(
            reader.problems[0].variable == "REDIS_CACHE" && reader.problems[0].cause.contains("another file")
        );
    }
}
