//! `verify`: a running site passes, and what is away fails by its own line.

use nix::sys::signal::Signal;

use crate::all::AllStage;
use crate::support::binary::{Binary, Ended};
use crate::support::port;
use crate::support::stage::ready;

fn verify(stage: &AllStage) -> Binary {
    stage.web().with_command("verify")
}

/// Asserts the result of each check, in their order.
#[track_caller]
fn shows(ended: &Ended, results: &[(&str, &str)]) {
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with(['o', 'f'])).collect();
    assert_eq!(lines.len(), results.len(), "{ended}");
    for (line, (result, check)) in lines.iter().zip(results) {
        assert!(line.starts_with(result) && line.contains(check), "{result} {check}: {ended}");
    }
}

#[test]
fn a_running_site_passes_and_what_is_away_is_named() {
    let stage = AllStage::new();
    let all = ready(stage.all());
    let parts = ["open site", "web port", "login page", "job", "live event"];
    let with =
        |failed: &[&str]| parts.map(|part| (if failed.contains(&part) { "failed" } else { "ok" }, part));
    shows(&verify(&stage).run().exits(0), &with(&[]));
    let nobody = format!("http://127.0.0.1:{}", port::free());
    let away = verify(&stage).set("CAULDRON_WEB_URL", nobody).run().exits(69);
    shows(&away, &with(&["web port", "login page", "live event"]));
    all.signal(Signal::SIGTERM);
    all.end().exits(0);
    // Without socketio.
    let web = ready(stage.web());
    let _worker = ready(stage.web().with_command("worker"));
    shows(&verify(&stage).run().exits(69), &with(&["live event"]));
    shows(&verify(&stage).argument("--without-live-events").run().exits(0), &with(&[])[..4]);
    drop(web);
}
