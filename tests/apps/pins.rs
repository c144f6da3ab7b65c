//! A branch is resolved once; a pinned app with a bundle needs no repository.

use std::fs;

use serde_json::json;

use crate::lab::{Lab, refused, wanted};
use crate::support::git::Repository;

#[test]
fn a_branch_moves_once_for_each_new_value_of_the_update() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let first = repository.head();
    lab.fetched(&wanted);
    let second = repository.commit("two");
    let pinned = || lab.pins()["apps"][0]["commit"].as_str().unwrap().to_owned();
    lab.fetched(&wanted);
    assert_eq!(pinned(), first, "a branch moves only on request");
    let update = |value: &str| crate::lab::done(lab.fetch(&wanted).set("CAULDRON_APPS_UPDATE", value).run());
    update("1");
    assert_eq!(pinned(), second);
    let third = repository.commit("three");
    update("1");
    assert_eq!(pinned(), second, "once for each value");
    lab.fetched(&wanted);
    assert_eq!(pinned(), second, "removing the value moves nothing back");
    update("2");
    assert_eq!(pinned(), third);
    assert_eq!(lab.bundles().len(), 3, "the old ones stay for old pods");
}

/// The migration needs this to distinguish newer from older code where neither version nor patches do.
#[test]
fn a_bundle_records_the_relation_to_earlier_commits() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let older = repository.head();
    let first = repository.commit("one");
    lab.fetched(&wanted);
    repository.commit("two");
    let second = repository.commit("three");
    crate::lab::done(lab.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run());
    let of = |commit: &str| {
        let bundles = lab.bundles();
        let bundle = bundles.iter().find(|path| path.display().to_string().contains(commit));
        crate::lab::manifest(bundle.expect("a bundle of that commit"))
    };
    assert_eq!((&of(&second)["follows"], &of(&second)["precedes"]), (&json!([first]), &json!(null)));
    // A commit before the pinned one.
    lab.fetched(&json!([{"url": repository.url(), "commit": older}]));
    assert_eq!((&of(&older)["precedes"], &of(&older)["follows"]), (&json!([second, first]), &json!(null)));
    // A commit on another branch is neither older nor newer.
    repository.git(&["checkout", "--quiet", "-b", "other", &older]);
    let other = repository.commit("elsewhere");
    lab.fetched(&json!([{"url": repository.url(), "branch": "other"}]));
    repository.git(&["checkout", "--quiet", "main"]);
    assert_eq!(of(&other)["follows"], json!([older]));
    lab.fetched(&json!([{"url": repository.url(), "commit": first}]));
    assert_eq!(lab.bundles().len(), 4, "existing bundles are not made again");
}

#[test]
fn an_entry_that_stays_keeps_its_pin_when_the_list_changes() {
    let (lab, shop, till) = (Lab::new(), Repository::with_app("shop"), Repository::with_app("till"));
    lab.fetched(&wanted(&shop.url()));
    let pinned = shop.head();
    shop.commit("more");
    lab.fetched(&json!([{"url": till.url(), "branch": "main"}, {"url": shop.url(), "branch": "main"}]));
    let bundles = lab.bundles();
    assert!(bundles.iter().any(|path| path.display().to_string().contains(&pinned)), "{bundles:?}");
    assert_eq!(bundles.len(), 2);
}

#[test]
fn a_pinned_app_needs_no_repository() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    lab.fetched(&wanted);
    drop(repository);
    let ended = lab.fetch(&wanted).set("PATH", "/nonexistent").run();
    assert_eq!(ended.exit, 0, "neither the repository nor git is used: {}", ended.stderr);
    // Negative control: a new value needs the repository, and fails by name.
    refused(&lab.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run(), 78, &["app git-"]);
}

#[test]
fn a_commit_removed_by_a_force_push_stays_pinned() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    let wanted = wanted(&repository.url());
    let first = repository.head();
    lab.fetched(&wanted);
    repository.git(&["commit", "--quiet", "--amend", "--message", "another history"]);
    let second = repository.head();
    lab.fetched(&wanted);
    assert_eq!(lab.pins()["apps"][0]["commit"], first);
    // Without the bundle, and with the commit removed from the repository, the error has a hint.
    fs::remove_dir_all(lab.bundle()).unwrap();
    repository.git(&["reflog", "expire", "--expire=now", "--all"]);
    repository.git(&["gc", "--quiet", "--prune=now"]);
    let ended = lab.fetch(&wanted).run();
    refused(&ended, 78, &["no longer has commit", "CAULDRON_APPS_UPDATE", "refusal: pinned-commit-missing"]);
    crate::lab::done(lab.fetch(&wanted).set("CAULDRON_APPS_UPDATE", "1").run());
    assert_eq!(lab.pins()["apps"][0]["commit"], second);
}

#[test]
fn an_incomplete_bundle_is_published_again() {
    let (lab, repository) = (Lab::new(), Repository::with_app("shop"));
    lab.fetched(&wanted(&repository.url()));
    let hooks = lab.bundle().join("source/shop/hooks.py");
    fs::remove_file(&hooks).unwrap();
    lab.fetched(&wanted(&repository.url()));
    assert!(hooks.is_file() && lab.leftovers() == 0);
}
