//! docker/compose.yaml as podman-compose runs it, with the images of these tests in place of the registries'.

use std::path::PathBuf;
use std::time::Duration;

use crate::made::{BENCH, FRAPPE, images};
use crate::podman::{
    command, exit, log, output, podman, repository, status, stop, writes_what_a_bench_writes,
};
use crate::support::skip::skipped;
use crate::support::wait::eventually;

const PROJECT: &str = "cauldron-test";
const PORT: u16 = 18080;

/// Brought down, volumes included, when dropped.
struct Stack {
    program: PathBuf,
    files: Vec<&'static str>,
}

impl Stack {
    fn new(test: &str, files: &[&'static str]) -> Option<Self> {
        let program = repository().join("target/tools/python/bin/podman-compose");
        if !program.exists() {
            skipped(test, "no podman-compose (make install-images)");
            return None;
        }
        let stack = Self { program, files: files.to_vec() };
        stack.down();
        Some(stack)
    }

    fn compose(&self, words: &[&str]) -> std::process::Output {
        let mut command = command(self.program.to_str().expect("a path"));
        command.current_dir(repository().join("docker")).args(["--project-name", PROJECT]);
        for file in self.files.iter().copied().chain(["../tests/images/compose.images.yaml"]) {
            command.args(["--file", file]);
        }
        command
            .args(words)
            .env("COMPOSE_PROJECT_NAME", PROJECT)
            .env("WEB_PORT", format!("127.0.0.1:{PORT}"))
            .env("FRAPPE_IMAGE", FRAPPE)
            .env("POSTGRES_IMAGE", BENCH)
            .env("REDIS_IMAGE", BENCH)
            .output()
            .expect("podman-compose runs")
    }

    fn up(&self) {
        let output = self.compose(&["up", "--detach", "--no-build"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn down(&self) {
        self.compose(&["down", "--volumes", "--timeout", "1"]);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.down();
    }
}

fn container(service: &str) -> String {
    format!("{PROJECT}_{service}_1")
}

fn serves(service: &str) {
    let web = std::net::SocketAddr::from(([127, 0, 0, 1], PORT));
    eventually(Duration::from_secs(120), "a site that answers", || {
        assert_eq!(exit(&container(service)), None, "{}", log(&container(service)));
        (status(web, "erp.localhost", "/api/method/ping") == 200).then_some(())
    });
    eventually(Duration::from_secs(60), "live events on the same port", || {
        (status(web, "erp.localhost", "/socket.io/?EIO=4&transport=polling") == 200).then_some(())
    });
}

fn is_healthy(service: &str) {
    eventually(Duration::from_secs(60), &format!("{service} is healthy"), || {
        output(&["healthcheck", "run", &container(service)]).status.success().then_some(())
    });
}

#[test]
fn the_stack_comes_up_serves_and_stops() {
    const TEST: &str = "the_stack_comes_up_serves_and_stops";
    if !images(TEST) {
        return;
    }
    let Some(stack) = Stack::new(TEST, &["compose.yaml"]) else { return };
    stack.up();
    serves("web");
    for service in ["web", "worker", "scheduler", "socketio", "postgres", "redis-cache", "redis-queue"] {
        is_healthy(service);
    }
    let bootstrap = container("bootstrap");
    let code = eventually(Duration::from_secs(60), "the end of the bootstrap", || exit(&bootstrap));
    assert_eq!(code, 0, "{}", log(&bootstrap));
    for role in ["web", "worker", "scheduler", "socketio"] {
        let mounts = podman(&[
            "inspect",
            "--format={{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}",
            &container(role),
        ]);
        assert_eq!(mounts, "true []", "{role}");
        writes_what_a_bench_writes(&container(role), "/tmp/cauldron");
        let variables = podman(&["inspect", "--format={{.Config.Env}}", &container(role)]);
        assert!(!variables.contains("PASSWORD"), "{role} has a password");
        let (code, elapsed) = stop(&container(role), Duration::from_secs(60));
        assert_eq!(code, 0, "{role}: {}", log(&container(role)));
        eprintln!("{role} stopped in {elapsed:?}");
    }
}

#[test]
fn the_stack_in_one_container_comes_up_and_serves() {
    const TEST: &str = "the_stack_in_one_container_comes_up_and_serves";
    if !images(TEST) {
        return;
    }
    let Some(stack) = Stack::new(TEST, &["compose.yaml", "compose.all.yaml"]) else { return };
    stack.up();
    serves("web");
    is_healthy("web");
    let running = podman(&["ps", "--format={{.Names}}"]);
    assert!(!running.contains(&container("worker")), "{running}");
}
