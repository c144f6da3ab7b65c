//! One request with its answer, from the head's arrival to the last byte out: what is told and counted
//! of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, StatusCode, Uri, Version};

use super::access_log;
use super::metrics::Class;
use super::parking::AtWork;
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
    /// Its connection is busy with it.
    pub at_work: Option<AtWork>,
    /// Our own: nobody's request.
    pub is_probe: bool,
    /// By HTTP/2.
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
            at_work: None,
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
        access_log::tell(self);
    }
}
