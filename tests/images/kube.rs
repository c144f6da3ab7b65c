//! The rendered pods, on real servers that go away for a minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::installation::{Installation, ROLES, SITE};
use crate::kubelet::Kubelet;
use crate::live_events;
use crate::made::{FRAPPE, images};
use crate::played::Played;
use crate::podman::{doctor_finds_nothing, podman, repository, status, stop, writes_what_a_bench_writes};
use crate::rendered::UID;
use crate::support::http;
use crate::support::wait::eventually;

const OUTAGE: Duration = Duration::from_secs(60);

/// An arbitrary uid without capabilities, on a root that cannot be written.
#[track_caller]
fn is_hardened(played: &Played) {
    let who = podman(&["exec", &played.container, "cat", "/proc/1/status"]);
    assert!(who.contains(&format!("Uid:\t{UID}\t{UID}")), "{who}");
    assert!(who.contains("CapEff:\t0000000000000000") && who.contains("NoNewPrivs:\t1"), "{who}");
    writes_what_a_bench_writes(&played.container, "/run/cauldron");
}

/// The volume hides the image's own sites/assets; the front has them all the same.
#[track_caller]
fn serves_the_images_assets(installation: &Installation, web: &Played) {
    assert!(!installation.volume().join("assets").exists(), "the volume has the image's assets");
    let folder = "/home/frappe/frappe-bench";
    let of_the_image = |path: &str| podman(&["run", "--rm", FRAPPE, "cat", &format!("{folder}/{path}")]);
    let map: serde_json::Value =
        serde_json::from_str(&of_the_image("sites/assets/assets.json")).expect("assets.json");
    let assets = map.as_object().expect("names");
    assert!(!assets.is_empty());
    for path in assets.values().map(|path| path.as_str().expect("a path")) {
        let answer = http::get_at(web.address(8000), SITE, path, Duration::from_secs(5))
            .expect("an answer for an asset");
        assert_eq!(
            (answer.status, answer.body.trim()),
            (200, &*of_the_image(&format!("sites{path}"))),
            "{path}"
        );
    }
}

/// The table of docs/observability.md is what /metrics says: no other name is told by any role, and all together tell every one of them.
#[track_caller]
fn metrics_are_the_documented_ones(pods: &[(&str, Played)]) {
    // Shown when it happens: a tick, a migration, a child that had to be started again, a second site on the bench, jobs
    // that may not run, a certificate of the web port.
    const LATER: [&str; 16] = [
        "cauldron_frappe_backup_age_seconds",
        "cauldron_frappe_backup_bytes",
        "cauldron_frappe_backup_duration_seconds",
        "cauldron_frappe_backup_restore_duration_seconds",
        "cauldron_frappe_backup_verified_age_seconds",
        "cauldron_frappe_backup_verify_passed",
        "cauldron_frappe_other_site_served",
        "cauldron_frappe_parked_jobs",
        "cauldron_frappe_tls_certificate_expiry_timestamp_seconds",
        "cauldron_frappe_http_unlisted_host_requests_total",
        "cauldron_frappe_scheduler_lag_seconds",
        "cauldron_frappe_child_restart_reasons_total",
        "cauldron_frappe_migration_patches",
        "cauldron_frappe_migration_patches_done",
        "cauldron_frappe_migration_patch_seconds",
        "cauldron_frappe_log_lines_dropped_total",
    ];
    let page = repository().join("docs/observability.md");
    let page = std::fs::read_to_string(page).expect("docs/observability.md");
    let table = page.split("metrics -->").nth(1).expect("the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let known: BTreeSet<String> = rows.map(str::to_owned).collect();
    let mut told = BTreeSet::new();
    for (role, played) in pods {
        let metrics = http::get_at(played.address(9180), "kubelet", "/metrics", Duration::from_secs(5));
        let metrics = metrics.unwrap_or_else(|| panic!("{role} has no /metrics")).body;
        let names = metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        for name in names.map(|line| line.split(['{', ' ']).next().expect("a name")) {
            let parts = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
            let name = parts.filter(|base| known.contains(*base)).unwrap_or(name);
            assert!(known.contains(name), "{role}: {name} is not in docs/observability.md");
            told.insert(name.to_owned());
        }
    }
    let silent: Vec<&String> =
        known.iter().filter(|name| !told.contains(*name) && !LATER.contains(&name.as_str())).collect();
    assert!(silent.is_empty(), "no role tells {silent:?}");
}

#[test]
fn the_rendered_pods_live_through_the_loss_of_their_servers() {
    const TEST: &str = "the_rendered_pods_live_through_the_loss_of_their_servers";
    if !images(TEST) {
        return;
    }
    let Some(installation) = Installation::new(TEST, "kube") else { return };
    // Pods wait for the database's state: those that follow are there first.
    let pods = ROLES.map(|role| (role, installation.start(role)));
    let kubelets: Vec<(&str, &Played, Kubelet)> = pods
        .iter()
        .map(|(role, played)| {
            let container = installation.pod(role)["spec"]["containers"][0].clone();
            (*role, played, Kubelet::start(&container, played.address(9180)))
        })
        .collect();
    let all_ready = |what: &str, deadline: Duration| {
        for (role, played, kubelet) in &kubelets {
            eventually(deadline, &format!("{role} is ready {what}"), || {
                played.runs();
                kubelet.seen().ready.then_some(())
            });
        }
    };
    for (role, _, kubelet) in &kubelets {
        eventually(Duration::from_secs(60), &format!("{role} has started"), || {
            kubelet.seen().started.then_some(())
        });
        assert!(!kubelet.seen().ready, "{role} is ready without a site");
    }
    let bootstrap = installation.start("bootstrap");
    assert_eq!(bootstrap.end(Duration::from_secs(180)), 0, "{}", bootstrap.log());
    all_ready("at first", Duration::from_secs(120));
    let (_, web, web_kubelet) = &kubelets[0];
    let front = web.address(8000);
    assert_eq!(status(front, SITE, "/api/method/ping"), 200);
    assert_eq!(
        status(front, SITE, "/socket.io/?EIO=4&transport=polling"),
        200,
        "through the front to the Service"
    );
    live_events::user_hears(front, "http://erp.invalid", SITE);
    serves_the_images_assets(&installation, web);
    metrics_are_the_documented_ones(&pods);
    for (_, played) in &pods {
        is_hardened(played);
        doctor_finds_nothing(&played.container);
    }

    installation.passes_helm_test();

    let before: Vec<String> = pods.iter().map(|(_, played)| played.started_at()).collect();
    let began = Instant::now();
    for server in installation.servers.all() {
        podman(&["stop", "--time=20", &server]);
    }
    // The control: the loss is seen where it should be.
    eventually(OUTAGE, "web is not ready without PostgreSQL", || {
        (web_kubelet.seen().unready > 0).then_some(())
    });
    eventually(OUTAGE * 2, "the end of the outage", || (began.elapsed() >= OUTAGE).then_some(()));
    for server in installation.servers.all() {
        podman(&["start", &server]);
    }
    let back = Instant::now();
    all_ready("again", Duration::from_secs(120));
    eventually(Duration::from_secs(30), "the site answers again", || {
        (status(front, SITE, "/api/method/ping") == 200).then_some(())
    });
    eprintln!("{TEST}: all ready {:?} after the servers' return", back.elapsed());
    for ((role, played, kubelet), before) in kubelets.iter().zip(before) {
        let seen = kubelet.seen();
        eprintln!("{TEST}: {role}: {seen:?}");
        assert_eq!(seen.restarts, 0, "{role}: {seen:?}");
        assert_eq!(played.started_at(), before, "{role} was started again");
    }
    drop(kubelets);
    for (role, played) in &pods {
        let spec = installation.pod(role)["spec"].clone();
        let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().expect("a grace"));
        let (code, elapsed) = stop(&played.container, grace);
        eprintln!("{TEST}: {role} stopped in {elapsed:?} of {grace:?}");
        assert_eq!(code, 0, "{role}: {}", played.log());
    }
}
