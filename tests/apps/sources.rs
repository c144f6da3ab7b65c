//! The sources of an app, and the part of its repository that becomes a bundle.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::apps_bench::{AppsBench, done, manifest, refused, wanted};
use crate::support::binary::Binary;
use crate::support::git::Repository;

#[test]
fn a_bundle_is_the_commit_without_its_repository() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    repository.write("shop/public/notes.txt", "hello");
    let commit = repository.commit("notes");
    apps.fetched(&wanted(&repository.url()));
    let bundle = apps.bundle();
    let manifest = manifest(&bundle);
    assert_eq!((&manifest["app"], &manifest["version"]), (&"shop".into(), &"1.0.0".into()));
    assert_eq!((&manifest["commit"], &manifest["requirements"]), (&commit.clone().into(), &json!([])));
    assert!(manifest["fingerprint"].as_str().is_some_and(|digest| digest.starts_with("1:")), "{manifest}");
    let name = bundle.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(name, format!("{commit}-{}-{}", manifest["abi"].as_str().unwrap(), std::env::consts::ARCH));
    assert_eq!(fs::read_to_string(bundle.join("source/shop/public/notes.txt")).unwrap(), "hello");
    assert!(!bundle.join("source/.git").exists() && !bundle.join("site-packages").exists());
    assert_eq!(apps.leftovers(), 0);
    let pin = &apps.pins()["apps"][0];
    assert_eq!(
        (&pin["app"], &pin["commit"], &pin["install"]),
        (&"shop".into(), &commit.into(), &true.into())
    );
    // It can be imported with the bench's own Python, and its bytecode exists already.
    let mut python = Command::new(apps.bench.path().join("env/bin/python"));
    python.args(["-c", "import shop.hooks, sys; print(shop.__version__, shop.hooks.__cached__)"]);
    let output = python.env("PYTHONPATH", bundle.join("source")).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (version, cached) = output.split_once(' ').expect("both");
    assert!(version == "1.0.0" && fs::exists(cached).unwrap(), "{output}");
}

#[test]
fn paths_and_file_urls_bare_or_not() {
    let repository = Repository::with_app("shop");
    let bare = repository.bare();
    let path = |repository: &Repository| repository.path().display().to_string();
    for entry in [
        json!({"path": path(&repository), "branch": "main"}),
        json!({"path": path(&bare)}),
        json!({"url": path(&bare), "branch": "main"}),
        json!({"url": bare.url(), "name": "shop"}),
    ] {
        let apps = AppsBench::new();
        apps.fetched(&json!([entry]));
        assert_eq!(apps.manifest()["commit"], repository.head(), "{entry}");
    }
}

#[test]
fn tags_commits_and_branches_that_are_tags() {
    let repository = Repository::with_app("shop");
    let first = repository.head();
    repository.git(&["tag", "--annotate", "--message", "one", "v1"]);
    let second = repository.commit("more");
    repository.git(&["branch", "next"]);
    for (entry, commit) in [
        (json!({"tag": "v1"}), &first),
        (json!({"branch": "v1"}), &first),
        (json!({"commit": first}), &first),
        (json!({"branch": "next"}), &second),
        (json!({}), &second),
    ] {
        let (apps, mut entry) = (AppsBench::new(), entry);
        entry["url"] = repository.url().into();
        apps.fetched(&json!([entry]));
        assert_eq!(apps.manifest()["commit"], **commit, "{entry}");
    }
}

#[test]
fn an_app_in_a_subfolder_and_two_of_one_repository() {
    let (apps, repository) = (AppsBench::new(), Repository::empty());
    for app in ["shop", "till"] {
        repository.write_app(&format!("apps/{app}"), app, "2.0.0");
    }
    repository.commit("both");
    let ended = apps.fetch(&wanted(&repository.url())).run();
    refused(&ended, 78, &["not at its root", "apps/shop or apps/till", "refusal: app-unusable"]);
    assert!(apps.bundles().is_empty());
    let entry =
        |app: &str| json!({"url": repository.url(), "branch": "main", "subfolder": format!("apps/{app}")});
    apps.fetched(&json!([entry("shop"), entry("till")]));
    let mut names: Vec<String> =
        apps.bundles().iter().map(|bundle| manifest(bundle)["app"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["shop", "till"]);
}

#[test]
fn submodules_are_fetched() {
    let (apps, library, repository) = (AppsBench::new(), Repository::empty(), Repository::with_app("shop"));
    library.write("library.py", "answer = 42\n");
    library.commit("a library");
    repository.git(&["submodule", "--quiet", "add", &library.url(), "shop/vendored"]);
    repository.commit("with a library");
    apps.fetched(&wanted(&repository.url()));
    let vendored = apps.bundle().join("source/shop/vendored");
    assert!(vendored.join("library.py").is_file() && !vendored.join(".git").exists());
}

/// Adds two submodules: one in the folder `there`, and one in the folder `gone` that cannot be fetched.
fn with_submodules(app: &Repository, library: &Repository, there: &str, gone: &str) {
    library.write("library.py", "answer = 42\n");
    library.commit("a library");
    for (name, path) in [("there", there), ("gone", gone)] {
        app.git(&["submodule", "--quiet", "add", "--name", name, &library.url(), path]);
    }
    app.git(&["config", "--file", ".gitmodules", "submodule.gone.url", "file:///nowhere/library"]);
    app.commit("with submodules");
}

#[test]
fn an_unavailable_submodule_outside_of_the_package_is_a_warning() {
    let (apps, library, shop) = (AppsBench::new(), Repository::empty(), Repository::with_app("shop"));
    with_submodules(&shop, &library, "docs", "shop-ui");
    let ended = apps.fetched(&wanted(&shop.url())).event("app.submodule_missing");
    assert!(ended.stderr.contains("shop-ui") && ended.stderr.contains("/nowhere"), "{}", ended.stderr);
    let source = apps.bundle().join("source");
    assert!(source.join("docs/library.py").is_file(), "the other one is fetched");
    assert!(!source.join("shop-ui/library.py").exists() && source.join("shop/hooks.py").is_file());
}

#[test]
fn an_unavailable_submodule_that_the_package_needs_is_refused() {
    let library = Repository::empty();
    // The submodule inside of the package, and the package inside of the submodule.
    let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
    with_submodules(&shop, &library, "docs", "shop/vendored");
    let ended = apps.fetch(&wanted(&shop.url())).run();
    refused(&ended, 78, &["its submodule shop/vendored", "/nowhere", "CAULDRON_GIT_SUBMODULES=off"]);
    let (apps, store) = (AppsBench::new(), Repository::empty());
    with_submodules(&store, &library, "docs", "shop");
    let ended = apps.fetch(&json!([{"name": "shop", "url": store.url(), "branch": "main"}])).run();
    refused(&ended, 78, &["no folder contains hooks.py", "its submodule shop", "/nowhere"]);
    let entry = json!([{"url": store.url(), "branch": "main", "subfolder": "shop/app"}]);
    refused(&apps.fetch(&entry).run(), 78, &["no folder `shop/app`", "its submodule shop", "/nowhere"]);
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
}

#[test]
fn submodules_can_be_switched_off() {
    let library = Repository::empty();
    for word in ["off", "false"] {
        let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
        with_submodules(&shop, &library, "shop/vendored", "docs");
        let ended = done(apps.fetch(&wanted(&shop.url())).set("CAULDRON_GIT_SUBMODULES", word).run());
        assert!(ended.stderr.contains("CAULDRON_GIT_SUBMODULES=off"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("nowhere"), "{}", ended.stderr);
        assert!(!apps.bundle().join("source/shop/vendored/library.py").exists());
        library.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    }
    let apps = AppsBench::new();
    let entry = wanted(&Repository::with_app("shop").url());
    let ended = apps.fetch(&entry).set("CAULDRON_GIT_SUBMODULES", "no thanks").run();
    refused(&ended, 78, &["CAULDRON_GIT_SUBMODULES", "on, off"]);
}

#[test]
fn an_app_has_the_name_of_its_package() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    apps.fetched(&json!([{"name": "store", "url": repository.url(), "branch": "main"}]))
        .event("app.name_corrected");
    assert_eq!((&apps.manifest()["app"], &apps.pins()["apps"][0]["app"]), (&"shop".into(), &"shop".into()));
}

#[test]
fn an_app_that_is_in_the_bench_is_not_fetched() {
    let apps = AppsBench::new();
    let package = apps.bench.path().join("apps/shop/shop");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("hooks.py"), "").unwrap();
    fs::write(package.join("__init__.py"), "__version__ = '15.1.0'\n").unwrap();
    let entry = |branch: &str| json!([{"name": "shop", "url": "file:///nowhere", "branch": branch}]);
    apps.fetched(&entry("version-15"));
    assert!(apps.bundles().is_empty());
    assert_eq!(apps.pins()["apps"][0]["commit"], "baked");
    // Another major version does not satisfy the entry.
    refused(&apps.fetch(&entry("version-16")).run(), 78, &["/nowhere"]);
    // If the image has `.git`, the branch decides.
    let git = apps.bench.path().join("apps/shop/.git");
    fs::create_dir_all(&git).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    refused(&apps.fetch(&entry("version-15")).run(), 78, &["/nowhere"]);
}

#[test]
fn the_file_of_frappe_docker_and_the_strings_of_the_chart() {
    let (shop, till) = (Repository::with_app("shop"), Repository::with_app("till"));
    let apps = AppsBench::new();
    let file = apps.bench.path().join("apps.json");
    fs::write(&file, format!("[\n  {{\"url\": \"{}\", \"branch\": \"main\"}}\n]\n", shop.url())).unwrap();
    let fetch = Binary::on(&apps.bench, &["apps", "fetch"]).set("CAULDRON_APPS_FILE", file.display());
    done(fetch.set("STANDARD_APPS", "frappe").set("CUSTOM_APPS", format!("till:{}:main", till.url())).run());
    let mut names: Vec<String> =
        apps.bundles().iter().map(|bundle| manifest(bundle)["app"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["shop", "till"]);
}
