//! web and socketio in two containers: a page's Origin cannot be reached from Frappe's node server.
//!
//! CAULDRON_TEST_BENCH selects a real bench. 127.0.0.2 stands for the other container: an address that the front does
//! not treat as its own.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::all::AllStage;
use crate::socketio::Client;
use crate::stage::SITE;
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::{Binary, Pod};
use crate::support::ca::Ca;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::within;
use crate::support::{http, port};

/// The time limit for creating a real site on a busy machine.
const CREATION: Duration = Duration::from_secs(300);

struct Apart {
    stage: AllStage,
    _worker: Pod,
    cookie: String,
}

impl Apart {
    /// Creates a site, starts its worker, and logs in.
    fn new() -> Self {
        let stage = AllStage::on(Bench::under_test().unwrap_or_else(Bench::sample));
        stage.all().with_command("bootstrap").spawn().end_within(CREATION).exits(0);
        let worker = ready(stage.all().with_command("worker"));
        let web = ready(stage.all().with_command("web"));
        let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
        let login = http::post(stage.port, SITE, "/api/method/login", &form).expect("an answer");
        let cookie = login.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        drop(web);
        Self { stage, _worker: worker, cookie }
    }

    fn web(&self) -> Binary {
        self.stage.all().with_command("web").set("SOCKETIO", format!("127.0.0.2:{}", self.stage.socketio))
    }

    fn socketio(&self, scheme: &str) -> Binary {
        let url = format!("{scheme}://127.0.0.2:{}", self.stage.port);
        self.stage.all().with_command("socketio").set("CAULDRON_WEB_URL", url)
    }

    fn page(&self, scheme: &str, origin: &str) -> Client {
        let web = format!("{scheme}://127.0.0.1:{}", self.stage.port);
        Client::page_at(&self.stage.bench, &web, origin, &self.cookie)
    }

    /// Asserts that the page receives an event that a job publishes for the logged-in user.
    #[track_caller]
    fn receives_events(&self, page: &Client) {
        page.says("connected");
        let kwargs = "{'method': 'frappe.realtime.publish_progress', 'percent': 42}";
        let enqueue = ["--site", SITE, "execute", "frappe.utils.background_jobs.enqueue", "--kwargs", kwargs];
        self.stage.bench.run(&enqueue);
        page.says("progress 42");
    }
}

/// Binds every address, as in a container; 127.0.0.2 then reaches the same port.
fn everywhere(binary: Binary, apart: &Apart) -> Binary {
    binary.set("CAULDRON_WEB_ADDR", format!("0.0.0.0:{}", apart.stage.port))
}

#[test]
fn a_logged_in_page_gets_events_with_web_and_socketio_in_two_containers() {
    let apart = Apart::new();
    let published = format!("http://localhost:{}", port::free());
    for hosts in ["", "desk.test localhost"] {
        let _web = ready(everywhere(apart.web(), &apart).set("CAULDRON_HOSTS", hosts));
        let socketio = ready(apart.socketio("http"));
        for origin in ["http://desk.test", "https://desk.test:8443", &published] {
            apart.receives_events(&apart.page("http", origin));
        }
        drop(socketio);
        // Negative control: the page's own address does not reach the web port.
        let socketio = ready(apart.socketio("http").unset("CAULDRON_WEB_URL"));
        let page = apart.page("http", &published);
        page.says("refused Unauthorized: Error: connect ECONNREFUSED");
        socketio.event("socketio.web_url_missing");
        assert!(socketio.body("/readyz?verbose").contains("CAULDRON_WEB_URL is not set"));
    }
    let _web = ready(everywhere(apart.web(), &apart));
    let unreachable =
        apart.socketio("http").set("CAULDRON_WEB_URL", format!("http://127.0.0.2:{}", port::free()));
    let socketio = ready(unreachable);
    apart.page("http", &published).says("refused Unauthorized");
    socketio.says("cannot get the user of a page from http://127.0.0.2:");
    // The web role may be starting: it is reported, and the role stays ready.
    cannot_authenticate(&socketio, "connection refused");
    assert_eq!(socketio.probe("/readyz"), 200);
}

/// Asserts that the role's check says that pages cannot be authenticated, and why.
#[track_caller]
fn cannot_authenticate(pod: &Pod, reason: &str) {
    let checks = || pod.body("/readyz?verbose");
    let says = |checks: String| checks.contains("cannot authenticate pages") && checks.contains(reason);
    let reported = within(CREATION, || says(checks()).then_some(()));
    assert!(reported.is_some(), "no `{reason}` in: {}", checks());
}

/// Node itself would only log it, at the first page.
#[test]
fn socketio_is_unready_while_its_web_url_cannot_work() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let web_port = port::free();
    let python = ["-m", "http.server", "--bind", "127.0.0.1", &web_port.to_string()];
    let other = Running::spawn(Command::new("python3").args(python));
    let socketio = |url: String| {
        let binary = stage.all().with_command("socketio").set("SOCKETIO_PORT", port::free());
        ready(binary.set("CAULDRON_WEB_URL", url))
    };
    let mut misspelt = socketio("http://nowhere.invalid:8000".into());
    let mut foreign = socketio(format!("http://127.0.0.1:{web_port}"));
    cannot_authenticate(&misspelt, "nowhere.invalid");
    cannot_authenticate(&foreign, "no answer of the web role");
    for pod in [&mut misspelt, &mut foreign] {
        let unready = within(CREATION, || (pod.probe("/readyz") == 503).then_some(()));
        assert!(unready.is_some(), "{}", pod.body("/readyz?verbose"));
        assert!(pod.body("/readyz").contains("cannot authenticate pages"), "{}", pod.body("/readyz"));
        pod.event("health.role_failed");
    }
    drop(other);
    let web = stage.all().with_command("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web_port}"));
    let web = ready(web);
    foreign.answers("/readyz", 200);
    assert!(!foreign.body("/readyz?verbose").contains("cannot authenticate"));
    // A replacement of the web role makes no socketio unready.
    drop(web);
    cannot_authenticate(&foreign, "connection refused");
    assert_eq!((foreign.probe("/readyz"), misspelt.probe("/readyz")), (200, 503));
}

/// Frappe 16 authenticates with fetch.
#[test]
fn fetch_uses_the_configured_web_url_too() {
    let apart = Apart::new();
    if apart.stage.bench.is_real() {
        return;
    }
    let script = apart.stage.bench.path().join("apps/frappe/socketio_authenticate.js");
    let whole = fs::read_to_string(&script).expect("the script");
    let fetched = whole.replace("function ask(", "const ask = (address, headers) => fetch(address, { headers }).then((answer) => answer.json());\nfunction unused(");
    assert_ne!(whole, fetched);
    fs::write(&script, fetched).expect("the script");
    let _web = ready(everywhere(apart.web(), &apart));
    let _socketio = ready(apart.socketio("http"));
    apart.receives_events(&apart.page("http", "http://desk.test"));
}

#[test]
fn with_tls_the_certificate_of_the_page_is_verified() {
    let apart = Apart::new();
    let (ca, folder) = (Ca::new(), tempfile::tempdir().expect("a folder"));
    let files = ca.issue(&["desk.test".to_owned()], folder.path(), None);
    let with_tls = |binary: Binary| {
        let binary = binary.set("CAULDRON_TLS_CERT", files.certificate.display());
        everywhere(binary.set("CAULDRON_TLS_KEY", files.key.display()), &apart)
    };
    let web = ready(with_tls(apart.web()));
    let socketio = ready(apart.socketio("https").set("CAULDRON_WEB_CA", ca.root().display()));
    apart.receives_events(&apart.page("https", "https://desk.test"));
    assert!(!socketio.body("/readyz?verbose").contains("cannot authenticate"));
    // The certificate is for another name.
    apart.page("https", "https://other.test").says("refused Unauthorized");
    socketio.says("cannot get the user of a page from https://127.0.0.2:");
    drop(socketio);
    let stranger = Ca::new();
    let socketio = ready(apart.socketio("https").set("CAULDRON_WEB_CA", stranger.root().display()));
    apart.page("https", "https://desk.test").says("refused Unauthorized");
    cannot_authenticate(&socketio, "signed by an unknown CA");
    drop(web);
    // One process runs both roles, and connects to itself.
    drop(socketio);
    let _all = ready(with_tls(apart.stage.all()).set("CAULDRON_HOSTS", "desk.test"));
    apart.receives_events(&apart.page("https", "https://desk.test"));
}
