//! A broken app or a wrong address is reported by name, and leaves no files behind.

use serde_json::{Value, json};

use crate::apps_bench::{AppsBench, refused, wanted};
use crate::support::binary::event;
use crate::support::git::Repository;

#[track_caller]
fn is_refused(wanted: &Value, code: i32, says: &[&str]) {
    let apps = AppsBench::new();
    refused(&apps.fetch(wanted).run(), code, says);
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
    assert!(!apps.folder().join("apps").exists(), "nothing is pinned");
}

#[test]
fn a_missing_branch() {
    let repository = Repository::with_app("shop");
    let entry = json!([{"name": "shop", "url": repository.url(), "branch": "mian"}]);
    is_refused(&entry, 78, &["app shop", "has no branch mian"]);
}

#[test]
fn a_missing_repository() {
    is_refused(&json!([{"path": "/nonexistent/shop"}]), 78, &["app shop", "/nonexistent/shop", "does not"]);
}

#[test]
fn a_repository_without_an_app() {
    let repository = Repository::empty();
    repository.write("README.md", "nothing");
    repository.commit("nothing");
    is_refused(&wanted(&repository.url()), 78, &["no Frappe app", "refusal: app-unusable"]);
}

#[test]
fn a_subfolder_that_is_missing_or_outside_of_the_repository() {
    let repository = Repository::with_app("shop");
    std::os::unix::fs::symlink("/etc", repository.path().join("out")).unwrap();
    repository.commit("a link");
    for folder in ["gone", "out"] {
        let entry = json!([{"url": repository.url(), "subfolder": folder}]);
        is_refused(&entry, 78, &["has no folder", folder, "refusal: app-unusable"]);
    }
}

#[test]
fn hooks_that_do_not_parse() {
    let repository = Repository::with_app("shop");
    repository.write("shop/hooks.py", "app_name = \n");
    repository.commit("broken");
    is_refused(
        &wanted(&repository.url()),
        78,
        &["app shop", "it is broken", "hooks.py", "refusal: app-unusable"],
    );
}

#[test]
fn project_files_that_cannot_be_parsed() {
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
fn a_required_app_that_does_not_exist() {
    let repository = Repository::with_app("shop");
    repository.write("shop/hooks.py", "required_apps = ['frappe/erpnext']\n");
    repository.commit("needs another");
    let apps = AppsBench::new();
    let ended = apps.fetch(&wanted(&repository.url())).run();
    refused(&ended, 78, &["app shop requires erpnext", "refusal: app-not-found"]);
}

fn requires(app: &str, other: &str) -> Repository {
    let repository = Repository::with_app(app);
    repository.write(format!("{app}/hooks.py"), &format!("required_apps = ['{other}']\n"));
    repository.commit("needs another");
    repository
}

/// The required apps are known only from the source. Apps that were fetched before the cycle was found are not
/// published.
#[test]
fn a_cycle_of_fetched_apps() {
    let (shop, till, lamp) =
        (requires("shop", "till"), requires("till", "shop"), Repository::with_app("lamp"));
    let entry = |repository: &Repository| json!({"url": repository.url(), "branch": "main"});
    let apps = AppsBench::new();
    let ended = apps.fetch(&json!([entry(&shop), entry(&till), entry(&lamp)])).run();
    refused(&ended, 78, &["apps require each other in a cycle: shop -> till -> shop", "refusal: app-cycle"]);
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
    assert!(!apps.folder().join("apps").exists(), "nothing is pinned");
    assert!(
        !ended.stderr.contains("\"app\":\"lamp\""),
        "the cycle is found before lamp is fetched:\n{}",
        ended.stderr
    );
}

/// The image has both apps: the cycle is found without fetching anything.
#[test]
fn a_cycle_of_apps_in_the_image() {
    let apps = AppsBench::new();
    for (app, other) in [("shop", "till"), ("till", "shop")] {
        let package = apps.bench.path().join("apps").join(app).join(app);
        std::fs::create_dir_all(&package).expect("an app of the image");
        std::fs::write(package.join("hooks.py"), format!("required_apps = ['{other}']\n")).expect("hooks");
    }
    let lamp = Repository::with_app("lamp");
    let list = json!([{"url": lamp.url(), "branch": "main"}, {"name": "shop"}]);
    let ended = apps.fetch(&list).run();
    refused(&ended, 78, &["apps require each other in a cycle: shop -> till -> shop", "refusal: app-cycle"]);
    assert!(!ended.stderr.contains(&event("app.fetch_started")), "{}", ended.stderr);
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
}

#[test]
fn frappe_cannot_be_fetched() {
    is_refused(
        &json!([{"name": "frappe", "branch": "version-99"}]),
        78,
        &["frappe is wanted at branch version-99", "refusal: frappe-mismatch"],
    );
}

#[test]
fn the_same_app_twice() {
    let repository = Repository::with_app("shop");
    let entries = json!([{"url": repository.url()}, {"url": repository.url(), "branch": "main"}]);
    let apps = AppsBench::new();
    refused(&apps.fetch(&entries).run(), 78, &["are both app shop", "refusal: duplicate-app"]);
}

#[test]
fn no_git_on_path() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let ended = apps.fetch(&wanted(&repository.url())).set("PATH", "/nonexistent").run();
    refused(&ended, 78, &["git is not on PATH", "refusal: app-tool-missing"]);
}
