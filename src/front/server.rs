//! The web port: accepts connections while permits are free and no stop is requested.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::connection::serve;
use super::connection_end::wait_for_stop;
use super::connections::Permit;
use super::exported_metrics::ExportedMetrics;
use super::https_redirect;
use super::probe::Probe;
use super::shared::{Settings, Shared};
use crate::buffers::runtime::Runtime;

use crate::net::tls::server::Tls;
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::status::handle::{Phase, StatusHandle};
use crate::sys::limits;

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
        settings: Settings,
        runtime: &Path,
        status: StatusHandle,
    ) -> Result<Self> {
        let tls = settings.tls.clone().map(Tls::new).transpose()?;
        let address = listener.local_addr().map_err(|error| {
            Fault::configuration(
                format!("the address of the web port cannot be read: {error}"),
                "set CAULDRON_WEB_ADDR",
            )
        })?;
        let assets = BenchOverlay::assets_folder(runtime);
        let runtime = Runtime::new(runtime, settings.runtime_size_bytes)?;
        warn_of_body_limit(settings.body_limit_bytes, runtime.largest_body_bytes());
        let most = limits::raise_open_file_limit();
        let shared = Arc::new(Shared::new(settings, address, runtime, assets, tls, status.clone(), most));
        let exported_metrics = ExportedMetrics::of(&shared);
        status.update(|status| status.front = Some(Arc::new(exported_metrics)));
        tokio::spawn(accept(listener, shared.clone(), serve));
        Ok(Self { shared })
    }

    /// Redirects the requests of another listener to https.
    pub fn redirect(&self, listener: TcpListener) {
        tokio::spawn(accept(listener, self.shared.clone(), https_redirect::serve));
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

/// Gives each connection to `serve`, with its permit; after a stop those that have arrived already, without one.
async fn accept<S, F>(listener: TcpListener, shared: Arc<Shared>, serve: S)
where
    S: Fn(TcpStream, SocketAddr, Arc<Shared>, Option<Permit>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
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
                tokio::spawn(serve(socket, address, shared.clone(), Some(permit.opened())));
            }
            Err(error) => {
                tracing::warn!(event = "web.accept_failed", %error, "connection cannot be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // These connections arrived before the stop.
    while let Ok(Ok((socket, address))) = timeout(Duration::ZERO, listener.accept()).await {
        tokio::spawn(serve(socket, address, shared.clone(), None));
    }
}
