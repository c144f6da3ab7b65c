//! `support-bundle`: what it contains, and that no secret is in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::stage::{self, DATABASE, REDIS_PASSWORD};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::Pod;
use crate::support::postgres::PASSWORD;
use crate::support::stage::{Stage, ready};

const GIT_TOKEN: &str = "canary-git-token";

fn worker(stage: &Stage) -> Pod {
    ready(stage.manifest("worker").set("CAULDRON_CHILD_LOGS", "prefix"))
}

/// Every secret that stands in the environment, in a file of the bench, or in a log file.
fn secrets(stage: &Stage) -> Vec<String> {
    let config = stage.site_config();
    let from_file = ["db_password", "encryption_key"].map(|key| config[key].as_str().expect(key).to_owned());
    [PASSWORD, REDIS_PASSWORD, ADMIN_PASSWORD, GIT_TOKEN]
        .map(String::from)
        .into_iter()
        .chain(from_file)
        .collect()
}

#[test]
fn a_bundle_of_a_running_role_has_every_section_and_no_secret() {
    let stage = stage::healthy();
    let pod = worker(&stage);
    let secrets = secrets(&stage);
    for folder in [stage.bench.path().join("logs"), stage.file("logs")] {
        fs::create_dir_all(&folder).expect("a folder of logs");
        let lines = format!("first\n{}\nlast line of a log\n", secrets.join(" "));
        fs::write(folder.join("web.error.log"), lines).expect("a log");
    }
    let health = format!("127.0.0.1:{}", pod.health_port());
    let apps = format!(r#"[{{"url": "https://{GIT_TOKEN}@git.test/a.git", "name": "a"}}]"#);
    let ended = stage
        .manifest("support-bundle")
        .set("CAULDRON_HEALTH_ADDR", health)
        .set("CAULDRON_APPS", apps)
        .run()
        .exits(0);
    let text = &ended.stdout;
    for part in [
        "==== about\nversion    ",
        "==== configuration\n",
        "==== status\n{\n  \"version\"",
        "cauldron_frappe_phase{",
        "==== doctor\n",
        "==== plan\n",
        "\"event\":\"deps.ready\"",
        "(exited with code ",
        "web.error.log\nfirst\n*** *** *** *** *** ***\nlast line of a log\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(text.lines().any(|line| line.starts_with("DB_NAME ") && line.contains(DATABASE)), "{text}");
    assert_eq!(text.matches("last line of a log").count(), 2, "one log of the bench, one of the site");
    // Negative control: the secrets were there to be found.
    assert!(
        fs::read_to_string(stage.bench.path().join("logs/web.error.log")).expect("a log").contains(PASSWORD)
    );
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} is in:\n{text}");
    }
}

/// The bundle is needed most where things are broken.
#[test]
fn a_bundle_of_a_broken_configuration_says_what_is_absent() {
    let stage = stage::empty();
    let ended =
        stage.manifest("support-bundle").set("DB_PORT", "five").unset("ADMIN_PASSWORD").run().exits(0);
    for part in [
        "error: DB_PORT (environment DB_PORT)",
        "==== status\n(not available: ",
        "==== doctor\n",
        "configuration",
    ] {
        assert!(ended.stdout.contains(part), "`{part}` is not in:\n{ended}");
    }
}

/// The bench is still the configured one: its log files are shown, and its secrets are not.
#[test]
fn a_broken_configuration_hides_the_secrets_of_its_bench() {
    let stage = stage::empty();
    let folder = stage.bench.sites().join(stage.site);
    fs::create_dir_all(&folder).expect("a site");
    fs::write(folder.join("site_config.json"), r#"{"db_password": "canary-of-the-file"}"#).expect("a file");
    fs::create_dir_all(stage.bench.path().join("logs")).expect("a folder of logs");
    fs::write(stage.bench.path().join("logs/web.log"), "login canary-of-the-file\n").expect("a log");
    let not_utf8 = ["sh", "-c", r#"export BROKEN="$(printf 'x\377')"; exec "$0" "$@""#];
    let ended = stage.manifest("support-bundle").set("DB_PORT", "five").under(&not_utf8).run().exits(0);
    assert!(ended.stdout.contains("web.log\nlogin ***\n"), "{ended}");
    assert!(!ended.stdout.contains("canary-of-the-file"), "{ended}");
}

#[test]
fn a_file_is_written_once_for_its_owner_alone() {
    let stage = stage::empty();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bundle.txt");
    let bundle =
        || stage.manifest("support-bundle").argument("--output").argument(&path.display().to_string());
    assert_eq!(bundle().run().exits(0).stdout, "");
    assert!(fs::read_to_string(&path).expect("a bundle").starts_with("==== about\n"));
    assert_eq!(fs::metadata(&path).expect("a bundle").permissions().mode() & 0o777, 0o600);
    bundle().run().exits(78).says("File exists");
}
