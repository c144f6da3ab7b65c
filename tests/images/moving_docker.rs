//! docs/moving.md, "From frappe_docker": frappe_docker's own compose files, with a site that `bench new-site` made, moved by
//! the page's blocks, used, and moved back.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::made::{BENCH, OFFICIAL, containerfile, images};
use crate::podman::{command, doctor_finds_nothing, exit, output, podman, repository, status};
use crate::reader::{LONG, blocks, values};
use crate::support::http;
use crate::support::skip::skipped;
use crate::support::wait::eventually;

const SITE: &str = "erp.example.com";
const PROJECT: &str = "cauldron-moving";
const PORT: u16 = 28081;
/// The image of before: laid out as frappe_docker's images/layered/Containerfile does it.
const OLD: &str = "localhost/cauldron-test/frappe-docker";
const SITES: &str = "/home/frappe/frappe-bench/sites";
const SAVED: &str = "of-the-mail-account";

/// `docker` by podman: compose with what differs here, and a build that takes the image of these tests.
const DOCKER: &str = r#"#!/bin/bash
set -euo pipefail
if [ "$1" = build ]; then
    [[ " $* " = *" -f docker/Dockerfile --build-arg BASE="*" . " ]]
    while [ "$1" != -t ]; do shift; done
    exec podman tag IMAGE "$2"
fi
[ "$1" = compose ]
shift
files=()
while [ "$1" = -f ]; do files+=("$1" "$2"); shift 2; done
verb=$1
shift
# Nobody has a terminal here. podman-compose 1.6 would wait for services that it starts later.
case $verb in exec | run) verb="$verb -T" ;; up) verb="up --no-deps" ;; esac
exec PROGRAM --project-name NAME "${files[@]}" -f images.yaml $verb "$@"
"#;

/// frappe_docker's folder, and a shell with this `docker`; brought down, volumes included, when dropped.
struct Stack {
    folder: tempfile::TempDir,
}

impl Stack {
    fn new(test: &str) -> Option<Self> {
        let program = repository().join("target/tools/python/bin/podman-compose");
        if !program.exists() {
            skipped(test, "no podman-compose (make install-images)");
            return None;
        }
        let stack = Self { folder: tempfile::tempdir().expect("a folder") };
        let from = repository().join("tests/images/frappe_docker");
        for file in ["compose.yaml", "images.yaml", "overrides"] {
            let copied = command("cp").arg("-a").arg(from.join(file)).arg(stack.folder.path()).status();
            assert!(copied.is_ok_and(|status| status.success()), "no copy of {file}");
        }
        let docker = DOCKER
            .replace("PROGRAM", &program.display().to_string())
            .replace("NAME", PROJECT)
            .replace("IMAGE", OFFICIAL);
        let path = stack.folder.path().join("docker");
        fs::write(&path, docker).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        stack.down();
        Some(stack)
    }

    /// Runs a block of the page in a folder, with `before` as what the reader has in his shell.
    fn run(&self, folder: &Path, before: &str, block: &str) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap_or_default());
        command("bash")
            .args(["-euo", "pipefail", "-c", &format!("{before}\n{block}")])
            .current_dir(folder)
            .env("PATH", path)
            .env("CUSTOM_IMAGE", OLD)
            .env("CUSTOM_TAG", "latest")
            .env("PULL_POLICY", "never")
            .env("HTTP_PUBLISH_PORT", format!("127.0.0.1:{PORT}"))
            .output()
            .expect("bash runs")
    }

    #[track_caller]
    fn follows(&self, before: &str, block: &str) -> String {
        let ended = self.run(self.folder.path(), before, block);
        let told = String::from_utf8_lossy(&ended.stderr);
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success(), "{block}\n{out}\n{told}\n{}", logs());
        out
    }

    fn down(&self) {
        let files = "-f compose.yaml -f overrides/compose.postgres.yaml -f overrides/compose.redis.yaml";
        self.run(self.folder.path(), "", &format!("docker compose {files} down --volumes --timeout 1"));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.down();
        output(&["rmi", "--force", OLD, "localhost/erp:cauldron"]);
    }
}

fn container(service: &str) -> String {
    format!("{PROJECT}_{service}_1")
}

fn logs() -> String {
    ["configurator", "backend"].map(|service| crate::podman::log(&container(service))).concat()
}

fn web() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], PORT))
}

fn old_image() {
    let context = repository().join("tests/images/frappe_docker");
    let bench = "/home/frappe/frappe-bench";
    let text = format!(
        "FROM {BENCH}\nRUN mv {bench}/sites/assets {bench}/assets\nVOLUME [\"{bench}/sites\", \"{bench}/logs\"]\n\
         COPY main-entrypoint.sh /usr/local/bin/entrypoint.sh\nCOPY start.sh /usr/local/bin/start.sh\n\
         ENTRYPOINT [\"/usr/local/bin/entrypoint.sh\"]\nCMD [\"start.sh\"]\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    for script in ["main-entrypoint.sh", "start.sh"] {
        let path = folder.path().join(script);
        fs::copy(context.join(script), &path).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    containerfile(folder.path(), &text, OLD);
}

/// In the container of the old or of the new backend.
#[track_caller]
fn bench(words: &str) -> String {
    podman(&["exec", &container("backend"), "sh", "-c", &format!("bench --site {SITE} {words}")])
}

/// What the site has before it is moved.
fn a_site_is_made(stack: &Stack, old: &str) {
    stack.follows(old, "$OLD up --detach");
    eventually(LONG, "the old configuration", || (exit(&container("configurator")) == Some(0)).then_some(()));
    eventually(LONG, "PostgreSQL runs", || {
        output(&["exec", &container("db"), "pg_isready", "-U", "postgres"]).status.success().then_some(())
    });
    let made = format!(
        "bench new-site --db-type postgres --db-root-username postgres --db-root-password 123 --admin-password admin {SITE}"
    );
    podman(&["exec", &container("backend"), "sh", "-c", &made]);
    bench(&format!("execute frappe.sample.keep_secret --kwargs \"{{'name': 'mail', 'value': '{SAVED}'}}\""));
    bench("set-config -g -p max_file_size 7000000");
    let files = format!(
        "echo public > sites/{SITE}/public/files/a.txt; echo private > sites/{SITE}/private/files/b.txt"
    );
    podman(&["exec", &container("backend"), "sh", "-c", &files]);
}

#[track_caller]
fn everything_is_there() {
    let get = |path: &str| {
        let answer = http::get_at(web(), SITE, path, Duration::from_secs(10));
        answer.map_or((0, String::new()), |answer| (answer.status, answer.body))
    };
    assert_eq!(get("/login").0, 200);
    assert_eq!(get("/files/a.txt"), (200, "public\n".to_owned()));
    let (_, told) = get("/api/method/frappe.sample.tell_secret?name=mail");
    assert!(told.contains(SAVED), "{told}");
    let form = [("usr", "Administrator"), ("pwd", "admin")];
    let login = http::post_at(web(), SITE, "/api/method/login", &form, Duration::from_secs(10));
    assert_eq!(login.map(|answer| answer.status), Some(200), "Administrator's password");
    let read = |path: &str| podman(&["exec", &container("backend"), "cat", path]);
    assert_eq!(read(&format!("sites/{SITE}/private/files/b.txt")), "private");
    assert!(read("sites/common_site_config.json").contains("7000000"));
}

#[test]
fn a_site_of_frappe_docker_moves_and_goes_back() {
    const TEST: &str = "a_site_of_frappe_docker_moves_and_goes_back";
    if !images(TEST) {
        return;
    }
    let Some(stack) = Stack::new(TEST) else { return };
    old_image();
    let steps = blocks("moving.md", "From frappe_docker");
    let [build, stop, start, back] = &steps[..] else { panic!("{} blocks", steps.len()) };
    let old = stop.lines().next().expect("the old files");
    a_site_is_made(&stack, old);
    let login = || -> [Value; 2] {
        let file = podman(&["exec", &container("backend"), "cat", &format!("sites/{SITE}/site_config.json")]);
        let config: Value = serde_json::from_str(&file).expect("JSON");
        ["db_name", "db_password"].map(|key| config[key].clone())
    };
    let before = login();

    let built = stack.run(&repository(), "", build);
    assert!(built.status.success(), "{build}: {}", String::from_utf8_lossy(&built.stderr));
    fs::write(stack.folder.path().join("cauldron.yaml"), values("moving.md", "From frappe_docker"))
        .expect("the page's file");
    // Nobody does this job any more before the move.
    podman(&["stop", "--time=10", &container("queue-short"), &container("queue-long")]);
    bench(&format!("execute frappe.sample.queue --kwargs \"{{'queue': 'short', 'path': '{SITES}/mark'}}\""));
    stack.follows("", stop);
    // The control: nothing answers on the port, and nobody has done the job.
    assert_eq!(status(web(), SITE, "/login"), 0);
    let said = stack.follows(old, start);
    assert!(said.contains("migrate once"), "{said}");
    for check in ["login page", "job", "live event"] {
        let passed = |line: &str| line.contains("ok ") && line.contains(check);
        assert!(said.lines().any(passed), "no {check}: {said}");
    }
    everything_is_there();
    eventually(LONG, "the job that waited is done", || {
        output(&["exec", &container("backend"), "test", "-s", "sites/mark"]).status.success().then_some(())
    });
    for service in ["backend", "websocket", "queue-short", "queue-long", "scheduler"] {
        doctor_finds_nothing(&container(service));
    }
    assert_eq!(login(), before);

    let former = format!("export CUSTOM_IMAGE={OLD} CUSTOM_TAG=latest PULL_POLICY=never");
    stack.follows(old, &back.replace("unset CUSTOM_IMAGE CUSTOM_TAG PULL_POLICY", &former));
    let told = eventually(LONG, "the old image serves the site", || {
        let asked = output(&[
            "exec",
            &container("backend"),
            "bench",
            "--site",
            SITE,
            "execute",
            "frappe.sample.tell_secret",
            "--args",
            "('mail',)",
        ]);
        asked.status.success().then(|| String::from_utf8_lossy(&asked.stdout).into_owned())
    });
    assert!(told.contains(SAVED), "{told}");
}
