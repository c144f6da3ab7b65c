//! What socketio's readiness says about its way to the web role.

use std::process::Command;

use crate::all::AllStage;
use crate::layout::CREATION;
use crate::live_events::cannot_authenticate;
use crate::support::port;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::within;

/// Node itself would only log it, at the first page.
#[test]
fn socketio_is_unready_while_its_web_url_cannot_work() {
    let stage = AllStage::new();
    stage.all().with_command("bootstrap").run().exits(0);
    let web_port = port::free();
    let python = ["-m", "http.server", "--bind", "127.0.0.1", &web_port.to_string()];
    let other = Running::spawn(Command::new("python3").args(python));
    let socketio = |variable: &str, url: String| {
        let binary = stage.all().with_command("socketio").set("SOCKETIO_PORT", port::free());
        ready(binary.set(variable, url))
    };
    let mut misspelt = socketio("CAULDRON_WEB_URL", "http://nowhere.invalid:8000".into());
    let mut foreign = socketio("CAULDRON_WEB_URL", format!("http://127.0.0.1:{web_port}"));
    // Node asks at the page's own address.
    let mut public = socketio("CAULDRON_SITE_URL", "https://erp.invalid".into());
    cannot_authenticate(&misspelt, "CAULDRON_WEB_URL http://nowhere.invalid:8000");
    cannot_authenticate(&foreign, "no answer of the web role");
    cannot_authenticate(&public, "CAULDRON_WEB_URL is not set, and the site's URL https://erp.invalid");
    for pod in [&mut misspelt, &mut foreign, &mut public] {
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
