//! sslmode with libpq's meaning, against a PostgreSQL with its own CA.

use std::fs;

use rcgen::{CertificateParams, KeyPair};

use crate::support::ca::Ca;
use crate::support::identity;
use crate::support::postgres::{Options, PASSWORD, Postgres, SUPERUSER};
use crate::waiting::WaitDeps;

fn with(server: &Postgres, mode: &str) -> WaitDeps {
    WaitDeps::new().postgres(server, SUPERUSER, PASSWORD).set("DB_SSLMODE", mode)
}

/// A server that accepts only encrypted logins.
fn encrypting(ca: &Ca, names: &[&str]) -> Postgres {
    Postgres::start_with(|home| {
        Options::default().tls_for(ca, home, names).hba("hostnossl all all 127.0.0.1/32 reject")
    })
}

#[test]
fn every_mode_works_with_the_right_ca() {
    let ca = Ca::new();
    let server = encrypting(&ca, &["localhost", "127.0.0.1"]);
    for mode in ["prefer", "require"] {
        with(&server, mode).run().expect(0);
    }
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        with(&server, mode).set("DB_SSLROOTCERT", ca.root()).run().expect(0);
    }
    with(&server, "disable").timeout("2s").run().expect(77).reports(
        "postgres",
        "never",
        "login",
        "pg_hba.conf",
    );
}

#[test]
fn an_unknown_ca_ends_with_78() {
    let ca = Ca::new();
    let server = encrypting(&ca, &["localhost", "127.0.0.1"]);
    let other = Ca::new();
    // `require` with a CA file verifies the certificate, as in libpq.
    for mode in ["require", "verify-ca", "verify-full"] {
        let ended = with(&server, mode).set("DB_SSLROOTCERT", other.root()).run().expect(78);
        ended.reports("postgres", "never", "tls", "DB_SSLROOTCERT");
    }
}

#[test]
fn another_hosts_certificate_fails_only_verify_full() {
    let ca = Ca::new();
    let server = encrypting(&ca, &["elsewhere.test"]);
    let to = |mode: &str| with(&server, mode).set("DB_SSLROOTCERT", ca.root()).run();
    to("verify-full").expect(78).reports("postgres", "never", "tls", "subjectAltName");
    to("verify-ca").expect(0);
    to("require").expect(0);
}

#[test]
fn a_server_without_tls_fails_every_mode_that_requires_it() {
    let server = Postgres::start();
    let ca = Ca::new();
    with(&server, "require").run().expect(78).reports("postgres", "never", "tls", "DB_SSLMODE=prefer");
    with(&server, "verify-full").set("DB_SSLROOTCERT", ca.root()).run().expect(78).reports(
        "postgres",
        "never",
        "tls",
        "DB_SSLMODE=prefer",
    );
    with(&server, "prefer").run().expect(0);
    with(&server, "disable").run().expect(0);
}

#[test]
fn prefer_falls_back_to_plain_text_if_only_that_is_accepted() {
    let ca = Ca::new();
    let server = Postgres::start_with(|home| {
        Options::default().tls(&ca, home).hba("hostssl all all 127.0.0.1/32 reject")
    });
    with(&server, "prefer").run().expect(0);
    with(&server, "require").timeout("2s").run().expect(77);
}

#[test]
fn a_certificate_in_the_ca_file_itself_is_trusted() {
    let params = CertificateParams::new(["127.0.0.1".to_string()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let own = params.self_signed(&key).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("self.pem");
    fs::write(&file, own.pem()).expect("self.pem");
    let ca = Ca::new();
    let server = Postgres::start_with(|home| {
        let options = Options::default().tls(&ca, home);
        options.hba("hostnossl all all 127.0.0.1/32 reject")
    });
    // Replaces the issued certificate before the server reloads it.
    let conf = fs::read_to_string(server.data_folder().join("postgresql.conf")).expect("postgresql.conf");
    let path = |setting: &str| {
        let line = conf.lines().find(|line| line.starts_with(setting)).expect("a setting");
        line.split('\'').nth(1).expect("a path").to_string()
    };
    fs::write(path("ssl_cert_file"), own.pem()).expect("server.pem");
    fs::write(path("ssl_key_file"), key.serialize_pem()).expect("server.key");
    let mut server = server;
    server.restart();
    with(&server, "verify-full").set("DB_SSLROOTCERT", &file).run().expect(0);
    with(&server, "verify-full").set("DB_SSLROOTCERT", ca.root()).run().expect(78);
}

#[test]
fn a_client_certificate_is_presented() {
    let ca = Ca::new();
    let folder = tempfile::tempdir().expect("a folder");
    let client = ca.issue(&[SUPERUSER.to_string()], folder.path(), None);
    let server = Postgres::start_with(|home| {
        Options::default()
            .tls(&ca, home)
            .setting(&format!("ssl_ca_file = '{}'", ca.root().display()))
            .hba("hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca")
    });
    with(&server, "require").run().expect(78).reports("postgres", "never", "login", "DB_SSLCERT");
    with(&server, "require")
        .set("DB_SSLCERT", &client.certificate)
        .set("DB_SSLKEY", &client.key)
        .run()
        .expect(0);
}

#[test]
fn an_unusable_certificate_file_is_reported_before_any_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let junk = folder.path().join("junk.pem");
    fs::write(&junk, "no certificate").expect("junk.pem");
    identity::give(&junk, None);
    let nowhere =
        || WaitDeps::new().set("DB_HOST", "127.0.0.1").set("DB_PORT", "1").set("DB_SSLMODE", "verify-full");
    for file in [junk.as_path(), folder.path().join("absent.pem").as_path()] {
        let ended = nowhere().set("DB_SSLROOTCERT", file).run().expect(78);
        let error = ended.dependency("postgres")["error"].to_string();
        assert!(error.contains("DB_SSLROOTCERT") && error.contains(".pem"), "{error}");
    }
}
