//! docker/compose.yaml as podman-compose runs it, with the images of these tests in place of the registries'.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::live_events;
use crate::made::{BENCH, OFFICIAL, images};
use crate::podman::{
    command, doctor_finds_nothing, exit, log, output, podman, repository, status, stop,
    writes_what_a_bench_writes,
};
use crate::support::git::{self, Repository};
use crate::support::made_app::MadeApp;
use crate::support::skip::skipped;
use crate::support::wait::eventually;

const PROJECT: &str = "cauldron-test";
const PORT: u16 = 18080;

/// Brought down, volumes included, when dropped.
struct Stack {
    program: PathBuf,
    files: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Stack {
    fn new(test: &str, files: &[&str]) -> Option<Self> {
        let program = repository().join("target/tools/python/bin/podman-compose");
        if !program.exists() {
            skipped(test, "no podman-compose (make install-images)");
            return None;
        }
        let files = files.iter().map(|&file| file.to_owned()).collect();
        let stack = Self { program, files, variables: Vec::new() };
        stack.down();
        Some(stack)
    }

    fn set(&mut self, name: &'static str, value: impl ToString) {
        self.variables.push((name, value.to_string()));
    }

    fn compose(&self, words: &[&str]) -> std::process::Output {
        let mut command = command(self.program.to_str().expect("a path"));
        command.current_dir(repository().join("docker")).args(["--project-name", PROJECT]);
        for file in self.files.iter().map(String::as_str).chain(["../tests/images/compose.images.yaml"]) {
            command.args(["--file", file]);
        }
        command
            .args(words)
            .env("COMPOSE_PROJECT_NAME", PROJECT)
            .env("WEB_PORT", format!("127.0.0.1:{PORT}"))
            .env("FRAPPE_IMAGE", OFFICIAL)
            .env("POSTGRES_IMAGE", BENCH)
            .env("REDIS_IMAGE", BENCH)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
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

fn web() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], PORT))
}

fn serves(service: &str) {
    let web = web();
    eventually(Duration::from_secs(120), "a site that answers", || {
        assert_eq!(exit(&container(service)), None, "{}", log(&container(service)));
        (status(web, "erp.localhost", "/api/method/ping") == 200).then_some(())
    });
    assert_eq!(status(web, "erp.localhost", "/assets/assets.json"), 200);
    eventually(Duration::from_secs(60), "live events on the same port", || {
        (status(web, "erp.localhost", "/socket.io/?EIO=4&transport=polling") == 200).then_some(())
    });
}

/// At the published port, which nothing inside reaches by that name.
fn hears_live_events() {
    live_events::user_hears(web(), &format!("http://localhost:{PORT}"), "erp.localhost");
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
    hears_live_events();
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
    hears_live_events();
    let running = podman(&["ps", "--format={{.Names}}"]);
    assert!(!running.contains(&container("worker")), "{running}");
}

const TOKEN: &str = "canary-TOKEN-0815";

/// git's server beside the stack, as a service of it: `http://git:8000/x.git` for who has the token.
fn git_server(folder: &std::path::Path, repository: &Repository) -> String {
    std::fs::write(folder.join("server.py"), git::SERVER).expect("the server's script");
    std::fs::write(folder.join("token"), TOKEN).expect("a token");
    let copied =
        std::process::Command::new("cp").arg("-a").arg(repository.path()).arg(folder.join("x")).status();
    assert!(copied.is_ok_and(|status| status.success()), "no copy of the repository");
    for path in [folder.to_path_buf(), folder.join("x")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("an open folder");
    }
    let service = json!({"services": {"git": {
        "image": BENCH,
        "entrypoint": ["python3", "/git/server.py", "8000", "/git/x", "oauth2", TOKEN, "/tmp"],
        "environment": {"BIND": "0.0.0.0"},
        "volumes": [format!("{}:/git:ro", folder.display())],
    }}});
    let file = folder.join("compose.yaml");
    std::fs::write(&file, service.to_string()).expect("a file");
    file.display().to_string()
}

/// The bootstrap alone has the token, and every role has the app.
#[test]
fn an_app_from_a_private_repository_is_every_roles() {
    const TEST: &str = "an_app_from_a_private_repository_is_every_roles";
    if !images(TEST) {
        return;
    }
    let repository = Repository::empty();
    MadeApp::new("shop", "1.0.0").write(repository.path());
    repository.commit("the app");
    let folder = tempfile::tempdir().expect("a folder");
    let server = git_server(folder.path(), &repository);
    let Some(mut stack) = Stack::new(TEST, &["compose.yaml", "compose.git.yaml", &server]) else { return };
    stack.set("CAULDRON_APPS", json!([{"url": "http://git:8000/x.git", "branch": "main"}]));
    stack.set("GIT_HOST", "git:8000");
    stack.set("GIT_TOKEN_FILE", folder.path().join("token").display());
    stack.up();
    serves("web");
    let ask = |path: &str| status(web(), "erp.localhost", &format!("/api/method/shop.tasks.{path}"));
    assert_eq!(ask("version"), 200);
    for role in ["web", "worker", "scheduler", "socketio"] {
        is_healthy(role);
        doctor_finds_nothing(&container(role));
        let container = podman(&["inspect", &container(role)]);
        assert!(!container.contains(TOKEN) && !container.contains("git-token"), "{role} has git's login");
    }
    assert!(!log(&container("bootstrap")).contains(TOKEN));
    assert_eq!(ask("enqueue?word=sold"), 200);
    eventually(Duration::from_secs(60), "a worker does the app's job", || {
        let jobs = "/home/frappe/frappe-bench/sites/erp.localhost/shop_jobs";
        let output = output(&["exec", &container("web"), "cat", jobs]);
        String::from_utf8_lossy(&output.stdout).contains("sold 1.0.0").then_some(())
    });
}
