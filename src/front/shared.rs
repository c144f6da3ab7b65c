//! State that all connection tasks share: settings, upstream servers and status.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::connections::Connections;
use super::metrics::{InFlight, Metrics};
use super::outflow::Pool;
use super::slots::AllSlots;
use super::tally::Tally;
use super::upstream::{Target, Upstream};
use crate::buffers::runtime::Runtime;
use crate::clients::address::Client;
use crate::clients::unlisted_proxy::UnlistedProxy;
use crate::config::Config;
use crate::config::front::FrontConfig;
use crate::frappe::sites::is_site;
use crate::headers::security::{Headers as SecurityHeaders, Rules};
use crate::logins::Logins;
use crate::net::tls::server::Tls;
use crate::static_files::open::ServedRoots;
use crate::status::handle::{Phase, StatusHandle};
use crate::sys::limits;

/// gunicorn keeps idle connections for longer (roles/web.rs).
const REUSE_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Shared {
    pub settings: FrontConfig,
    /// The site that is bootstrapped.
    pub site: Option<String>,
    security_headers: SecurityHeaders,
    pub roots: ServedRoots,
    /// The address of the web port.
    pub address: SocketAddr,
    pub runtime: Runtime,
    pub gunicorn: Arc<Upstream>,
    pub socketio: Arc<Upstream>,
    pub tls: Option<Tls>,
    pub connections: Connections,
    pub metrics: Metrics,
    pub logins: Logins,
    pub unlisted_proxy: UnlistedProxy,
    pub in_flight: InFlight,
    pub status: StatusHandle,
    /// Memory for HTTP/2 responses in transit.
    pub outflow: Arc<Pool>,
    pub slots: AllSlots,
    /// Requests that wait because gunicorn is away.
    pub held: Tally,
    /// True once a stop is requested: no new connections, idle ones are closed.
    pub stop: watch::Sender<bool>,
    /// True while gunicorn runs; otherwise the status page answers.
    is_open: AtomicBool,
}

impl Shared {
    pub fn new(
        config: &Config,
        address: SocketAddr,
        runtime: Runtime,
        assets: PathBuf,
        tls: Option<Tls>,
        status: StatusHandle,
    ) -> Self {
        let (settings, limits) = (config.front.clone(), limits::raise_open_file_limit());
        let ((host, port), read_timeout) = (settings.socketio.clone(), settings.read_timeout);
        Self {
            site: config.site.clone(),
            security_headers: settings.security_headers.clone().into(),
            roots: ServedRoots { bench: config.bench.clone(), assets },
            address,
            gunicorn: Arc::new(Upstream::new(Target::Unix(runtime.socket()), REUSE_WITHIN, read_timeout)),
            socketio: Arc::new(Upstream::new(Target::Tcp(host, port), Duration::ZERO, read_timeout)),
            tls,
            connections: Connections::new(limits.connections),
            metrics: Metrics::new(),
            logins: Logins::new(settings.login_limit),
            unlisted_proxy: UnlistedProxy::default(),
            in_flight: InFlight::default(),
            status,
            outflow: Arc::default(),
            slots: AllSlots::new(limits),
            held: Tally::default(),
            stop: watch::Sender::new(false),
            is_open: AtomicBool::new(false),
            settings,
            runtime,
        }
    }

    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// True if requests of a site may go to Frappe. A site other than the bootstrapped one must fit this code. For
    /// a site that does not exist, Frappe answers.
    pub fn serves(&self, site: &str) -> bool {
        self.site.as_deref() == Some(site)
            || self
                .status
                .serves_other_site(site)
                .unwrap_or_else(|| !is_site(&self.roots.bench.join("sites").join(site)))
    }

    /// The site of a request by its host, if there is one.
    pub fn site_of(&self, client: &Client, path: &str) -> Option<String> {
        self.metrics.unlisted_hosts.site(&self.settings, self.site.as_deref(), client, path)
    }

    /// The rules for the headers of responses.
    pub fn header_rules(&self) -> Rules<'_> {
        Rules {
            headers: &self.security_headers,
            ancestors: &self.settings.frame_ancestors,
            is_public: self.tls.as_ref().is_none_or(|tls| tls.is_public()),
        }
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub fn is_draining(&self) -> bool {
        self.status.phase() == Phase::Draining
    }
}
