//! One request and its response, from the arrival of the head to the last byte sent: the data for the access log
//! and the metrics.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, StatusCode, Uri, Version};

use super::access_log;
use super::metrics::Class;
use super::parking::ActiveRequest;
use super::probe::Probing;
use super::shared::Shared;
use super::slots::Slot;

pub struct Exchange {
    pub shared: Arc<Shared>,
    pub id: String,
    pub class: Class,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub client: IpAddr,
    pub status: StatusCode,
    pub sent_bytes: u64,
    pub arrived: Instant,
    /// Marks the connection as busy.
    pub active: Option<ActiveRequest>,
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
        client: IpAddr,
    ) -> Self {
        let is_probe = request.extensions().get::<Probing>().is_some();
        if !is_probe {
            shared.in_flight.begin(class);
        }
        Self {
            shared: shared.clone(),
            id: format!("{:032x}", rand::random::<u128>()),
            class,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client,
            status: StatusCode::OK,
            sent_bytes: 0,
            arrived: Instant::now(),
            active: None,
            is_probe,
            slot: None,
        }
    }
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
