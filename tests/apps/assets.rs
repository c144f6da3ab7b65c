//! Assets: built into the bundle where node is, told where it is not.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Lab, contents, done, refused, wanted};
use crate::support::git::Repository;

fn app(script: &str) -> Repository {
    let repository = Repository::with_app("shop");
    repository.write("shop/public/js/shop.bundle.js", script);
    repository.write("shop/public/dist/js/stale.js", "built long ago");
    repository.commit("a bundle");
    repository
}

#[test]
fn bundles_are_built_before_anybody_sees_them() {
    let (lab, shop) = (Lab::new(), app("let price = 1;\n"));
    let assets_before = contents(&lab.bench.sites());
    lab.fetched(&wanted(&shop.url()));
    let (bundle, manifest) = (lab.bundle(), lab.manifest());
    assert_eq!((&manifest["has_bundles"], &manifest["built_assets"]), (&true.into(), &true.into()));
    let text = fs::read_to_string(bundle.join("assets/assets.json")).unwrap();
    let map: Value = serde_json::from_str(&text).unwrap();
    let built = map["shop.bundle.js"].as_str().expect("its name").to_owned();
    let file = built.strip_prefix("/assets/shop/").expect("a path of the app").to_owned();
    assert_eq!(fs::read_to_string(bundle.join("assets").join(&file)).unwrap(), "let price = 1;\n");
    assert!(bundle.join("source/shop/public").join(&file).is_file(), "where Frappe looks for it");
    assert!(!bundle.join("source/shop/public/dist/js/stale.js").exists());
    assert_eq!(contents(&lab.bench.sites()), assets_before, "the bench's own assets stay as they are");
}

#[test]
fn without_node_the_app_is_published_and_its_assets_are_told() {
    let (lab, shop) = (Lab::new(), app("let price = 1;\n"));
    let git = which("git");
    let tools = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&git, tools.path().join("git")).unwrap();
    let ended = done(lab.fetch(&wanted(&shop.url())).set("PATH", tools.path().display()).run());
    assert!(ended.stderr.contains("its assets are not built"), "{}", ended.stderr);
    assert_eq!(lab.manifest()["built_assets"], false);
    // Where node is, they are built later: the same commit in a bundle of its own.
    lab.fetched(&wanted(&shop.url()));
    assert_eq!(lab.bundles().len(), 2);
    // What is published is not built again.
    let ended = lab.fetched(&wanted(&shop.url()));
    assert!(!ended.stderr.contains("building"), "{}", ended.stderr);
}

#[test]
fn an_app_may_ask_for_no_build_and_one_that_does_not_build_is_refused() {
    let (lab, shop) = (Lab::new(), app("SYNTAX ERROR\n"));
    refused(
        &lab.fetch(&wanted(&shop.url())).run(),
        78,
        &["app shop: its assets do not build", "syntax error", "\"build\": false"],
    );
    assert!(lab.bundles().is_empty() && lab.leftovers() == 0);
    lab.fetched(&json!([{"url": shop.url(), "branch": "main", "build": false}]));
    assert_eq!(lab.manifest()["built_assets"], false);
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").expect("PATH");
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path: &std::path::PathBuf| Path::is_file(path))
        .expect(program)
}
