//! target/sample-bench, which every sample bench is a copy of.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::bench::copy;

/// The sample bench under target/, prepared once per process; the script handles concurrent processes.
pub static PREPARED: LazyLock<PathBuf> = LazyLock::new(|| {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prepared = repository.join("target/sample-bench");
    let script = repository.join("tests/sample-bench/prepare");
    let output = Command::new(script).arg(&prepared).output().expect("tests/sample-bench/prepare runs");
    assert!(output.status.success(), "prepare: {}", String::from_utf8_lossy(&output.stderr));
    prepared
});

/// Makes a separate venv that shares the packages: scripts such as gunicorn contain the full path of their python.
pub fn copy_environment(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("bin")).expect("env/bin");
    symlink(from.join("lib"), to.join("lib")).expect("env/lib");
    copy(&from.join("pyvenv.cfg"), &to.join("pyvenv.cfg"));
    let (old, new) = (format!("#!{}/", from.display()), format!("#!{}/", to.display()));
    for entry in fs::read_dir(from.join("bin")).expect("env/bin") {
        let entry = entry.expect("env/bin");
        let target = to.join("bin").join(entry.file_name());
        match fs::read_link(entry.path()) {
            Ok(link) => symlink(link, target).expect("a link in env/bin"),
            Err(_) if entry.path().is_file() => {
                let Ok(text) = fs::read_to_string(entry.path()) else {
                    symlink(entry.path(), target).expect("a link to a program");
                    continue;
                };
                fs::write(&target, text.replacen(&old, &new, 1)).expect("a script in env/bin");
                let mode = entry.metadata().expect("a script in env/bin").permissions();
                fs::set_permissions(&target, mode).expect("a script in env/bin");
            }
            Err(_) => {}
        }
    }
}
