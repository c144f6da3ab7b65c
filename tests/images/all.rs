//! The Frappe image, every role in one container, as the hardest platform runs it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::made::{FRAPPE, images};
use crate::podman::{address, exit, log, output, podman, status, stop};
use crate::servers::{PASSWORD, Servers};
use crate::support::wait::eventually;

/// An arbitrary uid with group 0 (OpenShift), nothing writable but the volume and three empty folders; removed when dropped.
pub struct All<'a> {
    name: &'a str,
}

impl<'a> All<'a> {
    pub fn start(name: &'a str, image: &str, servers: &Servers) -> Self {
        let all = Self { name };
        all.remove();
        let network = format!("--network={}", servers.network);
        let hosts: Vec<String> =
            servers.hosts.iter().map(|(ip, names)| format!("--add-host={}:{ip}", names[0])).collect();
        let db_password = format!("--env=DB_PASSWORD={PASSWORD}");
        let mut words = vec!["run", "--detach", "--name", name, &network];
        words.extend(hosts.iter().map(String::as_str));
        words.extend([
            "--read-only",
            "--user=123456:0",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--memory=1g",
            "--volume=/home/frappe/frappe-bench/sites",
            "--tmpfs=/run/cauldron:mode=1777",
            "--tmpfs=/home/frappe/frappe-bench/config:mode=1777",
            "--tmpfs=/home/frappe/frappe-bench/logs:mode=1777",
            "--env=HOME=/tmp",
            "--env=SITE_NAME=erp.localhost",
            "--env=DB_HOST=postgres",
            "--env=DB_NAME=frappe",
            "--env=DB_USER=postgres",
            &db_password,
            "--env=ADMIN_PASSWORD=admin",
            "--env=REDIS_CACHE=redis://redis-cache:6379/0",
            "--env=REDIS_QUEUE=redis://redis-queue:6379/1",
            image,
            "all",
        ]);
        podman(&words);
        // Docker's HEALTHCHECK, by hand: there is no systemd to run it.
        eventually(Duration::from_secs(120), "a healthy container", || {
            assert_eq!(exit(name), None, "{}", log(name));
            output(&["healthcheck", "run", name]).status.success().then_some(())
        });
        all
    }

    pub fn web(&self) -> SocketAddr {
        address(self.name, 8000)
    }

    fn remove(&self) {
        output(&["rm", "--force", "--volumes", "--time=0", self.name]);
    }
}

impl Drop for All<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

#[test]
fn every_role_runs_as_an_arbitrary_uid_on_a_read_only_root() {
    const NAME: &str = "cauldron-test-all";
    if !images("every_role_runs_as_an_arbitrary_uid_on_a_read_only_root") {
        return;
    }
    let servers = Servers::start("all");
    let all = All::start(NAME, FRAPPE, &servers);
    assert_eq!(status(all.web(), "erp.localhost", "/api/method/ping"), 200);
    assert_eq!(status(all.web(), "erp.localhost", "/socket.io/?EIO=4&transport=polling"), 200);
    let first = podman(&["exec", NAME, "cat", "/proc/1/comm"]);
    assert_eq!(first, "cauldron-frappe", "another program is PID 1");
    let who = podman(&["exec", NAME, "cat", "/proc/1/status"]);
    assert!(who.contains("CapEff:\t0000000000000000"), "{who}");
    let (code, elapsed) = stop(NAME, Duration::from_secs(60));
    assert_eq!(code, 0, "{}", log(NAME));
    eprintln!("every role in one container stopped in {elapsed:?}");
}
