//! The binary of the previous release, for tests of rolling updates; built from this repository's history.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The path of the binary. `make test` builds it beforehand; a single test run by hand waits for the build here.
pub fn program() -> PathBuf {
    PREPARED.clone()
}

static PREPARED: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(repository.join("tests/previous-release/prepare")).output();
    let output = output.expect("tests/previous-release/prepare runs");
    assert!(output.status.success(), "prepare: {}", String::from_utf8_lossy(&output.stderr));
    repository.join("target/previous-release/cauldron-frappe")
});
