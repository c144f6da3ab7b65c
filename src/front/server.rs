//! The web port: who comes is accepted, as long as there is a place and nobody asked for a stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::connection::{serve, stopped};
use super::figures::FrontFigures;
use super::probe::Probe;
use super::runtime::Runtime;
use super::shared::{Settings, Shared};
use super::tls::Tls;

use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::status::handle::{Phase, StatusHandle};
use crate::sys::limits;

/// The running front.
#[derive(Clone, Debug)]
pub struct Front {
    shared: Arc<Shared>,
    /// Of connections.
    places: Arc<Semaphore>,
}

impl Front {
    /// Answers on the listener from now on: with the status page, until it is opened.
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
            Fault::configuration(format!("no address to listen on: {error}"), "set CAULDRON_WEB_ADDR")
        })?;
        let assets = BenchOverlay::assets_folder(runtime);
        let runtime = Runtime::new(runtime)?;
        let most = limits::most();
        let shared = Arc::new(Shared::new(settings, address, runtime, assets, tls, status.clone(), most));
        let figures = FrontFigures::of(&shared);
        status.update(|status| status.front = Some(Arc::new(figures)));
        let places = Arc::new(Semaphore::new(most.connections));
        tokio::spawn(accept(listener, shared.clone(), places.clone()));
        Ok(Self { shared, places })
    }

    /// Where gunicorn is to listen.
    pub fn socket(&self) -> PathBuf {
        self.shared.runtime.socket()
    }

    /// For asking whether the site answers.
    pub fn probe(&self) -> Probe {
        Probe::new(&self.shared, self.places.clone())
    }

    /// From now on gunicorn is asked, and waited for where it is not there yet.
    pub fn open(&self) {
        self.shared.set_open(true);
    }

    /// gunicorn will not come back: the status page again.
    pub fn close(&self) {
        self.shared.set_open(false);
    }

    /// The site was taken away for a while: the port stays, and says so.
    pub fn is_on_hold(&self) -> bool {
        self.shared.status.phase() == Phase::OnHold
    }

    /// gunicorn reloads: no request goes to a worker that is about to end.
    pub fn renew(&self) {
        self.shared.gunicorn.renew();
    }

    /// Refuses new connections, ends idle ones, and waits until every request has its answer.
    pub async fn quiesce(&self) {
        self.shared.stop.send_replace(true);
        self.shared.in_flight.none().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, places: Arc<Semaphore>) {
    let mut stop = shared.stop.subscribe();
    loop {
        // Who finds no place waits in the kernel's queue, where he costs next to nothing.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    serve(socket, address, shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // They came before we refused.
    while let Ok(Ok((socket, address))) = timeout(Duration::ZERO, listener.accept()).await {
        tokio::spawn(serve(socket, address, shared.clone()));
    }
}
