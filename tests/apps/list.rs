//! `apps list`: wanted, pinned, baked and installed, side by side.

use serde_json::{Value, json};

use crate::lab::{Lab, done};
use crate::support::binary::Binary;
use crate::support::git::Repository;

#[test]
fn the_four_lists_stand_side_by_side() {
    let (lab, shop) = (Lab::new(), Repository::with_app("shop"));
    let list =
        json!([{"name": "shop", "url": shop.url(), "branch": "main"}, {"name": "till", "branch": "main"}]);
    lab.fetched(&json!([list[0]]));
    let ask = Binary::on(&lab.bench, &["apps", "list"]).set("CAULDRON_APPS", &list);
    let told = done(ask.clone().argument("--format").argument("json").run());
    let report: Value = serde_json::from_str(&told.stdout).expect("one JSON object");
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
    let text = done(ask.run()).stdout;
    assert!(text.lines().any(|line| line.starts_with("shop") && line.contains("branch main")), "{text}");
}
