//! The images of docker/Dockerfile, with the binary under test and the sample bench.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::podman::{command, output, podman, repository};

/// The test's bench under docker/Dockerfile's last stage, and the binary alone on scratch.
pub const FRAPPE: &str = "localhost/cauldron-test/frappe";
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

/// docker/Dockerfile as users build it, but for the stage that compiles.
fn build() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_cauldron-frappe"));
    std::fs::copy(binary, folder.path().join("cauldron-frappe")).expect("the binary");
    let context = format!("--build-context=build={}", folder.path().display());
    let root = repository();
    let file = format!("--file={}", root.join("docker/Dockerfile").display());
    let base = format!("--build-arg=BASE={BENCH}");
    for (target, tag) in [("binary", BINARY), ("frappe", FRAPPE)] {
        let target = format!("--target={target}");
        podman(&[
            "build",
            "-q",
            "--pull=never",
            "--format=docker",
            &context,
            &base,
            &target,
            &file,
            "-t",
            tag,
            &root.display().to_string(),
        ]);
    }
}

/// Whether there are images; told by name where there are not.
pub fn images(test: &str) -> bool {
    match &*MADE {
        Ok(()) => true,
        Err(reason) => {
            eprintln!("SKIPPED {test}: {reason}");
            false
        }
    }
}
