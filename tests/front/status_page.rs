//! The status page before the site is ready: progress, and no internal details.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use nix::sys::signal::Signal;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::http::{self, Response};
use crate::support::wait::eventually;

#[test]
fn the_status_page_shows_progress_until_the_site_is_ready() {
    let mut stage = stage::new();
    stage.postgres.stop();
    let mut pod = stage.web().start();
    pod.answers("/livez", 200);
    let ask = |port: u16, accept: &str| -> Option<Response> {
        http::get_with(port, SITE, "/app/home", &[&format!("Accept: {accept}")])
    };
    let page = eventually(LONG, "the first step runs", || {
        let page = ask(stage.port, "text/html,*/*")?;
        page.body.contains("\"state\":\"running\"").then_some(page)
    });
    assert_eq!(
        (page.status, page.header("retry-after"), page.header("cache-control")),
        (503, "5", "no-store")
    );
    assert!(
        page.body.contains("Waiting for the database")
            && page.header("content-type").starts_with("text/html")
    );
    let (host, db_port) = (stage.postgres.host().to_string(), stage.postgres.port().to_string());
    for internal in [host.as_str(), db_port.as_str(), "refused", "web_local", "postgres", SITE] {
        assert!(!page.body.contains(internal), "{internal}: {}", page.body);
    }
    let response = ask(stage.port, "application/json").expect("an answer");
    let state: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
    assert_eq!((response.status, &state["steps"][0]["state"]), (503, &"running".into()));
    assert_eq!(stage.get("/assets/assets.json"), 200, "the image's own files need no site");
    stage.postgres.start_again();
    eventually(LONG, "the site is being created", || {
        let body = ask(stage.port, "application/json")?.body;
        body.contains("creating it").then_some(())
    });
    pod.answers("/readyz", 200);
    assert_eq!(stage.get("/app"), 200);
    pod.signal(Signal::SIGTERM);
    pod.end().exits(0);
}

#[test]
fn a_failed_start_is_shown_without_its_reason() {
    let stage = stage::new();
    let pod = stage.web().set("DB_PASSWORD", "not-the-password").set("CAULDRON_ON_FAILURE", "hold").start();
    let page = eventually(LONG, "it is held", || {
        let page = http::get_with(stage.port, SITE, "/", &["Accept: text/html"])?;
        page.body.contains("could not be started").then_some(page)
    });
    assert_eq!(page.status, 503);
    assert!(page.body.contains("Something went wrong") && !page.body.contains("password"), "{}", page.body);
    drop(pod);
}

#[test]
fn a_large_body_that_is_not_wanted_does_not_hide_the_answer() {
    let mut stage = stage::new();
    stage.postgres.stop();
    let mut pod = stage.web().start();
    pod.answers("/livez", 200);
    for (path, status) in
        [("/api/method/upload_file", 503), ("/assets/assets.json", 405), ("/files/../a", 404)]
    {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
        let body = vec![b'a'; 32 << 20];
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a head");
        // A connection that is reset fails here.
        stream.write_all(&body).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
}
