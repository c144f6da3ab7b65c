//! Settings of the web port, under the names of the official images' nginx where they exist.

use std::path::PathBuf;
use std::time::Duration;

use super::bench_files::BenchFiles;
use super::duration;
use super::frame_ancestors::FrameAncestors;
use super::gunicorn::Gunicorn;
use super::hosts::{Fallback, Hosts};
use super::login_limit::LoginLimit;
use super::reader::Reader;
use super::runtime_size::{largest_body_bytes, size_for_body_mib};
use super::security_headers::SecurityHeaders;
use super::trusted::TrustedProxies;
use super::value::{parse_port, parse_site, read_choice, read_duration, read_parsed, read_path, read_size};

#[derive(Clone, Debug)]
pub struct FrontConfig {
    pub hosts: Hosts,
    /// The hosts of the Ingress, if every host is answered.
    pub ingress_hosts: Option<Hosts>,
    pub security_headers: SecurityHeaders,
    pub frame_ancestors: FrameAncestors,
    /// The URL in the site's links (host_name, CAULDRON_SITE_URL), if it has a scheme.
    pub site_url: Option<String>,
    pub trusted: TrustedProxies,
    /// The peers that must send a PROXY header.
    pub proxy_protocol: TrustedProxies,
    /// host:port of the socketio service.
    pub socketio: (String, u16),
    /// None for no limit.
    pub body_limit_bytes: Option<u64>,
    /// The size of the runtime folder. None if it is not given: then that of its file system.
    pub runtime_size_bytes: Option<u64>,
    pub read_timeout: Duration,
    /// The port of the site's URL, if it is one of https.
    pub https_port: Option<u16>,
    /// Certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub access_log: AccessLog,
    /// None for no limit.
    pub login_limit: Option<LoginLimit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// All requests except for /assets.
    On,
    All,
    Off,
}

/// Values of other settings that this part depends on.
pub struct RelatedSettings<'a> {
    pub site: Option<&'a str>,
    pub socketio_port: u16,
    pub gunicorn: Option<&'a Gunicorn>,
    pub site_url: Option<&'a str>,
    pub files: &'a BenchFiles,
}

/// The same default as in the official images' nginx. Frappe's own limit is 25 MiB per file.
const BODY_LIMIT: &str = "50m";

pub fn read(reader: &mut Reader<'_>, related: &RelatedSettings<'_>) -> Option<FrontConfig> {
    let site = related.site.unwrap_or_default();
    let urls = urls(related);
    let hosts = read_hosts(reader, site).map(|hosts| hosts.with_names(site, &urls, &related.files.domains()));
    let ingress_hosts = read_ingress_hosts(reader, site);
    let security_headers = read_parsed(
        reader,
        "CAULDRON_SECURITY_HEADERS",
        SecurityHeaders::parse,
        "write `Name: value`, or `Name:` to remove one; separate several with | or line ends; off: none",
    );
    let frame_ancestors = read_parsed(
        reader,
        "CAULDRON_FRAME_ANCESTORS",
        FrameAncestors::parse,
        "write path=origins, such as /book/*='self' https://partner.example; separate several with ; or line ends",
    );
    let trusted = read_parsed(
        reader,
        "CAULDRON_TRUSTED_PROXIES",
        TrustedProxies::parse,
        "write addresses and networks, such as 10.0.0.0/8",
    );
    let proxy_protocol = read_parsed(
        reader,
        "CAULDRON_PROXY_PROTOCOL",
        TrustedProxies::parse,
        "write addresses and networks, such as 10.0.0.0/8",
    );
    let socketio = read_parsed(reader, "SOCKETIO", parse_service, "write host:port, such as socketio:9000");
    let body_limit = read_size(reader, "CLIENT_MAX_BODY_SIZE", Some(BODY_LIMIT));
    let runtime_size = read_size(reader, "CAULDRON_RUNTIME_SIZE", None);
    check_body_limit(reader, body_limit, runtime_size);
    let read_timeout = read_duration(reader, "PROXY_READ_TIMEOUT", None);
    let tls = read_tls(reader);
    let access_log = read_choice(
        reader,
        "CAULDRON_ACCESS_LOG",
        "on",
        &[("on", AccessLog::On), ("all", AccessLog::All), ("off", AccessLog::Off)],
    );
    let login_limit = read_parsed(
        reader,
        "CAULDRON_LOGIN_LIMIT",
        LoginLimit::parse,
        "write failures and a time, such as 10/5m; unset it for no limit",
    );
    let local = || ("127.0.0.1".to_string(), related.socketio_port);
    Some(FrontConfig {
        ingress_hosts: ingress_hosts.filter(|_| hosts.as_ref().is_some_and(Hosts::is_single_site)),
        hosts: hosts?,
        security_headers: security_headers.unwrap_or_default(),
        frame_ancestors: frame_ancestors.unwrap_or_default(),
        https_port: urls.first().and_then(|url| https_port(url)),
        site_url: urls.into_iter().next().filter(|url| url.contains("://")),
        trusted: trusted.unwrap_or_default(),
        proxy_protocol: proxy_protocol.unwrap_or_default(),
        socketio: socketio.unwrap_or_else(local),
        body_limit_bytes: Some(body_limit?).filter(|bytes| *bytes > 0),
        runtime_size_bytes: runtime_size,
        read_timeout: read_timeout
            .or(related.gunicorn.map(|gunicorn| gunicorn.timeout))
            .unwrap_or(duration::NO_LIMIT),
        tls,
        access_log: access_log?,
        login_limit,
    })
}

/// The port in a URL of https, or in a host_name without a scheme, which may be either.
fn https_port(url: &str) -> Option<u16> {
    let with_scheme = if url.contains("://") { url.to_string() } else { format!("https://{url}") };
    url::Url::parse(&with_scheme).ok().filter(|url| url.scheme() == "https")?.port()
}

/// Refuses a body limit that no request could reach: a body has to fit into the runtime folder.
fn check_body_limit(reader: &mut Reader<'_>, body_limit_bytes: Option<u64>, size_bytes: Option<u64>) {
    let (Some(limit), Some(size)) = (body_limit_bytes, size_bytes) else { return };
    let largest = largest_body_bytes(size);
    if limit <= largest {
        return;
    }
    let name = "CLIENT_MAX_BODY_SIZE";
    let source = reader.given(name).map(|given| given.source);
    reader.problem(
        name,
        source,
        format!("{limit} bytes do not fit into CAULDRON_RUNTIME_SIZE, which has room for a body of {largest} bytes"),
        format!("set CAULDRON_RUNTIME_SIZE to {}Mi, or {name} to {}", size_for_body_mib(limit), in_unit(largest)),
    );
}

/// The size, rounded down to a unit.
fn in_unit(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{}k", bytes >> 10),
        _ => format!("{}m", bytes >> 20),
    }
}

/// Returns the configured URLs of the site. Frappe uses host_name in every link, and hostname without it. The site's
/// file has priority over the bench's, into which the bootstrap writes CAULDRON_SITE_URL as host_name.
fn urls(related: &RelatedSettings<'_>) -> Vec<String> {
    let site = |key| related.files.site(key).map(|given| given.value);
    let common = |key| related.files.common(key).map(|given| given.value);
    let host_name = [site("host_name"), related.site_url.map(String::from), common("host_name")];
    host_name.into_iter().chain([site("hostname"), common("hostname")]).flatten().collect()
}

fn read_hosts(reader: &mut Reader<'_>, site: &str) -> Option<Hosts> {
    let header = |text: &str| match text {
        "$host" => Ok(Fallback::SameName),
        site => parse_site(site).map(Fallback::Site),
    };
    let hint = "write a site's name, or $host";
    let fallback = read_parsed(reader, "FRAPPE_SITE_NAME_HEADER", header, hint);
    let Some(given) = reader.given("CAULDRON_HOSTS") else {
        return Some(Hosts::new(fallback.unwrap_or_else(|| Fallback::Site(site.into()))));
    };
    let parse = |text: &str| Hosts::parse(text, site);
    reader.parsed(
        "CAULDRON_HOSTS",
        Some(given),
        parse,
        "write host=site; separate several with blanks or commas",
    )
}

fn read_ingress_hosts(reader: &mut Reader<'_>, site: &str) -> Option<Hosts> {
    let hint = "write hosts; separate several with blanks or commas";
    read_parsed(reader, "CAULDRON_INGRESS_HOSTS", |text| Hosts::parse(text, site), hint)
}

/// Reads `socketio:9000` or `http://socketio:9000`.
fn parse_service(text: &str) -> Result<(String, u16), String> {
    let service = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match service.rsplit_once(':') {
        Some((host, port)) => Ok((super::host::parse(host)?, parse_port(port)?)),
        _ => Err(format!("`{text}` is not host:port")),
    }
}

fn read_tls(reader: &mut Reader<'_>) -> Option<(PathBuf, PathBuf)> {
    let certificate = read_path(reader, "CAULDRON_TLS_CERT");
    let key = read_path(reader, "CAULDRON_TLS_KEY");
    let missing = match (&certificate, &key) {
        (Some(_), None) => "CAULDRON_TLS_KEY",
        (None, Some(_)) => "CAULDRON_TLS_CERT",
        _ => return certificate.zip(key),
    };
    reader.problem(missing, None, "not set", "set both certificate and key, or neither");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_https_names_the_port_of_https() {
        for (url, port) in [
            ("https://erp.example.com:8443", Some(8443)),
            ("https://erp.example.com", None),
            ("https://[::1]:8443", Some(8443)),
            ("http://erp.example.com:8080", None),
            ("erp.example.com:8443", Some(8443)),
            ("erp.example.com", None),
        ] {
            assert_eq!(https_port(url), port, "{url}");
        }
    }

    #[test]
    fn a_body_limit_is_suggested_in_a_unit_and_not_above_the_room() {
        assert_eq!([in_unit(27 << 20), in_unit((28 << 20) - 1), in_unit(5_000)], ["27m", "27m", "4k"]);
    }
}
