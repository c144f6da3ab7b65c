//! TLS on the web port, with a certificate that is renewed while it serves.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bounds::is_ended;
use crate::budgets::metric;
use crate::stage::{self, SITE};
use crate::support::binary::{LONG, event};
use crate::support::ca::Ca;
use crate::support::http;
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;

/// Longer than the web port waits for a request, on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(150);

const EXPIRY: &str = "cauldron_frappe_tls_certificate_expiry_timestamp_seconds";

/// The certificate's expiry in Unix time, as openssl reads it.
fn expiry_s(certificate: &Path) -> i64 {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in"])
        .arg(certificate)
        .output()
        .expect("openssl");
    let text = String::from_utf8(output.stdout).expect("text");
    let date = text.trim().strip_prefix("notAfter=").expect("a date");
    let output = Command::new("date").args(["-u", "+%s", "-d", date]).output().expect("date");
    String::from_utf8(output.stdout).expect("text").trim().parse().expect("seconds")
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let stage = stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Ca::new(), Ca::new());
    let files = first.issue(&[SITE.to_owned()], folder.path(), None);
    let pod = ready(
        stage
            .web()
            .set("CAULDRON_TLS_CERT", files.certificate.display())
            .set("CAULDRON_TLS_KEY", files.key.display()),
    );
    let ask = |ca: &Ca| {
        let (resolve, url) = (
            format!("{SITE}:{}:127.0.0.1", stage.port),
            format!("https://{SITE}:{}/api/method/frappe.sample.headers", stage.port),
        );
        let output = Command::new("curl")
            .args(["-sSi", "-w", " HTTP/%{http_version}", "--resolve", &resolve, "--cacert"])
            .arg(ca.root())
            .arg(url)
            .output();
        String::from_utf8_lossy(&output.expect("curl").stdout).into_owned()
    };
    let answer = ask(&first);
    assert!(answer.contains("\"scheme\":\"https\"") && answer.ends_with(" HTTP/2"), "{answer}");
    assert!(
        answer.contains("x-frame-options:") && !answer.contains("strict-transport-security:"),
        "a private CA"
    );
    assert!(ask(&second).ends_with(" HTTP/0"), "negative control: another CA's certificate");
    let expiry = pod.body("/metrics");
    let expiry = expiry.lines().find(|line| line.starts_with(EXPIRY)).expect("the certificate's expiry");
    assert_eq!(expiry, format!("{EXPIRY} {}", expiry_s(&files.certificate)));
    fs::write(&files.certificate, "half a renewal").expect("a broken certificate");
    eventually(LONG, "the broken certificate is logged", || {
        assert!(ask(&first).ends_with(" HTTP/2"), "the old one serves on");
        pod.log().contains(&event("web.certificate_rejected")).then_some(())
    });
    second.issue(&[SITE.to_owned()], folder.path(), None);
    eventually(LONG, "the new one is used", || ask(&second).ends_with(" HTTP/2").then_some(()));
    drop(pod);
    stage
        .web()
        .set("CAULDRON_TLS_CERT", "/nosuch.pem")
        .set("CAULDRON_TLS_KEY", "/nosuch.pem")
        .run()
        .exits(78)
        .says("/nosuch.pem");
    stage.web().set("CAULDRON_TLS_CERT", "/nosuch.pem").run().exits(78).says("CAULDRON_TLS_KEY");
}

#[test]
fn clients_that_stall_during_or_after_the_handshake_are_disconnected() {
    let stage = stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let files = Ca::new().issue(&[SITE.to_owned()], folder.path(), None);
    let pod = ready(
        stage
            .web()
            .set("CAULDRON_TLS_CERT", files.certificate.display())
            .set("CAULDRON_TLS_KEY", files.key.display()),
    );
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", pod.pid())).expect("descriptors").count();
    // The process may open a few of its own later.
    let before = descriptors();
    // The beginning of a ClientHello; and whole handshakes, for each protocol.
    let mut begun: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", stage.port)).expect("a connection");
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).expect("a beginning");
            stream
        })
        .collect();
    let address = format!("127.0.0.1:{}", stage.port);
    let mut silent: Vec<Child> = ["h2", "http/1.1"]
        .iter()
        .filter_map(|protocol| {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address, "-alpn", protocol, "-quiet"]);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().map_err(|error| skipped("silence after a handshake", error)).ok()
        })
        .collect();
    // Each client observes its own end: on a busy machine the first may end before the last begins.
    for stream in &mut begun {
        eventually(MAX_WAIT, "a partial handshake is disconnected", || is_ended(stream).then_some(()));
    }
    for client in &mut silent {
        eventually(MAX_WAIT, "a silent client is disconnected", || client.try_wait().expect("a state"));
    }
    eventually(LONG, "their connections are released", || (descriptors() < before + 10).then_some(()));
}

#[test]
fn failed_handshakes_are_counted_and_slow_ones_give_way_at_the_limit() {
    let stage = stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let files = Ca::new().issue(&[SITE.to_owned()], folder.path(), None);
    let binary = stage.web().set("CAULDRON_TLS_CERT", files.certificate.display());
    let binary = binary.set("CAULDRON_TLS_KEY", files.key.display());
    // So few open files that the web port has 48 connections.
    let pod = ready(binary.under(&["prlimit", "--nofile=256:256"]));
    // A client that speaks plain HTTP, and one that distrusts the certificate; and checks of a load balancer.
    let plain = http::exchange(stage.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a connection");
    assert!(!plain.starts_with(b"HTTP/"), "{plain:?}");
    for _ in 0..3 {
        drop(TcpStream::connect(("127.0.0.1", stage.port)).expect("a connection"));
    }
    let url = format!("https://{SITE}:{}/", stage.port);
    let resolve = format!("{SITE}:{}:127.0.0.1", stage.port);
    let curl = |insecure: &str| {
        let mut command = Command::new("curl");
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", &resolve, insecure, &url]);
        String::from_utf8(command.output().expect("curl").stdout).expect("text")
    };
    assert_eq!(curl("--no-progress-meter"), "000");
    let failed = "http_unparsed_requests_total{protocol=\"tls\",reason=\"handshake\"}";
    eventually(LONG, "both are counted", || (metric(&pod, failed) == 2).then_some(()));
    pod.event("request.invalid");
    let begun: Vec<TcpStream> = (0..metric(&pod, "http_connections_limit") + 10)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", stage.port)).expect("a connection");
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).expect("a beginning");
            stream
        })
        .collect();
    eventually(LONG, "they give way", || {
        (metric(&pod, "http_clients_let_go_total{reason=\"idle_at_limit\"}") > 0).then_some(())
    });
    assert_ne!(curl("--insecure"), "000");
    drop(begun);
}
