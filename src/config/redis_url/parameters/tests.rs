//! Tests of the parameters of a Redis URL.

use proptest::prelude::*;

use super::super::RedisUrl;

#[track_caller]
fn refused(text: &str) -> String {
    match RedisUrl::parse(text) {
        Ok(url) => panic!("{text} was read as {}", url.reveal()),
        Err(error) => error,
    }
}

#[test]
fn parameters_become_parts_that_every_program_reads() {
    let timeouts = "socket_timeout=5&socket_connect_timeout=0.5&socket_keepalive=yes&retry_on_timeout=1\
                    &health_check_interval=30&max_connections=9";
    let tls = "ssl_ca_certs=%2Fca.pem&ssl_cert_reqs=required&ssl_check_hostname=True";
    for (text, revealed) in [
        ("redis://h:1/0?db=3", "redis://h:1/3"),
        ("redis://h:1?db=3&socket_timeout=5", "redis://h:1/3?socket_timeout=5"),
        ("redis://h:1/0?password=p%40%2F", "redis://:p%40%2F@h:1/0"),
        ("redis://h:1/0?username=u&password=p", "redis://u:p@h:1/0"),
        ("redis://u@h:1/0?pass=p", "redis://u:p@h:1/0"),
        // As redis-py: decoded twice, and + is a blank.
        ("redis://h:1/0?password=a%252541+b", "redis://:a%2541%20b@h:1/0"),
        ("redis://h:1/0?password=&db=&ssl_cert_reqs=", "redis://h:1/0"),
        ("redis://h:1/0?", "redis://h:1/0"),
        ("unix:///s?db=2&user=u&pass=p%40", "unix:///s?db=2&username=u&password=p%40"),
        (&format!("rediss://h:1/0?{tls}"), &format!("rediss://h:1/0?{tls}")),
        (&format!("redis://h:1/0?{timeouts}"), &format!("redis://h:1/0?{timeouts}")),
    ] {
        let url = RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(url.reveal(), revealed, "{text}");
    }
}

#[test]
fn the_ca_is_read_and_replaced() {
    let url = RedisUrl::parse("rediss://h:1/0?ssl_ca_certs=/a%2520b&socket_timeout=5").unwrap();
    assert_eq!(url.ca(), Some("/a b".into()));
    let same = url.clone().with_ca("/a b".as_ref());
    assert_eq!(same.reveal(), url.reveal());
    let other = url.with_ca("/c%41".as_ref());
    assert_eq!(other.reveal(), "rediss://h:1/0?socket_timeout=5&ssl_ca_certs=%2Fc%252541");
    assert_eq!(other.ca(), Some("/c%41".into()));
    let plain = RedisUrl::parse("redis://h:1/0").unwrap().with_ca("/ca".as_ref());
    assert_eq!(plain.reveal(), "redis://h:1/0");
}

#[test]
fn everything_else_is_refused_with_its_name_and_what_to_write() {
    for (text, words) in [
        ("redis://h:1/0?ssl=true", "ssl: write rediss://"),
        ("redis://h:1/0?protocol=3", "protocol: remove it"),
        ("redis://h:1/0?ssl_ca_certs=/ca", "ssl_ca_certs is for TLS: write rediss://"),
        ("rediss://h:1/0?ssl_cert_reqs=none", "ssl_cert_reqs cannot be used as it is: node verifies"),
        ("rediss://h:1/0?ssl_cert_reqs=none", "set REDIS_TLS_CA"),
        ("rediss://h:1/0?ssl_cert_reqs=CERT_NONE", "write required"),
        ("rediss://h:1/0?ssl_check_hostname=false", "ssl_check_hostname"),
        ("rediss://h:1/0?ssl_ca_certs=ca.pem", "write an absolute path"),
        ("rediss://h:1/0?ssl_keyfile=/k&ssl_certfile=/c", "ssl_keyfile: set tls-auth-clients no"),
        ("redis://h:1/0?timeout=5", "write socket_timeout"),
        ("redis://h:1/0?socket_timeout=0", "socket_timeout cannot be used as it is: write seconds"),
        ("redis://h:1/0?socket_timeout=inf", "socket_timeout"),
        ("redis://h:1/0?socket_keepalive=off", "write true or false"),
        ("redis://h:1/0?db=x", "db cannot be used as it is: write a database number"),
        ("redis://h:1/0?db=1&db=2", "db twice"),
        ("redis://h:1/0?pass=p&password=p", "password twice"),
        ("redis://:p@h:1/0?password=p", "password before the host and as a parameter"),
        ("unix:///s?socket_keepalive=1", "socket_keepalive is not for a unix socket"),
        ("redis://h:1/0?db=1&foo=", "parameter number 2"),
    ] {
        let error = refused(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

/// Names, values and separators that may end up beside a password with unexpected characters.
const PIECES: [&str; 30] = [
    "db",
    "password",
    "pass",
    "tls",
    "ssl",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "socket_timeout",
    "socket_keepalive",
    "protocol",
    "ssl_keyfile",
    "=",
    "=",
    "=",
    "&",
    "&",
    "?",
    ";",
    "%",
    "%25",
    "%3D",
    "%26",
    "+",
    "/",
    "1",
    "true",
    "none",
    ":",
    "`",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_contains_a_name_or_a_value(
        before in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..6),
        behind in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..6),
        start in proptest::sample::select(vec!["redis://h:1/0?", "rediss://u:p%40@h/1?", "unix:///s?", "h:1?"]),
    ) {
        let text = format!("{start}{}canary{}", before.concat(), behind.concat());
        match RedisUrl::parse(&text) {
            Err(error) => prop_assert!(!error.contains("canary"), "{text}: {error}"),
            Ok(url) => {
                let shown = format!("{url} {url:?}");
                prop_assert!(!shown.contains("canary"), "{text}: {shown}");
                let again = RedisUrl::parse(url.reveal()).expect("readable");
                prop_assert_eq!(again.reveal(), url.reveal());
            }
        }
    }
}
