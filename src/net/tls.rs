//! TLS for client connections: the crypto provider, the certificate files, and error texts.

pub mod public;
pub mod server;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{ConnectError, Kind, Step};
use super::wire::Wire;
use verify::{AnyServer, Trusted};

/// The crypto provider of the whole program: ring, which is smaller than aws-lc-rs.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The checks on the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// None: encryption protects against listeners, but not against impostors.
    Nothing,
    /// Signed by a trusted CA, for any name.
    Chain,
    /// Signed by a trusted CA for the requested host.
    ChainAndName,
}

/// The certificate files, and the variables that name them, for messages.
#[derive(Clone, Debug)]
pub struct Files<'a> {
    pub roots: Option<&'a PathBuf>,
    pub client: Option<&'a (PathBuf, PathBuf)>,
    pub roots_variable: &'static str,
    pub client_variables: (&'static str, &'static str),
}

/// Reads the files and builds a connector.
///
/// # Errors
/// A file that cannot be used, named with its variable; a missing CA.
pub fn connector(verify: Verify, files: &Files<'_>) -> Result<MakeRustlsConnect, ConnectError> {
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        Verify::Nothing => Arc::new(AnyServer),
        Verify::Chain | Verify::ChainAndName => {
            let pinned = match files.roots {
                Some(path) => {
                    certificates(path).map_err(|error| unusable(files.roots_variable, Some(path), &error))?
                }
                None => Vec::new(),
            };
            let webpki =
                WebPkiServerVerifier::builder_with_provider(roots(files, &pinned)?.into(), provider())
                    .build()
                    .map_err(|error| unusable(files.roots_variable, files.roots, &error))?;
            Arc::new(Trusted { webpki, pinned, name: verify == Verify::ChainAndName })
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(files.roots_variable, None, &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (certificate_variable, key_variable) = files.client_variables;
            let chain = certificates(certificate)
                .map_err(|error| unusable(certificate_variable, Some(certificate), &error))?;
            let private = private_key(key).map_err(|error| unusable(key_variable, Some(key), &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| unusable(key_variable, Some(key), &error))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Encrypts a connected socket.
///
/// # Errors
/// The error of rustls, in an [`io::Error`] from which [`refusal`] can extract it.
pub async fn handshake(connector: &MakeRustlsConnect, host: &str, socket: TcpStream) -> io::Result<Wire> {
    let Ok(connect) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector.clone(), host);
    Ok(Wire::Tls(Box::new(connect.connect(socket).await?)))
}

/// The TLS error in a chain of sources, if there is one.
pub fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<Error>() {
            return Some(tls);
        }
        // io::Error returns the wrapped error from get_ref, and that error's source from source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            if let Some(tls) = inner.downcast_ref::<Error>() {
                return Some(tls);
            }
            next = inner.source();
        } else {
            next = error.source();
        }
    }
    None
}

/// A TLS error in words for an operator. `certificate_hint` is the hint if the server requires a client certificate.
pub fn explain(error: &Error, host: &str, roots_variable: &str, certificate_hint: &str) -> ConnectError {
    let (cause, hint) = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => (
            format!("the certificate of `{host}` is signed by an unknown CA"),
            format!("set {roots_variable} to the file of the CA that signed it"),
        ),
        Error::InvalidCertificate(
            problem @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
        ) => (
            format!("the certificate is not for `{host}`: {problem}"),
            "connect to a name in the certificate's subjectAltName, or check only the chain (verify-ca)"
                .into(),
        ),
        Error::InvalidCertificate(problem) => (
            format!("the certificate of `{host}` is not accepted: {problem}"),
            "renew or reissue the server's certificate; if it is new, compare the clocks".into(),
        ),
        Error::AlertReceived(alert) => {
            (format!("`{host}` ended the TLS handshake: {alert:?}"), certificate_hint.into())
        }
        other => {
            (format!("no TLS with `{host}`: {other}"), "check that this port accepts TLS 1.2 or 1.3".into())
        }
    };
    ConnectError::new(Step::Tls, Kind::Certificate, cause, hint)
}

/// The CA file's certificates, or the system's if no file is given.
fn roots(files: &Files<'_>, own: &[CertificateDer<'static>]) -> Result<RootCertStore, ConnectError> {
    let mut store = RootCertStore::empty();
    for certificate in own {
        store
            .add(certificate.clone())
            .map_err(|error| unusable(files.roots_variable, files.roots, &error))?;
    }
    if !store.is_empty() {
        return Ok(store);
    }
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        return Err(ConnectError::new(
            Step::Tls,
            Kind::CertificateFile,
            "this system has no CA certificates to verify the server's certificate",
            format!("set {} to the server's CA file, or install ca-certificates", files.roots_variable),
        ));
    }
    Ok(store)
}

/// The certificates of a PEM file.
///
/// # Errors
/// The cause, in words.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = std::fs::read(path).map_err(|error| super::dial::reason(&error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| "it is not valid PEM".to_string())?;
    if found.is_empty() { Err("it contains no PEM certificate".into()) } else { Ok(found) }
}

/// The private key of a file: PKCS#8, PKCS#1 or SEC1, as PEM or DER, as in libpq.
///
/// # Errors
/// The cause, in words.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = std::fs::read(path).map_err(|error| super::dial::reason(&error))?;
    if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err("the key is encrypted, which is not supported".into());
    }
    PrivateKeyDer::from_pem_slice(&bytes)
        .or_else(|_| PrivateKeyDer::try_from(bytes).map_err(|_| "it contains no private key".to_string()))
}

fn unusable(variable: &str, path: Option<&PathBuf>, error: &dyn std::fmt::Display) -> ConnectError {
    let path = path.map(|path| format!(" {}", path.display())).unwrap_or_default();
    ConnectError::new(
        Step::Tls,
        Kind::CertificateFile,
        format!("{variable}{path}: {error}"),
        format!("mount a readable PEM file there, or unset {variable}"),
    )
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    #[test]
    fn common_host_names_are_valid_server_names() {
        for name in ["my_db", "db.svc.cluster.local.", "10.0.0.1", "::1", "xn--bcher-kva.example"] {
            assert!(ServerName::try_from(name).is_ok(), "{name}");
        }
    }
}
