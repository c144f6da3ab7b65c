//! The binary of the release that runs beside this one in a rolling update, built from this repository's own history.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// `make test` has built it; whoever runs one test by hand waits for that here.
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
