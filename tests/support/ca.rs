//! A certificate authority for one test, for servers with TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::User;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::identity;

pub struct Ca {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and key, readable only by that server.
pub struct ServerFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Ca {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ca-").tempdir().expect("a folder for the CA");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a readable folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test CA");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a CA certificate");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("ca.pem");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// The CA file for clients (PGSSLROOTCERT and the like).
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Writes a certificate for these names and addresses into `folder`, for `user`.
    pub fn issue(&self, names: &[String], folder: &Path, user: Option<&User>) -> ServerFiles {
        let params = CertificateParams::new(names).expect("names for a certificate");
        let (certificate, key) = self.signed(&params);
        let files = ServerFiles { certificate: folder.join("server.pem"), key: folder.join("server.key") };
        fs::write(&files.certificate, certificate).expect("server.pem");
        fs::write(&files.key, key).expect("server.key");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("a private key");
        identity::give(&files.certificate, user);
        identity::give(&files.key, user);
        files
    }

    /// A client's certificate and key, PEM; a role of PostgreSQL is the certificate's common name.
    pub fn client(&self, role: &str) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, role);
        self.signed(&params)
    }

    fn signed(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}
