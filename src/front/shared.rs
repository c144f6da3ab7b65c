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
use crate::clients::unlisted_host::KnownHosts;
use crate::clients::unlisted_proxy::UnlistedProxy;
use crate::config::Config;
use crate::config::frame_ancestors::FrameAncestors;
use crate::config::front::AccessLog;
use crate::config::hosts::Hosts;
use crate::config::login_limit::LoginLimit;
use crate::config::trusted::TrustedProxies;
use crate::frappe::sites::is_site;
use crate::headers::security::{Headers as SecurityHeaders, Rules};
use crate::logins::Logins;
use crate::net::tls::server::Tls;
use crate::static_files::open::ServedRoots;
use crate::status::handle::{Phase, StatusHandle};
use crate::sys::limits::ConnectionLimits;

/// gunicorn keeps idle connections for longer (roles/web.rs).
const REUSE_WITHIN: Duration = Duration::from_secs(10);

/// The configuration of the front.
#[derive(Clone, Debug)]
pub struct Settings {
    pub bench: PathBuf,
    /// The site that is bootstrapped.
    pub site: Option<String>,
    pub hosts: Hosts,
    pub ingress_hosts: Option<Hosts>,
    pub security_headers: SecurityHeaders,
    pub frame_ancestors: FrameAncestors,
    pub trusted: TrustedProxies,
    /// The peers that must send a PROXY header.
    pub proxy_protocol: TrustedProxies,
    pub socketio: (String, u16),
    /// None for what the runtime folder can take.
    pub body_limit_bytes: Option<u64>,
    /// The size of the runtime folder, if it was given.
    pub runtime_size_bytes: Option<u64>,
    pub read_timeout: Duration,
    /// The port of the site's https, if it is not its own.
    pub https_port: Option<u16>,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub access_log: AccessLog,
    pub login_limit: Option<LoginLimit>,
}

impl Settings {
    pub fn known_hosts(&self) -> KnownHosts<'_> {
        KnownHosts {
            site: self.site.as_deref(),
            hosts: &self.hosts,
            ingress_hosts: self.ingress_hosts.as_ref(),
        }
    }

    pub fn of(config: &Config) -> Self {
        let front = config.front.clone();
        Self {
            bench: config.bench.clone(),
            site: config.site.clone(),
            hosts: front.hosts,
            ingress_hosts: front.ingress_hosts,
            security_headers: front.security_headers.into(),
            frame_ancestors: front.frame_ancestors,
            trusted: front.trusted,
            proxy_protocol: front.proxy_protocol,
            socketio: front.socketio,
            body_limit_bytes: front.body_limit_bytes,
            runtime_size_bytes: front.runtime_size_bytes,
            read_timeout: front.read_timeout,
            https_port: front.https_port,
            tls: front.tls,
            access_log: front.access_log,
            login_limit: front.login_limit,
        }
    }
}

#[derive(Debug)]
pub struct Shared {
    pub settings: Settings,
    pub roots: ServedRoots,
    /// The address of the web port.
    pub address: SocketAddr,
    pub runtime: Runtime,
    pub gunicorn: Arc<Upstream>,
    pub socketio: Arc<Upstream>,
    pub tls: Option<Arc<Tls>>,
    pub connections: Arc<Connections>,
    pub metrics: Arc<Metrics>,
    pub logins: Arc<Logins>,
    pub unlisted_proxy: UnlistedProxy,
    pub in_flight: Arc<InFlight>,
    pub status: StatusHandle,
    /// Memory for HTTP/2 responses in transit.
    pub outflow: Arc<Pool>,
    pub slots: Arc<AllSlots>,
    /// Requests that wait because gunicorn is away.
    pub held: Arc<Tally>,
    /// True once a stop is requested: no new connections, idle ones are closed.
    pub stop: watch::Sender<bool>,
    /// True while gunicorn runs; otherwise the status page answers.
    is_open: AtomicBool,
}

impl Shared {
    pub fn new(
        settings: Settings,
        address: SocketAddr,
        runtime: Runtime,
        assets: PathBuf,
        tls: Option<Tls>,
        status: StatusHandle,
        most: ConnectionLimits,
    ) -> Self {
        let ((host, port), read_timeout) = (settings.socketio.clone(), settings.read_timeout);
        let roots = ServedRoots { bench: settings.bench.clone(), assets };
        Self {
            roots,
            address,
            gunicorn: Arc::new(Upstream::new(Target::Unix(runtime.socket()), REUSE_WITHIN, read_timeout)),
            socketio: Arc::new(Upstream::new(Target::Tcp(host, port), Duration::ZERO, read_timeout)),
            tls: tls.map(Arc::new),
            connections: Connections::new(most.connections),
            metrics: Arc::new(Metrics::new()),
            logins: Arc::new(Logins::new(settings.login_limit)),
            unlisted_proxy: UnlistedProxy::default(),
            in_flight: Arc::default(),
            status,
            outflow: Arc::default(),
            slots: AllSlots::new(most),
            held: Arc::default(),
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
        self.settings.site.as_deref() == Some(site)
            || self
                .status
                .serves_other_site(site)
                .unwrap_or_else(|| !is_site(&self.settings.bench.join("sites").join(site)))
    }

    /// The rules for the headers of responses.
    pub fn header_rules(&self) -> Rules<'_> {
        Rules {
            headers: &self.settings.security_headers,
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
