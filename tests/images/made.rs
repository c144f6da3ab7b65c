//! The images of docker/Dockerfile, with the binary under test and the sample bench.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::podman::{command, output, podman, repository};
use crate::release::Release;
use crate::support::skip::skipped;

/// The test's bench under docker/Dockerfile's last stage, and the binary alone on scratch.
pub const FRAPPE: &str = "localhost/cauldron-test/frappe";
/// The same, laid out as the newest official images are: what `bench build` made beside sites/, which is a volume.
pub const OFFICIAL: &str = "localhost/cauldron-test/official";
pub const BINARY: &str = "localhost/cauldron-test/binary";
/// PostgreSQL and Redis are in it too.
pub const BENCH: &str = "localhost/cauldron-test/bench";

static MADE: LazyLock<Result<(), String>> = LazyLock::new(|| {
    let info = command("podman").arg("info").output();
    match info {
        Ok(info) if info.status.success() => {}
        Ok(info) => return Err(format!("podman: {}", String::from_utf8_lossy(&info.stderr).trim())),
        Err(error) => return Err(format!("no podman (make install-images): {error}")),
    }
    if !nix::unistd::Uid::effective().is_root() {
        return Err("only root can debootstrap a base image".to_owned());
    }
    let prepared = command("tests/images/prepare").current_dir(repository()).status().expect("prepare runs");
    assert!(prepared.success(), "tests/images/prepare failed");
    // A container that cannot be run here has a reason that is not ours (cgroups, namespaces).
    let trial = output(&["run", "--rm", BENCH, "true"]);
    if !trial.status.success() {
        return Err(format!(
            "podman runs no container here: {}",
            String::from_utf8_lossy(&trial.stderr).trim()
        ));
    }
    build();
    Ok(())
});

fn build() {
    // Those of the run before, which would stay without a name.
    for old in [OFFICIAL, FRAPPE, BINARY] {
        output(&["rmi", "--force", old]);
    }
    for (target, tag) in [("binary", BINARY), ("frappe", FRAPPE)] {
        let built = dockerfile(target, tag, &[]);
        assert!(built.status.success(), "{target}: {}", String::from_utf8_lossy(&built.stderr));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let bench = "/home/frappe/frappe-bench";
    let text = format!(
        "FROM {FRAPPE}\nRUN mv {bench}/sites/assets {bench}/assets\nVOLUME [\"{bench}/sites\", \"{bench}/logs\"]\n"
    );
    containerfile(folder.path(), &text, OFFICIAL);
}

/// An image from these lines and a folder.
pub fn containerfile(context: &Path, text: &str, tag: &str) {
    let file = context.join("Containerfile");
    std::fs::write(&file, text).expect("a file");
    let file = format!("--file={}", file.display());
    podman(&[
        "build",
        "-q",
        "--pull=never",
        "--format=docker",
        &file,
        "-t",
        tag,
        &context.display().to_string(),
    ]);
}

/// A stage of docker/Dockerfile as users build it, but for the one that compiles.
pub fn dockerfile(target: &str, tag: &str, more: &[&str]) -> Output {
    dockerfile_on(BENCH, target, tag, more)
}

/// The same on another base.
pub fn dockerfile_on(base: &str, target: &str, tag: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_cauldron-frappe"));
    std::fs::copy(binary, folder.path().join("cauldron-frappe")).expect("the binary");
    let root = repository();
    let (context, base) =
        (format!("--build-context=build={}", folder.path().display()), format!("--build-arg=BASE={base}"));
    let (target, tag) = (format!("--target={target}"), format!("--tag={tag}"));
    let file = format!("--file={}", root.join("docker/Dockerfile").display());
    // Only Debian's mirror is reached here, and the servers of these tests are of Debian's own major.
    let clients = "--build-arg=POSTGRES_CLIENTS=";
    let mut words =
        vec!["build", "--pull=never", "--format=docker", &*context, &base, clients, &target, &tag, &file];
    words.extend(more);
    let root = root.display().to_string();
    words.push(&root);
    output(&words)
}

/// The Frappe image with another release of its code in it; removed when dropped.
pub struct Later {
    pub image: String,
}

impl Later {
    pub fn new(name: &str, change: impl FnOnce(Release) -> Release) -> Self {
        let context = tempfile::tempdir().expect("a folder");
        let package = context.path().join("frappe");
        let sample = repository().join("target/sample-bench/apps/frappe/frappe");
        let copied = Command::new("cp").arg("-a").args([&sample, &package]).status();
        assert!(copied.is_ok_and(|status| status.success()), "no copy of {}", sample.display());
        change(Release::of(&package));
        let to = "/home/frappe/frappe-bench/apps/frappe/frappe/";
        let image = format!("localhost/cauldron-test/{name}");
        containerfile(context.path(), &format!("FROM {FRAPPE}\nCOPY --chown=1000:0 frappe {to}\n"), &image);
        Self { image }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        output(&["rmi", "--force", &self.image]);
    }
}

/// Whether there are images; told by name where there are not.
pub fn images(test: &str) -> bool {
    match &*MADE {
        Ok(()) => true,
        Err(reason) => {
            skipped(test, reason);
            false
        }
    }
}
