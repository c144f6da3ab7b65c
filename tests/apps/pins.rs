//! A branch is resolved once; a pinned app with a bundle needs no repository.

use std::fs;

use serde_json::json;

use crate::apps_bench::{AppsBench, refused, wanted};
use crate::support::git::Repository;

#[test]
fn a_branch_moves_once_for_each_new_value_of_the_update() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let first = repository.head();
    apps.fetched(&wanted);
    let second = repository.commit("two");
    let pinned = || apps.pins()["apps"][0]["commit"].as_str().unwrap().to_owned();
    apps.fetched(&wanted);
    assert_eq!(pinned(), first, "a branch moves only on request");
    let update =
        |value: &str| crate::apps_bench::done(apps.fetch(&wanted).set("CAULDRON_APPS_UPDATE", value).run());
    update("1");
    assert_eq!(pinned(), second);
    let third = repository.commit("three");
    update("1");
    assert_eq!(pinned(), second, "once for each value");
    apps.fetched(&wanted);
    assert_eq!(pinned(), second, "removing the value moves nothing back");
    update("2");
    assert_eq!(pinned(), third);
    assert_eq!(apps.bundles().len(), 3, "the old ones stay for old pods");
}

/// The migration needs this to distinguish newer from older code where neither version nor patches do.
#[test]
fn a_bundle_records_the_relation_to_earlier_commits() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let older = repository.head();
    let first = repository.commit("one");
    apps.fetched(&wanted);
    repository.commit("two");
    let second = repository.commit("three");
    crate::apps_bench::done(apps.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run());
    let of = |commit: &str| {
        let bundles = apps.bundles();
        let bundle = bundles.iter().find(|path| path.display().to_string().contains(commit));
        crate::apps_bench::manifest(bundle.expect("a bundle of that commit"))
    };
    assert_eq!((&of(&second)["follows"], &of(&second)["precedes"]), (&json!([first]), &json!(null)));
    // A commit before the pinned one.
    apps.fetched(&json!([{"url": repository.url(), "commit": older}]));
    assert_eq!((&of(&older)["precedes"], &of(&older)["follows"]), (&json!([second, first]), &json!(null)));
    // A commit on another branch is neither older nor newer.
    repository.git(&["checkout", "--quiet", "-b", "other", &older]);
    let other = repository.commit("elsewhere");
    apps.fetched(&json!([{"url": repository.url(), "branch": "other"}]));
    repository.git(&["checkout", "--quiet", "main"]);
    assert_eq!(of(&other)["follows"], json!([older]));
    apps.fetched(&json!([{"url": repository.url(), "commit": first}]));
    assert_eq!(apps.bundles().len(), 4, "existing bundles are not made again");
}

#[test]
fn an_entry_that_stays_keeps_its_pin_when_the_list_changes() {
    let (apps, shop, till) = (AppsBench::new(), Repository::with_app("shop"), Repository::with_app("till"));
    apps.fetched(&wanted(&shop.url()));
    let pinned = shop.head();
    shop.commit("more");
    apps.fetched(&json!([{"url": till.url(), "branch": "main"}, {"url": shop.url(), "branch": "main"}]));
    let bundles = apps.bundles();
    assert!(bundles.iter().any(|path| path.display().to_string().contains(&pinned)), "{bundles:?}");
    assert_eq!(bundles.len(), 2);
}

#[test]
fn a_pinned_app_needs_no_repository() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    apps.fetched(&wanted);
    drop(repository);
    let ended = apps.fetch(&wanted).set("PATH", "/nonexistent").run();
    assert_eq!(ended.exit, 0, "neither the repository nor git is used: {}", ended.stderr);
    // Negative control: a new value needs the repository, and fails by name.
    refused(&apps.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run(), 78, &["app git-"]);
}

#[test]
fn a_commit_removed_by_a_force_push_stays_pinned() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let first = repository.head();
    apps.fetched(&wanted);
    repository.git(&["commit", "--quiet", "--amend", "--message", "another history"]);
    let second = repository.head();
    apps.fetched(&wanted);
    assert_eq!(apps.pins()["apps"][0]["commit"], first);
    // Without the bundle, and with the commit removed from the repository, the error has a hint.
    fs::remove_dir_all(apps.bundle()).unwrap();
    repository.git(&["reflog", "expire", "--expire=now", "--all"]);
    repository.git(&["gc", "--quiet", "--prune=now"]);
    let ended = apps.fetch(&wanted).run();
    refused(&ended, 78, &["no longer has commit", "CAULDRON_APPS_UPDATE", "refusal: pinned-commit-missing"]);
    crate::apps_bench::done(apps.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run());
    assert_eq!(apps.pins()["apps"][0]["commit"], second);
}

#[test]
fn an_incomplete_bundle_is_published_again() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    apps.fetched(&wanted(&repository.url()));
    let hooks = apps.bundle().join("source/shop/hooks.py");
    fs::remove_file(&hooks).unwrap();
    apps.fetched(&wanted(&repository.url()));
    assert!(hooks.is_file() && apps.leftovers() == 0);
}
