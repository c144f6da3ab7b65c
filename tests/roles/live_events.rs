//! Live events in every layout of web and socketio: a page logs in through the web port, a job publishes an event for
//! its user, and only that page hears it.

use std::fs;

use crate::layout::{CREATION, Layout};
use crate::reverse_proxy::ReverseProxy;
use crate::stage::SITE;
use crate::support::binary::{Binary, Pod};
use crate::support::ca::Ca;
use crate::support::port;
use crate::support::stage::ready;
use crate::support::wait::within;

/// It resolves nowhere.
const PUBLIC: &str = "erp.invalid";

/// Asserts that the role's check says that pages cannot be authenticated, and why.
#[track_caller]
pub fn cannot_authenticate(pod: &Pod, reason: &str) {
    let checks = || pod.body("/readyz?verbose");
    let says = |checks: String| checks.contains("cannot authenticate pages") && checks.contains(reason);
    let reported = within(CREATION, || says(checks()).then_some(()));
    assert!(reported.is_some(), "no `{reason}` in: {}", checks());
}

#[test]
fn every_role_in_one_process() {
    let layout = Layout::without_worker();
    for hosts in ["", "desk.test localhost"] {
        let _all = ready(layout.stage.all().set("CAULDRON_HOSTS", hosts));
        layout.user_hears(&layout.desk("http://desk.test"));
    }
}

#[test]
fn web_and_socketio_in_two_containers() {
    let layout = Layout::new();
    let published = format!("http://localhost:{}", port::free());
    for hosts in ["", "desk.test localhost"] {
        let _web = ready(layout.web().set("CAULDRON_HOSTS", hosts));
        let socketio = ready(layout.socketio("http"));
        for origin in ["http://desk.test", &published] {
            layout.user_hears(&layout.desk(origin));
        }
        if !hosts.is_empty() {
            layout.desk("http://other.test").page().says("failed the login answered 404");
        }
        drop(socketio);
        // Negative control: the page's own address does not reach the web port.
        let socketio = ready(layout.socketio("http").unset("CAULDRON_WEB_URL"));
        layout.desk(&published).page().says("refused Unauthorized: Error: connect ECONNREFUSED");
        socketio.event("socketio.web_url_missing");
        assert!(socketio.body("/readyz?verbose").contains("CAULDRON_WEB_URL is not set"));
    }
    let _web = ready(layout.web());
    let unreachable =
        layout.socketio("http").set("CAULDRON_WEB_URL", format!("http://127.0.0.2:{}", port::free()));
    let socketio = ready(unreachable);
    layout.desk(&published).page().says("refused Unauthorized");
    socketio.says("cannot get the user of a page from http://127.0.0.2:");
    // The web role may be starting: it is reported, and the role stays ready.
    cannot_authenticate(&socketio, "connection refused");
    assert_eq!(socketio.probe("/readyz"), 200);
}

#[test]
fn tls_with_a_private_ca() {
    let layout = Layout::new();
    let (ca, folder) = (Ca::new(), tempfile::tempdir().expect("a folder"));
    let files = ca.issue(&["desk.test".to_owned()], folder.path(), None);
    let with_tls = |binary: Binary| {
        let binary = binary.set("CAULDRON_TLS_CERT", files.certificate.display());
        binary.set("CAULDRON_TLS_KEY", files.key.display())
    };
    let web = ready(with_tls(layout.web()));
    let socketio = ready(layout.socketio("https").set("CAULDRON_WEB_CA", ca.root().display()));
    layout.user_hears(&layout.desk("https://desk.test"));
    assert!(!socketio.body("/readyz?verbose").contains("cannot authenticate"));
    // The certificate is for another name.
    layout.desk("https://other.test").page().says("refused Unauthorized");
    socketio.says("cannot get the user of a page from https://127.0.0.2:");
    drop(socketio);
    let stranger = Ca::new();
    let socketio = ready(layout.socketio("https").set("CAULDRON_WEB_CA", stranger.root().display()));
    layout.desk("https://desk.test").page().says("refused Unauthorized");
    cannot_authenticate(&socketio, "signed by an unknown CA");
    drop((socketio, web));
    // One process runs both roles, and connects to itself.
    let all = with_tls(layout.everywhere(layout.stage.all()));
    let _all = ready(all.set("CAULDRON_HOSTS", "desk.test"));
    layout.user_hears(&layout.desk("https://desk.test"));
}

#[test]
fn behind_a_reverse_proxy_whose_name_does_not_resolve_inside() {
    let layout = Layout::new();
    let origin = format!("https://{PUBLIC}");
    let behind = |binary: Binary| {
        let binary = binary.set("CAULDRON_TRUSTED_PROXIES", "127.0.0.1");
        layout.everywhere(binary).set("CAULDRON_SITE_URL", &origin)
    };
    let web_port = [("/", layout.stage.port)];
    let keeps_host = ReverseProxy::start(PUBLIC, "proxy_set_header Host $host;", &web_port);
    let sets_forwarded = "proxy_set_header X-Forwarded-Host $http_host;";
    let forwards_host = ReverseProxy::start(PUBLIC, sets_forwarded, &web_port);
    let web = ready(behind(layout.web()));
    let socketio = ready(behind(layout.socketio("http")));
    for proxy in [&keeps_host, &forwards_host] {
        layout.user_hears(&layout.desk_at(proxy.port, &origin));
    }
    // A public port beside 443 is in the Origin, and not in nginx's $host.
    layout.user_hears(&layout.desk_at(keeps_host.port, &format!("{origin}:8443")));
    assert!(!socketio.body("/readyz?verbose").contains("cannot authenticate"));
    drop(socketio);
    let socketio = ready(behind(layout.socketio("http")).unset("CAULDRON_WEB_URL"));
    layout
        .desk_at(keeps_host.port, &origin)
        .page()
        .says("refused Unauthorized: Error: getaddrinfo ENOTFOUND");
    cannot_authenticate(&socketio, PUBLIC);
    drop((socketio, web));
    let _all = ready(behind(layout.stage.all()).set("CAULDRON_HOSTS", PUBLIC));
    layout.user_hears(&layout.desk_at(keeps_host.port, &origin));
}

/// Frappe 16 authenticates with fetch, and sends the login as a cookie.
#[test]
fn a_server_that_authenticates_with_fetch() {
    let layout = Layout::new();
    if layout.stage.bench.is_real() {
        return;
    }
    let script = layout.stage.bench.path().join("apps/frappe/socketio_authenticate.js");
    let whole = fs::read_to_string(&script).expect("the script");
    let by_fetch = "const ask = async (url, sid) =>\n\
                    \t(await (await fetch(url, { headers: { Cookie: `sid=${sid}` } })).json()).message;\n\
                    async function unused(";
    let fetched = whole.replace("async function ask(", by_fetch);
    assert_ne!(whole, fetched);
    fs::write(&script, fetched).expect("the script");
    let _web = ready(layout.web());
    let _socketio = ready(layout.socketio("http"));
    layout.user_hears(&layout.desk("http://desk.test"));
}

/// An Ingress that sends /socket.io to the node server itself (`frappe.ingress.socketio: socketio`): nobody says there
/// which site is meant, and a browser's first poll has no Origin.
#[test]
fn an_ingress_that_bypasses_the_web_port() {
    let layout = Layout::new();
    let routes = [("/socket.io", layout.stage.socketio), ("/", layout.stage.port)];
    let _web = ready(layout.web().set("CAULDRON_TRUSTED_PROXIES", "127.0.0.1"));
    let _socketio = ready(layout.socketio("http"));
    for name in [SITE, PUBLIC] {
        let ingress = ReverseProxy::start(name, "proxy_set_header Host $http_host;", &routes);
        layout.user_hears(&layout.desk_at(ingress.port, &format!("https://{name}")));
    }
}
