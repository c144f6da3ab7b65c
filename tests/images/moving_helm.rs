//! docs/moving.md, "From frappe/helm" and "From a bench on a host": a release as frappe/helm makes it, moved by the page's
//! blocks and used; then its own archives are restored over it.
//!
//! Not as in a cluster: what stands for nginx and Valkey only sleeps, and the servers are those of the test.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::installation::{Installation, SITE};
use crate::made::{BENCH, images};
use crate::podman::status;
use crate::reader::{LONG, Reader, between, blocks, lines, values};
use crate::servers::{PASSWORD, Setup};
use crate::support::wait::eventually;

const TEST: &str = "a_site_of_frappe_helm_moves";
const PAGE: &str = "moving.md";
/// The old release: its objects, of chart `erpnext`, are called `erp-old-erpnext-…`.
const OLD: &str = "erp-old";
const CLAIM: &str = "erp-old-erpnext";
const SITES: &str = "/home/frappe/frappe-bench/sites";

/// As in its templates/job-configure-bench.yaml.
const CONFIGURE: &str = "ls -1 apps > sites/apps.txt; [[ -f sites/common_site_config.json ]] || echo '{}' > sites/common_site_config.json; \
    bench set-config -gp db_port 5432; bench set-config -g db_host postgres; bench set-config -g redis_cache redis://redis-cache:6379; \
    bench set-config -g redis_queue redis://redis-queue:6379; bench set-config -g redis_socketio redis://redis-queue:6379; \
    bench set-config -gp socketio_port 9000";
/// As in its start.sh, without the number of processes.
const GUNICORN: &str =
    "exec env/bin/gunicorn --chdir=sites --bind=0.0.0.0:8000 --preload frappe.app:application";
const SLEEP: &str = "trap exit TERM; sleep infinity & wait";

/// A Deployment as its chart renders them, in a release that only some of its workers are in.
fn deployment(name: &str, chart: &str, script: &str) -> Value {
    let labels = json!({"app.kubernetes.io/instance": OLD, "app.kubernetes.io/name": chart});
    let container = json!({
        "name": "main",
        "image": BENCH,
        "command": ["bash", "-c", script],
        "volumeMounts": [{"name": "sites-dir", "mountPath": SITES}],
    });
    let volumes = json!([{"name": "sites-dir", "persistentVolumeClaim": {"claimName": CLAIM}}]);
    let spec = json!({"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 2});
    json!({
        "kind": "Deployment",
        "metadata": {"name": format!("{OLD}-{name}"), "labels": labels},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": labels}, "spec": spec}},
    })
}

fn old_release() -> Vec<Value> {
    vec![
        deployment("erpnext-gunicorn", "erpnext", GUNICORN),
        deployment("erpnext-nginx", "erpnext", SLEEP),
        deployment("erpnext-scheduler", "erpnext", "exec bench schedule"),
        deployment("erpnext-worker-l", "erpnext", "exec bench worker --queue long"),
        deployment("valkey-queue", "valkey-queue", SLEEP),
    ]
}

/// Runs a block of the page for this release and its site.
#[track_caller]
fn follows(reader: &Reader, block: &str, filled: &[(&str, &str)]) -> String {
    reader.follows(&block.replace("frappe-bench", OLD), filled, "")
}

#[track_caller]
fn in_old(reader: &Reader, script: &str) -> String {
    let script = script.replace('\'', "'\\''");
    reader.says(&format!("kubectl exec deploy/{CLAIM}-gunicorn -- bash -c '{script}'"))
}

fn a_site_is_made(reader: &Reader) {
    reader.cluster.state().by_hand.extend(old_release());
    let gunicorn = format!("{CLAIM}-gunicorn");
    let has_gunicorn = || reader.cluster.state().pods.iter().any(|pod| pod.owner == gunicorn && pod.runs());
    eventually(LONG, "the old gunicorn", || has_gunicorn().then_some(()));
    in_old(reader, CONFIGURE);
    // Scheduler and worker end without this configuration, and are started again.
    let runs = || reader.cluster.state().pods.iter().filter(|pod| pod.runs()).count() == old_release().len();
    eventually(LONG, "the old pods", || runs().then_some(()));
    // As in its templates/job-create-site.yaml.
    in_old(
        reader,
        &format!(
            "bench new-site {SITE} --db-type=postgres --db-host=postgres --db-port=5432 --admin-password=admin \
             --mariadb-root-username=postgres --mariadb-root-password={PASSWORD}"
        ),
    );
    let secret = "{'name': 'mail', 'value': 'of-the-mail-account'}";
    in_old(reader, &format!("bench --site {SITE} execute frappe.sample.keep_secret --kwargs \"{secret}\""));
    in_old(reader, "bench set-config -g -p max_file_size 7000000");
    in_old(reader, &format!("echo public > sites/{SITE}/public/files/a.txt"));
    in_old(reader, &format!("echo private > sites/{SITE}/private/files/b.txt"));
    let job = format!("{{'queue': 'short', 'path': '{SITES}/mark'}}");
    in_old(reader, &format!("bench --site {SITE} execute frappe.sample.queue --kwargs \"{job}\""));
}

#[track_caller]
fn everything_is_there(reader: &Reader) {
    reader.has_its_key();
    let web = reader.web().expect("a web pod");
    assert_eq!((status(web, SITE, "/login"), status(web, SITE, "/files/a.txt")), (200, 200));
    let private = reader.cluster.state().installation.volume().join(SITE).join("private/files/b.txt");
    assert_eq!(fs::read_to_string(private).expect("the private file"), "private\n");
    assert_eq!(reader.common_config()["max_file_size"], 7_000_000);
}

/// docs/moving.md, "From frappe/helm". Returns the site's database.
fn moves_from_helm(reader: &Reader) -> String {
    let steps = blocks(PAGE, "From frappe/helm");
    let [look, stop, secret, install] = &steps[..] else { panic!("{} blocks", steps.len()) };
    let printed = follows(reader, look, &[]);
    let mut files = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let mut next = || files.next().expect("a file").expect("JSON");
    let (common, site) = (next(), next());
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned();
    let name = text(&site, "db_name");
    let seen = follows(reader, stop, &[]);
    assert!(seen.contains("short: 1"), "the job that waits: {seen}");
    let left = || -> Vec<String> {
        let state = reader.cluster.state();
        state.pods.iter().filter(|pod| pod.runs()).map(|pod| pod.owner.clone()).collect()
    };
    eventually(LONG, "only Valkey is left", || (left() == [format!("{OLD}-valkey-queue")]).then_some(()));
    let (password, cache, queue) =
        (text(&site, "db_password"), text(&common, "redis_cache"), text(&common, "redis_queue"));
    let filled = [("=DB_PASSWORD", &password), ("=REDIS_CACHE", &cache), ("=REDIS_QUEUE", &queue)];
    let filled = filled.map(|(gap, text)| (gap, format!("={text}")));
    follows(reader, secret, &filled.each_ref().map(|(gap, text)| (*gap, &**text)));
    let page = values(PAGE, "From frappe/helm").replace("frappe-bench", OLD).replace("erp.example.com", SITE);
    let moved = page.replace("DB_HOST", &text(&common, "db_host")).replace("DB_NAME", &name);
    // The user of its volume: podman changes no group, as fsGroup does.
    let user =
        ["runAsUser", "runAsGroup"].map(|key| format!(" --set-json=frappe.podSecurityContext.{key}=1000"));
    let file = reader.values("moved.yaml", &moved) + &user.concat();
    let said = follows(reader, install, &[("moved.yaml", &file)]);
    for check in ["login page", "job", "live event"] {
        let passed = |line: &str| line.starts_with("ok ") && line.contains(check);
        assert!(said.lines().any(passed), "no {check}: {said}");
    }
    everything_is_there(reader);
    let mark = reader.cluster.state().installation.volume().join("mark");
    eventually(LONG, "the job that waited is done", || mark.exists().then_some(()));
    assert_eq!(reader.site_config()["db_name"], Value::from(&*name));
    name
}

/// The four files of `bench backup --with-files`, of which the sample bench makes two.
fn archives(site: &Path, folder: &Path) -> String {
    let sites = site.parent().expect("sites/").display().to_string();
    let backups = fs::read_dir(site.join("private/backups")).expect("backups").flatten();
    let mut time = String::new();
    for file in backups {
        let name = file.file_name().into_string().expect("a name");
        fs::copy(file.path(), folder.join(&name)).expect("a copy");
        time = name.split('-').next().expect("a time").to_owned();
    }
    for (part, end) in [("public", "files"), ("private", "private-files")] {
        let archive = folder.join(format!("{time}-{}-{end}.tar", SITE.replace('.', "_")));
        let made = Command::new("tar")
            .args(["-C", &sites, "-cf", &archive.display().to_string(), &format!("./{SITE}/{part}/files")])
            .status();
        assert!(made.is_ok_and(|status| status.success()), "no {}", archive.display());
    }
    time
}

/// docs/moving.md, "From a bench on a host", onto the site that is there.
fn comes_from_archives(reader: &Reader, database: &str) {
    let site = reader.cluster.state().installation.volume().join(SITE);
    let folder = tempfile::tempdir().expect("a folder");
    let time = archives(&site, folder.path());
    fs::remove_file(site.join("public/files/a.txt")).expect("a loss");
    reader.sql(database, "delete from \"tabRole\"");
    let steps = blocks(PAGE, "From a bench on a host");
    let [_, copy, restore] = &steps[..] else { panic!("{} blocks", steps.len()) };
    let moved = folder.path().display().to_string();
    let filled = [("~/moved", &*moved), ("TIME-erp_example_com", &*format!("{time}-cauldron_local"))];
    reader.notices(copy, &filled, "");
    let functions = lines(copy, |line| !line.starts_with("kubectl") && line != "restore");
    let refusal = reader.follows(&format!("{functions}\nrestore 2>&1 || true"), &filled, "");
    assert!(refusal.contains("refusal: restore-unconfirmed"), "{refusal}");
    let id = between(&refusal, "--no-safety-backup ", "`");
    let confirmed = format!(" {id}");
    let filled = [&filled[..], &[(" ID", &*confirmed)]].concat();
    let said = reader.follows(&format!("{functions}{restore}"), &filled, "");
    assert!(said.contains("login page"), "{said}");
    everything_is_there(reader);
    assert_ne!(reader.sql(database, "select count(*) from \"tabRole\""), "0");
    reader.does_a_job();
    assert!(!site.with_file_name("moved").exists());
}

#[test]
fn a_site_of_frappe_helm_moves() {
    if !images(TEST) {
        return;
    }
    let setup = Setup::default();
    let Some(installation) = Installation::of(TEST, "moving", &[], &setup, [].into()) else { return };
    let installation = installation.on_claim(CLAIM);
    // As its chart does before it writes there.
    let owner = Command::new("chown").args(["-R", "1000:1000"]).arg(installation.volume()).status();
    assert!(owner.is_ok_and(|status| status.success()), "no owner");
    let reader = Reader::new(installation);
    a_site_is_made(&reader);
    let database = moves_from_helm(&reader);
    comes_from_archives(&reader, &database);
}
