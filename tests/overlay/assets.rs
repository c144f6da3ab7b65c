//! Each pod serves its own assets and those of every other live version; the list of names in Redis works for all.

use std::fs;

use crate::stage::OverlayStage;
use crate::support::made_app::MadeApp;

#[test]
fn every_pod_serves_the_files_of_every_live_version() {
    let stage = OverlayStage::new();
    let (a, b) = (MadeApp::new("web_app", "1.0.0"), MadeApp::new("web_app", "2.0.0"));
    let styles = stage.bench.path().join("apps/frappe/frappe/public/dist/css");
    let print = styles.join("print.bundle.BBBBBBBB.css");
    fs::write(&print, "p {}\n".repeat(1000)).expect("a style");
    fs::write(print.with_extension("css.br"), "brotli").expect("its compressed file");
    let old = stage.web_with(&[&a]);
    let path = |app: &MadeApp| format!("/assets/web_app/dist/js/{}", app.asset());
    assert_eq!(old.code(&path(&a)), 200);
    assert_eq!(old.code(&path(&b)), 404);
    let new = stage.web_with(&[&b]);
    for web in [&old, &new] {
        for app in [&a, &b] {
            let answer = web.get(&path(app)).expect("an answer");
            assert_eq!((answer.status, answer.body), (200, format!("// web_app {}\n", app.version)));
            assert!(answer.head.contains("immutable"), "{}", answer.head);
        }
        // Frappe's own assets, by the name in the page.
        let page = web.get("/login").expect("a page").body;
        let style = page.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
        assert_eq!(web.code(style), 200, "{style}");
    }
    // The leader set the names of all apps, in a form that Python reads.
    let names = cached_names(&stage);
    assert!(names.contains("web_app.bundle.js") && names.contains("website.bundle.css"), "{names}");
    // Compressed files are shared as well. Another image has neither of them.
    fs::remove_file(&print).expect("removed");
    fs::remove_file(print.with_extension("css.br")).expect("removed");
    let path = "/assets/frappe/dist/css/print.bundle.BBBBBBBB.css";
    let print = new.get_with(path, "Accept-Encoding: gzip, br");
    assert_eq!((print.header("content-encoding"), &*print.body), ("br", "brotli"));
    // Only hashed files are shared between versions.
    assert_eq!(old.code("/assets/web_app/dist/js/nothing.js"), 404);
}

/// The names of assets in the cache Redis, as Frappe reads them.
fn cached_names(stage: &OverlayStage) -> String {
    let script = "import redis, pickle, sys; print(sorted(pickle.loads(redis.from_url(sys.argv[1]).get('assets_json'))))";
    let mut python = stage.bench.program("env/bin/python");
    let output = python.args(["-c", script, &stage.redis.url(0)]).output().expect("python runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Pages name them as soon as Frappe's list has the app.
#[test]
fn an_app_whose_install_fails_has_its_assets() {
    let stage = OverlayStage::new();
    let web = stage.web_with(&[]);
    let app = MadeApp::new("broken_app", "1.0.0");
    let tasks = app.publish(&stage.bench).join("source/broken_app/tasks.py");
    fs::write(tasks, "def leave_mark():\n    raise ValueError('no colour')\n").expect("a module");
    stage.with("bootstrap", &[&app]).run().exits(75).says("install-app broken_app");
    assert_eq!(stage.installed(), ["frappe", "broken_app"]);
    assert!(cached_names(&stage).contains("broken_app.bundle.js"), "{}", cached_names(&stage));
    assert_eq!(web.code(&format!("/assets/broken_app/dist/js/{}", app.asset())), 200);
}

/// Elsewhere old assets on the volume hide a new image's assets (frappe_docker #1353).
#[test]
fn old_assets_on_the_volume_hide_nothing() {
    let stage = OverlayStage::new();
    let stale = r#"{"website.bundle.css": "/assets/frappe/dist/css/website.bundle.STALEAAA.css"}"#;
    fs::write(stage.bench.sites().join("assets/assets.json"), stale).expect("assets.json");
    fs::remove_file(stage.bench.sites().join("assets/frappe")).expect("the link");
    let web = stage.web_with(&[]);
    let page = web.get("/login").expect("a page");
    assert_eq!(page.status, 200);
    let style = page.body.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    assert!(!style.contains("STALE") && web.code(style) == 200, "{style}");
    assert_eq!(fs::read_to_string(stage.bench.sites().join("assets/assets.json")).expect("its own"), stale);
}

/// The official images have the output of `bench build` next to sites/, where no volume hides it.
#[test]
fn an_image_with_its_assets_next_to_sites_serves_all_of_them() {
    let stage = OverlayStage::new();
    let (inside, beside) = (stage.bench.sites().join("assets"), stage.bench.path().join("assets"));
    fs::rename(&inside, &beside).expect("its assets next to sites/");
    fs::create_dir_all(beside.join("locale/de/LC_MESSAGES")).expect("translations");
    fs::write(beside.join("locale/de/LC_MESSAGES/frappe.mo"), "Hallo").expect("translations");
    // A folder of an old image, left on the volume.
    fs::create_dir_all(inside.join("locale")).expect("a folder of the volume");
    let web = stage.web_with(&[]);
    let page = web.get("/login").expect("a page");
    let style = page.body.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    assert_eq!((page.status, web.code(style)), (200, 200), "{style}");
    let translations = web.get("/assets/locale/de/LC_MESSAGES/frappe.mo").expect("an answer");
    assert_eq!((translations.status, &*translations.body), (200, "Hallo"));
}
