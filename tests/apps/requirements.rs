//! Python requirements: only packages that the bench lacks are installed, next to the source. Contradictions are
//! refused.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::apps_bench::{AppsBench, done, refused, wanted};
use crate::support::binary::Binary;
use crate::support::git::Repository;
use crate::wheel;

/// An app with these requirements.
fn app(name: &str, requires: &[&str]) -> Repository {
    let repository = Repository::with_app(name);
    let list = serde_json::to_string(requires).unwrap();
    repository.write(
        "pyproject.toml",
        &format!("[project]\nname = '{name}'\ndynamic = ['version']\ndependencies = {list}\n"),
    );
    repository.commit("requirements");
    repository
}

/// Makes pip use a folder of wheels instead of an index.
fn offline(fetch: Binary, wheels: &std::path::Path) -> Binary {
    fetch.set("PIP_NO_INDEX", "1").set("PIP_FIND_LINKS", wheels.display())
}

/// Replaces the shared site-packages of a bench by a copy that may be changed.
fn own_packages(apps: &AppsBench) -> PathBuf {
    let libraries = apps.bench.path().join("env/lib");
    let original = fs::read_link(&libraries).unwrap();
    fs::remove_file(&libraries).unwrap();
    crate::support::bench::copy(&original, &libraries);
    let python = fs::read_dir(&libraries).unwrap().flatten().next().unwrap();
    python.path().join("site-packages")
}

#[test]
fn a_bench_without_pip_uses_uv() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &["counter>=1", "click"]);
    wheel::make(wheels.path(), "counter", "1.5", &[]);
    fs::remove_dir_all(own_packages(&apps).join("pip")).unwrap();
    let offline = |url: &str| {
        let settings = wheels.path().join("uv.toml");
        let folder = wheels.path().display();
        fs::write(&settings, format!("no-index = true\nfind-links = ['{folder}']\n")).unwrap();
        let fetch = apps.fetch(&wanted(url)).set("UV_CONFIG_FILE", settings.display());
        fetch.set("UV_CACHE_DIR", wheels.path().join("cache").display())
    };
    let shop = app("shop", &["abacus~=1.0", "click>=8"]);
    done(offline(&shop.url()).run());
    let mut requirements: Vec<Value> = apps.manifest()["requirements"].as_array().unwrap().clone();
    requirements.sort_by_key(Value::to_string);
    assert_eq!(json!(requirements), json!(["abacus==1.2", "counter==1.5"]));
    let packages = apps.bundle().join("site-packages");
    assert!(packages.join("abacus.py").is_file() && !packages.join("click").exists());
    wheel::make(wheels.path(), "abacus", "2.0", &["click>=99"]);
    let till = app("till", &["abacus>=2"]);
    let ended = offline(&till.url()).run();
    refused(&ended, 78, &["app till", "abacus", "click"]);
    assert_eq!(apps.bundles().len(), 1);
}

#[test]
fn lacking_packages_are_pinned_and_installed_next_to_the_source() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &["counter>=1", "click"]);
    wheel::make(wheels.path(), "counter", "1.5", &[]);
    // The bench has click; `never` is for another operating system.
    let shop = app("shop", &["abacus~=1.0", "click>=8", "never; sys_platform == 'win32'", "frappe>=1"]);
    done(offline(apps.fetch(&wanted(&shop.url())), wheels.path()).run());
    let mut requirements: Vec<Value> = apps.manifest()["requirements"].as_array().unwrap().clone();
    requirements.sort_by_key(Value::to_string);
    assert_eq!(json!(requirements), json!(["abacus==1.2", "counter==1.5"]));
    let packages = apps.bundle().join("site-packages");
    assert!(packages.join("abacus.py").is_file() && !packages.join("click").exists());
    let environment = apps.bench.path().join("env/lib");
    let found = Command::new("find").arg(environment).args(["-name", "abacus*"]).output().unwrap();
    assert!(found.stdout.is_empty(), "the bench is unchanged");
}

#[test]
fn requirements_txt_is_read() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &[]);
    let shop = Repository::with_app("shop");
    shop.write("requirements.txt", "# what it needs\n-r more.txt\n");
    shop.write("more.txt", "abacus == 1.2  # exactly\n");
    shop.commit("requirements");
    done(offline(apps.fetch(&wanted(&shop.url())), wheels.path()).run());
    assert_eq!(apps.manifest()["requirements"], json!(["abacus==1.2"]));
}

#[test]
fn a_contradiction_to_the_bench_is_refused_with_both_versions() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    let shop = app("shop", &["click>=99"]);
    let ended = offline(apps.fetch(&wanted(&shop.url())), wheels.path()).run();
    refused(
        &ended,
        78,
        &["app shop", "it requires click>=99", "the bench has click 8.1.8", "refusal: app-conflict"],
    );
    // A contradiction of an indirect requirement.
    wheel::make(wheels.path(), "abacus", "1.2", &["click>=99"]);
    let till = app("till", &["abacus"]);
    let ended = offline(apps.fetch(&wanted(&till.url())), wheels.path()).run();
    refused(
        &ended,
        78,
        &["app till", "abacus 1.2 depends on click>=99", "click==8.1.8", "refusal: app-conflict"],
    );
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
}

#[test]
fn two_apps_that_contradict_each_other_are_refused_with_both_names() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    for version in ["1.0", "2.0"] {
        wheel::make(wheels.path(), "abacus", version, &[]);
    }
    let (shop, till) = (app("shop", &["abacus<2"]), app("till", &["abacus>=2"]));
    let both = json!([{"url": shop.url()}, {"url": till.url()}]);
    let ended = offline(apps.fetch(&both), wheels.path()).run();
    refused(&ended, 78, &["app till: it requires abacus>=2", "app shop installs abacus 1.0"]);
    // Each by itself is fine; together they are still refused.
    done(offline(apps.fetch(&json!([{"url": till.url()}])), wheels.path()).run());
    let ended = offline(apps.fetch(&both), wheels.path()).run();
    refused(&ended, 78, &["app shop installs abacus 1.0", "app till installs abacus 2.0"]);
}

#[test]
fn an_incompatible_frappe_is_reported() {
    let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
    shop.write("pyproject.toml", "[tool.bench.frappe-dependencies]\nfrappe = '>=99.0.0,<100'\n");
    shop.commit("for another frappe");
    refused(
        &apps.fetch(&wanted(&shop.url())).run(),
        78,
        &["it requires frappe >=99.0.0,<100", "the bench has frappe 15"],
    );
}

#[test]
fn no_index_and_no_wheel() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    let shop = app("shop", &["abacus"]);
    let ended = offline(apps.fetch(&wanted(&shop.url())), wheels.path()).run();
    refused(&ended, 78, &["app shop", "No matching distribution found for abacus"]);
}

#[test]
fn another_image_gets_requirements_of_its_own_without_a_repository() {
    let (apps, wheels) = (AppsBench::new(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &[]);
    let shop = app("shop", &["abacus~=1.0"]);
    let wanted = wanted(&shop.url());
    done(offline(apps.fetch(&wanted), wheels.path()).run());
    let first = apps.bundle();
    drop(shop);
    // The bench of the new image has the package, so the bundle must not shadow it.
    let packages = own_packages(&apps);
    let mut pip = Command::new(apps.bench.path().join("env/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--find-links"])
        .arg(wheels.path())
        .arg("abacus");
    pip.arg("--target").arg(packages);
    assert!(pip.status().unwrap().success());
    done(apps.fetch(&wanted).run());
    let bundles = apps.bundles();
    let second = bundles.iter().find(|path| **path != first).expect("a bundle for the new bench");
    assert_eq!(crate::apps_bench::manifest(second)["requirements"], json!([]));
    assert!(second.join("source/shop/hooks.py").is_file() && !second.join("site-packages").exists());
    assert_eq!(
        crate::apps_bench::manifest(&first)["requirements"],
        json!(["abacus==1.2"]),
        "old pods keep theirs"
    );
    done(apps.fetch(&wanted).run());
    assert_eq!(apps.bundles().len(), 2);
}
