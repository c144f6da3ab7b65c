//! A bug ends the process with its own exit code, and says where it is.

use std::os::fd::AsFd;

use crate::outcome::BUG;
use crate::sys::descriptor;

/// From now on a panic, in whatever thread, is told on stderr and exits with [`BUG`].
#[allow(clippy::disallowed_methods)] // Nothing can be trusted to unwind; the process ends here.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let told = format!("error: a bug in cauldron-frappe {}: {info}\n", env!("CARGO_PKG_VERSION"));
        super::flush();
        // Past the sink, which may be what panicked, and whose reader may be stalled.
        descriptor::last_words(std::io::stderr().as_fd(), told.as_bytes());
        std::process::exit(BUG.into());
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_and_exits_70() {
        const ALONE: &str = "CAULDRON_TEST_PANIC";
        if std::env::var_os(ALONE).is_some() {
            install_hook();
            panic!("boom");
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["telemetry::panic::tests::a_panic_is_told_and_exits_70", "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(70), "{told}");
        assert!(told.contains("a bug in cauldron-frappe") && told.contains("boom"), "{told}");
    }
}
