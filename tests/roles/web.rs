//! The web role's deep check.

use std::fs;
use std::path::Path;

use crate::stage::RolesStage;
use crate::support::binary::Pod;
use crate::support::port;
use crate::support::stage::ready;

fn serving(stage: &RolesStage, runtime: &Path) -> Pod {
    let port = port::free();
    let web = stage.command("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"));
    let web = web.set("CAULDRON_RUNTIME_DIR", runtime.display());
    ready(web.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 2))
}

#[test]
fn the_login_page_is_checked_on_request() {
    let stage = RolesStage::new();
    let runtime = tempfile::tempdir().expect("a folder");
    let pod = serving(&stage, runtime.path());
    assert!(!pod.body("/readyz?verbose").contains("login page"));
    assert!(pod.body("/readyz?verbose&deep").contains("[+] login page: ok"));
    // The failure to detect: assets.json is hidden and nothing is cached. The ping gives 200, the page does not.
    let assets = runtime.path().join("bench/sites/assets/assets.json");
    let hidden = assets.with_extension("hidden");
    fs::rename(&assets, &hidden).expect("assets.json");
    stage.redis.ask::<String>(0, &["FLUSHDB"]);
    let deep = pod.probe("/readyz?deep");
    let shallow = pod.probe("/readyz");
    fs::rename(&hidden, &assets).expect("assets.json");
    assert_eq!((deep, shallow), (503, 200));
}
