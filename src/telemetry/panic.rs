//! The panic hook: a bug is reported with its position and ends the process with its own exit code.

use std::os::fd::AsFd;

use crate::outcome::BUG;
use crate::sys::descriptor;

/// Installs the hook: a panic in any thread is reported on stderr and exits with [`BUG`].
#[allow(clippy::disallowed_methods)] // Unwinding is not safe after a bug; the process ends here.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let report = format!("error: a bug in cauldron-frappe {}: {info}\n", env!("CARGO_PKG_VERSION"));
        super::flush();
        // Not through the sink: it may have panicked itself, and its reader may be stalled.
        descriptor::write_before_exit(std::io::stderr().as_fd(), report.as_bytes());
        std::process::exit(BUG.into());
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_and_exits_70() {
        const ALONE: &str = "CAULDRON_TEST_PANIC";
        if std::env::var_os(ALONE).is_some() {
            install_hook();
            panic!("boom");
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["telemetry::panic::tests::a_panic_is_reported_and_exits_70", "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(70), "{output_text}");
        assert!(
            output_text.contains("a bug in cauldron-frappe") && output_text.contains("boom"),
            "{output_text}"
        );
    }
}
