//! Probes the site as a client would, through the front, on a connection inside this process that needs a permit
//! like any other. Probe requests are neither counted nor logged.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, StatusCode, client, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::conn::Conn;
use super::dispatch::answer;
use super::shared::Shared;
use crate::clients::address::Peer;

const BUFFER_BYTES: usize = 8 * 1024;

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
            send_get(shared, site, path).await
        };
        match timeout(deadline, Box::pin(asking)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", deadline.as_millis())),
        }
    }
}

async fn send_get(shared: Arc<Shared>, site: &str, path: &str) -> hyper::Result<StatusCode> {
    let (near, far) = tokio::io::duplex(BUFFER_BYTES);
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls: shared.tls.is_some() };
    let probing = Probing { site: site.to_owned() };
    let service = service_fn(move |mut request: Request<Incoming>| {
        let shared = shared.clone();
        request.extensions_mut().insert(probing.clone());
        async move { Ok::<_, Infallible>(answer(&shared, peer, Conn::new(None).begin_request(), request).await) }
    });
    let serving = server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(far), service);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(near)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().expect("a path of ours");
    request.headers_mut().insert(HOST, site.parse().expect("a site's name"));
    let asking = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    };
    // Drives both ends of the connection until the response is complete.
    let moving = async {
        let _ = tokio::join!(serving, connection);
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = asking => answer,
        never = moving => match never {},
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::frame_ancestors::FrameAncestors;
    use crate::config::front::AccessLog;
    use crate::config::hosts::{Fallback, Hosts};
    use crate::config::security_headers::SecurityHeaders;
    use crate::config::trusted::TrustedProxies;
    use crate::front::{Front, Settings};
    use crate::status::handle::{RoleName, StatusHandle};

    #[tokio::test]
    async fn a_probe_without_a_connection_permit_gets_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            bench: folder.path().into(),
            site: Some("web.local".into()),
            hosts: Hosts::new(Fallback::Refused),
            ingress_hosts: None,
            security_headers: SecurityHeaders::default().into(),
            frame_ancestors: FrameAncestors::default(),
            trusted: TrustedProxies::default(),
            proxy_protocol: TrustedProxies::default(),
            socketio: ("127.0.0.1".into(), 9000),
            body_limit_bytes: None,
            runtime_size_bytes: None,
            read_timeout: Duration::from_secs(60),
            https_port: None,
            tls: None,
            access_log: AccessLog::Off,
            login_limit: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front =
            Front::start(listener, settings, folder.path(), StatusHandle::new(RoleName::Web, None)).unwrap();
        let probe = front.probe();
        let get = |deadline| probe.get("web.local", "/login", deadline);
        // The status page, as the front is not open yet.
        assert_eq!(get(Duration::from_secs(60)).await, Ok(StatusCode::SERVICE_UNAVAILABLE));
        let _all = probe.shared.upgrade().unwrap().connections.take_all();
        assert_eq!(get(Duration::from_millis(20)).await, Err("no answer within 20 ms".into()));
    }
}
