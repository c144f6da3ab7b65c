//! A read-only bench, and an arbitrary user.

use crate::stage::{OverlayStage, SITE};
use crate::support::made_app::{MadeApp, open_to_all};
use crate::support::web::Web;

#[test]
fn an_arbitrary_user_with_a_read_only_bench() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    let binary = stage.with("web", &[&app]);
    // Everything except the volume belongs to root.
    for folder in ["sites", "sites/.cauldron", "sites/.cauldron/apps", "sites/assets"] {
        open_to_all(&stage.bench.path().join(folder));
    }
    let uid = ["setpriv", "--reuid=23456", "--regid=0", "--clear-groups"];
    let web = Web::ready(binary.under(&uid));
    assert_eq!(web.call("one_app.tasks.version"), r#""1.0.0""#);
    stage.has_complete(&app);
    let runtime = stage.manifest("exec").under(&uid);
    let words = ["--", "python", "-c", "import one_app; print(one_app.__version__)"];
    words.iter().fold(runtime, |binary, word| binary.argument(word)).run().exits(0).prints("1.0.0");
}

#[test]
fn nothing_is_written_to_a_read_only_root() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    stage.bootstrap(&[&app]);
    // Everything except the volume and /tmp is read-only.
    let bench = stage.bench.path().display();
    let script = format!(
        "mount --bind {bench} {bench} && mount --bind {bench}/sites {bench}/sites && \
         mount -o remount,ro,bind {bench} && exec \"$@\""
    );
    let read_only = ["unshare", "-m", "--propagation", "private", "sh", "-c", &script, "sh"];
    let web = Web::ready(stage.with("web", &[&app]).under(&read_only));
    assert_eq!(web.call("one_app.tasks.version"), r#""1.0.0""#);
    assert!(web.get("/login").is_some_and(|page| page.status == 200 && page.body.contains(SITE)));
}
