//! What is wrong with an app or its address is told by name, and leaves nothing behind.

use serde_json::{Value, json};

use crate::lab::{Lab, refused, wanted};
use crate::support::git::Repository;

#[track_caller]
fn is_refused(wanted: &Value, code: i32, says: &[&str]) {
    let lab = Lab::new();
    refused(&lab.fetch(wanted).run(), code, says);
    assert!(lab.bundles().is_empty() && lab.leftovers() == 0);
    assert!(!lab.folder().join("apps").exists(), "nothing is pinned");
}

#[test]
fn a_branch_that_is_not_there() {
    let repository = Repository::with_app("shop");
    let entry = json!([{"name": "shop", "url": repository.url(), "branch": "mian"}]);
    is_refused(&entry, 78, &["app shop", "has no branch mian"]);
}

#[test]
fn a_repository_that_is_not_there() {
    is_refused(&json!([{"path": "/nonexistent/shop"}]), 78, &["app shop", "/nonexistent/shop", "does not"]);
}

#[test]
fn a_repository_without_an_app() {
    let repository = Repository::empty();
    repository.write("README.md", "nothing");
    repository.commit("nothing");
    is_refused(&wanted(&repository.url()), 78, &["no Frappe app"]);
}

#[test]
fn a_subfolder_that_is_not_there_or_leads_out() {
    let repository = Repository::with_app("shop");
    std::os::unix::fs::symlink("/etc", repository.path().join("out")).unwrap();
    repository.commit("a link");
    for folder in ["gone", "out"] {
        let entry = json!([{"url": repository.url(), "subfolder": folder}]);
        is_refused(&entry, 78, &["has no folder", folder]);
    }
}

#[test]
fn hooks_that_do_not_parse() {
    let repository = Repository::with_app("shop");
    repository.write("shop/hooks.py", "app_name = \n");
    repository.commit("broken");
    is_refused(&wanted(&repository.url()), 78, &["app shop", "it is broken", "hooks.py"]);
}

#[test]
fn a_setup_that_cannot_be_read() {
    for (file, text, says) in [
        ("pyproject.toml", "[project\n", "pyproject.toml"),
        ("pyproject.toml", "[project]\ndependencies = ['not a requirement']\n", "not a requirement"),
        ("requirements.txt", "-e .\n", "the option -e is not supported"),
        ("requirements.txt", "-r gone.txt\n", "gone.txt"),
    ] {
        let repository = Repository::with_app("shop");
        repository.write(file, text);
        repository.commit("broken");
        is_refused(&wanted(&repository.url()), 78, &["app shop", says]);
    }
}

#[test]
fn a_required_app_that_is_nowhere() {
    let repository = Repository::with_app("shop");
    repository.write("shop/hooks.py", "required_apps = ['frappe/erpnext']\n");
    repository.commit("needs another");
    let lab = Lab::new();
    refused(&lab.fetch(&wanted(&repository.url())).run(), 78, &["app shop requires erpnext"]);
}

fn requires(app: &str, other: &str) -> Repository {
    let repository = Repository::with_app(app);
    repository.write(format!("{app}/hooks.py"), &format!("required_apps = ['{other}']\n"));
    repository.commit("needs another");
    repository
}

/// Which app requires which is known only from its source: what was fetched until then is not published.
#[test]
fn a_circle_of_fetched_apps() {
    let (shop, till, lamp) =
        (requires("shop", "till"), requires("till", "shop"), Repository::with_app("lamp"));
    let entry = |repository: &Repository| json!({"url": repository.url(), "branch": "main"});
    let lab = Lab::new();
    let ended = lab.fetch(&json!([entry(&shop), entry(&till), entry(&lamp)])).run();
    refused(&ended, 78, &["apps require each other in a circle: shop -> till -> shop"]);
    assert!(lab.bundles().is_empty() && lab.leftovers() == 0);
    assert!(!lab.folder().join("apps").exists(), "nothing is pinned");
    assert!(
        !ended.stderr.contains("app=lamp"),
        "the circle is closed before it is fetched:\n{}",
        ended.stderr
    );
}

/// The image has both: nothing is fetched to find that out.
#[test]
fn a_circle_of_the_image() {
    let lab = Lab::new();
    for (app, other) in [("shop", "till"), ("till", "shop")] {
        let package = lab.bench.path().join("apps").join(app).join(app);
        std::fs::create_dir_all(&package).expect("an app of the image");
        std::fs::write(package.join("hooks.py"), format!("required_apps = ['{other}']\n")).expect("hooks");
    }
    let lamp = Repository::with_app("lamp");
    let list = json!([{"url": lamp.url(), "branch": "main"}, {"name": "shop"}]);
    let ended = lab.fetch(&list).run();
    refused(&ended, 78, &["apps require each other in a circle: shop -> till -> shop"]);
    assert!(!ended.stderr.contains("fetching"), "{}", ended.stderr);
    assert!(lab.bundles().is_empty() && lab.leftovers() == 0);
}

#[test]
fn frappe_is_no_app_among_others() {
    is_refused(
        &json!([{"name": "frappe", "branch": "version-99"}]),
        78,
        &["frappe is wanted at branch version-99"],
    );
}

#[test]
fn the_same_app_twice() {
    let repository = Repository::with_app("shop");
    let entries = json!([{"url": repository.url()}, {"url": repository.url(), "branch": "main"}]);
    let lab = Lab::new();
    refused(&lab.fetch(&entries).run(), 78, &["are both app shop"]);
}

#[test]
fn no_git_on_path() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    let ended = lab.fetch(&wanted(&repository.url())).set("PATH", "/nonexistent").run();
    refused(&ended, 78, &["git is not on PATH"]);
}
