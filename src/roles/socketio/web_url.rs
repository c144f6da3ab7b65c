//! Asks the web role at CAULDRON_WEB_URL for the site, on the way that Frappe's node server uses to authenticate a page
//! (frappe/socketio_web.js): the same name, CA and Host.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use url::Url;

use crate::config::Config;
use crate::config::hosts::name_of;
use crate::net::dial::{self, Keepalive, within};
use crate::net::tls::{self, Files, Verify};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step};

const PING: &str = "/api/method/ping";
/// From the name lookup to the end of the response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer to a ping is shorter.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A header of our own status page, also of a request that asks for it instead of Frappe's own page.
const PHASE: &str = "x-cauldron-phase";

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Works,
    /// The web role answers that the site is starting, in maintenance or being migrated.
    Starting,
    /// There is no answer of the web role, as while it starts.
    NotUp(String),
    /// Waiting does not help: another name, another server, a certificate that is not trusted.
    Wrong(String),
}

/// The web role as the node server sees it.
#[derive(Clone, Debug)]
pub struct WebUrl {
    url: Url,
    /// The Host of the request: that of the site's links.
    host: String,
    /// True if the host is configured, so that the certificate must be for it.
    is_configured_host: bool,
    /// The CA files that node trusts, beside those of the system.
    authorities: Vec<(PathBuf, &'static str)>,
}

impl WebUrl {
    /// None without CAULDRON_WEB_URL.
    pub fn of(config: &Config, site: &str) -> Option<Self> {
        let url = Url::parse(config.web_url.as_ref()?).ok()?;
        let host = config.front.hosts.link_host(site).to_string();
        let redis_ca = || config.redis.tls_ca.clone();
        let extra = || redis_ca().or_else(|| std::env::var_os("NODE_EXTRA_CA_CERTS").map(PathBuf::from));
        let authority = match &config.web_ca {
            Some(path) => Some((path.clone(), "CAULDRON_WEB_CA")),
            None => extra().map(|path| (path, "NODE_EXTRA_CA_CERTS")),
        };
        let is_configured_host = host != site;
        Some(Self { url, host, is_configured_host, authorities: authority.into_iter().collect() })
    }

    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Sends `GET /api/method/ping`; redirects are not followed.
    pub async fn ask(&self) -> Answer {
        let deadline = Instant::now() + TIMEOUT;
        let wire = match self.connect(deadline).await {
            Ok(wire) => wire,
            Err(error) => return failed(&error),
        };
        match tokio::time::timeout_at(deadline, self.get(wire)).await {
            Ok(Ok((status, headers, body))) => evaluate(status, &headers, &body),
            Ok(Err(error)) if error.is_parse() => Answer::Wrong(format!("the answer is not HTTP: {error}")),
            Ok(Err(error)) => Answer::NotUp(error.to_string()),
            Err(_) => Answer::NotUp(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Wire, ConnectError> {
        let name = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = dial::resolve(name, self.url.port_or_known_default().unwrap_or(80), deadline).await?;
        let tcp = || dial::tcp(&addresses, Keepalive::SHORT, deadline);
        if self.url.scheme() != "https" {
            return tcp().await.map(Wire::Tcp);
        }
        // The web role's certificate is for the page's name. Inside the container no other program listens.
        let verify = match name {
            "127.0.0.1" | "::1" | "localhost" => Verify::Nothing,
            _ if self.is_configured_host => Verify::ChainAndName,
            _ => Verify::Chain,
        };
        let page = name_of(&self.host);
        let files = self.authorities.iter().map(|(path, variable)| (Some(path), *variable));
        let mut refused = None;
        for (roots, variable) in files.chain([(None, "CAULDRON_WEB_CA")]) {
            let files = Files { roots, client: None, roots_variable: variable, client_variables: ("", "") };
            let connector = match tls::connector(verify, &files) {
                Ok(connector) => connector,
                // Node has CAs of its own; the system may have none.
                Err(_) if roots.is_none() && refused.is_none() => tls::connector(Verify::Nothing, &files)?,
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            let socket = tcp().await?;
            let handshake = async {
                tls::handshake(&connector, &page, socket).await.map_err(|error| match tls::refusal(&error) {
                    Some(refusal) => {
                        tls::explain(refusal, &page, variable, "the web role asks for no certificate")
                    }
                    None => ConnectError::new(Step::Tls, Kind::Lost, dial::reason(&error), ""),
                })
            };
            match within(deadline, Step::Tls, self.as_str(), handshake).await {
                Ok(wire) => return Ok(wire),
                Err(error) => refused.get_or_insert(error),
            };
        }
        Err(refused.unwrap_or_else(|| ConnectError::new(Step::Tls, Kind::Lost, "no TLS", "")))
    }

    async fn get(&self, wire: Wire) -> hyper::Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
        let request = Request::get(PING)
            .header(HOST, &self.host)
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .header(PHASE, "unknown")
            .body(Empty::<Bytes>::new())
            .expect("a valid request");
        let asking = async move {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            // A longer body is not an answer to a ping.
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
            let body = body.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            Ok((head.status, head.headers, body))
        };
        // Drives the connection until the response is complete.
        let moving = async {
            let _ = connection.await;
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            answer = asking => answer,
            never = moving => match never {},
        }
    }
}

fn failed(error: &ConnectError) -> Answer {
    match error.kind {
        Kind::Unreachable | Kind::Silent | Kind::Lost => Answer::NotUp(error.to_string()),
        _ => Answer::Wrong(error.to_string()),
    }
}

/// Recognizes the web role by its pong, its status page, or the id that it gives each request.
fn evaluate(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    let body = String::from_utf8_lossy(body);
    let id = headers.get("x-request-id").map(|id| id.as_bytes());
    let is_ours = headers.contains_key(PHASE)
        || id.is_some_and(|id| id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit));
    let answered = format!("{PING} answered {}", status.as_u16());
    match status.as_u16() {
        200 if is_ours || body.contains("\"pong\"") => Answer::Works,
        503 if is_ours || body.contains("SessionStopped") => Answer::Starting,
        // Of a host that CAULDRON_HOSTS does not list: pages have hosts that it lists.
        400..=499 if is_ours => Answer::Works,
        // Also of a proxy whose web role is away.
        502..=504 => Answer::NotUp(answered),
        500..=599 if is_ours => Answer::NotUp(answered),
        _ => Answer::Wrong(format!("{answered}, which is no answer of the web role")),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_web_role_and_frappe_are_accepted() {
        let ours = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("0123456789abcdef0123456789abcdef"),
        )]);
        let page = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static(PHASE),
            HeaderValue::from_static("updating"),
        )]);
        let none = HeaderMap::new();
        let kind = |status: u16, headers: &HeaderMap, body: &str| match evaluate(
            StatusCode::from_u16(status).unwrap(),
            headers,
            body.as_bytes(),
        ) {
            Answer::Works => "works",
            Answer::Starting => "starting",
            Answer::NotUp(_) => "not up",
            Answer::Wrong(_) => "wrong",
        };
        assert_eq!(kind(200, &none, r#"{"message":"pong"}"#), "works");
        assert_eq!(kind(404, &ours, ""), "works");
        assert_eq!(kind(503, &page, ""), "starting");
        assert_eq!(kind(503, &ours, ""), "starting");
        assert_eq!(kind(503, &none, r#"{"exc_type":"SessionStopped"}"#), "starting");
        assert_eq!(kind(503, &none, "no endpoints"), "not up");
        assert_eq!(kind(500, &ours, ""), "not up");
        for (status, body) in [(200, "<h1>nginx"), (301, ""), (404, ""), (401, "")] {
            assert_eq!(kind(status, &none, body), "wrong", "{status}");
        }
    }

    #[test]
    fn a_wrong_name_and_a_refused_certificate_do_not_pass_by_themselves() {
        let error = |kind| failed(&ConnectError::new(Step::Tcp, kind, "c", "h"));
        for kind in [Kind::Unresolved, Kind::Certificate, Kind::CertificateFile] {
            assert!(matches!(error(kind), Answer::Wrong(_)), "{kind:?}");
        }
        for kind in [Kind::Unreachable, Kind::Silent, Kind::Lost] {
            assert!(matches!(error(kind), Answer::NotUp(_)), "{kind:?}");
        }
    }
}
