//! TLS of a port of ours, if a certificate is mounted. A renewed certificate is used without a restart.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::net::tls::public::is_public;
use crate::net::tls::{certificates, private_key, provider};
use crate::outcome::{Fault, Result};

/// Interval at which the files are checked, when a client connects.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

/// A certificate that was read, its expiry in Unix time, in seconds, and whether browsers accept it.
#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    expiry_s: u64,
    is_public: bool,
}

#[derive(Debug)]
struct Current {
    loaded: Loaded,
    /// Modification times of the files behind links: a mounted secret is changed by replacing a link.
    modified: [Option<SystemTime>; 2],
    checked_at: Instant,
}

impl Tls {
    /// # Errors
    /// 78 if the files cannot be used.
    pub fn new((certificate, key): (PathBuf, PathBuf)) -> Result<Self> {
        let modified = [&certificate, &key].map(modified);
        let loaded = load(&certificate, &key).map_err(|cause| {
            Fault::configuration(cause, "mount a readable PEM chain and its key there, or unset both")
        })?;
        let current = Mutex::new(Current { loaded, modified, checked_at: Instant::now() });
        Ok(Self { certificate, key, current })
    }

    /// # Errors
    /// A failed handshake, or its timeout.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let acceptor = TlsAcceptor::from(self.current().config);
        tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await.map_err(io::Error::from)?
    }

    /// True if a CA of this system signed the certificate.
    pub fn is_public(&self) -> bool {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).loaded.is_public
    }

    /// The expiry of the certificate in Unix time, in seconds.
    pub fn expiry_s(&self) -> u64 {
        self.current().expiry_s
    }

    fn current(&self) -> Loaded {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.checked_at.elapsed() < POLL_INTERVAL {
            return current.loaded.clone();
        }
        current.checked_at = Instant::now();
        let modified_now = [&self.certificate, &self.key].map(modified);
        if modified_now != current.modified {
            current.modified = modified_now;
            match load(&self.certificate, &self.key) {
                Ok(loaded) => {
                    current.loaded = loaded;
                    tracing::info!(
                        event = "web.certificate_renewed",
                        certificate = %self.certificate.display(),
                        "using the renewed certificate"
                    );
                }
                // Possibly half of a renewal: the other file may follow.
                Err(cause) => {
                    tracing::warn!(
                        event = "web.certificate_rejected",
                        cause,
                        "the changed certificate cannot be used; keeping the old one"
                    )
                }
            }
        }
        current.loaded.clone()
    }
}

fn modified(path: &PathBuf) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn load(certificate: &PathBuf, key: &PathBuf) -> std::result::Result<Loaded, String> {
    let with_path = |path: &PathBuf| {
        let path = path.display().to_string();
        move |cause: String| format!("{path}: {cause}")
    };
    let chain = certificates(certificate).map_err(with_path(certificate))?;
    let expiry_s = chain.first().map_or(Ok(0), expiry_s).map_err(with_path(certificate))?;
    let is_public = is_public(&chain);
    let private = private_key(key).map_err(with_path(key))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| with_path(key)(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), expiry_s, is_public })
}

fn expiry_s(certificate: &CertificateDer<'_>) -> std::result::Result<u64, String> {
    let certificate = Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    Ok(certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs())
}
