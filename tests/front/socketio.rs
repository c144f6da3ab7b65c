//! Live events through the web port: websockets and long polls.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::budgets::metric;
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

/// Opens a WebSocket of Engine.IO, and reads the service's first bytes.
fn websocket(port: u16) -> (TcpStream, String) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {SITE}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer");
    (stream, String::from_utf8_lossy(&begin).into_owned())
}

#[test]
fn websockets_are_connections_and_leave_room_for_others() {
    let stage = stage::new();
    let events = port::free();
    // So few open files that the web port has 48 connections, half of them for WebSockets.
    let pod = ready(stage.web().set("SOCKETIO_PORT", events).under(&["prlimit", "--nofile=256:256"]));
    let mut service = Running::spawn(&mut stage.bench.socketio());
    let handshake = "/socket.io/?EIO=4&transport=polling";
    eventually(LONG, "the service answers", || (stage.get(handshake) == 200).then_some(()));
    let limit = metric(&pod, "http_connections_limit");
    assert_eq!(limit, 48);
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..limit {
        match websocket(stage.port) {
            (stream, begin) if begin == "HTTP/1.1 101" => open.push(stream),
            (_, begin) => {
                assert_eq!(begin, "HTTP/1.1 503");
                refused += 1;
            }
        }
    }
    assert_eq!((open.len() as u64, refused), (limit / 2, limit / 2));
    let connections = || metric(&pod, "http_connections");
    eventually(LONG, "each is counted", || (connections() == limit / 2).then_some(()));
    assert_eq!(metric(&pod, "http_slots_used{kind=\"live_events\"}"), limit / 2);
    assert_eq!(metric(&pod, "http_requests_refused_total{reason=\"websockets_full\"}"), limit / 2);
    assert_eq!(stage.get("/assets/assets.json"), 200);
    // The clients ignore the end of the service.
    service.kill_group();
    eventually(LONG, "their connections end with the service", || (connections() == 0).then_some(()));
    assert_eq!(metric(&pod, "http_slots_used{kind=\"live_events\"}"), 0);
    drop(open);
}
