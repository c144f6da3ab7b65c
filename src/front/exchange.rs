//! One request and its response, from the arrival of the head to the last byte sent: the data for the access log
//! and the metrics.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri, Version};

use super::access_log;
use super::conn::{ActiveRequest, Http2};
use super::metrics::Class;
use super::probe::Probing;
use super::shared::Shared;
use super::slots::Slot;
use crate::clients::address::{Client, Peer};

/// The longest id that is taken from a trusted proxy.
const MAX_ID_BYTES: usize = 128;

pub struct Exchange {
    pub shared: Arc<Shared>,
    /// A trusted proxy's own id, or else a random one.
    pub id: String,
    pub class: Class,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub client: IpAddr,
    /// The host as the client sent it.
    pub host: Option<String>,
    pub site: Option<String>,
    pub user_agent: Option<HeaderValue>,
    pub referer: Option<HeaderValue>,
    /// The time until the head of Frappe's response, from the end of the request.
    pub upstream: Option<Duration>,
    pub status: StatusCode,
    pub sent_bytes: u64,
    pub arrived: Instant,
    /// Marks the connection as busy.
    pub active: ActiveRequest,
    /// True for our own probes, which are neither counted nor logged.
    pub is_probe: bool,
    /// Set for HTTP/2.
    pub slot: Option<Slot>,
}

impl Exchange {
    pub fn begin(
        shared: &Arc<Shared>,
        class: Class,
        request: &hyper::Request<impl Sized>,
        client: Option<&Client>,
        peer: Peer,
        active: ActiveRequest,
    ) -> Self {
        let is_probe = request.extensions().get::<Probing>().is_some();
        if !is_probe {
            shared.in_flight.begin(class);
        }
        Self {
            shared: shared.clone(),
            id: proxy_id(request.headers(), client)
                .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>())),
            class,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client: client.map_or(peer.address.ip(), |client| client.address),
            host: client.map(|client| client.host.clone()),
            site: None,
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            referer: request.headers().get(header::REFERER).cloned(),
            upstream: None,
            status: StatusCode::OK,
            sent_bytes: 0,
            arrived: Instant::now(),
            active,
            is_probe,
            slot: None,
        }
    }

    /// The shares of an HTTP/2 connection.
    pub fn http2(&self) -> Option<&Http2> {
        self.active.http2(self.version, &self.shared)
    }
}

/// The id that a trusted proxy gave the request, if it is one that can stand in a header, a log and a page.
fn proxy_id(headers: &HeaderMap, client: Option<&Client>) -> Option<String> {
    let id = headers.get("x-request-id").filter(|_| client.is_some_and(|client| client.via_proxy))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte);
    let id = id.to_str().ok()?;
    ((1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain)).then(|| id.to_string())
}

/// Milliseconds, as the access log and Server-Timing have them.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_probe {
            return;
        }
        self.shared.in_flight.end(self.class);
        self.shared.metrics.count(self.class, self.status, self.arrived.elapsed());
        access_log::log(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_trusted_proxy_is_kept_if_it_is_plain() {
        let of = |id: &str, via_proxy| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static("x-request-id"),
                id.parse().unwrap(),
            )]);
            let client = Client { via_proxy, ..Client::naming("http", "a") };
            proxy_id(&headers, Some(&client))
        };
        for id in ["7f3a", "0af7651916cd43dd8448eb211c80319c", "Root=1-67891233-abcdef012345678912345678"] {
            assert_eq!((of(id, true).as_deref(), of(id, false)), (Some(id), None));
        }
        for id in ["", "a b", "<b>", "a\"", &"a".repeat(129)] {
            assert_eq!(of(id, true), None, "{id}");
        }
    }
}
