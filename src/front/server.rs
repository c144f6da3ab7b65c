//! The web port: accepts connections while permits are free and no stop is requested.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::connection::{Port, serve};
use super::connection_end::wait_for_stop;
use super::exported_metrics::ExportedMetrics;
use super::probe::Probe;
use super::shared::Shared;
use crate::buffers::runtime::Runtime;
use crate::config::Config;
use crate::net::tls::server::Tls;
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::status::handle::{Phase, StatusHandle};

/// The running front.
#[derive(Clone, Debug)]
pub struct Front {
    shared: Arc<Shared>,
}

impl Front {
    /// Starts to answer on the listener, with the status page until [`Front::open`].
    ///
    /// # Errors
    /// A runtime folder or a certificate that cannot be used.
    pub fn start(
        listener: TcpListener,
        config: &Config,
        runtime: &Path,
        status: StatusHandle,
    ) -> Result<Self> {
        let tls = config.front.tls.clone().map(Tls::new).transpose()?;
        let address = listener.local_addr().map_err(|error| {
            Fault::configuration(
                format!("the address of the web port cannot be read: {error}"),
                "set CAULDRON_WEB_ADDR",
            )
        })?;
        let assets = BenchOverlay::assets_folder(runtime);
        let runtime = Runtime::new(runtime, config.front.runtime_size_bytes)?;
        warn_of_body_limit(config.front.body_limit_bytes, runtime.largest_body_bytes());
        let shared = Arc::new(Shared::new(config, address, runtime, assets, tls, status.clone()));
        let exported_metrics = ExportedMetrics(Arc::downgrade(&shared));
        status.update(|status| status.front = Some(Arc::new(exported_metrics)));
        tokio::spawn(accept(listener, shared.clone(), Port::Site));
        Ok(Self { shared })
    }

    /// Redirects the requests of another listener to https.
    pub fn redirect(&self, listener: TcpListener) {
        tokio::spawn(accept(listener, self.shared.clone(), Port::Redirect));
    }

    /// The path of the socket that gunicorn must listen on.
    pub fn socket(&self) -> PathBuf {
        self.shared.runtime.socket()
    }

    /// Returns a probe of the site.
    pub fn probe(&self) -> Probe {
        Probe::new(&self.shared)
    }

    /// Starts to forward requests to gunicorn. Requests wait while it is not up yet.
    pub fn open(&self) {
        self.shared.set_open(true);
    }

    /// Answers with the status page again, as gunicorn will not return.
    pub fn close(&self) {
        self.shared.set_open(false);
    }

    /// True if the site is suspended: the port stays open and shows the status page.
    pub fn is_suspended(&self) -> bool {
        self.shared.status.phase() == Phase::Suspended
    }

    /// Prepares for a reload of gunicorn: no request goes to a worker that is about to end.
    pub fn begin_reload(&self) {
        self.shared.gunicorn.begin_reload();
    }

    /// Refuses new connections, closes idle ones, and waits until every request is answered.
    pub async fn quiesce(&self) {
        self.shared.stop.send_replace(true);
        self.shared.in_flight.wait_until_idle().await;
    }
}

/// Warns if the runtime folder cannot take the largest body that the settings accept.
fn warn_of_body_limit(limit_bytes: Option<u64>, largest_bytes: u64) {
    if limit_bytes.is_some_and(|limit| limit > largest_bytes) {
        tracing::warn!(
            event = "web.body_limit_too_large",
            limit_bytes,
            largest_bytes,
            "CLIENT_MAX_BODY_SIZE is more than the runtime folder can take; larger requests get 413. Give \
             CAULDRON_RUNTIME_DIR more space, or lower CLIENT_MAX_BODY_SIZE"
        );
    }
}

/// Serves each connection, with its permit; after a stop those that have arrived already, without one.
async fn accept(listener: TcpListener, shared: Arc<Shared>, port: Port) {
    let mut stop = shared.stop.subscribe();
    loop {
        let permit = shared.connections.permit().await;
        let accepted = tokio::select! {
            biased;
            () = wait_for_stop(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let permit = shared.connections.opened(permit);
                tokio::spawn(serve(socket, address, shared.clone(), port, Some(permit)));
            }
            Err(error) => {
                tracing::warn!(event = "web.accept_failed", %error, "connection cannot be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // These connections arrived before the stop.
    while let Ok(Ok((socket, address))) = timeout(Duration::ZERO, listener.accept()).await {
        tokio::spawn(serve(socket, address, shared.clone(), port, None));
    }
}
