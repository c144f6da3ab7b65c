//! docs/operations.md, "Adopt a lost volume": nobody has a backup, and the site is served again without its files.

use std::fs;

use crate::installation::{Installation, SITE};
use crate::made::images;
use crate::podman::status;
use crate::reader::{LONG, Reader, between, blocks, lines, values};
use crate::servers::PASSWORD;
use crate::support::wait::eventually;

const PAGE: &str = "operations.md";
const HEADING: &str = "Adopt a lost volume";

#[track_caller]
fn refused(reader: &Reader, id: &str) -> String {
    eventually(LONG, &format!("the bootstrap is refused: {id}"), || {
        let log = reader.log("bootstrap");
        log.contains(&format!("refusal: {id}")).then_some(log)
    })
}

fn adopts(reader: &Reader) {
    let volume = reader.cluster.state().installation.volume();
    let logo = volume.join(SITE).join("public/files/logo.txt");
    let key = reader.site_config()["encryption_key"].as_str().expect("a key").to_owned();
    fs::write(&logo, "a logo").expect("an upload");
    let uploaded = || status(reader.web().expect("a web pod"), SITE, "/files/logo.txt");
    assert_eq!(uploaded(), 200);
    reader.stops();
    reader.loses_the_volume();
    reader.says("helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values $FORCE");
    let refusal = refused(reader, "volume-lost");
    let id = between(&refusal, "CAULDRON_ADOPT=", " ");

    let page = values(PAGE, HEADING).replace("ID", id);
    let step = &blocks(PAGE, HEADING)[0];
    let upgrade = lines(step, |line| line.contains("adopt.yaml"));
    // The control, and what the page says: without the role's password the next refusal, and nothing is created.
    let alone = page.lines().take_while(|line| !line.contains("SITE_DB_PASSWORD"));
    let alone = reader.values("alone.yaml", &alone.collect::<Vec<_>>().join("\n"));
    reader.follows(&upgrade, &[("adopt.yaml", &alone)], "");
    assert!(refused(reader, "role-password-unknown").contains("ALTER ROLE \"frappe\" PASSWORD"));
    assert!(!volume.join(SITE).exists(), "a folder was created");

    let adopt = reader.values("adopt.yaml", &page);
    let site_db = reader.values("site-db.yaml", &values(PAGE, "The site's database role"));
    reader.says(&format!(
        "kubectl -n cauldron create secret generic erp-key --from-literal=encryption-key={key}"
    ));
    let with_key = format!("{adopt} --set frappe.site.encryptionKeySecret=erp-key");
    let filled = [
        ("NEW", "of-the-role-too"),
        ("DB_HOST", "postgres"),
        ("adopt.yaml", &*with_key),
        ("-f site-db.yaml", &*format!("-f {site_db}")),
    ];
    let asked = format!("{PASSWORD}\nof-the-role-too\nof-the-role-too\n");
    // A terminal's input goes to the command that prompts.
    let only = |what: &str| lines(step, |line| line.contains(what));
    reader.follows(&only("create secret"), &filled, "");
    reader.follows(&only("psql"), &filled, &asked);
    let rest = lines(step, |line| !line.contains("create secret") && !line.contains("psql"));
    reader.follows(&rest, &filled, "");
    reader.says("kubectl -n cauldron rollout status deploy -l app.kubernetes.io/instance=erp --timeout=180s");
    reader.has_its_key();
    reader.does_a_job();
    let web = reader.web().expect("a web pod");
    assert_eq!((status(web, SITE, "/login"), uploaded()), (200, 404), "the login page, and the lost file");
    assert_eq!(reader.site_config()["db_password"], "of-the-role-too");
    let objects = reader.cluster.state().objects.clone();
    assert!(!objects.iter().any(|object| object.to_string().contains("CAULDRON_ADOPT")));
}

#[test]
fn a_lost_volume_is_adopted() {
    const TEST: &str = "a_lost_volume_is_adopted";
    if !images(TEST) {
        return;
    }
    let Some(installation) = Installation::new(TEST, "adopted") else { return };
    let reader = Reader::new(installation);
    reader.says("helm install erp charts/cauldron-frappe -n cauldron");
    eventually(LONG, "the site is there", || (reader.asks("pid").0 == 200).then_some(()));
    reader.keeps_a_secret();
    adopts(&reader);
}
