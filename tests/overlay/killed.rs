//! An install that is killed at any step is finished by the next start, and never recorded as finished before.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{LONG, OverlayStage, SITE};
use crate::support::barrier::Barrier;
use crate::support::made_app::MadeApp;

const EDGES: [&str; 6] =
    ["installing", "doctypes", "installed_apps", "patch_log", "after_install", "scheduled_jobs"];

/// Kills the pod and its step at once, like the loss of a node.
fn kill_at(stage: &OverlayStage, app: &MadeApp, edge: &str) {
    kill_with(stage, &[app], &format!("{edge}:{}", app.name));
}

/// Kills the pod and its step at this moment of a bootstrap with these apps.
pub fn kill_with(stage: &OverlayStage, apps: &[&MadeApp], edge: &str) {
    let barrier = Barrier::at(edge);
    let mut command = stage.with("bootstrap", apps);
    for (name, value) in barrier.environment() {
        command = command.set(name, value);
    }
    let pod = command.spawn();
    let held = barrier.wait(LONG);
    drop(pod);
    let _ = kill(Pid::from_raw(held.pid as i32), Signal::SIGKILL);
}

#[test]
fn at_every_step_of_an_install() {
    let stage = OverlayStage::new();
    stage.created();
    for edge in EDGES {
        let app = MadeApp::new(&format!("{edge}_app"), "1.0.0");
        kill_at(&stage, &app, edge);
        let unfinished = format!(
            "EXISTS (SELECT FROM public.__cauldron_apps WHERE app = '{}' AND finished IS NULL)",
            app.name
        );
        assert!(stage.session().is(&unfinished), "{edge}: not recorded as finished");
        stage
            .with("bootstrap", &[&app])
            .run()
            .exits(0)
            .event("app.install_resumed")
            // The site may have been served before.
            .event("migration.backup_taken");
        stage.has_complete(&app);
    }
    stage.leader().run().exits(0).event("site.up_to_date");
}

/// A required app is installed separately: inside of another install, as Frappe does it, it would then fail for ever.
#[test]
fn in_the_install_of_a_required_app() {
    let stage = OverlayStage::new();
    let base = MadeApp::new("base_app", "1.0.0");
    let top = MadeApp::new("top_app", "1.0.0").requires("base_app");
    stage.created();
    kill_with(&stage, &[&base, &top], "doctypes:base_app");
    stage.bootstrap(&[&base, &top]);
    stage.has_complete(&base);
    stage.has_complete(&top);
}

/// During the creation the site was not served: no backup is made, and the site is marked as finished after its apps.
#[test]
fn during_the_creation() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    kill_at(&stage, &app, "patch_log");
    let phase = "SELECT phase FROM public.__cauldron_state";
    assert_eq!(stage.session().value(phase).as_deref(), Some("creating"));
    stage.bootstrap(&[&app]);
    stage.has_complete(&app);
    assert_eq!(stage.session().value(phase).as_deref(), Some("complete"));
}

/// The control: Frappe's own retry after such a kill reports success although the install is incomplete.
#[test]
fn frappes_own_retry_reports_a_false_success() {
    let stage = OverlayStage::new();
    stage.created();
    let app = MadeApp::new("one_app", "1.0.0");
    kill_at(&stage, &app, "installed_apps");
    let source = app.publish(&stage.bench).join("source");
    let mut retry = stage.bench.frappe(&["--site", SITE, "install-app", "one_app"]);
    let sites = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(stage.bench.sites()).expect("sites").flatten() {
        if entry.file_name() != "apps.txt" {
            std::os::unix::fs::symlink(entry.path(), sites.path().join(entry.file_name())).expect("a link");
        }
    }
    std::fs::write(sites.path().join("apps.txt"), "frappe\none_app\n").expect("apps.txt");
    let output = retry.env("PYTHONPATH", source).current_dir(sites.path()).output().expect("python runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(stage.read("one_app_installed"), "", "after_install never ran");
}
