//! Probes the site as a client would, through the front, with a permit like any other connection. Probe requests are
//! neither counted nor logged.

use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use super::conn::Conn;
use super::dispatch::answer;
use super::request_body::RequestBody;
use super::shared::Shared;
use crate::clients::address::Peer;

/// A handle to the front that does not keep it alive.
#[derive(Clone, Debug)]
pub struct Probe {
    shared: Weak<Shared>,
}

/// In the extensions of a probe's request: the target site, regardless of CAULDRON_HOSTS.
#[derive(Clone, Debug)]
pub struct Probing {
    pub site: String,
}

impl Probe {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::downgrade(shared) }
    }

    /// Sends `GET path`, reads the response to its end, and returns its status.
    ///
    /// # Errors
    /// The reason why there is no response within `deadline`.
    pub async fn get(&self, site: &str, path: &str, deadline: Duration) -> Result<StatusCode, String> {
        let Some(shared) = self.shared.upgrade() else { return Err("the web port is closed".into()) };
        let asking = async move {
            // If no connection gets a permit, clients get no answer either.
            let _permit = shared.connections.permit().await;
            let peer = Peer { address: (Ipv4Addr::LOCALHOST, 0).into(), tls: shared.tls.is_some() };
            let request = Request::get(path).header(HOST, site).extension(Probing { site: site.into() });
            let request = request.body(RequestBody::empty()).map_err(|error| error.to_string())?;
            let response = answer(&shared, peer, Conn::new(None).begin_request(), request).await;
            let status = response.status();
            response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>(status)
        };
        let too_late = |_| Err(format!("no answer within {} ms", deadline.as_millis()));
        timeout(deadline, Box::pin(asking)).await.unwrap_or_else(too_late)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{Needs, Reader, load};
    use crate::front::Front;
    use crate::status::handle::{RoleName, StatusHandle};

    #[tokio::test]
    async fn a_probe_without_a_connection_permit_gets_no_answer() {
        let (folder, flags) = (tempfile::tempdir().unwrap(), BTreeMap::new());
        let environment = BTreeMap::from([
            ("SITE_NAME", "web.local"),
            ("DB_HOST", "a"),
            ("DB_NAME", "a"),
            ("REDIS_CACHE", "redis://a"),
            ("REDIS_QUEUE", "redis://a"),
        ]);
        let needs = Needs { bench: false, ..Needs::SERVERS };
        let config = load(&mut Reader::new(&flags, &environment), needs, false).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let status = StatusHandle::new(RoleName::Web, None);
        let front = Front::start(listener, &config, folder.path(), status).unwrap();
        let probe = front.probe();
        let get = |deadline| probe.get("web.local", "/login", deadline);
        // The status page, as the front is not open yet.
        assert_eq!(get(Duration::from_secs(60)).await, Ok(StatusCode::SERVICE_UNAVAILABLE));
        let _all = probe.shared.upgrade().unwrap().connections.take_all();
        assert_eq!(get(Duration::from_millis(20)).await, Err("no answer within 20 ms".into()));
    }
}
