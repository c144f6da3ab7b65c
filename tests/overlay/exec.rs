//! `exec` uses the same apps as the roles, with or without a role in the same container.

use crate::stage::OverlayStage;
use crate::support::binary::Binary;
use crate::support::made_app::MadeApp;
use crate::support::web::Web;

#[test]
fn exec_uses_the_apps() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    stage.bootstrap(&[&app]);
    let exec = |binary: Binary| {
        let words = [
            "--",
            "python",
            "-c",
            "import one_app, os; print(one_app.__version__, open('sites/apps.txt').read().split())",
        ];
        words.iter().fold(binary.with_command("exec"), |binary, word| binary.argument(word)).run()
    };
    exec(stage.with("exec", &[&app])).exits(0).prints("1.0.0 ['frappe', 'one_app']");
    // In the container of a role it finds that role's overlay, whatever list it is given.
    let runtime = tempfile::tempdir().expect("a folder");
    let web = Web::ready(stage.with("web", &[&app]).set("CAULDRON_RUNTIME_DIR", runtime.path().display()));
    exec(stage.manifest("exec").set("CAULDRON_RUNTIME_DIR", runtime.path().display()))
        .exits(0)
        .prints("1.0.0 ['frappe', 'one_app']");
    let listed = [
        "--",
        "sh",
        "-c",
        "cd sites && exec ../env/bin/python -m frappe.utils.bench_helper frappe --site apps.test migrate",
    ];
    let migrate = stage.manifest("exec").set("CAULDRON_RUNTIME_DIR", runtime.path().display());
    listed.iter().fold(migrate, |binary, word| binary.argument(word)).run().exits(0);
    // A migrate without the app would have deleted its scheduled jobs.
    stage.has_complete(&app);
    assert_eq!(web.code("/login"), 200);
    assert!(stage.file("site_config.json").exists());
}
