//! An upgrade, a rollback, and an upgrade that fails, by images: the chart's pods of both versions on one volume.

use std::time::Duration;

use crate::installation::{Installation, SITE};
use crate::made::{FRAPPE, Later, images};
use crate::played::Played;
use crate::podman::{output, podman, status};
use crate::release::{LATER, full_name};
use crate::support::wait::{eventually, within};

const LONG: Duration = Duration::from_secs(120);

#[track_caller]
fn says(played: &Played, words: &str) {
    let said = within(LONG, || played.log().contains(words).then_some(()));
    assert!(said.is_some(), "{} never says `{words}`:\n{}", played.container, played.log());
}

#[track_caller]
fn pings(web: &Played, expected: u16) {
    let front = web.address(8000);
    eventually(LONG, &format!("{} answers {expected}", web.container), || {
        (status(front, SITE, "/api/method/ping") == expected).then_some(())
    });
}

/// A job from this web pod leaves its mark on the volume.
#[track_caller]
fn jobs_are_done(installation: &Installation, web: &Played, mark: &str) {
    let path = format!("/home/frappe/frappe-bench/sites/{mark}");
    let queue = format!("/api/method/frappe.sample.queue?queue=short&path={path}");
    assert_eq!(status(web.address(8000), SITE, &queue), 200);
    let mark = installation.volume().join(mark);
    eventually(LONG, "a job is done", || mark.exists().then_some(()));
}

#[test]
fn images_upgrade_roll_back_and_fail_by_the_gate() {
    const TEST: &str = "images_upgrade_roll_back_and_fail_by_the_gate";
    if !images(TEST) {
        return;
    }
    let Some(installation) = Installation::new(TEST, "gate") else { return };
    let note = "desk/doctype/note/note";
    let v2 = Later::new("v2", |release| release.patch("two", "pass").field(note, "colour", LATER));
    let v3 = Later::new("v3", |release| {
        let mended =
            "import os\nassert os.path.exists('/home/frappe/frappe-bench/sites/mended'), 'not today'";
        release.patch("two", "pass").patch("three", mended).field(note, "colour", LATER)
    });
    let [old_web, old_worker] = ["web", "worker"].map(|role| installation.start(role));
    let socketio = installation.start("socketio");
    assert_eq!(installation.start("bootstrap").end(LONG), 0);
    for pod in [&old_web, &old_worker, &socketio] {
        pod.becomes_ready();
    }

    // An upgrade rolls: new pods wait, old ones serve, the Job migrates, all of them serve.
    let [web, worker] = ["web", "worker"].map(|role| installation.start_with(role, &v2.image, "v2"));
    for pod in [&web, &worker] {
        says(pod, "this code is newer than the database");
        assert_eq!(status(pod.address(9180), "kubelet", "/readyz"), 503);
    }
    pings(&old_web, 200);
    let job = installation.start_with("bootstrap", &v2.image, "v2");
    assert_eq!(job.end(LONG), 0, "{}", job.log());
    says(&job, "backed up the database");
    let logged = |patch: &str| {
        let name = full_name(patch);
        installation
            .servers
            .sql("frappe", &format!("select count(*) from \"tabPatch Log\" where patch = '{name}'"))
    };
    assert_eq!(logged("two"), "1");
    for pod in [&web, &worker, &old_web, &old_worker] {
        pod.becomes_ready();
    }
    pings(&web, 200);
    pings(&old_web, 200);
    jobs_are_done(&installation, &web, "by-both");
    podman(&["stop", "--time=60", &old_worker.container]);
    jobs_are_done(&installation, &web, "by-the-new");

    // A rollback: the old image comes up on the newer tables, and migrates nothing.
    let back = installation.start_with("web", FRAPPE, "back");
    let job = installation.start_with("bootstrap", FRAPPE, "back");
    assert_eq!(job.end(LONG), 0, "{}", job.log());
    back.becomes_ready();
    pings(&back, 200);
    assert_eq!(logged("two"), "1");

    // A release that fails: after three tries the Job ends, and its log says what to do.
    let job = installation.start_with("bootstrap", &v3.image, "v3");
    says(&job, "not today");
    eventually(LONG, "the failure is on record", || {
        let recorded =
            "select count(*) from public.__cauldron_fingerprint where migrated is null and attempts > 0";
        (installation.servers.sql("frappe", recorded) == "1").then_some(())
    });
    podman(&["stop", "--time=60", &job.container]);
    // As if the tries had been made long ago: nobody waits for the pauses between them.
    installation.servers.sql(
        "frappe",
        "update public.__cauldron_fingerprint set attempts = 2, last_attempt = now() - interval '1 h' \
         where migrated is null",
    );
    let job = installation.start_with("bootstrap", &v3.image, "v3");
    assert_eq!(job.end(LONG), 75, "{}", job.log());
    for words in ["not today", "tried 3 times", "migrate --retry", "maintenance off --force"] {
        assert!(job.log().contains(words), "`{words}` is not in the log:\n{}", job.log());
    }
    pings(&web, 503);
    // A serving pod looks at the record every few seconds.
    eventually(LONG, "the probe says what to do", || {
        let readyz = output(&["exec", &web.container, "cauldron-frappe", "probe", "ready"]);
        let told = String::from_utf8_lossy(&readyz.stdout) + String::from_utf8_lossy(&readyz.stderr);
        (!readyz.status.success() && told.contains("migrate")).then_some(())
    });

    // Given up, the version on record serves.
    podman(&["exec", &web.container, "cauldron-frappe", "maintenance", "off", "--force"]);
    for pod in [&web, &back] {
        pod.becomes_ready();
        pings(pod, 200);
    }

    // Mended, the new image's own pod makes the migration, with no login but the site's.
    let fixed = installation.start_with("web", &v3.image, "v3");
    says(&fixed, "the last attempt to migrate to it failed");
    podman(&["exec", &fixed.container, "touch", "sites/mended"]);
    podman(&["exec", &fixed.container, "cauldron-frappe", "migrate", "--retry"]);
    assert_eq!(logged("three"), "1");
    fixed.becomes_ready();
    pings(&fixed, 200);
}
