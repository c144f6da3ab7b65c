//! A read-only bench, and an arbitrary user.

use crate::place::{Place, SITE, Web};
use crate::support::made_app::{MadeApp, open_to_all};

#[test]
fn an_arbitrary_user_with_a_read_only_bench() {
    let place = Place::new();
    let app = MadeApp::new("one_app", "1.0.0");
    let binary = place.with("web", &[&app]);
    // Everything except the volume belongs to root.
    for folder in ["sites", "sites/.cauldron", "sites/.cauldron/apps", "sites/assets"] {
        open_to_all(&place.bench.path().join(folder));
    }
    let uid = ["setpriv", "--reuid=23456", "--regid=0", "--clear-groups"];
    let web = Web::start(binary.under(&uid));
    assert_eq!(web.call("one_app.tasks.version"), r#""1.0.0""#);
    place.has_complete(&app);
    let runtime = place.command("exec").under(&uid);
    let words = ["--", "python", "-c", "import one_app; print(one_app.__version__)"];
    words.iter().fold(runtime, |binary, word| binary.argument(word)).run().exits(0).prints("1.0.0");
}

#[test]
fn nothing_is_written_to_a_read_only_root() {
    let place = Place::new();
    let app = MadeApp::new("one_app", "1.0.0");
    place.bootstrap(&[&app]);
    // Everything except the volume and /tmp is read-only.
    let bench = place.bench.path().display();
    let script = format!(
        "mount --bind {bench} {bench} && mount --bind {bench}/sites {bench}/sites && \
         mount -o remount,ro,bind {bench} && exec \"$@\""
    );
    let read_only = ["unshare", "-m", "--propagation", "private", "sh", "-c", &script, "sh"];
    let web = Web::start(place.with("web", &[&app]).under(&read_only));
    assert_eq!(web.call("one_app.tasks.version"), r#""1.0.0""#);
    assert!(web.get("/login").is_some_and(|page| page.status == 200 && page.body.contains(SITE)));
}
