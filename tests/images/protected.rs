//! The pages of backups: one in the night with three replicas, a verification, its evidence, and rows that are missed.

use serde_json::Value;

use crate::podman::podman;
use crate::reader::{LONG, Reader, blocks, lines};
use crate::support::wait::eventually;

const NOTES: &str = "select count(*) from \"tabNote\"";

/// docs/backups.md, "See and use them", beside three web pods. Returns the backup's id; the pod with the repository stays.
pub fn a_backup_in_the_night(reader: &Reader) -> String {
    reader.sql(
        "frappe",
        "insert into \"tabNote\" (name, modified) select 'old-' || n, '2026-11-01' from generate_series(1, 40) n; \
         insert into \"tabNote\" (name, modified) values ('new', '2026-11-29')",
    );
    let containers = || -> Vec<(String, String)> {
        let state = reader.cluster.state();
        let pods = state.pods.iter().filter(|pod| pod.owner.ends_with("-web"));
        pods.map(|pod| (pod.played.container.clone(), pod.played.started_at())).collect()
    };
    let before = containers();
    assert_eq!(before.len(), 3);
    let steps = blocks("backups.md", "See and use them");
    reader.notices(&steps[0].replace("cronjob/", "cronjob/the-"), &[], "");
    reader.follows(&steps[0], &[], "");
    let list = reader.follows(&steps[1], &[], "");
    let id = list.split_whitespace().rfind(|word| word.starts_with("20") && word.contains("Z-"));
    let id = id.unwrap_or_else(|| panic!("no backup: {list}")).to_owned();
    for (container, _) in &before {
        eventually(LONG, "each pod knows of the backup", || {
            podman(&["exec", container, "cauldron-frappe", "status", "--format=json"])
                .contains(&id)
                .then_some(())
        });
    }
    assert_eq!(containers(), before, "no pod was started again");
    assert_eq!(reader.asks("pid").0, 200);
    id
}

/// docs/restore.md, "Nothing gets out" and "Evidence".
pub fn a_verification_and_its_evidence(reader: &Reader, backup: &str) {
    let evidence = &blocks("restore.md", "Evidence")[0];
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let filled = [
        ("BACKUP", backup),
        ("> report.json", &format!("> {}", file("report.json"))),
        ("> manifest.json", &format!("> {}", file("manifest.json"))),
    ]
    .map(|(gap, text)| (gap, text.to_owned()));
    let filled: Vec<(&str, &str)> = filled.iter().map(|(gap, text)| (*gap, &**text)).collect();
    // The control: there is no report before.
    reader.notices(&lines(evidence, |line| line.contains("part=report")), &filled, "");
    let log = reader.follows(&blocks("restore.md", "Nothing gets out")[0], &[], "");
    assert!(log.contains("verdict   passed"), "{log}");
    let list = reader.follows(evidence, &filled, "");
    assert!(list.contains("passed"), "{list}");
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(file(name)).expect("a file")).expect("JSON")
    };
    let (report, manifest) = (read("report.json"), read("manifest.json"));
    assert_eq!((report["backup"].as_str(), report["verdict"].as_str()), (Some(backup), Some("passed")));
    assert_eq!(manifest["backup"].as_str(), Some(backup));
}

/// docs/restore.md, "Rows that are missed".
pub fn rows_come_back(reader: &Reader, backup: &str) {
    reader.sql("frappe", "delete from \"tabNote\"");
    let steps = blocks("restore.md", "Rows that are missed");
    let printed = reader.follows(&steps[0], &[("BACKUP", backup)], "");
    let line = printed.lines().rfind(|line| line.starts_with("PGPASSWORD=")).expect("a line");
    let config = reader.site_config();
    let password = config["db_password"].as_str().expect("a password");
    let filled = [("LINE", line), ("DB_HOST", "postgres")];
    let only = |what: &str| lines(&steps[1], |line| line.contains(what));
    reader.notices(&only("TO /tmp/rows").replace("tabNote", "tabNotes"), &filled, "");
    reader.follows(&only("TO /tmp/rows"), &filled, "");
    let counted = reader.follows(&only("wc -l"), &filled, "");
    assert!(counted.starts_with("40 "), "{counted}");
    reader.follows(&only("FROM /tmp/rows"), &filled, &format!("{password}\n"));
    assert_eq!(reader.sql("frappe", NOTES), "40");
    // The control: rows that are there are refused, and stay.
    reader.notices(&only("FROM /tmp/rows"), &filled, &format!("{password}\n"));
    assert_eq!(reader.sql("frappe", NOTES), "40");
    reader.follows(&only("delete"), &[], "");
    assert_eq!(reader.asks("pid").0, 200);
}
