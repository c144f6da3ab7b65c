//! Frappe's node server under supervision, with a real socket.io client.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::all::AllStage;
use crate::processes::{child, kill, status};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::binary::Binary;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::{eventually, within};
use crate::support::{http, port};

const SOON: Duration = Duration::from_secs(15);

fn socketio(stage: &RolesStage, port: u16) -> Binary {
    stage.command("socketio").set("SOCKETIO_PORT", port)
}

#[test]
fn ready_on_a_handshake_and_a_subscription() {
    let stage = RolesStage::new();
    let port = port::free();
    let pod = ready(socketio(&stage, port));
    let answer = http::get(port, "localhost", "/socket.io/?EIO=4&transport=polling").expect("an answer");
    assert!(answer.body.starts_with("0{\"sid\""), "{}", answer.body);
    let pid = child(&pod);
    // A killed node counts as one crash.
    kill(pid, Signal::SIGKILL);
    eventually(LONG, "started again", || {
        (status(&pod)["children"][0]["restart_reasons"]["crash"] == 1).then_some(())
    });
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

/// A subscription of another pod does not count.
#[test]
fn only_its_own_subscription_counts() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let alone = || stage.all().with_command("socketio");
    let script = stage.bench.path().join("apps/frappe/socketio.js");
    let whole = fs::read_to_string(&script).expect("socketio.js");
    // It answers and is connected, but subscribes to nothing.
    let deaf =
        whole.replace("await subscriber.subscribe(\"events\",", "((channel, handle) => handle)(\"events\",");
    assert_ne!(deaf, whole);
    fs::write(&script, deaf).expect("a deaf script");
    let mut connection = stage.redis.connection(1);
    let mut other = connection.as_pubsub();
    other.subscribe("events").expect("another replica's subscription");
    let pod = alone().start();
    let problem = "node does not listen for events in the queue Redis";
    eventually(LONG, "it is reported", || pod.body("/readyz").contains(problem).then_some(()));
    let handshake = || http::status(stage.socketio, "localhost", "/socket.io/?EIO=4&transport=polling");
    eventually(LONG, "it answers", || (handshake() == 200).then_some(()));
    assert!(pod.body("/readyz").contains(problem), "{}", pod.body("/readyz"));
    fs::write(&script, &whole).expect("socketio.js");
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    let pod = ready(alone());
    assert!(!pod.body("/readyz?verbose").contains("somebody listens"));
    drop(pod);
    // With a login that may not list connections, the check reports what is known.
    stage.redis.ask::<String>(0, &["ACL", "SETUSER", "default", "-client|list"]);
    let pod = ready(alone());
    assert!(pod.body("/readyz?verbose").contains("somebody listens for events"));
}

#[test]
fn an_answer_that_is_no_handshake_is_red() {
    let stage = RolesStage::new();
    let port = port::free();
    // Another program has the port: node cannot listen, and the answer is not node's.
    let _other = Running::spawn(Command::new("python3").args([
        "-m",
        "http.server",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
    ]));
    eventually(LONG, "another server", || (http::status(port, "localhost", "/") == 200).then_some(()));
    let mut pod = socketio(&stage, port).set("CAULDRON_ON_FAILURE", "hold").start();
    pod.answers("/startupz", 503);
    assert_eq!(pod.probe("/readyz"), 503);
    assert!(pod.log().contains("repeatedly"), "{}", pod.log());
}

/// A browser that stays connected or reconnects is served again after Redis was down; no crash loop results.
#[test]
fn a_client_stays_usable_over_restarts_of_redis() {
    let mut stage = RolesStage::new();
    let port = port::free();
    let mut pod = ready(socketio(&stage, port));
    let (answers, authenticator) = authenticator();
    let client = Client::connect(&stage, port, authenticator);
    client.says("connected");
    stage.execute("ledger.tasks.tell", "{'name': 'told', 'message': 'first'}");
    client.says("told first");
    for round in 0..2 {
        stage.redis.stop();
        pod.answers("/readyz", 503);
        stage.redis.start_again();
        pod.answers("/readyz", 200);
        eventually(LONG, "the client is back", || {
            (client.log().matches("connected").count() >= 2 + round).then_some(())
        });
        stage.execute("ledger.tasks.tell", &format!("{{'name': 'told', 'message': 'again-{round}'}}"));
        client.says(&format!("told again-{round}"));
    }
    drop(answers);
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

/// Answers every request as Frappe answers a logged-in user's browser.
fn authenticator() -> (std::thread::JoinHandle<()>, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let body =
        r#"{"message":{"user":"Administrator","user_type":"System User","installed_apps":["frappe"]}}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let thread = std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (mut connection, mut buffer) = (connection, [0; 4096]);
            let _ = std::io::Read::read(&mut connection, &mut buffer);
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    (thread, port)
}

/// A real socket.io client in node, straight at the server and on the site's namespace.
struct Client(Running);

impl Client {
    fn connect(stage: &RolesStage, port: u16, authenticator: u16) -> Self {
        let script = stage.bench().path().join(format!("client-{port}.js"));
        let modules = stage.bench().path().join("apps/frappe/node_modules/socket.io-client");
        let text = format!(
            "const {{ io }} = require({modules:?});\n\
             const socket = io('http://127.0.0.1:{port}/{SITE}', {{\n\
               reconnectionDelay: 50, reconnectionDelayMax: 200, extraHeaders: {{\n\
                 origin: 'http://127.0.0.1:{authenticator}', cookie: 'sid=x', 'x-frappe-site-name': '{SITE}',\n\
               }},\n\
             }});\n\
             socket.on('connect', () => console.log('connected'));\n\
             socket.on('told', (message) => console.log('told', message));\n"
        );
        fs::write(&script, text).expect("a client");
        Self(Running::spawn(Command::new("node").arg(script)))
    }

    fn log(&self) -> String {
        self.0.log()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        let seen = within(LONG, || self.log().contains(text).then_some(()));
        assert!(seen.is_some(), "no `{text}` in: {}", self.log());
    }
}
