//! `apps list`: wanted, pinned, baked and installed apps side by side.

use serde_json::{Value, json};

use crate::apps_bench::{AppsBench, done, refused};
use crate::support::binary::Binary;
use crate::support::git::Repository;

#[test]
fn the_report_shows_all_four_lists() {
    let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
    let list =
        json!([{"name": "shop", "url": shop.url(), "branch": "main"}, {"name": "till", "branch": "main"}]);
    apps.fetched(&json!([list[0]]));
    let command = Binary::on(&apps.bench, &["apps", "list"]).set("CAULDRON_APPS", &list);
    let ended = done(command.clone().argument("--format").argument("json").run());
    let report: Value = serde_json::from_str(&ended.stdout).expect("one JSON object");
    let row = |app: &str| {
        let rows = report["apps"].as_array().expect("rows");
        rows.iter().find(|row| row["app"] == app).unwrap_or_else(|| panic!("{app} in {report}")).clone()
    };
    assert_eq!((&row("shop")["wanted"], &row("shop")["version"]), (&"branch main".into(), &"1.0.0".into()));
    assert!(row("shop")["bundle"].as_str().is_some_and(|path| path.contains(&shop.head())));
    assert_eq!(
        (&row("till")["pinned"], &row("till")["source"]),
        (&Value::Null, &"https://github.com/frappe/till".into())
    );
    assert!(row("frappe")["baked"].is_string() && row("frappe")["wanted"].is_null());
    assert!(row("frappe")["installed"].is_null() && report["installed_error"].is_string());
    let text = done(command.run()).stdout;
    assert!(text.lines().any(|line| line.starts_with("shop") && line.contains("branch main")), "{text}");
}

/// The image contains the list of `apps fetch`, which is the default of its pods.
#[test]
fn the_fetched_apps_are_the_default_list() {
    let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
    let list = || Binary::on(&apps.bench, &["apps", "list", "--format", "json"]);
    let wanted = |binary: Binary| -> Vec<(String, Value)> {
        let report: Value = serde_json::from_str(&done(binary.run()).stdout).expect("one JSON object");
        let rows = report["apps"].as_array().expect("rows");
        let wanted = rows.iter().filter(|row| !row["wanted"].is_null());
        wanted.map(|row| (row["app"].to_string(), row["version"].clone())).collect()
    };
    assert_eq!(wanted(list()), [], "nothing was fetched yet");
    apps.fetched(&json!([{"url": shop.url(), "branch": "main"}]));
    assert_eq!(wanted(list()), [("\"shop\"".to_owned(), "1.0.0".into())]);
    // An empty variable, as charts and compose render it, has no effect.
    assert_eq!(wanted(list().set("CAULDRON_APPS", "")).len(), 1);
    // A given list replaces the default.
    assert_eq!(wanted(list().set("STANDARD_APPS", "till:main")), [("\"till\"".to_owned(), Value::Null)]);
    // A list that cannot be parsed is an error, and not an empty list.
    std::fs::write(apps.folder().join("apps.json"), "{").expect("a broken list");
    let ended = list().run();
    refused(&ended, 78, &["apps.json", "not a JSON list of apps"]);
}
