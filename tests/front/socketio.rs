//! Live events through the web port: websockets and long polls.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::LONG;
use crate::support::http;
use crate::support::port;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::eventually;

/// Connects as a page in a browser does, with an unresolvable host name, and prints what it receives.
const CLIENT: &str = r#"
const { io } = require("socket.io-client");
const [port, site, cookie, origin] = process.argv.slice(1);
const socket = io(`http://127.0.0.1:${port}/${site}`, {
  transports: ["websocket"], reconnection: false,
  extraHeaders: { Cookie: cookie, Origin: origin, Host: "desk.example.com" },
});
socket.on("connect", () => { console.log("connected"); socket.emit("ping"); });
socket.on("pong", () => { console.log("pong"); });
socket.on("connect_error", (error) => { console.log("refused", error.message); process.exit(1); });
socket.on("disconnect", () => { console.log("disconnected"); process.exit(0); });
"#;

/// The same with long polls, message by message (Engine.IO 4), and as browsers do: a GET to the page's own host has
/// no Origin.
fn poll(port: u16, cookie: &str) {
    let ask = |sid: &str, body: Option<&str>| {
        let (method, origin) = match body {
            Some(_) => ("POST", "Origin: http://desk.example.com\r\n"),
            None => ("GET", ""),
        };
        let body = body.unwrap_or_default();
        let head = format!(
            "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: desk.example.com\r\nConnection: close\r\nCookie: {cookie}\r\n{origin}"
        );
        let request =
            format!("{head}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        http::request(port, &request).expect("an answer").body
    };
    let handshake = ask("", None);
    let sid = handshake.split('"').nth(3).unwrap_or_else(|| panic!("{handshake}"));
    let sid = format!("&sid={sid}");
    assert_eq!(ask(&sid, Some(&format!("40/{SITE},"))), "ok");
    let connected = ask(&sid, None);
    assert!(connected.starts_with(&format!("40/{SITE},{{\"sid\"")), "{connected}");
    assert_eq!(ask(&sid, Some(&format!("42/{SITE},[\"ping\"]"))), "ok");
    assert_eq!(ask(&sid, None), format!("42/{SITE},[\"pong\"]"));
}

#[test]
fn a_page_receives_live_events_over_both_transports() {
    let stage = stage::new();
    let events = port::free();
    let pod = ready(stage.web().set("SOCKETIO_PORT", events));
    let _service = Running::spawn(&mut stage.bench.socketio());
    let handshake = "/socket.io/?EIO=4&transport=polling";
    eventually(LONG, "the service answers", || (stage.get(handshake) == 200).then_some(()));
    let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    let login = http::post(stage.port, SITE, "/api/method/login", &form).expect("an answer");
    let cookie = login.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let client = |origin: &str| {
        let mut command = Command::new("node");
        command.current_dir(stage.bench.path().join("apps/frappe"));
        command.args(["-e", CLIENT, &stage.port.to_string(), SITE, &cookie, origin]);
        Running::spawn(&mut command)
    };
    let page = client("http://desk.example.com");
    eventually(LONG, "a pong", || {
        assert!(!page.log().contains("refused"), "{}", page.log());
        page.log().contains("pong").then_some(())
    });
    poll(stage.port, &cookie);
    let foreign = client("http://evil.example.com");
    eventually(LONG, "a page of another host is refused", || foreign.log().contains("refused").then_some(()));
    // A connected listener does not delay a stop.
    pod.signal(Signal::SIGTERM);
    pod.end_within(std::time::Duration::from_secs(8)).exits(0);
    eventually(LONG, "the end is noticed", || page.log().contains("disconnected").then_some(()));
}
