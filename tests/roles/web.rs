//! The web role's deep check.

use std::fs;
use std::path::Path;

use crate::place::Place;
use crate::support::binary::Pod;
use crate::support::port;

fn serving(place: &Place, runtime: &Path) -> Pod {
    let port = port::free();
    let web = place.command("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}"));
    let web = web.set("CAULDRON_RUNTIME_DIR", runtime.display());
    let mut pod = web.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 2).start();
    pod.answers("/readyz", 200);
    pod
}

#[test]
fn the_login_page_is_checked_on_request() {
    let place = Place::new();
    let runtime = tempfile::tempdir().expect("a folder");
    let pod = serving(&place, runtime.path());
    assert!(!pod.body("/readyz?verbose").contains("login page"));
    assert!(pod.body("/readyz?verbose&deep").contains("[+] login page: ok"));
    // The failure to detect: assets.json is hidden and nothing is cached. The ping gives 200, the page does not.
    let assets = runtime.path().join("bench/sites/assets/assets.json");
    let hidden = assets.with_extension("hidden");
    fs::rename(&assets, &hidden).expect("assets.json");
    place.redis.ask::<String>(0, &["FLUSHDB"]);
    let deep = pod.probe("/readyz?deep");
    let shallow = pod.probe("/readyz");
    fs::rename(&hidden, &assets).expect("assets.json");
    assert_eq!((deep, shallow), (503, 200));
}
