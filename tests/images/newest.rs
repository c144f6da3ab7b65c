//! Frappe 16 with the Python and the Node that it asks for: the sample bench of its generation on the newest Debian.

use std::time::Duration;

use crate::installation::{Installation, ROLES};
use crate::made::{dockerfile_on, images};
use crate::podman::{command, doctor_finds_nothing, output, podman, repository, status, stop};
use crate::support::skip::skipped;
use crate::support::wait::eventually;

const LONG: Duration = Duration::from_secs(180);
const BASE: &str = "localhost/cauldron-test/newest";
const IMAGE: &str = "localhost/cauldron-test/newest-frappe";

/// The versions that this test is about; another one is a failure, since it would test something else.
#[track_caller]
fn is_of_the_versions_that_frappe_16_asks_for() {
    let script = "import sys, rq, redis; print(sys.version.split()[0], rq.VERSION, redis.__version__)";
    let python = podman(&["run", "--rm", IMAGE, "env/bin/python", "-c", script]);
    let node = podman(&["run", "--rm", IMAGE, "node", "--version"]);
    eprintln!("newest: {python}, node {node}");
    assert!(python.starts_with("3.14.") && python.contains(" 2.6.1 7.1.0"), "{python}");
    assert!(node.starts_with("v24."), "{node}");
}

#[test]
fn frappe_16_runs_on_python_3_14_and_node_24() {
    const TEST: &str = "frappe_16_runs_on_python_3_14_and_node_24";
    if !images(TEST) {
        return;
    }
    let began = std::time::Instant::now();
    let prepared = command("tests/images/prepare-newest").current_dir(repository()).status();
    match prepared.expect("prepare-newest runs").code() {
        Some(0) => {}
        Some(75) => return skipped(TEST, "Debian's mirror is not reached"),
        code => panic!("tests/images/prepare-newest failed: {code:?}"),
    }
    eprintln!("{TEST}: the image is there after {:?}", began.elapsed());
    output(&["rmi", "--force", IMAGE]);
    let built = dockerfile_on(BASE, "frappe", IMAGE, &[]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    is_of_the_versions_that_frappe_16_asks_for();
    let backups = "restic version && redis-server --version && ls /usr/lib/postgresql/*/bin/initdb && ! ls /var/lib/postgresql/*/main";
    podman(&["run", "--rm", IMAGE, "sh", "-c", backups]);
    let Some(installation) = Installation::new(TEST, "newest") else { return };
    let installation = installation.on(IMAGE);
    let bootstrap = installation.start("bootstrap");
    assert_eq!(bootstrap.end(LONG), 0, "{}", bootstrap.log());
    let pods = ROLES.map(|role| (role, installation.start(role)));
    for (role, played) in &pods {
        eventually(LONG, &format!("{role} is ready"), || {
            played.runs();
            (status(played.address(9180), "kubelet", "/readyz") == 200).then_some(())
        });
        doctor_finds_nothing(&played.container);
    }
    installation.passes_helm_test();
    for (role, played) in &pods {
        let (code, elapsed) = stop(&played.container, Duration::from_secs(60));
        eprintln!("{TEST}: {role} stopped in {elapsed:?}");
        assert_eq!(code, 0, "{role}: {}", played.log());
    }
    eprintln!("{TEST}: {:?} in all", began.elapsed());
}
