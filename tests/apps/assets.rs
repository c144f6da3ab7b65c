//! Assets: built into the bundle if node is installed, otherwise reported as missing.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::apps_bench::{AppsBench, contents, done, refused, wanted};
use crate::support::binary::{Binary, event};
use crate::support::git::Repository;

fn app(script: &str) -> Repository {
    let repository = Repository::with_app("shop");
    repository.write("shop/public/js/shop.bundle.js", script);
    repository.write("shop/public/dist/js/stale.js", "an old build");
    repository.commit("a bundle");
    repository
}

#[test]
fn assets_are_built_and_compressed_before_the_bundle_is_published() {
    let script = "let price = 1;\n".repeat(200);
    let (apps, shop) = (AppsBench::new(), app(&script));
    let assets_before = contents(&apps.bench.sites());
    apps.fetched(&wanted(&shop.url()));
    let (bundle, manifest) = (apps.bundle(), apps.manifest());
    assert_eq!((&manifest["has_bundles"], &manifest["built_assets"]), (&true.into(), &true.into()));
    let text = fs::read_to_string(bundle.join("assets/assets.json")).unwrap();
    let map: Value = serde_json::from_str(&text).unwrap();
    let name = map["shop.bundle.js"].as_str().expect("its name").to_owned();
    let file = name.strip_prefix("/assets/shop/").expect("a path of the app").to_owned();
    let built = bundle.join("assets").join(&file);
    assert_eq!(fs::read_to_string(&built).unwrap(), script);
    for (extension, unpacked) in [("br", unbrotlied as fn(&Path) -> String), ("gz", ungzipped)] {
        let compressed = built.with_extension(format!("js.{extension}"));
        assert_eq!(unpacked(&compressed), script, "{extension}");
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&compressed), modified(&built), "{extension}");
    }
    assert!(bundle.join("source/shop/public").join(&file).is_file(), "where Frappe expects it");
    assert!(!bundle.join("source/shop/public/dist/js/stale.js").exists());
    assert_eq!(contents(&apps.bench.sites()), assets_before, "the bench's own assets are unchanged");
}

#[test]
fn without_node_the_app_is_published_with_a_warning() {
    let (apps, shop) = (AppsBench::new(), app("let price = 1;\n"));
    let git = which("git");
    let tools = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&git, tools.path().join("git")).unwrap();
    let ended = done(apps.fetch(&wanted(&shop.url())).set("PATH", tools.path().display()).run());
    ended.event("app.assets_not_built");
    assert_eq!(apps.manifest()["built_assets"], false);
    // With node they are built later: the same commit in a second bundle.
    apps.fetched(&wanted(&shop.url())).event("app.assets_build_started");
    assert_eq!(apps.bundles().len(), 2);
    // Published assets are not built again.
    let ended = apps.fetched(&wanted(&shop.url()));
    assert!(!ended.stderr.contains(&event("app.assets_build_started")), "{}", ended.stderr);
}

#[test]
fn a_failed_build_is_refused_unless_the_app_is_configured_without_one() {
    let (apps, shop) = (AppsBench::new(), app("SYNTAX ERROR\n"));
    refused(
        &apps.fetch(&wanted(&shop.url())).run(),
        78,
        &["app shop: building its assets failed", "syntax error", "\"build\": false"],
    );
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
    apps.fetched(&json!([{"url": shop.url(), "branch": "main", "build": false}]));
    assert_eq!(apps.manifest()["built_assets"], false);
}

#[test]
fn assets_of_an_image_are_compressed_once() {
    let apps = AppsBench::new();
    let public = apps.bench.path().join("apps/frappe/frappe/public/js");
    fs::create_dir_all(&public).unwrap();
    let script = "frappe.provide('frappe.ui');\n".repeat(200);
    fs::write(public.join("desk.js"), &script).unwrap();
    let compress = || done(Binary::on(&apps.bench, &["assets", "compress"]).run());
    compress().event("assets.compressed");
    assert_eq!(ungzipped(&public.join("desk.js.gz")), script);
    assert_eq!(unbrotlied(&public.join("desk.js.br")), script);
    let first = contents(&apps.bench.path().join("apps"));
    compress();
    assert_eq!(contents(&apps.bench.path().join("apps")), first, "a second run changes nothing");
}

fn ungzipped(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn unbrotlied(path: &Path) -> String {
    let mut text = String::new();
    brotli::Decompressor::new(fs::File::open(path).unwrap(), 4096).read_to_string(&mut text).unwrap();
    text
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").expect("PATH");
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path: &std::path::PathBuf| Path::is_file(path))
        .expect(program)
}
