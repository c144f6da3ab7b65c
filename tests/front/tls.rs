//! TLS on the web port, with a certificate that is renewed while it serves.

use std::fs;
use std::process::Command;

use crate::support::binary::LONG;
use crate::support::ca::Ca;
use crate::support::place::{Place, SITE, ready};
use crate::support::wait::eventually;

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let place = Place::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Ca::new(), Ca::new());
    let files = first.issue(&[SITE.to_owned()], folder.path(), None);
    let pod = ready(
        place
            .web()
            .set("CAULDRON_TLS_CERT", files.certificate.display())
            .set("CAULDRON_TLS_KEY", files.key.display()),
    );
    let ask = |ca: &Ca| {
        let (resolve, url) = (
            format!("{SITE}:{}:127.0.0.1", place.port),
            format!("https://{SITE}:{}/api/method/frappe.sample.headers", place.port),
        );
        let output = Command::new("curl")
            .args(["-sS", "-w", " HTTP/%{http_version}", "--resolve", &resolve, "--cacert"])
            .arg(ca.root())
            .arg(url)
            .output();
        String::from_utf8_lossy(&output.expect("curl").stdout).into_owned()
    };
    let answer = ask(&first);
    assert!(answer.contains("\"scheme\":\"https\"") && answer.ends_with(" HTTP/2"), "{answer}");
    assert!(ask(&second).ends_with(" HTTP/0"), "negative control: another CA's certificate");
    fs::write(&files.certificate, "half a renewal").expect("a broken certificate");
    eventually(LONG, "the broken one is told", || {
        assert!(ask(&first).ends_with(" HTTP/2"), "the old one serves on");
        pod.log().contains("the old one stays").then_some(())
    });
    second.issue(&[SITE.to_owned()], folder.path(), None);
    eventually(LONG, "the new one is used", || ask(&second).ends_with(" HTTP/2").then_some(()));
    drop(pod);
    place
        .web()
        .set("CAULDRON_TLS_CERT", "/nosuch.pem")
        .set("CAULDRON_TLS_KEY", "/nosuch.pem")
        .run()
        .exits(78)
        .says("/nosuch.pem");
    place.web().set("CAULDRON_TLS_CERT", "/nosuch.pem").run().exits(78).says("CAULDRON_TLS_KEY");
}
