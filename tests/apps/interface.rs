//! Apps with their own user interface: `scripts.build` of package.json, which `bench build` runs with yarn.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::apps_bench::{AppsBench, contents, done, refused, wanted};
use crate::support::binary::{Binary, event};
use crate::support::git::Repository;

/// A build script like those of frappe-ui: it reads the bench's configuration relative to the real path of its own
/// files, and writes into the package.
const BUILD: &str = r#"
const fs = require("fs"), path = require("path");
if (process.env.BUILD_FAILS) throw new Error("Could not resolve 'x' from 'src/main.js'");
const source = fs.realpathSync("frontend/src");
const config = fs.readFileSync(path.join(source, "../../../../sites/common_site_config.json"), "utf8");
if (!fs.existsSync("node_modules")) throw new Error("no packages");
fs.mkdirSync("shop/public/frontend", { recursive: true });
fs.writeFileSync("shop/public/frontend/index.js", config);
fs.mkdirSync("shop/www", { recursive: true });
fs.writeFileSync("shop/www/shop.html", '<script src="/assets/shop/frontend/index.js"></script>');
"#;

fn app() -> Repository {
    let repository = Repository::with_app("shop");
    let package = json!({"private": true, "scripts": {"build": "node build.js"}, "dependencies": {}});
    repository.write("package.json", &package.to_string());
    repository.write("build.js", BUILD);
    repository.write("frontend/src/main.js", "");
    repository.commit("a user interface");
    repository
}

/// Puts the sample bench's own yarn on PATH, instead of this machine's.
fn with_yarn(binary: Binary) -> Binary {
    let yarn = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sample-bench/node/node_modules/.bin");
    let path = std::env::var("PATH").expect("PATH");
    binary.set("PATH", format!("{}:{path}", yarn.display()))
}

/// Sets a PATH with only these programs.
fn with_only(binary: Binary, programs: &[&str]) -> (Binary, tempfile::TempDir) {
    let tools = tempfile::tempdir().expect("a folder");
    let path = std::env::var_os("PATH").expect("PATH");
    for program in programs {
        let found =
            std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
        symlink(found.expect("the program"), tools.path().join(program)).expect("a link");
    }
    (binary.set("PATH", tools.path().display()), tools)
}

fn interface(bundle: &Path) -> PathBuf {
    bundle.join("source/shop/public/frontend/index.js")
}

/// Changes the bundle to one of a release without support for build commands: nothing to build, and the plain name.
fn as_published_before(apps: &AppsBench) -> PathBuf {
    let bundle = apps.bundle();
    let mut manifest = apps.manifest();
    manifest["has_bundles"] = false.into();
    fs::write(bundle.join("manifest.json"), manifest.to_string()).expect("a manifest");
    let name = bundle.file_name().expect("a name").to_string_lossy().into_owned();
    let plain = bundle.with_file_name(name.strip_suffix("-sources").expect("not built"));
    fs::rename(bundle, &plain).expect("renamed");
    plain
}

#[test]
fn an_app_with_a_build_command_gets_its_user_interface() {
    let (apps, shop) = (AppsBench::new(), app());
    let config =
        json!({"redis_cache": "redis://:canary@h:1", "db_password": "canary", "socketio_port": 9017});
    fs::write(apps.bench.sites().join("common_site_config.json"), config.to_string()).unwrap();
    let before = contents(&apps.bench.sites());
    done(with_yarn(apps.fetch(&wanted(&shop.url()))).set("NODE_ENV", "production").run())
        .event("app.build_command_started");
    let (bundle, manifest) = (apps.bundle(), apps.manifest());
    let built = fs::read_to_string(interface(&bundle)).expect("the user interface");
    assert!(built.contains("\"socketio_port\":9017") && !built.contains("canary"), "{built}");
    assert!(bundle.join("source/shop/www/shop.html").is_file());
    assert!(!bundle.join("source/node_modules").exists(), "packages for the build are not part of the app");
    assert_eq!(manifest["built_assets"], true);
    assert!(bundle.join("assets/assets.json").is_file(), "pods of the previous release open it too");
    assert_eq!(contents(&apps.bench.sites()), before, "the bench itself is unchanged");
    let ended = done(with_yarn(apps.fetch(&wanted(&shop.url()))).run());
    assert!(!ended.stderr.contains(&event("app.build_command_started")), "{}", ended.stderr);
}

#[test]
fn a_build_that_is_silent_is_reported_while_it_runs() {
    let (apps, shop) = (AppsBench::new(), app());
    let may_end = tempfile::tempdir().expect("a folder");
    let wait = "const timer = setInterval(() => require('fs').existsSync(process.env.MAY_END + '/now') && \
                clearInterval(timer), 100);";
    shop.write("build.js", &format!("{wait}{BUILD}"));
    shop.commit("a silent build");
    let fetch = with_yarn(apps.fetch(&wanted(&shop.url()))).set("MAY_END", may_end.path().display()).spawn();
    fetch.event("app.program_running");
    fs::write(may_end.path().join("now"), "").expect("a file");
    done(fetch.end()).event("app.build_command_started");
}

#[test]
fn bundles_and_a_build_command_are_both_built() {
    let (apps, shop) = (AppsBench::new(), app());
    shop.write("shop/public/js/shop.bundle.js", "let price = 1;\n");
    shop.commit("a bundle");
    done(with_yarn(apps.fetch(&wanted(&shop.url()))).run());
    let bundle = apps.bundle();
    assert!(interface(&bundle).is_file());
    let names = fs::read_to_string(bundle.join("assets/assets.json")).unwrap();
    assert!(names.contains("shop.bundle.js"), "{names}");
    assert!(bundle.join("source/shop/public/dist/js").is_dir());
}

#[test]
fn an_app_that_cannot_be_built_here_is_not_published() {
    let (apps, shop) = (AppsBench::new(), app());
    for (programs, lacks) in [(&["git"][..], "no node"), (&["git", "node"], "no yarn")] {
        let (fetch, _tools) = with_only(apps.fetch(&wanted(&shop.url())), programs);
        refused(
            &fetch.run(),
            78,
            &[
                "app shop: its package.json has a build command",
                lacks,
                "\"build\": false",
                "refusal: app-tool-missing",
            ],
        );
        assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
    }
    apps.fetched(&json!([{"url": shop.url(), "branch": "main", "build": false}]));
    assert_eq!(apps.manifest()["built_assets"], false);
}

#[test]
fn a_failed_build_is_reported_with_its_own_error() {
    let (apps, shop) = (AppsBench::new(), app());
    let ended = with_yarn(apps.fetch(&wanted(&shop.url()))).set("BUILD_FAILS", 1).run();
    refused(
        &ended,
        78,
        &["app shop: building its assets failed: yarn build", "Error: Could not resolve 'x' from"],
    );
    let error = ended.stderr.lines().find(|line| line.starts_with("error:")).expect("an error");
    assert!(!error.contains("Command failed") && !error.contains("at Object"), "{error}");
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
}

#[test]
fn an_unbuilt_bundle_of_an_earlier_release_gets_a_built_one_next_to_it() {
    let (apps, shop) = (AppsBench::new(), app());
    let list = wanted(&shop.url());
    apps.fetched(&json!([{"url": shop.url(), "branch": "main", "build": false}]));
    let plain = as_published_before(&apps);
    fs::remove_dir_all(apps.folder().join("apps")).unwrap();
    done(with_yarn(apps.fetch(&list)).run());
    let built: Vec<PathBuf> = apps.bundles().into_iter().filter(|bundle| *bundle != plain).collect();
    assert_eq!(built.len(), 1);
    assert!(built[0].to_string_lossy().ends_with("-built") && interface(&built[0]).is_file());
    assert!(plain.is_dir() && !interface(&plain).exists(), "pods may run on it");
    assert!(apps.pins()["apps"][0]["bundle"].as_str().unwrap().ends_with("-built"));
}
