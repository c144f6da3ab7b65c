//! Whether browsers accept a certificate without further settings.

use std::path::Path;

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls_native_certs::load_certs_from_paths;

/// The CAs of Debian, Red Hat and Alpine. Not SSL_CERT_FILE, which names a private CA where it is set.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// True if a CA of this system signed the chain. False for a self-signed certificate and for one of a private CA:
/// not all browsers know it.
pub fn is_public(chain: &[CertificateDer<'_>]) -> bool {
    let bundle = BUNDLES.map(Path::new).into_iter().find(|path| path.exists());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(load_certs_from_paths(bundle, None).certs);
    is_signed_by(chain, &roots)
}

fn is_signed_by(chain: &[CertificateDer<'_>], roots: &RootCertStore) -> bool {
    let Some((leaf, intermediates)) = chain.split_first() else { return false };
    let algorithms = super::provider().signature_verification_algorithms.all;
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| {
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, algorithms).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    #[test]
    fn only_a_chain_to_a_known_root_is_public() {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority.self_signed(&key).unwrap();
        let names = CertificateParams::new(["erp.example.com".to_string()]).unwrap();
        let signed = names.signed_by(&leaf_key, &Issuer::new(authority, &key)).unwrap();
        let self_signed = names.self_signed(&leaf_key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        assert!(is_signed_by(&[signed.der().clone()], &roots));
        assert!(!is_signed_by(&[self_signed.der().clone()], &roots));
        assert!(!is_signed_by(&[signed.der().clone()], &RootCertStore::empty()));
        assert!(!is_signed_by(&[], &roots) && !is_public(&[signed.der().clone(), root.der().clone()]));
    }
}
