//! Asks for the site on the way that Frappe's node server uses to authenticate a page: at CAULDRON_WEB_URL, with the
//! same name, CA and Host as frappe/socketio_web.js, or without it at the page's own address.

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

use super::answer::{Answer, PHASE, PING, evaluate, failed};
use crate::config::Config;
use crate::config::hosts::name_of;
use crate::net::dial::{self, Keepalive, within};
use crate::net::tls::{self, Files, Verify};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step};

/// From the name lookup to the end of the response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer to a ping is shorter.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The web role as the node server sees it.
#[derive(Clone, Debug)]
pub struct WebUrl {
    url: Url,
    /// The Host of the request: that of the site's links.
    host: String,
    verify: Verify,
    /// The CA files that node trusts, beside those of the system.
    authorities: Vec<(PathBuf, &'static str)>,
    /// True for the address of pages, which may be a proxy's.
    is_of_pages: bool,
}

impl WebUrl {
    /// None without CAULDRON_WEB_URL.
    pub fn of(config: &Config, site: &str) -> Option<Self> {
        let url = Url::parse(config.web_url.as_ref()?).ok()?;
        let host = config.front.hosts.link_host(site).to_string();
        // The web role's certificate is for the page's name. Inside the container no other program listens.
        let verify = match name_in(&url) {
            "127.0.0.1" | "::1" | "localhost" => Verify::Nothing,
            _ if host != site => Verify::ChainAndName,
            _ => Verify::Chain,
        };
        let authorities = match &config.web_ca {
            Some(path) => vec![(path.clone(), "CAULDRON_WEB_CA")],
            None => extra_authorities(config),
        };
        Some(Self { url, host, verify, authorities, is_of_pages: false })
    }

    /// The site's URL, where node asks without CAULDRON_WEB_URL. None if it is not configured.
    pub fn of_pages(config: &Config) -> Option<Self> {
        Self::of_pages_at(config.front.site_url.as_ref()?, extra_authorities(config))
    }

    fn of_pages_at(url: &str, authorities: Vec<(PathBuf, &'static str)>) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_string();
        Some(Self { url, host, verify: Verify::ChainAndName, authorities, is_of_pages: true })
    }

    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The address for a message, with the setting that it is from.
    pub fn subject(&self) -> String {
        let setting = match self.is_of_pages {
            true => "CAULDRON_WEB_URL is not set, and the site's URL",
            false => "CAULDRON_WEB_URL",
        };
        format!("{setting} {}", self.as_str())
    }

    /// Sends `GET /api/method/ping`; redirects are not followed.
    pub async fn ask(&self) -> Answer {
        let deadline = Instant::now() + TIMEOUT;
        let wire = match self.connect(deadline).await {
            Ok(wire) => wire,
            Err(error) => return failed(&error),
        };
        match tokio::time::timeout_at(deadline, self.get(wire)).await {
            // Pages are where the proxy leads to.
            Ok(Ok((status, ..))) if self.is_of_pages && status.is_redirection() => Answer::Works,
            Ok(Ok((status, headers, body))) => evaluate(status, &headers, &body),
            Ok(Err(error)) if error.is_parse() => Answer::Wrong(format!("the answer is not HTTP: {error}")),
            Ok(Err(error)) => Answer::NotUp(error.to_string()),
            Err(_) => Answer::NotUp(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Wire, ConnectError> {
        let name = name_in(&self.url);
        let addresses = dial::resolve(name, self.url.port_or_known_default().unwrap_or(80), deadline).await?;
        let tcp = || dial::tcp(&addresses, Keepalive::SHORT, deadline);
        if self.url.scheme() != "https" {
            return tcp().await.map(Wire::Tcp);
        }
        let page = name_of(&self.host);
        let files = self.authorities.iter().map(|(path, variable)| (Some(path), *variable));
        let mut refused = None;
        for (roots, variable) in files.chain([(None, "CAULDRON_WEB_CA")]) {
            let files = Files { roots, client: None, roots_variable: variable, client_variables: ("", "") };
            let connector = match tls::connector(self.verify, &files) {
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

/// The name or address to connect to.
fn name_in(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// The CA file that node gets from us or from the image.
fn extra_authorities(config: &Config) -> Vec<(PathBuf, &'static str)> {
    let image = || std::env::var_os("NODE_EXTRA_CA_CERTS").map(PathBuf::from);
    let path = config.redis.tls_ca.clone().or_else(image);
    path.map(|path| (path, "NODE_EXTRA_CA_CERTS")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_url_is_asked_with_its_own_host() {
        let url = WebUrl::of_pages_at("https://erp.test:8443", Vec::new()).unwrap();
        assert_eq!((url.host.as_str(), url.verify), ("erp.test:8443", Verify::ChainAndName));
        let subject = "CAULDRON_WEB_URL is not set, and the site's URL https://erp.test:8443";
        assert_eq!(url.subject(), subject);
        assert!(WebUrl::of_pages_at("erp test", Vec::new()).is_none());
    }
}
